#include "train/neighbours.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "device/blas.h"

enum { QUERIES = 256, CANDIDATES = 4096 }; /* rows that are multiplied at once */

const float *thaw_feature_space_row(const thaw_feature_space *space, size_t index)
{
    return (const float *)space->features->data + index * space->width;
}

static void to_length_one(float *row, size_t width)
{
    double length = 0;
    for (size_t f = 0; f < width; f++)
        length += (double)row[f] * row[f];
    length = length > 0 ? sqrt(length) : 1;
    for (size_t f = 0; f < width; f++)
        row[f] = (float)(row[f] / length);
}

void thaw_feature_space_place(const thaw_feature_space *space, float *row)
{
    thaw_feature_table one = {.rows = row, .count = 1, .width = space->width};
    thaw_standardisation_apply(&space->standardisation, &one);
    to_length_one(row, space->width);
}

static thaw_status compute_features(const thaw_feature_space_options *o, thaw_feature_space *s)
{
    const char **paths;
    THAW_TRY(thaw_allocate(s->context, o->count, sizeof *paths, &paths));
    for (size_t i = 0; i < o->count; i++)
        paths[i] = thaw_dataset_sample(o->dataset, o->images[i])->path;
    const thaw_status status =
        thaw_features(o->model, o->device, paths, o->count, NULL, o->preprocess, o->job, &s->features, s->image);
    free(paths);
    THAW_TRY(status);
    s->count = (size_t)s->features->shape.dims[0];
    s->width = (size_t)s->features->count / s->count;
    return THAW_OK;
}

static void describe(const thaw_feature_space_options *o, thaw_feature_space *s)
{
    for (size_t i = 0; i < s->count; i++) {
        s->image[i] = o->images[s->image[i]];
        s->label[i] = thaw_dataset_sample(o->dataset, s->image[i])->class_index;
        s->group[i] = o->image_group[s->image[i]];
        s->asked[i] = s->group[i] == s->image[i];
    }
}

static thaw_status open_space(const thaw_feature_space_options *o, thaw_feature_space *s)
{
    THAW_TRY(thaw_allocate(s->context, o->count, sizeof *s->image, &s->image));
    THAW_TRY(thaw_allocate(s->context, o->count, sizeof *s->label, &s->label));
    THAW_TRY(thaw_allocate(s->context, o->count, sizeof *s->group, &s->group));
    THAW_TRY(thaw_allocate(s->context, o->count, sizeof *s->asked, &s->asked));
    THAW_TRY(compute_features(o, s));
    describe(o, s);
    thaw_feature_table table = {.rows = s->features->data, .count = s->count, .width = s->width};
    THAW_TRY(thaw_standardisation_measure(s->context, &table, s->asked, &s->standardisation));
    thaw_standardisation_apply(&s->standardisation, &table);
    for (size_t i = 0; i < s->count; i++)
        to_length_one(table.rows + i * s->width, s->width);
    return THAW_OK;
}

thaw_status thaw_feature_space_open(const thaw_feature_space_options *options, thaw_feature_space *space)
{
    *space = (thaw_feature_space){.context = thaw_device_context(options->device)};
    const thaw_status status = open_space(options, space);
    if (status != THAW_OK)
        thaw_feature_space_free(space);
    return status;
}

void thaw_feature_space_free(thaw_feature_space *space)
{
    thaw_tensor_release(&space->features);
    thaw_standardisation_free(&space->standardisation);
    free(space->image);
    free(space->label);
    free(space->group);
    free(space->asked);
    *space = (thaw_feature_space){0};
}

/* --- the nearest -------------------------------------------------------------------------------------------------- */

typedef struct search {
    const thaw_feature_space *space;
    thaw_device *device;
    thaw_buffer *queries, *candidates; /* [QUERIES][width], [CANDIDATES][width] */
    thaw_buffer *product;              /* [QUERIES][CANDIDATES] */
    float *similarities;               /* the same in memory */
    size_t k;
    thaw_neighbour *neighbours;
    size_t *found;
} search;

