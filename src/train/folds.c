#include "train/folds.h"
#include "base/context.h"
#include "base/memory.h"
#include "base/random.h"

#include <stdlib.h>

/* Puts the images of each class side by side: first[k] .. first[k + 1) of `sorted` are those of class k. */
static void sort_by_class(const int32_t *labels, size_t count, size_t classes, size_t *sorted, size_t *first)
{
    for (size_t i = 0; i < count; i++)
        first[labels[i] + 1]++;
    for (size_t k = 0; k < classes; k++)
        first[k + 1] += first[k];
    for (size_t i = 0; i < count; i++)
        sorted[first[labels[i]]++] = i;
    for (size_t k = classes; k > 0; k--)
        first[k] = first[k - 1];
    first[0] = 0;
}

static size_t largest_class(const size_t *first, size_t classes)
{
    size_t most = 0;
    for (size_t k = 0; k < classes; k++)
        most = first[k + 1] - first[k] > most ? first[k + 1] - first[k] : most;
    return most;
}

/* Folds go round over all classes, so that small classes don't all fill the same ones. */
static void deal(size_t *sorted, const size_t *first, size_t classes, size_t folds, uint64_t seed, int32_t *fold)
{
    thaw_random random = {seed};
    size_t dealt = 0;
    for (size_t k = 0; k < classes; k++) {
        const size_t count = first[k + 1] - first[k];
        thaw_random_shuffle(&random, sorted + first[k], count);
        for (size_t i = first[k]; i < first[k + 1]; i++)
            fold[sorted[i]] = folds && count > 1 ? (int32_t)(dealt++ % folds) : THAW_FOLD_NONE;
    }
}

thaw_status thaw_folds_deal(thaw_context *context, const int32_t *labels, size_t count, size_t classes, size_t wanted,
                            uint64_t seed, int32_t *fold, size_t *folds)
{
    size_t *sorted, *first = NULL;
    THAW_TRY(thaw_allocate(context, count, sizeof *sorted, &sorted));
    const thaw_status status = thaw_allocate(context, classes + 1, sizeof *first, &first);
    if (status == THAW_OK) {
        sort_by_class(labels, count, classes, sorted, first);
        const size_t most = largest_class(first, classes);
        *folds = most < 2 ? 0 : most < wanted ? most : wanted;
        deal(sorted, first, classes, *folds, seed, fold);
    }
    free(sorted);
    free(first);
    return status;
}
