/* Whether two convolutions are faster as one, found by running both ways. */
#include "ops/shared/conv_pair.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/random.h"
#include "device/tuning.h"

#define NAME            "expand_depthwise"
#define KEY_BYTES       256
#define ROUNDS          6
#define TIMING_SECONDS  0.002 /* a timing repeats the run until this has gone by: a wait costs 60 us */
#define WARM_UP_SECONDS 0.05  /* a driver's fresh threads may share one core for a while */
#define WORST_ERROR     1e-4  /* of the largest number */
#define RANDOM_ELEMENTS 65521 /* no multiple of what shapes are made of: the pattern does not meet itself */
#define WAYS            2     /* one by one, which is the reference, and as one */

/* The nodes get buffers of their own for it, which go back afterwards. */
typedef struct race {
    thaw_node *node, *layers[2];
    thaw_device *device;
    thaw_conv convolutions[2];
    thaw_conv_pair pair;
    thaw_value *values[4]; /* x, what lies between, y, sums (or NULL) */
    thaw_buffer *buffers[4];
    size_t output_bytes;
    float *outputs[WAYS];
    double seconds[WAYS];
} race;

static void write_key(const race *r, char key[KEY_BYTES])
{
    const thaw_conv_geometry *a = &r->pair.pointwise, *b = &r->pair.depthwise;
    snprintf(key, KEY_BYTES,
             "pair n%lld c%lld k%lld b%d %lldx%lld %lldx%lld k%lldx%lld s%lldx%lld p%lldx%lld act%d,%d%s%s",
             (long long)b->n, (long long)a->in_channels, (long long)b->in_channels, (int)b->in_block,
             (long long)b->in[1], (long long)b->in[2], (long long)b->out[1], (long long)b->out[2],
             (long long)b->kernel[1], (long long)b->kernel[2], (long long)b->stride[1], (long long)b->stride[2],
             (long long)b->pad[1], (long long)b->pad[2], (int)r->pair.inner.activation,
             (int)r->node->epilogue.activation, r->node->sums ? " sums" : "", b->halves ? " fp16" : "");
}

static thaw_status fill(const race *r, thaw_buffer *buffer, size_t bytes)
{
    thaw_random random = {1};
    float *numbers;
    THAW_TRY(thaw_allocate(thaw_node_context(r->node), RANDOM_ELEMENTS, sizeof *numbers, &numbers));
    for (size_t i = 0; i < RANDOM_ELEMENTS; i++)
        numbers[i] = (float)(2 * thaw_random_uniform(&random) - 1);
    thaw_status status = THAW_OK;
    const size_t step = RANDOM_ELEMENTS * sizeof *numbers;
    for (size_t at = 0; at < bytes && status == THAW_OK; at += step)
        status = thaw_buffer_write(buffer, at, numbers, bytes - at < step ? bytes - at : step);
    free(numbers);
    return status;
}

/* Layout comes before anybody has a buffer or blocks. */
static thaw_status lend_buffers(race *r)
{
    const int32_t block = r->pair.depthwise.in_block;
    for (size_t i = 0; i < 4 && r->values[i]; i++) {
        thaw_shape shape = r->values[i]->shape;
        if (i < 3)
            shape.dims[1] = (shape.dims[1] + block - 1) / block * block;
        else if (shape.dims[1] < thaw_conv_pair_sum_parts(r->node, &r->pair))
            shape.dims[1] = thaw_conv_pair_sum_parts(r->node, &r->pair);
        const size_t bytes = (size_t)thaw_shape_size(&shape) * sizeof(float);
        THAW_TRY(thaw_buffer_create(r->device, bytes, &r->buffers[i]));
        r->values[i]->buffer = r->buffers[i];
        r->values[i]->block = i < 3 ? block : 1;
        if (i == 0)
            THAW_TRY(fill(r, r->buffers[0], bytes));
        if (i == 2)
            r->output_bytes = bytes;
    }
    return THAW_OK;
}

static void end_race(race *r)
{
    for (size_t i = 0; i < 4 && r->values[i]; i++) {
        r->values[i]->buffer = NULL;
        r->values[i]->block = 1;
        thaw_buffer_destroy(&r->buffers[i]);
    }
    for (size_t i = 0; i < 2; i++)
        thaw_conv_release(&r->convolutions[i]);
    thaw_conv_pair_release(&r->pair);
    for (size_t i = 0; i < WAYS; i++)
        free(r->outputs[i]);
    thaw_buffer_pool_trim(r->device); /* what layers need later has other sizes */
}

