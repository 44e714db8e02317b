/* Kernels: pools, norms and softmax, which memory limits. */
#include "bench/operator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WORST_ERROR 1e-5 /* of the largest element */
#define EPSILON     1e-5 /* of norms, as the operators have it by default */

enum { BATCH = 8 };

static int64_t row_length(const thaw_bench_operator *op)
{
    return op->options.x.dims[op->options.x.rank - 1];
}

/* --- references: of the output's element --- */

/* The largest, or the mean, in a window of two dimensions; padding does not count. */
static double pool(const thaw_bench_operator *op, int64_t element, bool largest)
{
    const int64_t *kernel = op->options.attributes[0].ints, *stride = op->options.attributes[1].ints;
    const int64_t pad = op->options.attributes[2].name ? op->options.attributes[2].ints[0] : 0;
    const int64_t height = op->options.x.dims[2], width = op->options.x.dims[3];
    const int64_t column = element % op->y.dims[3] * stride[1] - pad;
    const int64_t row = element / op->y.dims[3] % op->y.dims[2] * stride[0] - pad;
    const float *plane = op->x + element / op->y.dims[3] / op->y.dims[2] * height * width;
    double sum = 0, most = -INFINITY;
    for (int64_t r = row; r < row + kernel[0]; r++)
        for (int64_t c = column; c < column + kernel[1]; c++)
            if (r >= 0 && r < height && c >= 0 && c < width) {
                sum += (double)plane[r * width + c];
                most = fmax(most, (double)plane[r * width + c]);
            }
    return largest ? most : sum / (double)(kernel[0] * kernel[1]);
}

static double max_pool(const void *user, int64_t element)
{
    return pool(user, element, true);
}

static double average_pool(const void *user, int64_t element)
{
    return pool(user, element, false);
}

static double global_average(const void *user, int64_t element)
{
    const thaw_bench_operator *op = user;
    const int64_t pixels = op->options.x.dims[2] * op->options.x.dims[3];
    double sum = 0;
    for (int64_t i = 0; i < pixels; i++)
        sum += (double)op->x[element * pixels + i];
    return sum / (double)pixels;
}

/* Inputs 1 to 4: scale, shift, mean, variance. */
static double batch_norm(const void *user, int64_t element)
{
    const thaw_bench_operator *op = user;
    const int64_t c = element / op->options.x.dims[2] / op->options.x.dims[3] % op->options.x.dims[1];
    const double scale = (double)op->constants[0][c], shift = (double)op->constants[1][c];
    const double mean = (double)op->constants[2][c], variance = (double)op->constants[3][c];
    return ((double)op->x[element] - mean) / sqrt(variance + EPSILON) * scale + shift;
}

static double layer_norm(const void *user, int64_t element)
{
    const thaw_bench_operator *op = user;
    const int64_t length = row_length(op), place = element % length;
    const float *row = op->x + (element - place);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < length; i++)
        sum += (double)row[i];
    const double mean = sum / (double)length;
    for (int64_t i = 0; i < length; i++)
        squares += ((double)row[i] - mean) * ((double)row[i] - mean);
    return ((double)row[place] - mean) / sqrt(squares / (double)length + EPSILON) * (double)op->constants[0][place] +
           (double)op->constants[1][place];
}

static double softmax(const void *user, int64_t element)
{
    const thaw_bench_operator *op = user;
    const int64_t length = row_length(op), place = element % length;
    const float *row = op->x + (element - place);
    double sum = 0;
    for (int64_t i = 0; i < length; i++)
        sum += exp((double)row[i]);
    return exp((double)row[place]) / sum;
}

/* --- measuring --- */

typedef struct layer {
    const char *id, *group, *title;
    thaw_bench_reference reference;
    int64_t products; /* of the reference, for an element */
    thaw_bench_operator_options options;
} layer;

static const layer layers[] = {
    {"kernels.pool.max.64x112x112.k3s2",
     "pool",
     "resnet50's max pool, 3x3, stride 2",
     max_pool,
     9,
     {.type = "MaxPool",
      .x = {4, {BATCH, 64, 112, 112}},
      .attributes = {{"kernel_shape", {3, 3}, 2}, {"strides", {2, 2}, 2}, {"pads", {1, 1, 1, 1}, 4}}}},
    {"kernels.pool.average.128x56x56.k2s2",
     "pool",
     "densenet121's average pool, 2x2, stride 2",
     average_pool,
     4,
     {.type = "AveragePool",
      .x = {4, {BATCH, 128, 56, 56}},
      .attributes = {{"kernel_shape", {2, 2}, 2}, {"strides", {2, 2}, 2}}}},
    {"kernels.pool.global.2048x7x7",
     "pool",
     "resnet50's global average pool",
     global_average,
     49,
     {.type = "GlobalAveragePool", .x = {4, {BATCH, 2048, 7, 7}}, .amid_blocks = true}},
    {"kernels.norm.batch.64x112x112",
     "norm",
     "batch norm with known statistics",
     batch_norm,
     4,
     {.type = "BatchNormalization",
      .x = {4, {BATCH, 64, 112, 112}},
      .constants = {{1, {64}}, {1, {64}}, {1, {64}}, {1, {64}}},
      .constant_count = 4,
      .low = 0.5,
      .high = 1.5,
      .amid_blocks = true}},
    {"kernels.norm.layer.197x768",
     "norm",
     "vit_b_16's layer norm",
     layer_norm,
     2304,
     {.type = "LayerNormalization",
      .x = {3, {BATCH, 197, 768}},
      .constants = {{1, {768}}, {1, {768}}},
      .constant_count = 2,
      .low = 0.5,
      .high = 1.5}},
    {"kernels.softmax.12x197x197",
     "softmax",
     "vit_b_16's softmax over 197 scores",
     softmax,
     2000,
     {.type = "Softmax", .x = {4, {BATCH, 12, 197, 197}}, .attributes = {{"axis", {-1}, 0}}}},
};

static int64_t count_products(const void *user)
{
    const layer *l = ((const thaw_bench_operator *)user)->details;
    return l->products;
}

static double count_bytes(const thaw_bench_operator *op)
{
    double elements = (double)thaw_shape_size(&op->options.x) + (double)thaw_shape_size(&op->y);
    for (size_t i = 0; i < op->options.constant_count; i++)
        elements += (double)thaw_shape_size(&op->options.constants[i]);
    return sizeof(float) * elements;
}

static thaw_status open_layer(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                              thaw_bench_subject *subject)
{
    const layer *l = *(const layer *const *)job->details;
    const thaw_bench_operator wanted = {
        .options = l->options, .reference = l->reference, .products = count_products, .details = l};
    THAW_TRY(thaw_bench_operator_open(bench, &wanted, subject));
    subject->tolerance = WORST_ERROR;
    subject->bytes = count_bytes(subject->user);
    subject->figure = THAW_BENCH_BYTES;
    entry->batch = BATCH;
    return THAW_OK;
}

thaw_status thaw_bench_plan_layers(thaw_bench *bench)
{
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        const layer *l = &layers[i];
        const thaw_bench_plan plan = {.section = THAW_BENCH_KERNELS,
                                      .id = l->id,
                                      .group = l->group,
                                      .title = l->title,
                                      .open = open_layer,
                                      .details = &l,
                                      .details_bytes = sizeof l};
        THAW_TRY(thaw_bench_add(bench, &plan));
    }
    return THAW_OK;
}
