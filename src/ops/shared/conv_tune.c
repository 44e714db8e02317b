/* The fastest of a convolution's variants, found by running them. */
#include "ops/shared/conv_variants.h"
#include "ops/shared/weights.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/random.h"
#include "device/tuning.h"

#define KEY_BYTES       512
#define CHECKED_BYTES   (KEY_BYTES + 48)
#define ROUNDS          5
#define TIMING_SECONDS  0.002 /* a timing repeats the run until this has gone by: a wait costs 60 us */
#define MOST_RUNS       32
#define ENOUGH_SECONDS  0.15              /* no further round begins after this */
#define FIRST_ROUNDS    2                 /* of all candidates; later ones are for those that may still win */
#define HOPELESS        1.5               /* times the best so far */
#define WORST_ERROR     1e-4              /* of the largest magnitude that the reference gives */
#define LARGE_WEIGHTS   ((size_t)1 << 20) /* bytes that no core's own cache keeps until the next image */
#define FLOOD_BYTES     ((size_t)48 << 20)
#define RANDOM_ELEMENTS 65521 /* no multiple of what shapes are made of: the pattern does not meet itself */

typedef struct candidate {
    const thaw_conv_variant *variant;
    thaw_conv conv;
    double seconds; /* the best so far; INFINITY: out of the race */
} candidate;

/* One layer's race. The node gets buffers of its own for it, which go back afterwards. */
typedef struct race {
    thaw_node *node;
    thaw_device *device;
    candidate candidates[THAW_CONV_MOST_VARIANTS]; /* the last is the plainest: the reference */
    size_t count;
    thaw_buffer *input, *output, *residual, *scratch;
    thaw_buffer *weights[2]; /* weights and bias, where they are read as they stand or packed each time; else NULL */
    thaw_buffer *flood; /* filled before each timing, so that weights come from memory as in a whole model; or NULL */
    float *expected, *got; /* the output of the reference, and of another */
    size_t output_elements;
    int32_t blocks[3]; /* of input, output and residual value, as they were */
} race;

/* Everything that the ranking may depend on. */
static void write_key(const thaw_node *node, const thaw_conv_geometry *g, char key[KEY_BYTES])
{
    const int64_t *const sizes[] = {g->in, g->out, g->kernel, g->stride, g->dilation, g->pad};
    size_t length = (size_t)snprintf(key, KEY_BYTES, "conv n%lld c%lld k%lld g%lld b%d,%d", (long long)g->n,
                                     (long long)g->in_channels, (long long)g->out_channels, (long long)g->groups,
                                     (int)g->in_block, (int)g->out_block);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        length += (size_t)snprintf(key + length, KEY_BYTES - length, " %lldx%lldx%lld", (long long)sizes[i][0],
                                   (long long)sizes[i][1], (long long)sizes[i][2]);
    snprintf(key + length, KEY_BYTES - length, "%s%s", thaw_conv_is_fixed(node->inputs[1]) ? "" : " repacked",
             g->halves ? " fp16" : "");
}

/* The same with the epilogue. */
static void write_checked_key(const thaw_node *node, const char *key, char checked_key[CHECKED_BYTES])
{
    snprintf(checked_key, CHECKED_BYTES, "%s bias%d act%d res%d", key, thaw_epilogue_own_input(node, 2) != NULL,
             (int)node->epilogue.activation, node->epilogue.residual != NULL);
}

/* Algorithms on blocks of channels all finish their results themselves: an epilogue costs them the same. A layer that
 * differs from a measured one in nothing else gets the same algorithm, but not before that has given the right numbers
 * with this epilogue as well. */
static bool finish_alike(const thaw_conv_geometry *geometry)
{
    return geometry->out_block > 1 && geometry->out_block != THAW_BLOCK_ALL;
}

/* --- buffers --- */

static size_t stored_elements(const thaw_shape *shape, int32_t storage)
{
    const int64_t block = thaw_block_lanes(storage, shape->dims[1]);
    return (size_t)(shape->dims[0] * ((shape->dims[1] + block - 1) / block * block) * shape->dims[2] * shape->dims[3]);
}

static thaw_status create_random(const race *r, size_t elements, thaw_buffer **buffer)
{
    thaw_random random = {1};
    float *numbers;
    THAW_TRY(thaw_buffer_create(r->device, elements * sizeof *numbers, buffer));
    THAW_TRY(thaw_allocate(thaw_node_context(r->node), RANDOM_ELEMENTS, sizeof *numbers, &numbers));
    for (size_t i = 0; i < RANDOM_ELEMENTS; i++)
        numbers[i] = (float)(2 * thaw_random_uniform(&random) - 1);
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < elements && status == THAW_OK; i += RANDOM_ELEMENTS) {
        const size_t rest = elements - i, count = rest < RANDOM_ELEMENTS ? rest : RANDOM_ELEMENTS;
        status = thaw_buffer_write(*buffer, i * sizeof *numbers, numbers, count * sizeof *numbers);
    }
    free(numbers);
    return status;
}

