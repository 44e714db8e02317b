/* Images that would look more like their class if they were turned. */
#include "train/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/freeze.h"
#include "model/head.h"
#include "model/model.h"
#include "train/images.h"
#include "train/progress.h"

enum { MATES = 5 }; /* the nearest of its class that an image is held against */

/* How much nearer to its class it must be, as a cosine, and as near as this share of the class is not
 * (docs/checking-data.md). */
static const double least_gain = 0.12, farthest_share = 0.1;

/* What is known of one image. */
typedef struct candidate {
    bool comparable;
    double upright, best; /* how near it is to its class as it is, and at best when turned */
    int32_t degrees;      /* then */
} candidate;

typedef struct turning {
    thaw_checking *checking;
    const thaw_feature_space *space;
    thaw_image_stage stage;
    thaw_loader *loader;
    const char **paths;    /* [space->count] */
    uint8_t *pixels[2];    /* [batch][side][side][3]: turned, by turns */
    float *rows;           /* [batch][width] */
    candidate *candidates; /* [space->count] */
    double *least;         /* [classes]: nearer than farthest_share of the class */
} turning;

/* One quarter against the clock. */
static void turn_square(const uint8_t *from, int32_t side, uint8_t *to)
{
    for (int32_t y = 0; y < side; y++)
        for (int32_t x = 0; x < side; x++)
            memcpy(to + 3 * ((size_t)y * side + x), from + 3 * ((size_t)x * side + side - 1 - y), 3);
}

static float product(const float *a, const float *b, size_t width)
{
    float sums[8] = {0}; /* side by side, so that a vector holds them */
    size_t f = 0;
    for (; f + 8 <= width; f += 8)
        for (size_t i = 0; i < 8; i++)
            sums[i] += a[f + i] * b[f + i];
    for (; f < width; f++)
        sums[0] += a[f] * b[f];
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

/* Mean cosine with the nearest of its class; false where there are too few of these. */
static bool nearness(const thaw_feature_space *s, size_t row, const float *features, double *mean)
{
    float nearest[MATES];
    int found = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (!s->asked[i] || s->label[i] != s->label[row] || s->group[i] == s->group[row])
            continue;
        const float similarity = product(features, thaw_feature_space_row(s, i), s->width);
        if (found == MATES && similarity <= nearest[MATES - 1])
            continue;
        int place = found < MATES ? found++ : MATES - 1;
        for (; place > 0 && similarity > nearest[place - 1]; place--)
            nearest[place] = nearest[place - 1];
        nearest[place] = similarity;
    }
    *mean = 0;
    for (int i = 0; i < found; i++)
        *mean += (double)nearest[i] / found;
    return found == MATES;
}

/* Runs the model over a batch turned by one more quarter, from `from` to `to`. */
static thaw_status run_turned(turning *t, const thaw_image_batch *batch, const uint8_t *from, uint8_t *to,
                              int32_t degrees)
{
    const thaw_feature_space *s = t->space;
    const int32_t side = t->stage.preprocess.width;
    const size_t image_bytes = (size_t)side * (size_t)side * 3;
    for (size_t i = 0; i < batch->count; i++)
        turn_square(from + i * image_bytes, side, to + i * image_bytes);
    THAW_TRY(thaw_image_stage_run(&t->stage, to, batch->count));
    THAW_TRY(thaw_buffer_read(t->stage.program->graph->outputs[0]->buffer, 0, t->rows,
                              batch->count * s->width * sizeof(float)));
    for (size_t i = 0; i < batch->count; i++) {
        candidate *c = &t->candidates[batch->index[i]];
        float *row = t->rows + i * s->width;
        double near;
        thaw_feature_space_place(s, row);
        if (c->comparable && nearness(s, batch->index[i], row, &near) && near > c->best) {
            c->best = near;
            c->degrees = degrees;
        }
    }
    return THAW_OK;
}

static thaw_status turn_batch(turning *t, const thaw_image_batch *batch)
{
    const uint8_t *from = batch->pixels;
    for (int quarter = 1; quarter < 4; quarter++) {
        THAW_TRY(run_turned(t, batch, from, t->pixels[quarter & 1], 90 * quarter));
        from = t->pixels[quarter & 1];
    }
    return THAW_OK;
}

static thaw_status turn_all(turning *t)
{
    const size_t count = t->space->count;
    thaw_context *context = t->checking->context;
    thaw_reporter reporter;
    thaw_reporter_start(&reporter, &t->checking->options->job, "turned", count);
    for (size_t done = 0; done < count;) {
        thaw_image_batch batch;
        if (thaw_context_interrupted(context))
            return thaw_fail(context, THAW_ERR_INTERRUPTED, "stopped after %zu of %zu images", done, count);
        THAW_TRY(thaw_loader_next(t->loader, &batch));
        if (batch.count)
            THAW_TRY(turn_batch(t, &batch));
        done += batch.count + batch.bad_count;
        thaw_reporter_update(&reporter, done, thaw_loader_wait_seconds(t->loader));
    }
    return THAW_OK;
}

