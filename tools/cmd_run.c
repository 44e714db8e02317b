/* thaw run: the model as it stands, on raw tensors. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "json_output.h"

typedef struct run_options {
    cli_text_list inputs, outputs;
} run_options;

#define FIELD(member) offsetof(run_options, member)
static const cli_option table[] = {
    {"input", &cli_texts, FIELD(inputs), "X.npy", .help = "one for each input of the model, in its order",
     .required = true},
    {"output", &cli_texts, FIELD(outputs), "Z.npy",
     .help = "where the model's outputs go, in its order; later ones may be left out", .required = true},
};
#undef FIELD
static const cli_group groups[] = {CLI_GROUP("Options", table, 0)};

/* What a run works on. */
typedef struct run_state {
    thaw_model *model;
    thaw_tensor *inputs[CLI_TEXTS_MAX];
    thaw_tensor **outputs; /* [output_count] */
    size_t output_count;
    double seconds;
} run_state;

static void defaults(void *options)
{
    *(run_options *)options = (run_options){0};
}

static void release(run_state *state)
{
    for (size_t i = 0; i < CLI_TEXTS_MAX; i++)
        thaw_tensor_release(&state->inputs[i]);
    for (size_t i = 0; state->outputs && i < state->output_count; i++)
        thaw_tensor_release(&state->outputs[i]);
    free(state->outputs);
    thaw_model_close(&state->model);
}

static thaw_status load(cli_state *cli, const run_options *options, const char *path, run_state *state)
{
    thaw_status status = cli_load_model_to_run(cli, path, &state->model);
    if (status != THAW_OK)
        return status;
    state->output_count = thaw_model_output_count(state->model);
    state->outputs = calloc(state->output_count + 1, sizeof *state->outputs);
    if (!state->outputs)
        return THAW_ERR_MEMORY;
    const size_t wanted = thaw_model_input_count(state->model);
    if (options->inputs.count != wanted)
        return cli_fail_usage(cli, "%s: takes %zu --input, not %zu", path, wanted, options->inputs.count);
    if (options->outputs.count > state->output_count)
        return cli_fail_usage(cli, "%s: has %zu outputs, not %zu", path, state->output_count, options->outputs.count);
    for (size_t i = 0; i < wanted && status == THAW_OK; i++)
        status = thaw_npy_read(cli->context, options->inputs.items[i], &state->inputs[i]);
    return status == THAW_ERR_IO ? THAW_ERR_DATA : status; /* an input that can't be opened is bad data too */
}

static thaw_status compute(cli_state *cli, run_state *state)
{
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    const thaw_status status =
        thaw_model_run(state->model, cli->device, state->inputs, thaw_model_input_count(state->model), state->outputs,
                       state->output_count);
    clock_gettime(CLOCK_MONOTONIC, &after);
    state->seconds = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    return status;
}

static void print_output(const char *name, const thaw_tensor *tensor, const char *path)
{
    printf("%s: %s [", name, thaw_dtype_text(tensor->dtype));
    for (int32_t i = 0; i < tensor->shape.rank; i++)
        printf("%s%lld", i ? "," : "", (long long)tensor->shape.dims[i]);
    printf("] -> %s\n", path);
}

static thaw_status print_result(const cli_state *cli, const run_options *options, const char *path,
                                const run_state *state)
{
    json_t *outputs = json_array();
    for (size_t i = 0; i < options->outputs.count; i++) {
        const char *name = thaw_model_output_name(state->model, i);
        const thaw_tensor *tensor = state->outputs[i];
        if (!cli->globals.json)
            print_output(name, tensor, options->outputs.items[i]);
        else
            cli_json_append(outputs, json_pack("{s:o, s:s, s:o, s:o}", "name", cli_json_text(name), "dtype",
                                               thaw_dtype_text(tensor->dtype), "shape", cli_json_shape(&tensor->shape),
                                               "path", cli_json_text(options->outputs.items[i])));
    }
    if (!cli->globals.json)
        return json_decref(outputs), THAW_OK;
    return cli_json_print(json_pack("{s:o, s:o, s:o, s:o}", "model", cli_json_text(path), "device",
                                    cli_json_text(thaw_device_describe(cli->device)->name), "seconds",
                                    cli_json_number(state->seconds), "outputs", outputs));
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    (void)argument_count;
    const run_options *options = all_options;
    run_state state = {0};
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < options->outputs.count && status == THAW_OK; i++)
        status = cli_check_output(cli, options->outputs.items[i]);
    if (status == THAW_OK)
        status = load(cli, options, arguments[0], &state);
    if (status == THAW_OK)
        status = cli_open_device(cli);
    if (status == THAW_OK)
        status = compute(cli, &state);
    for (size_t i = 0; i < options->outputs.count && status == THAW_OK; i++)
        status = thaw_npy_write(cli->context, options->outputs.items[i], state.outputs[i]);
    if (status == THAW_OK)
        status = print_result(cli, options, arguments[0], &state);
    release(&state);
    return status;
}

const cli_command cli_command_run = {
    .name = "run",
    .arguments = "MODEL",
    .summary = "run a model as it stands on raw tensors",
    .description = "Runs the model on NumPy arrays as they are, without any preprocessing, and writes what comes out: "
                   "to compare it with other runtimes.",
    .examples = "  thaw run model.onnx --input x.npy --output y.npy\n"
                "  thaw run two.onnx --input a.npy --input b.npy --output sum.npy --output difference.npy\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .least_arguments = 1,
    .most_arguments = 1,
    .options_bytes = sizeof(run_options),
    .defaults = defaults,
    .run = run,
};
