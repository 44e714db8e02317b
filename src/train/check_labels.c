/* Labels that an image's neighbours doubt. */
#include "train/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { LEAST_MATES = 3 }; /* of an image's class, for neighbours to say anything about it */

/* More than half of the votes between the class of most and its own (docs/checking-data.md). */
static const double least_margin = 0.5;

typedef struct voting {
    thaw_checking *checking;
    const thaw_feature_space *space;
    thaw_neighbour *neighbours; /* [count][k] */
    size_t *found;              /* [count] */
    size_t k;
    size_t *class_count; /* [classes]: images that are asked */
    double *votes;       /* [classes] */
} voting;

/* So many are asked: no more than there are of its own class, or it would be outvoted by what is frequent. */
static size_t electorate(const voting *v, size_t row)
{
    const thaw_feature_space *s = v->space;
    const size_t mates = v->class_count[s->label[row]] - (s->asked[row] ? 1 : 0);
    if (mates < LEAST_MATES)
        return 0;
    const size_t most = mates < v->k ? mates : v->k;
    return v->found[row] < most ? v->found[row] : most;
}

/* Each neighbour votes for its class, with its similarity. */
static thaw_status vote(const voting *v, size_t row, size_t classes)
{
    const thaw_feature_space *s = v->space;
    const size_t own = (size_t)s->label[row], voters = electorate(v, row);
    double all = 0;
    size_t best = own;
    memset(v->votes, 0, classes * sizeof *v->votes);
    for (size_t i = 0; i < voters; i++) {
        const thaw_neighbour *neighbour = &v->neighbours[row * v->k + i];
        const double weight = neighbour->similarity > 0 ? neighbour->similarity : 0;
        v->votes[s->label[neighbour->index]] += weight;
        all += weight;
    }
    for (size_t k = 0; k < classes; k++)
        if (v->votes[k] > v->votes[best])
            best = k;
    const double margin = all > 0 ? (v->votes[best] - v->votes[own]) / all : 0;
    if (margin <= least_margin)
        return THAW_OK;
    return thaw_check_add(v->checking, (thaw_finding){.kind = THAW_FINDING_DOUBTED,
                                                      .image = s->image[row],
                                                      .suggested = (int32_t)best,
                                                      .share = 1 - v->votes[own] / all,
                                                      .margin = margin});
}

static thaw_status run(voting *v)
{
    thaw_checking *c = v->checking;
    const thaw_feature_space *s = v->space;
    const size_t classes = thaw_dataset_class_count(c->dataset);
    v->k = c->options->neighbours < s->count ? c->options->neighbours : s->count;
    THAW_TRY(thaw_allocate(c->context, s->count, v->k * sizeof *v->neighbours, &v->neighbours));
    THAW_TRY(thaw_allocate(c->context, s->count, sizeof *v->found, &v->found));
    THAW_TRY(thaw_allocate(c->context, classes, sizeof *v->class_count, &v->class_count));
    THAW_TRY(thaw_allocate(c->context, classes, sizeof *v->votes, &v->votes));
    for (size_t i = 0; i < s->count; i++)
        v->class_count[s->label[i]] += s->asked[i];
    THAW_TRY(thaw_neighbours_find(s, c->options->device, v->k, v->neighbours, v->found));
    for (size_t i = 0; i < s->count; i++)
        THAW_TRY(vote(v, i, classes));
    c->report->labels_checked = true;
    return THAW_OK;
}

thaw_status thaw_check_labels(thaw_checking *checking, const thaw_feature_space *space)
{
    voting v = {.checking = checking, .space = space};
    const thaw_status status = run(&v);
    free(v.neighbours);
    free(v.found);
    free(v.class_count);
    free(v.votes);
    return status;
}