/* Keeps it if it is among the k nearest so far; of equals the first. */
static void offer(const search *s, size_t row, thaw_neighbour candidate)
{
    thaw_neighbour *list = s->neighbours + row * s->k;
    size_t place = s->found[row];
    while (place > 0 && candidate.similarity > list[place - 1].similarity)
        place--;
    if (place == s->k)
        return;
    if (s->found[row] < s->k)
        s->found[row]++;
    for (size_t i = s->found[row] - 1; i > place; i--)
        list[i] = list[i - 1];
    list[place] = candidate;
}

static thaw_status multiply(const search *s, size_t query, size_t queries, size_t candidate, size_t candidates)
{
    const size_t row_bytes = s->space->width * sizeof(float);
    const int64_t width = (int64_t)s->space->width;
    THAW_TRY(thaw_buffer_write(s->queries, 0, thaw_feature_space_row(s->space, query), queries * row_bytes));
    const thaw_gemm gemm = {.transpose_b = true,
                            .m = (int64_t)queries,
                            .n = (int64_t)candidates,
                            .k = width,
                            .alpha = 1,
                            .a = s->queries,
                            .b = s->candidates,
                            .c = s->product,
                            .a_stride = width,
                            .b_stride = width,
                            .c_stride = (int64_t)candidates};
    THAW_TRY(thaw_gemm_run(s->device, &gemm));
    THAW_TRY(thaw_buffer_read(s->product, 0, s->similarities, queries * candidates * sizeof(float)));
    for (size_t q = 0; q < queries; q++)
        for (size_t c = 0; c < candidates; c++)
            if (s->space->asked[candidate + c] && s->space->group[candidate + c] != s->space->group[query + q])
                offer(s, query + q, (thaw_neighbour){s->similarities[q * candidates + c], (uint32_t)(candidate + c)});
    return THAW_OK;
}

static size_t at_most(size_t most, size_t left)
{
    return left < most ? left : most;
}

static thaw_status run(search *s)
{
    const thaw_feature_space *space = s->space;
    const size_t queries = at_most(QUERIES, space->count), candidates = at_most(CANDIDATES, space->count);
    const size_t row_bytes = space->width * sizeof(float), cells = queries * candidates;
    THAW_TRY(thaw_allocate(space->context, cells, sizeof *s->similarities, &s->similarities));
    THAW_TRY(thaw_buffer_create(s->device, queries * row_bytes, &s->queries));
    THAW_TRY(thaw_buffer_create(s->device, candidates * row_bytes, &s->candidates));
    THAW_TRY(thaw_buffer_create(s->device, cells * sizeof(float), &s->product));
    for (size_t c = 0; c < space->count; c += candidates) {
        const size_t here = at_most(candidates, space->count - c);
        THAW_TRY(thaw_buffer_write(s->candidates, 0, thaw_feature_space_row(space, c), here * row_bytes));
        for (size_t q = 0; q < space->count; q += queries) {
            if (thaw_context_interrupted(space->context))
                return thaw_fail(space->context, THAW_ERR_INTERRUPTED, "stopped while images were compared");
            THAW_TRY(multiply(s, q, at_most(queries, space->count - q), c, here));
        }
    }
    return THAW_OK;
}

thaw_status thaw_neighbours_find(const thaw_feature_space *space, thaw_device *device, size_t k,
                                 thaw_neighbour *neighbours, size_t *found)
{
    search s = {.space = space, .device = device, .k = k, .neighbours = neighbours, .found = found};
    memset(found, 0, space->count * sizeof *found);
    const thaw_status status = run(&s);
    thaw_buffer_destroy(&s.product);
    thaw_buffer_destroy(&s.candidates);
    thaw_buffer_destroy(&s.queries);
    free(s.similarities);
    return status;
}
