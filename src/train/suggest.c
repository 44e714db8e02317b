#include "train/suggest.h"
#include "base/context.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

/* At the end of the longest run of falling losses, gaps allowed (the longest decreasing subsequence), a half of its
 * middle third is taken: far from the flat beginning and from where the loss turns. `lengths` has room for count. */
static double valley(const thaw_lr_point *points, size_t count, size_t *lengths)
{
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        lengths[i] = 1;
        for (size_t j = 0; j < i; j++)
            if (points[i].smoothed < points[j].smoothed && lengths[i] < lengths[j] + 1)
                lengths[i] = lengths[j] + 1;
        if (lengths[end] < lengths[i])
            end = i;
    }
    const double start = end ? (double)end - (double)lengths[end] : 0.0, section = ((double)end - start) / 3.0;
    const double place = start + floor(section) + floor(section / 2.0);
    return points[place > 0 ? (size_t)place : 0].rate;
}

static double steepest(const thaw_lr_point *points, size_t count)
{
    double least = INFINITY, rate = NAN;
    for (size_t i = 0; i + 1 < count; i++) {
        const double slope =
            (points[i + 1].smoothed - points[i].smoothed) / (log(points[i + 1].rate) - log(points[i].rate));
        if (slope < least) {
            least = slope;
            rate = points[i].rate;
        }
    }
    return rate;
}

thaw_status thaw_suggest(thaw_context *context, thaw_lr_find_result *result)
{
    const size_t first = result->count / 10, last = 5;
    size_t *lengths;
    if (result->count < first + last + 2)
        return THAW_OK;
    const size_t count = result->count - first - last;
    THAW_TRY(thaw_allocate(context, count, sizeof *lengths, &lengths));
    result->valley = valley(result->points + first, count, lengths);
    result->steepest = steepest(result->points + first, count);
    free(lengths);
    return THAW_OK;
}
