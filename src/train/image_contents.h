/* Image files by what is in them: names that survive moving and renaming. */
#ifndef THAW_TRAIN_IMAGE_CONTENTS_H
#define THAW_TRAIN_IMAGE_CONTENTS_H

#include <thaw/status.h>
#include "base/hash.h"

typedef struct thaw_image_contents {
    const char *const *paths;       /* [count], the caller's */
    thaw_hash *hashes;              /* [count]; NULL: nobody asked for them */
    struct thaw_file_stamp *stamps; /* [count]: what the files were when they were hashed */
    size_t count;
} thaw_image_contents;

/* Reads every file. One that can't be read has no hash: it will turn out to be bad where it is to be decoded.
 * THAW_ERR_INTERRUPTED. *contents is freed by thaw_image_contents_free() in any case. */
THAW_MUST_CHECK thaw_status thaw_image_contents_read(thaw_context *context, const char *const *paths, size_t count,
                                                     thaw_image_contents *contents);
/* {0} is fine. */
void thaw_image_contents_free(thaw_image_contents *contents);
/* Whether there is a hash for that one. */
bool thaw_image_contents_known(const thaw_image_contents *contents, size_t image);
/* Whether the file still is what was hashed, as far as its size and the time of its last change tell. */
bool thaw_image_contents_unchanged(const thaw_image_contents *contents, size_t image);

#endif
