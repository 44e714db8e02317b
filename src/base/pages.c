#include "base/pages.h"

#include <stdlib.h>
#include <sys/mman.h>

void *thaw_pages_allocate(size_t bytes)
{
    void *memory;
    if (posix_memalign(&memory, THAW_HUGE_PAGE_BYTES, bytes) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes, MADV_HUGEPAGE); /* advice: a system without it goes on with small ones */
#endif
    return memory;
}
