/* Times a program's steps. */
#include "model/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/random.h"
#include "device/peak.h"
#include "model/model.h"

#define LAYER_TIMINGS      5
#define LAYER_SECONDS      0.002 /* a timing runs the layer until this has gone by: a wait costs 60 us */
#define MOST_LAYER_REPEATS 200
#define MOST_REPEATS       10000

thaw_profile_options thaw_profile_defaults(void)
{
    return (thaw_profile_options){.batch = 1, .repeats = 11, .seed = 1, .unfreeze = -1};
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *numbers, size_t count)
{
    qsort(numbers, count, sizeof *numbers, compare_doubles);
    return count % 2 ? numbers[count / 2] : (numbers[count / 2 - 1] + numbers[count / 2]) / 2;
}

static bool runs(const thaw_node *node)
{
    return node->op->forward && !(node->op->flags & THAW_OP_VIEW);
}

static uint64_t value_bytes(const thaw_value *value)
{
    const thaw_shape stored = thaw_value_stored(value);
    const size_t element = thaw_dtype_is_float(value->dtype) ? sizeof(float) : thaw_dtype_bytes(value->dtype);
    return (uint64_t)thaw_shape_size(&stored) * element;
}

/* --- sizes --- */

static bool is_weight(const thaw_value *value)
{
    return value && value->constant && thaw_dtype_is_float(value->dtype);
}

static uint64_t sum_weights(const thaw_graph *graph)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < graph->value_count; i++)
        if (is_weight(graph->values[i]) && graph->values[i]->uses > 0)
            bytes += value_bytes(graph->values[i]);
    return bytes;
}

/* The value whose storage this one shares. */
static const thaw_value *storage_of(const thaw_value *value)
{
    for (;;) {
        if (value->whole)
            value = value->whole;
        else if (value->producer && (value->producer->op->flags & THAW_OP_VIEW))
            value = value->producer->inputs[0];
        else
            return value;
    }
}

/* The steps from the first that writes into a value's storage to the last that reads it. */
typedef struct lifetime {
    bool used;
    size_t first, last;
} lifetime;

static void extend(lifetime *lifetimes, const thaw_value *value, size_t step)
{
    lifetime *found = value && !value->constant ? &lifetimes[storage_of(value)->index] : NULL;
    if (!found)
        return;
    if (!found->used)
        *found = (lifetime){true, step, step};
    if (step > found->last)
        found->last = step;
}

static void find_lifetimes(const thaw_graph *graph, lifetime *lifetimes)
{
    for (size_t i = 0; i < graph->input_count; i++)
        extend(lifetimes, graph->inputs[i], 0);
    for (size_t i = 0; i < graph->node_count; i++) {
        for (size_t j = 0; j < graph->nodes[i]->output_count; j++)
            extend(lifetimes, graph->nodes[i]->outputs[j], i);
        for (size_t j = 0; j < graph->nodes[i]->input_count; j++)
            extend(lifetimes, graph->nodes[i]->inputs[j], i);
    }
    for (size_t i = 0; i < graph->output_count; i++)
        extend(lifetimes, graph->outputs[i], graph->node_count);
}

static thaw_status find_live_bytes(const thaw_graph *graph, uint64_t *largest)
{
    lifetime *lifetimes;
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *lifetimes, &lifetimes));
    find_lifetimes(graph, lifetimes);
    for (size_t step = 0; step < graph->node_count; step++) {
        uint64_t live = 0;
        for (size_t i = 0; i < graph->value_count; i++)
            if (lifetimes[i].used && lifetimes[i].first <= step && step <= lifetimes[i].last)
                live += value_bytes(graph->values[i]);
        if (live > *largest)
            *largest = live;
    }
    free(lifetimes);
    return THAW_OK;
}

/* --- times --- */

/* Uniform numbers in [-2, 2): what normalised images look like. */
thaw_status thaw_profile_fill(thaw_program *program, uint64_t seed)
{
    thaw_graph *graph = program->graph;
    thaw_random random = {seed};
    for (size_t i = 0; i < graph->input_count; i++) {
        thaw_tensor *tensor;
        if (graph->inputs[i]->constant)
            continue;
        if (!thaw_dtype_is_float(graph->inputs[i]->dtype))
            return thaw_fail(graph->context, THAW_ERR_UNSUPPORTED,
                             "input '%s' is %s: only models of floating inputs "
                             "can be profiled",
                             graph->inputs[i]->name, thaw_dtype_text(graph->inputs[i]->dtype));
        THAW_TRY(thaw_tensor_create(graph->context, THAW_FLOAT32, &graph->inputs[i]->shape, &tensor));
        for (int64_t j = 0; j < tensor->count; j++)
            ((float *)tensor->data)[j] = (float)(4 * thaw_random_uniform(&random) - 2);
        const thaw_status status = thaw_program_write(program, i, tensor);
        thaw_tensor_release(&tensor);
        THAW_TRY(status);
    }
    return THAW_OK;
}

