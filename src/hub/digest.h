/* Digests of whole files, as hubs announce them. */
#ifndef THAW_HUB_DIGEST_H
#define THAW_HUB_DIGEST_H

#include <thaw/hub.h>

#define THAW_DIGEST_TEXT 65 /* hexadecimal digits and the end */

/* Which digest the text can be, by its length: 64 hexadecimal digits are a SHA-256, 40 a git blob's SHA-1; else size.
 */
thaw_hub_check thaw_digest_kind(const char *text);

/* The digest of what the descriptor reads from its beginning, in lower case. A git blob's is that of "blob SIZE", a
 * zero byte and the content. THAW_ERR_IO, THAW_ERR_MEMORY; THAW_ERR_INTERRUPTED when the context was asked to stop. */
THAW_MUST_CHECK thaw_status thaw_digest_file(thaw_context *context, int descriptor, thaw_hub_check kind,
                                             char text[THAW_DIGEST_TEXT]);

#endif