static thaw_status run(const race *r, size_t way, int runs)
{
    for (int i = 0; i < runs; i++) {
        if (way == 1) {
            THAW_TRY(thaw_conv_pair_run(r->node, &r->pair));
            continue;
        }
        for (size_t j = 0; j < 2; j++)
            THAW_TRY(thaw_conv_run(r->layers[j], &r->convolutions[j]));
    }
    return thaw_device_finish(r->device);
}

static thaw_status prepare(race *r)
{
    for (size_t i = 0; i < 2; i++)
        THAW_TRY(thaw_conv_prepare(r->layers[i], &r->convolutions[i], NULL));
    THAW_TRY(thaw_conv_pair_prepare(r->node, &r->pair));
    for (size_t way = 0; way < WAYS; way++) {
        THAW_TRY(thaw_allocate(thaw_node_context(r->node), r->output_bytes / sizeof(float), sizeof(float),
                               &r->outputs[way]));
        THAW_TRY(run(r, way, 1));
        THAW_TRY(thaw_buffer_read(r->buffers[2], 0, r->outputs[way], r->output_bytes));
    }
    return THAW_OK;
}

/* Do both ways give the same, NaN being different from everything? Channels that don't exist are no different. */
static bool agree(const race *r)
{
    double largest = 0, difference = 0;
    for (size_t i = 0; i < r->output_bytes / sizeof(float); i++) {
        const double off = fabs((double)r->outputs[0][i] - (double)r->outputs[1][i]);
        largest = fmax(largest, fabs((double)r->outputs[0][i]));
        if (!(off <= difference))
            difference = isnan(off) ? INFINITY : off;
    }
    return difference <= WORST_ERROR * largest;
}

/* Taking turns, so that what disturbs the machine for a while disturbs both. */
static thaw_status time_both(race *r)
{
    const double start = thaw_clock_seconds();
    r->seconds[0] = r->seconds[1] = INFINITY;
    while (thaw_tuning_measured(r->device) == 0 && thaw_clock_seconds() - start < WARM_UP_SECONDS)
        THAW_TRY(run(r, 0, 1));
    for (int round = 0; round < ROUNDS; round++)
        for (size_t way = 0; way < WAYS; way++) {
            int runs = 0;
            const double before = thaw_clock_seconds();
            do
                THAW_TRY(run(r, way, 4));
            while (runs += 4, thaw_clock_seconds() - before < TIMING_SECONDS);
            r->seconds[way] = fmin(r->seconds[way], (thaw_clock_seconds() - before) / runs);
        }
    return THAW_OK;
}

static thaw_status hold_race(race *r, const char *key, bool *wins)
{
    THAW_TRY(lend_buffers(r));
    THAW_TRY(prepare(r));
    if (!agree(r)) {
        thaw_log(thaw_node_context(r->node), THAW_LOG_WARNING, "%s: %s gives other numbers: not used",
                 r->layers[1]->name, NAME);
        *wins = false;
        return THAW_OK;
    }
    THAW_TRY(time_both(r));
    *wins = r->seconds[1] < r->seconds[0];
    thaw_log(thaw_node_context(r->node), THAW_LOG_DEBUG, "%s: one by one %.3f ms, %s %.3f ms", r->layers[1]->name,
             1e3 * r->seconds[0], NAME, 1e3 * r->seconds[1]);
    return thaw_tuning_put(r->device, key, *wins ? NAME : "one by one");
}

bool thaw_conv_pair_wins(thaw_node *node, thaw_node *pointwise, thaw_node *depthwise)
{
    thaw_context *context = thaw_node_context(node);
    const char *wish = getenv("THAW_ALGORITHM");
    char key[KEY_BYTES];
    bool wins = true;
    race r = {.node = node,
              .layers = {pointwise, depthwise},
              .device = thaw_node_device(node),
              .pair = *(const thaw_conv_pair *)node->state,
              .values = {node->inputs[0], depthwise->inputs[0], node->outputs[0], thaw_node_output(node, 1)}};
    if (wish || !thaw_tuning_wanted() || thaw_context_interrupted(context))
        return !wish || strcmp(wish, NAME) == 0;
    write_key(&r, key);
    const char *known = thaw_tuning_find(r.device, key);
    if (known)
        return strcmp(known, NAME) == 0;
    r.convolutions[0] = (thaw_conv){.geometry = r.pair.pointwise, .variant = &thaw_conv_tiled};
    r.convolutions[1] = (thaw_conv){.geometry = r.pair.depthwise, .variant = &thaw_conv_depthwise_blocked};
    if (hold_race(&r, key, &wins) != THAW_OK)
        thaw_log(context, THAW_LOG_DEBUG, "%s: not measured: %s", depthwise->name, thaw_error_message(context));
    end_race(&r);
    return wins;
}