static thaw_status check_interrupt(thaw_context *context)
{
    return thaw_context_interrupted(context) ? thaw_fail(context, THAW_ERR_INTERRUPTED, "stopped") : THAW_OK;
}

static thaw_status time_runs(thaw_device *device, const thaw_profile_step *step, int32_t repeats, double *seconds)
{
    THAW_TRY(check_interrupt(thaw_device_context(device)));
    const double start = thaw_clock_seconds();
    for (int32_t i = 0; i < repeats; i++)
        THAW_TRY(step->run(step->user));
    THAW_TRY(thaw_device_finish(device));
    *seconds = (thaw_clock_seconds() - start) / repeats;
    return THAW_OK;
}

/* The first runs find caches cold and make the driver specialise kernels. */
thaw_status thaw_profile_whole(thaw_device *device, const thaw_profile_step *step, int32_t repeats,
                               thaw_profile *profile)
{
    enum { WARM_UPS = 3 };           /* a chain is built for the second of a sequence, and specialised */
    const double warm_seconds = 0.5; /* a driver's fresh threads may share one core for a while */
    const double start = thaw_clock_seconds();
    double *seconds;
    THAW_TRY(thaw_allocate(thaw_device_context(device), (size_t)repeats, sizeof *seconds, &seconds));
    thaw_chains_expect(device);
    thaw_status status = THAW_OK;
    for (int32_t i = 0; status == THAW_OK && (i < WARM_UPS || thaw_clock_seconds() - start < warm_seconds); i++)
        status = time_runs(device, step, 1, &seconds[0]);
    for (int32_t i = 0; i < repeats && status == THAW_OK; i++)
        status = time_runs(device, step, 1, &seconds[i]);
    if (status == THAW_OK) {
        profile->median_seconds = median(seconds, (size_t)repeats);
        profile->images_per_second = (double)profile->batch / profile->median_seconds;
        profile->peak_device_bytes = thaw_device_peak_bytes(device);
    }
    free(seconds);
    return status;
}

/* Many runs between two waits: a layer may be repeated, though its results change where it adds to what it reads. */
static thaw_status measure(thaw_device *device, const thaw_profile_step *step, double *median_seconds)
{
    double first, seconds[LAYER_TIMINGS];
    THAW_TRY(time_runs(device, step, 1, &first));
    const double wanted = LAYER_SECONDS / (first > 0 ? first : 1e-9);
    const int32_t repeats = wanted < 1 ? 1 : wanted > MOST_LAYER_REPEATS ? MOST_LAYER_REPEATS : (int32_t)wanted;
    for (size_t i = 0; i < LAYER_TIMINGS; i++)
        THAW_TRY(time_runs(device, step, repeats, &seconds[i]));
    *median_seconds = median(seconds, LAYER_TIMINGS);
    return THAW_OK;
}

/* The matrix or kernels of a layer, or of either of two. */
static bool is_layer_weight(const thaw_node *node, size_t index)
{
    return index == 1 || (index == 3 && node->inputs[index]->constant);
}

/* Every tensor's bytes once. An input that is stored inside the output already is neither read nor written. */
static double moved_bytes(const thaw_node *node)
{
    double bytes = 0;
    for (size_t i = 0; i < node->output_count; i++)
        bytes += node->outputs[i] ? (double)value_bytes(node->outputs[i]) : 0;
    for (size_t i = 0; i < node->input_count; i++) {
        const thaw_value *input = node->inputs[i];
        if (input && input->whole && input->whole == node->outputs[0])
            bytes -= (double)value_bytes(input);
        else if (input && (!input->constant || is_weight(input)))
            bytes += (double)value_bytes(input) / (node->halves_weights && is_layer_weight(node, i) ? 2 : 1);
    }
    return bytes;
}

/* And those of the gradients that backward reads and writes. */
static double gradient_bytes(const thaw_node *node)
{
    double bytes = (double)value_bytes(node->outputs[0]);
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i] && node->inputs[i]->gradient)
            bytes += (double)value_bytes(node->inputs[i]);
    return bytes;
}

