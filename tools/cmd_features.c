/* thaw features: what the frozen part gives for each image, as a NumPy array. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "json_output.h"
#include "shared_options.h"

typedef struct features_options {
    const char *folder, *output, *at;
    bool no_cache;
    cli_job_options job;
    cli_preprocess_options preprocess;
} features_options;

#define FIELD(member) offsetof(features_options, member)
static const cli_option table[] = {
    {"data", &cli_text, FIELD(folder), "DIR", .help = "a folder of images for each class", .required = true},
    {"output", &cli_text, FIELD(output), "F.npy", .help = "where the array goes; the paths go to F.paths.txt",
     .required = true},
    {"at", &cli_text, FIELD(at), "NODE", .help = "a node or value whose output is wanted",
     .otherwise = "where a new head would read"},
    {"no-cache", &cli_flag, FIELD(no_cache), .help = "neither uses nor keeps what is computed on disk"},
};
#undef FIELD
static const cli_group groups[] = {
    CLI_GROUP("Options", table, 0),
    CLI_GROUP("Work", cli_job_table, offsetof(features_options, job)),
    CLI_GROUP("Preprocessing (what the model carries is taken unless you say otherwise)", cli_preprocess_table,
              offsetof(features_options, preprocess)),
};

/* What the command works on. */
typedef struct features_state {
    thaw_model *model;
    thaw_dataset *dataset;
    const char **paths; /* [count of samples] */
    size_t *index;      /* [rows]: place in paths */
    thaw_tensor *features;
    char *paths_file;
} features_state;

static void defaults(void *all_options)
{
    features_options *options = all_options;
    *options = (features_options){0};
    cli_job_defaults(&options->job);
    cli_preprocess_defaults(&options->preprocess);
}

static void release(features_state *state)
{
    thaw_tensor_release(&state->features);
    thaw_dataset_close(&state->dataset);
    thaw_model_close(&state->model);
    free(state->paths);
    free(state->index);
    free(state->paths_file);
}

/* "F.npy" -> "F.paths.txt" */
static char *paths_file_name(const char *output)
{
    const size_t length = strlen(output);
    const bool ends = length > 4 && strcmp(output + length - 4, ".npy") == 0;
    char *name = malloc(length + sizeof ".paths.txt");
    if (name)
        sprintf(name, "%.*s.paths.txt", (int)(ends ? length - 4 : length), output);
    return name;
}

static thaw_status open_dataset(cli_state *cli, const features_options *options, features_state *state)
{
    const cli_data_options data = {.folder = options->folder};
    const thaw_status status = cli_open_dataset(cli, &data, true, &state->dataset);
    if (status != THAW_OK)
        return status;
    const size_t count = thaw_dataset_count(state->dataset);
    state->paths = calloc(count + 1, sizeof *state->paths);
    state->index = calloc(count + 1, sizeof *state->index);
    if (!state->paths || !state->index)
        return THAW_ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        state->paths[i] = thaw_dataset_sample(state->dataset, i)->path;
    return THAW_OK;
}

static thaw_status compute(cli_state *cli, const features_options *options, features_state *state)
{
    thaw_preprocess preprocess;
    thaw_status status = cli_preprocess_resolve(cli, &options->preprocess, state->model, &preprocess);
    if (status == THAW_OK)
        status = cli_open_device(cli);
    if (status != THAW_OK)
        return status;
    thaw_job job = cli_job(cli, options->job.batch_size, options->job.workers, options->job.frozen_precision);
    job.no_cache = options->no_cache;
    return thaw_features(state->model, cli->device, state->paths, thaw_dataset_count(state->dataset), options->at,
                         &preprocess, &job, &state->features, state->index);
}

/* One path a line, in the order of the rows. */
static bool write_rows(const features_state *state, FILE *file)
{
    for (int64_t row = 0; row < state->features->shape.dims[0]; row++)
        if (fprintf(file, "%s\n", state->paths[state->index[row]]) < 0)
            return false;
    return fflush(file) == 0 && fsync(fileno(file)) == 0;
}

/* Writes beside the target, then renames. */
static thaw_status write_paths(cli_state *cli, const features_state *state)
{
    char *aside = malloc(strlen(state->paths_file) + 32);
    if (!aside)
        return THAW_ERR_MEMORY;
    sprintf(aside, "%s.%ld.part", state->paths_file, (long)getpid());
    FILE *file = fopen(aside, "wx");
    bool written = file && write_rows(state, file);
    written = (!file || fclose(file) == 0) && written;
    written = written && rename(aside, state->paths_file) == 0;
    const thaw_status status = written ? THAW_OK : cli_fail_path(cli, state->paths_file);
    if (file && !written)
        unlink(aside);
    free(aside);
    return status;
}

static thaw_status print_result(const cli_state *cli, const features_options *options, const features_state *state)
{
    const thaw_shape *shape = &state->features->shape;
    const int64_t rows = shape->dims[0];
    if (!cli->globals.json) {
        printf("%lld images, %lld numbers each -> %s\n", (long long)rows,
               (long long)(rows ? state->features->count / rows : 0), options->output);
        printf("paths -> %s\n", state->paths_file);
        return THAW_OK;
    }
    json_t *paths = json_array();
    for (int64_t row = 0; row < rows; row++)
        cli_json_append(paths, cli_json_text(state->paths[state->index[row]]));
    return cli_json_print(json_pack(
        "{s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "device", cli_json_text(thaw_device_describe(cli->device)->name),
        "count", (json_int_t)rows, "shape", cli_json_shape(shape), "output", cli_json_text(options->output),
        "paths_file", cli_json_text(state->paths_file), "paths", paths, "bad_images", cli_json_bad_images(cli)));
}

static thaw_status prepare(cli_state *cli, const features_options *options, const char *path, features_state *state)
{
    thaw_status status = cli_preprocess_check(cli, &options->preprocess);
    state->paths_file = paths_file_name(options->output);
    if (!state->paths_file)
        return THAW_ERR_MEMORY;
    if (status == THAW_OK)
        status = cli_check_output(cli, options->output);
    if (status == THAW_OK)
        status = cli_check_output(cli, state->paths_file);
    if (status == THAW_OK)
        status = open_dataset(cli, options, state);
    if (status == THAW_OK)
        status = cli_load_model_to_run(cli, path, &state->model);
    return status;
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    (void)argument_count;
    const features_options *options = all_options;
    features_state state = {0};
    thaw_status status = prepare(cli, options, arguments[0], &state);
    if (status == THAW_OK)
        status = compute(cli, options, &state);
    if (status == THAW_OK)
        status = thaw_npy_write(cli->context, options->output, state.features);
    if (status == THAW_OK)
        status = write_paths(cli, &state);
    cli_end_job(cli);
    if (status == THAW_OK)
        status = print_result(cli, options, &state);
    release(&state);
    return status;
}

const cli_command cli_command_features = {
    .name = "features",
    .arguments = "MODEL",
    .summary = "write the frozen part's output for each image",
    .description = "Computes what the frozen part of the model gives for each image and writes it as one NumPy array, "
                   "a row for each image; the paths lie beside it, a line for each row. Bad images have no row.",
    .examples = "  thaw features base.onnx --data photos --output photos.npy\n"
                "  thaw features base.onnx --data photos --output middle.npy --at fire5/concat_1\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .least_arguments = 1,
    .most_arguments = 1,
    .options_bytes = sizeof(features_options),
    .defaults = defaults,
    .run = run,
};