static thaw_status create_buffers(race *r, const thaw_conv_geometry *geometry)
{
    thaw_node *node = r->node;
    const thaw_shape *x = &node->inputs[0]->shape, *y = &node->outputs[0]->shape;
    size_t scratch_bytes = 0;
    for (size_t i = 0; i < r->count; i++) {
        const thaw_conv_variant *variant = r->candidates[i].variant;
        const size_t bytes = variant->scratch_bytes ? variant->scratch_bytes(geometry) : 0;
        scratch_bytes = bytes > scratch_bytes ? bytes : scratch_bytes;
    }
    r->output_elements = stored_elements(y, geometry->out_block);
    THAW_TRY(create_random(r, stored_elements(x, geometry->in_block), &r->input));
    THAW_TRY(thaw_buffer_create(r->device, r->output_elements * sizeof(float), &r->output));
    if (node->epilogue.residual)
        THAW_TRY(create_random(r, r->output_elements, &r->residual));
    if (scratch_bytes)
        THAW_TRY(thaw_buffer_create(r->device, scratch_bytes, &r->scratch));
    for (size_t i = 0; i < 2; i++) {
        const thaw_value *value = thaw_epilogue_own_input(node, 1 + i);
        if (value && (geometry->out_block == 1 || !thaw_conv_is_fixed(value)))
            THAW_TRY(thaw_weights_upload(node, value, &r->weights[i]));
    }
    THAW_TRY(thaw_allocate(thaw_node_context(node), r->output_elements, sizeof(float), &r->expected));
    return thaw_allocate(thaw_node_context(node), r->output_elements, sizeof(float), &r->got);
}

/* One value's buffer and storage during the race. */
static void lend(thaw_value *value, thaw_buffer *buffer, int32_t block, int32_t *before)
{
    *before = value->block;
    value->buffer = buffer;
    value->block = block;
}

static void lend_buffers(race *r, const thaw_conv_geometry *geometry)
{
    thaw_node *node = r->node;
    lend(node->inputs[0], r->input, geometry->in_block, &r->blocks[0]);
    lend(node->outputs[0], r->output, geometry->out_block, &r->blocks[1]);
    if (r->residual && node->epilogue.residual != node->inputs[0])
        lend(node->epilogue.residual, r->residual, geometry->out_block, &r->blocks[2]);
    for (size_t i = 0; i < 2; i++)
        if (r->weights[i])
            node->inputs[1 + i]->buffer = r->weights[i];
    node->graph->scratch = r->scratch;
}

/* Layout comes before anybody has a buffer. */
static void take_buffers_back(race *r)
{
    thaw_node *node = r->node;
    int32_t unused;
    lend(node->inputs[0], NULL, r->blocks[0], &unused);
    lend(node->outputs[0], NULL, r->blocks[1], &unused);
    if (r->residual && node->epilogue.residual != node->inputs[0])
        lend(node->epilogue.residual, NULL, r->blocks[2], &unused);
    for (size_t i = 0; i < 2; i++)
        if (r->weights[i])
            node->inputs[1 + i]->buffer = NULL;
    node->graph->scratch = NULL;
}

static void free_race(race *r)
{
    for (size_t i = 0; i < r->count; i++)
        thaw_conv_release(&r->candidates[i].conv);
    thaw_buffer_destroy(&r->input);
    thaw_buffer_destroy(&r->output);
    thaw_buffer_destroy(&r->residual);
    thaw_buffer_destroy(&r->scratch);
    for (size_t i = 0; i < 2; i++)
        thaw_buffer_destroy(&r->weights[i]);
    thaw_buffer_destroy(&r->flood);
    free(r->expected);
    free(r->got);
    thaw_buffer_pool_trim(r->device); /* what layers need later has other sizes */
}

/* --- running --- */

static thaw_status run(const race *r, const candidate *c, int runs)
{
    for (int i = 0; i < runs; i++)
        THAW_TRY(thaw_conv_run(r->node, &c->conv));
    return thaw_device_finish(r->device);
}

/* The largest difference between what the node's own channels hold, over the largest magnitude; NaN counts as
 * infinite. */
static double relative_error(const race *r, const thaw_conv_geometry *geometry)
{
    const size_t block = (size_t)thaw_block_lanes(geometry->out_block, geometry->out_channels),
                 plane = (size_t)thaw_conv_pixels(geometry) * block;
    const size_t blocks = r->output_elements / plane / (size_t)geometry->n;
    double largest = 0, difference = 0;
    for (size_t i = 0; i < r->output_elements; i++) {
        const size_t channel = i / plane % blocks * block + i % block;
        if (channel >= (size_t)geometry->out_channels)
            continue;
        const double off = fabs((double)r->expected[i] - (double)r->got[i]);
        largest = fmax(largest, fabs((double)r->expected[i]));
        if (!(off <= difference))
            difference = isnan(off) ? INFINITY : off;
    }
    return difference == 0 ? 0 : difference / largest;
}