thaw_status thaw_profile_add(thaw_device *device, const thaw_profile_step *step, const thaw_profile_layer *row,
                             const char *name, thaw_profile *profile)
{
    thaw_context *context = thaw_device_context(device);
    THAW_TRY(thaw_reserve(context, &profile->layers, &profile->layer_capacity, profile->layer_count + 1,
                          sizeof *profile->layers));
    thaw_profile_layer *layer = &profile->layers[profile->layer_count++];
    *layer = *row;
    layer->name = NULL;
    THAW_TRY(thaw_copy_text(context, name, &layer->name));
    THAW_TRY(measure(device, step, &layer->seconds));
    profile->layer_seconds += layer->seconds;
    return THAW_OK;
}

static thaw_status run_forward(void *node)
{
    return ((thaw_node *)node)->op->forward(node);
}

static thaw_status run_backward(void *node)
{
    return thaw_node_backward(node);
}

static thaw_profile_layer row_of(const thaw_node *node)
{
    return (thaw_profile_layer){.op = node->op->onnx_type ? node->op->onnx_type : node->op->name,
                                .algorithm = node->op->algorithm ? node->op->algorithm(node) : "default",
                                .pass = "forward",
                                .flops = (double)node->flops,
                                .bytes = moved_bytes(node)};
}

thaw_status thaw_profile_forward(thaw_graph *graph, thaw_profile *profile)
{
    const double before = profile->layer_seconds;
    for (size_t i = 0; i < graph->node_count; i++) {
        if (!runs(graph->nodes[i]))
            continue;
        const thaw_profile_layer row = row_of(graph->nodes[i]);
        const thaw_profile_step step = {run_forward, graph->nodes[i]};
        THAW_TRY(thaw_profile_add(graph->device, &step, &row, graph->nodes[i]->name, profile));
    }
    profile->pass_seconds[0] += profile->layer_seconds - before;
    return THAW_OK;
}

/* Each gradient of an operand that is multiplied takes as many operations as the forward pass. */
static double backward_flops(const thaw_node *node)
{
    double flops = 0;
    for (size_t i = 0; i < 2 && i < node->input_count; i++)
        flops += node->inputs[i] && node->inputs[i]->gradient ? (double)node->flops : 0;
    return flops;
}

thaw_status thaw_profile_backward(thaw_graph *graph, thaw_profile *profile)
{
    const double before = profile->layer_seconds;
    for (size_t i = graph->node_count; i-- > 0;) {
        if (!thaw_node_runs_backward(graph->nodes[i]))
            continue;
        thaw_profile_layer row = row_of(graph->nodes[i]);
        row.algorithm = "default";
        row.pass = "backward";
        row.flops = backward_flops(graph->nodes[i]);
        row.bytes += gradient_bytes(graph->nodes[i]);
        const thaw_profile_step step = {run_backward, graph->nodes[i]};
        THAW_TRY(thaw_profile_add(graph->device, &step, &row, graph->nodes[i]->name, profile));
    }
    profile->pass_seconds[1] += profile->layer_seconds - before;
    return THAW_OK;
}

void thaw_profile_compare(thaw_profile *profile, const thaw_peak *peak)
{
    profile->peak_flops_per_second = peak->flops_per_second;
    profile->peak_copy_bytes_per_second = peak->copy_bytes_per_second;
    for (size_t i = 0; i < profile->layer_count; i++) {
        thaw_profile_layer *layer = &profile->layers[i];
        if (layer->seconds <= 0)
            continue;
        layer->flops_per_second = layer->flops / layer->seconds;
        layer->bytes_per_second = layer->bytes / layer->seconds;
        layer->percent_of_peak = 100 * layer->flops_per_second / peak->flops_per_second;
        layer->percent_of_copy = 100 * layer->bytes_per_second / peak->copy_bytes_per_second;
    }
}

/* --- accuracy --- */

static double relative_difference(const thaw_tensor *got, const thaw_tensor *expected)
{
    double difference = 0, magnitude = 0;
    for (int64_t i = 0; i < expected->count; i++) {
        const double x = (double)((const float *)expected->data)[i];
        difference = fmax(difference, fabs((double)((const float *)got->data)[i] - x));
        magnitude = fmax(magnitude, fabs(x));
    }
    return magnitude > 0 ? difference / magnitude : difference;
}

