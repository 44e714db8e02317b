/* Kernels: the distinct convolutions of some architectures, forward and backward, as the tuner has them computed. */
#include "bench/operator.h"
#include "format/format.h"
#include "ops/shared/conv_backward.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORST_ERROR 1e-4 /* of the largest element; as the tuner has it */
/* Of a whole measurement at least: the tuner's trials, verifying, warming up, repetitions. */
#define PASSES 20

enum { BATCH = 8, QUICK_EVERY = 12, MOST_LAYERS = 64 };

typedef struct layer {
    int64_t channels, height, width, out, groups, size, stride, pad;
} layer;

typedef struct details {
    layer layer;
    thaw_bench_pass pass;
} details;

/* --- the reference --- */

/* Everything that the sums need. */
typedef struct sums {
    const thaw_bench_operator *op;
    layer l;
    int64_t group_in, group_out, out_height, out_width;
} sums;

static sums sums_of(const thaw_bench_operator *op)
{
    const layer *l = &((const details *)op->details)->layer;
    return (sums){op, *l, l->channels / l->groups, l->out / l->groups, op->y.dims[2], op->y.dims[3]};
}

static double x_at(const sums *s, int64_t n, int64_t c, int64_t row, int64_t column)
{
    if (row < 0 || row >= s->l.height || column < 0 || column >= s->l.width)
        return 0;
    return (double)s->op->x[((n * s->l.channels + c) * s->l.height + row) * s->l.width + column];
}

static double weight_at(const sums *s, int64_t k, int64_t c, int64_t r, int64_t q)
{
    return (double)s->op->constants[0][((k * s->group_in + c) * s->l.size + r) * s->l.size + q];
}

static double dy_at(const sums *s, int64_t n, int64_t k, int64_t row, int64_t column)
{
    return (double)s->op->dy[((n * s->l.out + k) * s->out_height + row) * s->out_width + column];
}

static double forward(const void *user, int64_t element)
{
    const sums s = sums_of(user);
    const int64_t column = element % s.out_width, row = element / s.out_width % s.out_height;
    const int64_t k = element / s.out_width / s.out_height % s.l.out;
    const int64_t n = element / s.out_width / s.out_height / s.l.out, first = k / s.group_out * s.group_in;
    double sum = (double)s.op->constants[1][k];
    for (int64_t c = 0; c < s.group_in; c++)
        for (int64_t r = 0; r < s.l.size; r++)
            for (int64_t q = 0; q < s.l.size; q++)
                sum += weight_at(&s, k, c, r, q) *
                       x_at(&s, n, first + c, row * s.l.stride - s.l.pad + r, column * s.l.stride - s.l.pad + q);
    return sum;
}

/* Whether the window's position `k` of some output meets input `x`: that output's place, else -1. */
static int64_t met_by(const sums *s, int64_t x, int64_t k, int64_t outputs)
{
    const int64_t at = x + s->l.pad - k;
    return at >= 0 && at % s->l.stride == 0 && at / s->l.stride < outputs ? at / s->l.stride : -1;
}

static double backward_data(const void *user, int64_t element)
{
    const sums s = sums_of(user);
    const int64_t column = element % s.l.width, row = element / s.l.width % s.l.height;
    const int64_t c = element / s.l.width / s.l.height % s.l.channels;
    const int64_t n = element / s.l.width / s.l.height / s.l.channels, first = c / s.group_in * s.group_out;
    double sum = 0;
    for (int64_t r = 0; r < s.l.size; r++)
        for (int64_t q = 0; q < s.l.size; q++) {
            const int64_t y = met_by(&s, row, r, s.out_height), z = met_by(&s, column, q, s.out_width);
            for (int64_t k = first; k < first + s.group_out && y >= 0 && z >= 0; k++)
                sum += weight_at(&s, k, c % s.group_in, r, q) * dy_at(&s, n, k, y, z);
        }
    return sum;
}