/* Makes a candidate ready and compares its output with the reference's. One that fails is out. */
static thaw_status admit(race *r, candidate *c, bool is_reference, double *error)
{
    THAW_TRY(thaw_conv_prepare(r->node, &c->conv, NULL));
    THAW_TRY(run(r, c, 1));
    THAW_TRY(thaw_buffer_read(r->output, 0, is_reference ? r->expected : r->got, r->output_elements * sizeof(float)));
    *error = is_reference ? 0 : relative_error(r, &c->conv.geometry);
    return THAW_OK;
}

static void admit_all(race *r)
{
    thaw_context *context = thaw_node_context(r->node);
    for (size_t i = r->count; i-- > 0;) {
        candidate *c = &r->candidates[i];
        double error = INFINITY;
        c->seconds = 1e30;
        if (admit(r, c, i == r->count - 1, &error) != THAW_OK)
            thaw_log(context, THAW_LOG_WARNING, "%s: %s can't be used: %s", r->node->name, c->variant->name,
                     thaw_error_message(context));
        else if (!(error <= WORST_ERROR))
            thaw_log(context, THAW_LOG_WARNING, "%s: %s is off by %.2g of the largest number: not used", r->node->name,
                     c->variant->name, error);
        if (!(error <= WORST_ERROR))
            c->seconds = INFINITY;
    }
}

/* Where weights are large, the time to read them decides: it must not be hidden by running the same layer again. */
static thaw_status create_flood(race *r)
{
    for (size_t i = 0; i < r->count && !r->flood; i++) {
        const thaw_buffer *packed = r->candidates[i].conv.packed, *weights = packed ? packed : r->weights[0];
        if (weights && thaw_buffer_bytes(weights) > LARGE_WEIGHTS)
            THAW_TRY(thaw_buffer_create(r->device, FLOOD_BYTES, &r->flood));
    }
    return THAW_OK;
}

static thaw_status time_once(race *r, candidate *c)
{
    const double wanted = TIMING_SECONDS / c->seconds;
    int runs = wanted < 1 ? 1 : wanted > MOST_RUNS ? MOST_RUNS : (int)wanted;
    if (r->flood) {
        THAW_TRY(thaw_buffer_fill(r->flood, 0, 0, FLOOD_BYTES));
        THAW_TRY(thaw_device_finish(r->device));
        runs = 1;
    }
    const double before = thaw_clock_seconds();
    THAW_TRY(run(r, c, runs));
    c->seconds = fmin(c->seconds, (thaw_clock_seconds() - before) / runs);
    return THAW_OK;
}

static double best_seconds(const race *r)
{
    double best = INFINITY;
    for (size_t i = 0; i < r->count; i++)
        best = fmin(best, r->candidates[i].seconds);
    return best;
}

/* Taking turns, so that what disturbs the machine for a while disturbs all of them. */
static thaw_status time_all(race *r)
{
    const double start = thaw_clock_seconds();
    THAW_TRY(create_flood(r));
    for (int round = 0; round < ROUNDS; round++) {
        if (round >= FIRST_ROUNDS && thaw_clock_seconds() - start >= ENOUGH_SECONDS)
            break;
        const double most = round < FIRST_ROUNDS ? DBL_MAX : HOPELESS * best_seconds(r);
        for (size_t i = 0; i < r->count; i++)
            if (r->candidates[i].seconds <= most)
                THAW_TRY(time_once(r, &r->candidates[i]));
    }
    return THAW_OK;
}

static size_t packed_bytes(const candidate *c)
{
    return c->conv.packed ? thaw_buffer_bytes(c->conv.packed) : 0;
}

/* Whoever wants more than twice the memory must be faster by more than chance. */
static bool beats(const candidate *c, const candidate *best)
{
    const double margin = 1.05;
    if (packed_bytes(c) > 2 * packed_bytes(best))
        return margin * c->seconds < best->seconds;
    if (packed_bytes(best) > 2 * packed_bytes(c))
        return c->seconds < margin * best->seconds;
    return c->seconds < best->seconds;
}

static const thaw_conv_variant *winner(const race *r)
{
    thaw_text times = {0};
    const candidate *best = &r->candidates[r->count - 1];
    for (size_t i = 0; i < r->count; i++) {
        const candidate *c = &r->candidates[i];
        thaw_text_append(&times, "%s%s %.3f ms", i ? ", " : "", c->variant->name, 1e3 * c->seconds);
        best = c != best && beats(c, best) ? c : best;
    }
    if (times.data)
        thaw_log(thaw_node_context(r->node), THAW_LOG_DEBUG, "%s: %s", r->node->name, times.data);
    thaw_text_free(&times);
    return best->variant;
}

