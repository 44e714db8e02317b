#include "data/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

typedef struct ranked {
    thaw_hash hash;
    size_t index;
} ranked;

static int compare_ranked(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    if (a->hash.high != b->hash.high)
        return a->hash.high < b->hash.high ? -1 : 1;
    if (a->hash.low != b->hash.low)
        return a->hash.low < b->hash.low ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

thaw_status thaw_split_class(thaw_context *context, thaw_sample *samples, size_t count, double share, uint64_t seed)
{
    if (count < 2 || share <= 0)
        return THAW_OK;
    size_t wanted = (size_t)llround(share * (double)count);
    wanted = wanted < 1 ? 1 : wanted;
    wanted = wanted > count - 1 ? count - 1 : wanted;
    ranked *order;
    THAW_TRY(thaw_allocate(context, count, sizeof *order, &order));
    for (size_t i = 0; i < count; i++)
        order[i] = (ranked){thaw_hash_bytes(samples[i].name, strlen(samples[i].name), seed), i};
    qsort(order, count, sizeof *order, compare_ranked);
    for (size_t i = 0; i < wanted; i++)
        samples[order[i].index].validation = true;
    free(order);
    return THAW_OK;
}
