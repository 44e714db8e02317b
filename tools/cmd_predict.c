/* thaw predict: the likeliest classes of each image. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json_output.h"
#include "shared_options.h"

typedef struct predict_options {
    size_t top;
    cli_job_options job;
    cli_preprocess_options preprocess;
} predict_options;

static const cli_option table[] = {
    {"top", &cli_size, offsetof(predict_options, top), "K", .help = "classes to name for each image",
     CLI_RANGE(1, 1000000)},
};
static const cli_group groups[] = {
    CLI_GROUP("Options", table, 0),
    CLI_GROUP("Work", cli_job_table, offsetof(predict_options, job)),
    CLI_GROUP("Preprocessing (what the model carries is taken unless you say otherwise)", cli_preprocess_table,
              offsetof(predict_options, preprocess)),
};

static void defaults(void *all_options)
{
    predict_options *options = all_options;
    options->top = 5;
    cli_job_defaults(&options->job);
    cli_preprocess_defaults(&options->preprocess);
}

/* Paths of images; each is the list's own. */
typedef struct path_list {
    char **items;
    size_t count, capacity;
} path_list;

static thaw_status add_path(path_list *paths, const char *path)
{
    if (paths->count == paths->capacity) {
        const size_t capacity = paths->capacity ? 2 * paths->capacity : 64;
        char **grown = realloc(paths->items, capacity * sizeof *grown);
        if (!grown)
            return THAW_ERR_MEMORY;
        paths->items = grown;
        paths->capacity = capacity;
    }
    paths->items[paths->count] = strdup(path);
    return paths->items[paths->count++] ? THAW_OK : THAW_ERR_MEMORY;
}

static void free_paths(path_list *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free(paths->items[i]);
    free(paths->items);
}

/* One path a line; empty lines are skipped. */
static thaw_status add_from_stdin(cli_state *cli, path_list *paths)
{
    char *line = NULL;
    size_t capacity = 0;
    thaw_status status = THAW_OK;
    ssize_t length;
    while (status == THAW_OK && (length = getline(&line, &capacity, stdin)) >= 0) {
        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            line[--length] = '\0';
        if (length > 0)
            status = add_path(paths, line);
    }
    free(line);
    if (status == THAW_OK && ferror(stdin))
        return cli_fail_path(cli, "standard input");
    return status;
}

static thaw_status gather(cli_state *cli, const char *const *arguments, size_t count, path_list *paths)
{
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < count && status == THAW_OK; i++)
        status = strcmp(arguments[i], "-") == 0 ? add_from_stdin(cli, paths) : add_path(paths, arguments[i]);
    if (status == THAW_OK && paths->count == 0)
        return cli_fail(cli, THAW_ERR_DATA, "predict: standard input names no image");
    return status;
}

static void print_prediction(const thaw_model *model, const thaw_prediction *prediction)
{
    char number[24];
    printf("%s\n", prediction->path);
    for (size_t i = 0; i < prediction->count; i++)
        printf("  %6.2f %%  %s\n", 100 * (double)prediction->probability[i],
               cli_class_name(model, (size_t)prediction->class_index[i], number));
}

/* Why an image is bad, as it was told. */
static const char *bad_reason(const cli_state *cli, const char *path)
{
    for (size_t i = 0; i < cli->bad_count; i++)
        if (strcmp(cli->bad_images[i].path, path) == 0)
            return cli->bad_images[i].reason;
    return "bad image";
}

static json_t *prediction_json(const cli_state *cli, const thaw_model *model, const thaw_prediction *prediction)
{
    char number[24];
    json_t *top = json_array();
    for (size_t i = 0; prediction->ok && i < prediction->count; i++) {
        const size_t index = (size_t)prediction->class_index[i];
        cli_json_append(top, json_pack("{s:o, s:I, s:o}", "class", cli_json_text(cli_class_name(model, index, number)),
                                       "index", (json_int_t)index, "probability",
                                       cli_json_float(prediction->probability[i])));
    }
    json_t *object = json_pack("{s:o, s:o}", "path", cli_json_text(prediction->path), "top", top);
    if (object && !prediction->ok)
        json_object_set_new(object, "error", cli_json_text(bad_reason(cli, prediction->path)));
    return object;
}

static thaw_status print_all(const cli_state *cli, const thaw_model *model, const thaw_prediction *predictions,
                             size_t count)
{
    json_t *images = json_array();
    for (size_t i = 0; i < count; i++) {
        if (cli->globals.json)
            cli_json_append(images, prediction_json(cli, model, &predictions[i]));
        else if (predictions[i].ok)
            print_prediction(model, &predictions[i]);
    }
    if (!cli->globals.json)
        return json_decref(images), THAW_OK;
    return cli_json_print(
        json_pack("{s:o, s:o}", "device", cli_json_text(thaw_device_describe(cli->device)->name), "images", images));
}

static thaw_status predict(cli_state *cli, const predict_options *options, thaw_model *model, const path_list *paths)
{
    thaw_preprocess preprocess;
    thaw_prediction *predictions = NULL;
    thaw_status status = cli_preprocess_resolve(cli, &options->preprocess, model, &preprocess);
    if (status == THAW_OK)
        status = cli_open_device(cli);
    if (status != THAW_OK)
        return status;
    const thaw_job job = cli_job(cli, options->job.batch_size, options->job.workers, options->job.frozen_precision);
    status = thaw_predict(model, cli->device, (const char *const *)paths->items, paths->count, options->top,
                          &preprocess, &job, &predictions);
    cli_end_job(cli);
    if (status == THAW_OK)
        status = print_all(cli, model, predictions, paths->count);
    if (predictions)
        thaw_predictions_free(&predictions, paths->count);
    return status;
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    const predict_options *options = all_options;
    thaw_model *model = NULL;
    path_list paths = {0};
    cli->bad_is_failure = true;
    thaw_status status = cli_preprocess_check(cli, &options->preprocess);
    if (status == THAW_OK)
        status = gather(cli, arguments + 1, argument_count - 1, &paths);
    if (status == THAW_OK)
        status = cli_load_model_to_run(cli, arguments[0], &model);
    if (status == THAW_OK)
        status = predict(cli, options, model, &paths);
    thaw_model_close(&model);
    free_paths(&paths);
    if (status == THAW_OK && cli->bad_count > 0) {
        cli->reported = true; /* each bad image was */
        return THAW_ERR_IMAGE;
    }
    return status;
}

const cli_command cli_command_predict = {
    .name = "predict",
    .arguments = "MODEL IMAGE...",
    .summary = "name the likeliest classes of images",
    .description = "Prints the likeliest classes of each image with their probabilities. An IMAGE of - reads a list of "
                   "paths from standard input, one a line. Bad images are named on stderr; the others are classified "
                   "all the same, and the exit status is 3.",
    .examples = "  thaw predict mine.onnx photo.jpg\n"
                "  find photos -name '*.jpg' | thaw predict mine.onnx - --top 1 --json\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .least_arguments = 2,
    .most_arguments = SIZE_MAX,
    .options_bytes = sizeof(predict_options),
    .defaults = defaults,
    .run = run,
};