/* A driver's fresh threads may share one core for a while: the first race of a process waits until they don't. */
static thaw_status warm_up(const race *r)
{
    const double start = thaw_clock_seconds(), enough_seconds = 0.3;
    const candidate *reference = &r->candidates[r->count - 1];
    while (thaw_tuning_measured(r->device) == 0 && thaw_clock_seconds() - start < enough_seconds)
        THAW_TRY(run(r, reference, 1));
    return THAW_OK;
}

/* The candidates' outputs, then, if `timed`, their times. */
static thaw_status hold_race(race *r, bool timed)
{
    const thaw_conv_geometry *geometry = &r->candidates[0].conv.geometry;
    thaw_status status = create_buffers(r, geometry);
    if (status != THAW_OK)
        return status;
    lend_buffers(r, geometry);
    admit_all(r);
    if (timed)
        status = warm_up(r);
    if (timed && status == THAW_OK)
        status = time_all(r);
    take_buffers_back(r);
    return status;
}

static void enter(race *r, const thaw_conv_variant *variant)
{
    const thaw_conv *conv = r->node->state;
    r->candidates[r->count++] = (candidate){
        .variant = variant, .conv = {.geometry = conv->geometry, .variant = variant, .mirrored = conv->mirrored}};
}

/* Whether an algorithm gives what the plainest one gives. */
static bool is_right(thaw_node *node, const thaw_conv_variant *variant, const thaw_conv_variant *plainest)
{
    race r = {.node = node, .device = thaw_node_device(node)};
    enter(&r, variant);
    enter(&r, plainest);
    const bool right = variant == plainest || (hold_race(&r, false) == THAW_OK && r.candidates[0].seconds != INFINITY);
    free_race(&r);
    return right;
}

/* Finds the fastest. */
static thaw_status measure(thaw_node *node, const thaw_conv_variant *const *fitting, size_t count,
                           const thaw_conv_variant **chosen)
{
    race r = {.node = node, .device = thaw_node_device(node)};
    if (thaw_tuning_measured(r.device) == 0)
        thaw_log(thaw_node_context(node), THAW_LOG_INFO,
                 "measuring which algorithms are fastest on this device; kept for the next start");
    for (size_t i = 0; i < count; i++)
        enter(&r, fitting[i]);
    const thaw_status status = hold_race(&r, true);
    if (status == THAW_OK)
        *chosen = winner(&r);
    free_race(&r);
    return status;
}

/* Weights that only exist at run time can't be run with. */
static bool has_weights(const thaw_node *node)
{
    const thaw_value *bias = thaw_epilogue_own_input(node, 2);
    return node->inputs[1]->constant && (!bias || bias->constant);
}

/* What was found out under a key, if it is still among those that fit. */
static const thaw_conv_variant *find_known(thaw_device *device, const char *key,
                                           const thaw_conv_variant *const *fitting, size_t count)
{
    const char *known = thaw_tuning_find(device, key);
    for (size_t i = 0; i < count && known; i++)
        if (strcmp(fitting[i]->name, known) == 0)
            return fitting[i];
    return NULL;
}

const thaw_conv_variant *thaw_conv_tune(thaw_node *node, const thaw_conv_variant *first)
{
    const thaw_conv *conv = node->state;
    const thaw_conv_variant *fitting[THAW_CONV_MOST_VARIANTS];
    thaw_device *device = thaw_node_device(node);
    const size_t count = thaw_conv_fitting(&conv->geometry, device, fitting);
    char key[KEY_BYTES], checked_key[CHECKED_BYTES];
    if (count < 2 || !has_weights(node) || !device || !thaw_tuning_wanted() ||
        thaw_context_interrupted(thaw_node_context(node)))
        return first;
    write_key(node, &conv->geometry, key);
    write_checked_key(node, key, checked_key);
    const thaw_conv_variant *chosen = find_known(device, checked_key, fitting, count);
    if (chosen)
        return chosen;
    thaw_status status = THAW_OK;
    if (finish_alike(&conv->geometry))
        chosen = find_known(device, key, fitting, count);
    if (!chosen || !is_right(node, chosen, fitting[count - 1])) {
        status = measure(node, fitting, count, &chosen);
        if (status == THAW_OK)
            status = thaw_tuning_put(device, key, chosen->name);
    }
    if (status == THAW_OK)
        status = thaw_tuning_put(device, checked_key, chosen->name);
    if (status == THAW_OK)
        return chosen;
    thaw_log(thaw_node_context(node), THAW_LOG_DEBUG, "%s: not measured: %s", node->name,
             thaw_error_message(thaw_node_context(node)));
    return first;
}
