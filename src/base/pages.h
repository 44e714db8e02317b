/* Large pieces of memory on large pages. */
#ifndef THAW_BASE_PAGES_H
#define THAW_BASE_PAGES_H

#include <stddef.h>

#define THAW_HUGE_PAGE_BYTES ((size_t)2 << 20)

/* Memory that begins at a huge page and, where the system can, consists of them: fewer misses of the processor's
 * address caches, and its prefetchers stop at the end of a page. Not zeroed; NULL without memory; goes with free(). */
void *thaw_pages_allocate(size_t bytes);

#endif