static int compare_numbers(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* How near the images are to their classes as they are, and what is near in each class. */
static thaw_status measure_upright(turning *t)
{
    const thaw_feature_space *s = t->space;
    double *numbers;
    THAW_TRY(thaw_allocate(t->checking->context, s->count, sizeof *numbers, &numbers));
    for (size_t i = 0; i < s->count; i++) {
        candidate *c = &t->candidates[i];
        c->comparable = nearness(s, i, thaw_feature_space_row(s, i), &c->upright);
        c->best = c->upright;
    }
    for (size_t k = 0; k < thaw_dataset_class_count(t->checking->dataset); k++) {
        size_t count = 0;
        for (size_t i = 0; i < s->count; i++)
            if ((size_t)s->label[i] == k && t->candidates[i].comparable)
                numbers[count++] = t->candidates[i].upright;
        qsort(numbers, count, sizeof *numbers, compare_numbers);
        t->least[k] = count ? numbers[(size_t)(farthest_share * (double)count)] : 0;
    }
    free(numbers);
    return THAW_OK;
}

static thaw_status judge(turning *t)
{
    for (size_t i = 0; i < t->space->count; i++) {
        const candidate *c = &t->candidates[i];
        const double gain = c->best - c->upright;
        if (c->comparable && gain > least_gain && c->best >= t->least[t->space->label[i]])
            THAW_TRY(thaw_check_add(t->checking, (thaw_finding){.kind = THAW_FINDING_TURNED,
                                                                .image = t->space->image[i],
                                                                .degrees = c->degrees,
                                                                .margin = gain}));
    }
    return THAW_OK;
}

static thaw_status prepare(turning *t)
{
    const thaw_check_options *o = t->checking->options;
    thaw_context *context = t->checking->context;
    const size_t count = t->space->count, batch = t->stage.batch;
    const size_t image_bytes = (size_t)o->preprocess.width * (size_t)o->preprocess.height * 3;
    THAW_TRY(thaw_allocate(context, count, sizeof *t->paths, &t->paths));
    for (size_t i = 0; i < count; i++)
        t->paths[i] = thaw_dataset_sample(t->checking->dataset, t->space->image[i])->path;
    for (int i = 0; i < 2; i++)
        THAW_TRY(thaw_allocate(context, batch, image_bytes, &t->pixels[i]));
    THAW_TRY(thaw_allocate(context, batch, t->space->width * sizeof(float), &t->rows));
    THAW_TRY(thaw_allocate(context, count, sizeof *t->candidates, &t->candidates));
    THAW_TRY(thaw_allocate(context, thaw_dataset_class_count(t->checking->dataset), sizeof *t->least, &t->least));
    const thaw_loader_options loader = {t->paths, count, batch, o->job.workers, o->preprocess};
    return thaw_loader_create(context, &loader, &t->loader);
}

/* `copy` is the model's graph with another head, so that the cut is where features are taken. */
static thaw_status open_stage(turning *t, thaw_graph *copy)
{
    const thaw_check_options *o = t->checking->options;
    thaw_split split;
    THAW_TRY(thaw_head_replace(copy, 2, NULL, 0));
    THAW_TRY(thaw_split_create(copy, &split));
    const char *const cut = split.cut[0]->name;
    const thaw_image_stage_options stage = {.graph = copy,
                                            .outputs = &cut,
                                            .output_count = 1,
                                            .preprocess = o->preprocess,
                                            .batch = o->job.batch_size,
                                            .frozen_precision = o->job.frozen_precision};
    const thaw_status status = thaw_image_stage_open(o->device, &stage, &t->stage);
    thaw_split_free(&split);
    return status;
}

static void close_turning(turning *t)
{
    thaw_loader_destroy(&t->loader);
    thaw_image_stage_close(&t->stage);
    free(t->paths);
    free(t->pixels[0]);
    free(t->pixels[1]);
    free(t->rows);
    free(t->candidates);
    free(t->least);
}

thaw_status thaw_check_turned(thaw_checking *checking, const thaw_feature_space *space)
{
    turning t = {.checking = checking, .space = space};
    thaw_graph *copy;
    THAW_TRY(thaw_graph_extract(checking->options->model->graph, NULL, 0, NULL, 0, &copy));
    thaw_status status = open_stage(&t, copy);
    if (status == THAW_OK)
        status = prepare(&t);
    if (status == THAW_OK)
        status = measure_upright(&t);
    if (status == THAW_OK)
        status = turn_all(&t);
    if (status == THAW_OK)
        status = judge(&t);
    checking->report->turned_checked = status == THAW_OK;
    close_turning(&t);
    thaw_graph_destroy(&copy);
    return status;
}