/* Of two programs that have run on the same inputs. */
static thaw_status compare_outputs(thaw_program *program, thaw_program *reference, double *largest)
{
    for (size_t i = 0; i < program->graph->output_count; i++) {
        thaw_tensor *got = NULL, *expected = NULL;
        thaw_status status = thaw_program_read(program, i, &got);
        if (status == THAW_OK)
            status = thaw_program_read(reference, i, &expected);
        if (status == THAW_OK && got->dtype == THAW_FLOAT32)
            *largest = fmax(*largest, relative_difference(got, expected));
        thaw_tensor_release(&got);
        thaw_tensor_release(&expected);
        THAW_TRY(status);
    }
    return THAW_OK;
}

/* Inputs are filled anew for every run whose result counts: their memory may be used again by what comes behind. */
static thaw_status run_filled(thaw_program *program, uint64_t seed)
{
    THAW_TRY(thaw_profile_fill(program, seed));
    return thaw_program_forward(program);
}

/* Runs the same with float32 weights too. */
static thaw_status measure_difference(const thaw_graph *source, const thaw_program_options *wanted, uint64_t seed,
                                      thaw_program *program, double *largest)
{
    thaw_program_options exact = *wanted;
    thaw_program *reference;
    exact.frozen_precision = THAW_PRECISION_FP32;
    THAW_TRY(thaw_program_create(source, program->graph->device, &exact, &reference));
    thaw_status status = run_filled(reference, seed);
    if (status == THAW_OK)
        status = run_filled(program, seed);
    if (status == THAW_OK)
        status = compare_outputs(program, reference, largest);
    thaw_program_destroy(&reference);
    return status;
}

static thaw_status run_whole(void *program)
{
    return thaw_program_forward(program);
}

thaw_status thaw_profile_sizes(thaw_graph *graph, thaw_profile *profile)
{
    uint64_t live = 0;
    thaw_graph_count_uses(graph);
    profile->weight_bytes += sum_weights(graph);
    THAW_TRY(find_live_bytes(graph, &live));
    if (live > profile->live_activation_bytes)
        profile->live_activation_bytes = live;
    return THAW_OK;
}

static thaw_status profile_program(thaw_program *program, const thaw_profile_options *options, thaw_profile *profile)
{
    thaw_device *device = program->graph->device;
    const thaw_profile_step step = {run_whole, program};
    thaw_peak peak = {0};
    THAW_TRY(thaw_profile_sizes(program->graph, profile));
    THAW_TRY(thaw_profile_fill(program, options->seed));
    THAW_TRY(thaw_profile_whole(device, &step, options->repeats, profile));
    if (options->whole_only)
        return THAW_OK;
    THAW_TRY(thaw_peak_measure(device, &peak));
    THAW_TRY(thaw_profile_forward(program->graph, profile));
    THAW_TRY(thaw_peak_measure(device, &peak)); /* before and after: other work may have disturbed one */
    thaw_profile_compare(profile, &peak);
    return THAW_OK;
}

thaw_status thaw_profile_check(thaw_context *context, const thaw_profile_options *options)
{
    if (options->batch < 1 || options->batch > INT32_MAX)
        return thaw_fail(context, THAW_ERR_USAGE, "a batch of %lld is out of range", (long long)options->batch);
    if (options->repeats < 1 || options->repeats > MOST_REPEATS)
        return thaw_fail(context, THAW_ERR_USAGE, "%d repeats: 1 to %d are possible", (int)options->repeats,
                         MOST_REPEATS);
    return THAW_OK;
}

thaw_status thaw_model_profile(thaw_model *model, thaw_device *device, const thaw_profile_options *options,
                               thaw_profile *profile)
{
    *profile = (thaw_profile){.batch = options->batch, .mode = "inference"};
    THAW_TRY(thaw_profile_check(model->context, options));
    const thaw_program_options wanted = {.batch = options->batch,
                                         .height = options->height,
                                         .width = options->width,
                                         .frozen_precision = options->frozen_precision,
                                         .fuse = true};
    thaw_program *program;
    THAW_TRY(thaw_program_create(model->graph, device, &wanted, &program));
    thaw_status status = profile_program(program, options, profile);
    if (status == THAW_OK && options->frozen_precision != THAW_PRECISION_FP32)
        status = measure_difference(model->graph, &wanted, options->seed, program, &profile->largest_difference);
    thaw_program_destroy(&program);
    return status;
}

void thaw_profile_free(thaw_profile *profile)
{
    if (!profile)
        return;
    for (size_t i = 0; i < profile->layer_count; i++)
        free(profile->layers[i].name);
    free(profile->layers);
    *profile = (thaw_profile){0};
}