static double backward_weights(const void *user, int64_t element)
{
    const sums s = sums_of(user);
    const int64_t q = element % s.l.size, r = element / s.l.size % s.l.size;
    const int64_t c = element / s.l.size / s.l.size % s.group_in, k = element / s.l.size / s.l.size / s.group_in;
    const int64_t channel = k / s.group_out * s.group_in + c;
    double sum = 0;
    for (int64_t n = 0; n < s.op->y.dims[0]; n++)
        for (int64_t row = 0; row < s.out_height; row++)
            for (int64_t column = 0; column < s.out_width; column++)
                sum += dy_at(&s, n, k, row, column) *
                       x_at(&s, n, channel, row * s.l.stride - s.l.pad + r, column * s.l.stride - s.l.pad + q);
    return sum;
}

static const thaw_bench_reference references[] = {[THAW_BENCH_FORWARD] = forward,
                                                  [THAW_BENCH_BACKWARD_DATA] = backward_data,
                                                  [THAW_BENCH_BACKWARD_WEIGHTS] = backward_weights};

static int64_t count_products(const void *user)
{
    const sums s = sums_of(user);
    const int64_t window = s.l.size * s.l.size;
    switch (s.op->options.pass) {
    case THAW_BENCH_FORWARD:
        return s.group_in * window;
    case THAW_BENCH_BACKWARD_DATA:
        return s.group_out * window;
    case THAW_BENCH_BACKWARD_WEIGHTS:
        break;
    }
    return s.op->y.dims[0] * s.out_height * s.out_width;
}

/* --- measuring --- */

static thaw_bench_operator_options options_of(const details *d)
{
    const layer *l = &d->layer;
    return (thaw_bench_operator_options){
        .type = "Conv",
        .pass = d->pass,
        .x = {4, {BATCH, l->channels, l->height, l->width}},
        .constants = {{4, {l->out, l->channels / l->groups, l->size, l->size}}, {1, {l->out}}},
        .constant_count = d->pass == THAW_BENCH_FORWARD ? 2 : 1,
        .low = -1,
        .high = 1,
        .attributes = {{"strides", {l->stride, l->stride}, 2},
                       {"pads", {l->pad, l->pad, l->pad, l->pad}, 4},
                       {"group", {l->groups}, 0}}};
}

static const char *algorithm_of(const thaw_bench_operator *op)
{
    const thaw_conv *conv = op->node->state;
    if (op->options.pass == THAW_BENCH_FORWARD)
        return conv->variant->name;
    return (op->options.pass == THAW_BENCH_BACKWARD_DATA ? conv->data : conv->weights).variant->name;
}

/* Each of the three multiplies as often, and reads two of input, weights and output to write the third. */
static void describe(const thaw_bench_operator *op, thaw_bench_subject *subject)
{
    const double elements = (double)thaw_shape_size(&op->options.x) + (double)thaw_shape_size(&op->y) +
                            (double)thaw_shape_size(&op->options.constants[0]);
    subject->tolerance = WORST_ERROR;
    subject->flops = (double)op->node->flops;
    subject->bytes = sizeof(float) * elements;
    subject->figure = THAW_BENCH_FLOPS;
}

static double count_flops(const layer *l)
{
    const int64_t height = (l->height + 2 * l->pad - l->size) / l->stride + 1;
    const int64_t width = (l->width + 2 * l->pad - l->size) / l->stride + 1;
    return 2.0 * BATCH * (double)(l->out * height * width) * (double)(l->channels / l->groups * l->size * l->size);
}

static thaw_status open_convolution(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                                    thaw_bench_subject *subject)
{
    const details *d = job->details;
    const thaw_bench_operator wanted = {
        .options = options_of(d), .reference = references[d->pass], .products = count_products, .details = d};
    THAW_TRY(thaw_bench_check_time(bench, PASSES * count_flops(&d->layer))); /* before anything is tuned */
    THAW_TRY(thaw_bench_operator_open(bench, &wanted, subject));
    describe(subject->user, subject);
    entry->batch = BATCH;
    return thaw_copy_text(bench->context, algorithm_of(subject->user), &entry->algorithm);
}

/* --- which ones --- */

static layer layer_of(const thaw_node *node)
{
    const thaw_shape *x = &node->inputs[0]->shape, *weight = &node->inputs[1]->shape;
    size_t count;
    const int64_t *strides = thaw_node_ints(node, "strides", &count), *pads = thaw_node_ints(node, "pads", &count);
    return (layer){.channels = x->dims[1],
                   .height = x->dims[2],
                   .width = x->dims[3],
                   .out = weight->dims[0],
                   .groups = thaw_node_int(node, "group", 1),
                   .size = weight->dims[2],
                   .stride = strides ? strides[0] : 1,
                   .pad = pads ? pads[0] : 0};
}

