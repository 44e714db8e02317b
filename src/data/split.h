/* Which images of a class are for validation. */
#ifndef THAW_DATA_SPLIT_H
#define THAW_DATA_SPLIT_H

#include "base/context.h"
#include <thaw/data.h>

/* Marks round(share * count) samples of one class, at least one and at most all but one where there are two, none of
 * fewer or with share 0: those whose hash of (name, seed) is smallest. An image's hash does not depend on the others,
 * so most stay on their side when images are added. */
THAW_MUST_CHECK thaw_status thaw_split_class(thaw_context *context, thaw_sample *samples, size_t count, double share,
                                             uint64_t seed);

#endif