/* Those that the model has, each once. */
static thaw_status find_layers(const thaw_model *model, layer layers[MOST_LAYERS], size_t *count)
{
    const thaw_program_options options = {.batch = 1};
    thaw_program *program;
    *count = 0;
    THAW_TRY(thaw_program_create(model->graph, NULL, &options, &program));
    for (size_t i = 0; i < program->graph->node_count; i++) {
        if (!thaw_node_is(program->graph->nodes[i], "Conv"))
            continue;
        const layer found = layer_of(program->graph->nodes[i]);
        size_t same = 0;
        while (same < *count && memcmp(&layers[same], &found, sizeof found) != 0)
            same++;
        if (same == *count && *count < MOST_LAYERS)
            layers[(*count)++] = found;
    }
    thaw_program_destroy(&program);
    return THAW_OK;
}

static thaw_status plan_layer(thaw_bench *bench, const char *architecture, const layer *l, thaw_bench_pass pass)
{
    static const char *const names[] = {[THAW_BENCH_FORWARD] = "forward",
                                        [THAW_BENCH_BACKWARD_DATA] = "backward_data",
                                        [THAW_BENCH_BACKWARD_WEIGHTS] = "backward_weights"};
    static const char *const words[] = {[THAW_BENCH_FORWARD] = "forward",
                                        [THAW_BENCH_BACKWARD_DATA] = "gradient of the input",
                                        [THAW_BENCH_BACKWARD_WEIGHTS] = "gradient of the weights"};
    const details d = {*l, pass};
    char id[128], title[192], groups[32] = "";
    if (l->groups > 1)
        snprintf(groups, sizeof groups, "g%" PRId64, l->groups);
    snprintf(id, sizeof id,
             "kernels.conv.%s.%" PRId64 "x%" PRId64 "x%" PRId64 ".k%" PRId64 "s%" PRId64 "%s.c%" PRId64 ".%s",
             architecture, l->channels, l->height, l->width, l->size, l->stride, groups, l->out, names[pass]);
    snprintf(title, sizeof title,
             "%s: %" PRId64 "x%" PRId64 "%s convolution, stride %" PRId64 ", %" PRId64 "x%" PRId64 "x%" PRId64
             " to %" PRId64 " channels, batch %d: %s",
             architecture, l->size, l->size, l->groups > 1 ? " depthwise" : "", l->stride, l->channels, l->height,
             l->width, l->out, BATCH, words[pass]);
    const thaw_bench_plan plan = {.section = THAW_BENCH_KERNELS,
                                  .id = id,
                                  .group = "conv",
                                  .title = title,
                                  .open = open_convolution,
                                  .details = &d,
                                  .details_bytes = sizeof d};
    return thaw_bench_add(bench, &plan);
}

/* An image needs no gradient. */
static thaw_status plan_architecture(thaw_bench *bench, const char *architecture)
{
    enum { IMAGE_CHANNELS = 3 };
    layer layers[MOST_LAYERS];
    size_t count = 0;
    thaw_model *model;
    THAW_TRY(thaw_model_invent(bench->context, architecture, bench->options.seed, &model));
    const thaw_status status = find_layers(model, layers, &count);
    thaw_model_close(&model);
    THAW_TRY(status);
    for (size_t i = 0; i < count; i++) {
        if (bench->options.quick && i % QUICK_EVERY != QUICK_EVERY / 3 % count)
            continue;
        THAW_TRY(plan_layer(bench, architecture, &layers[i], THAW_BENCH_FORWARD));
        if (layers[i].channels != IMAGE_CHANNELS)
            THAW_TRY(plan_layer(bench, architecture, &layers[i], THAW_BENCH_BACKWARD_DATA));
        THAW_TRY(plan_layer(bench, architecture, &layers[i], THAW_BENCH_BACKWARD_WEIGHTS));
    }
    return THAW_OK;
}

thaw_status thaw_bench_plan_convolutions(thaw_bench *bench)
{
    static const char *const architectures[] = {"resnet50", "mobilenet_v2", "vit_b_16"};
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++)
        THAW_TRY(plan_architecture(bench, architectures[i]));
    return THAW_OK;
}
