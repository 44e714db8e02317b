/* thaw lr-find: which learning rate suits a model and a folder of images. */
#include <math.h>

#include "json_output.h"
#include "train_options.h"

typedef struct lr_find_options {
    const char *base;
    cli_data_options data;
    cli_train_options training;
    thaw_lr_find_options find;
    cli_preprocess_options preprocess;
} lr_find_options;

#define FIELD(member) offsetof(lr_find_options, member)
static const cli_option file_table[] = {
    {"base", &cli_text, FIELD(base), "MODEL", .help = "the pre-trained model, an ONNX file", .required = true},
    {"data", &cli_text, FIELD(data.folder), "DIR", .help = "a folder of images for each class", .required = true},
};
static const cli_option find_table[] = {
    {"from", &cli_number, FIELD(find.lowest), "X", .help = "learning rate of the first step", CLI_RANGE(1e-12, 1000)},
    {"to", &cli_number, FIELD(find.highest), "X", .help = "learning rate of the last step", CLI_RANGE(1e-12, 1e6)},
    {"steps", &cli_int32, FIELD(find.steps), "N", .help = "from one to the other", CLI_RANGE(20, 100000)},
};
#undef FIELD
static const cli_group groups[] = {
    CLI_GROUP("Files", file_table, 0),
    CLI_GROUP("The search", find_table, 0),
    CLI_GROUP("What is trained", cli_freeze_table, offsetof(lr_find_options, training)),
    CLI_GROUP("Steps", cli_step_table, offsetof(lr_find_options, training)),
    CLI_GROUP("Validation images, which are not trained on", cli_split_table, offsetof(lr_find_options, data)),
    CLI_GROUP("Preprocessing (what the base model carries is taken unless you say otherwise)", cli_preprocess_table,
              offsetof(lr_find_options, preprocess)),
    CLI_GROUP("Work", cli_work_table, offsetof(lr_find_options, training)),
};

static void defaults(void *all_options)
{
    lr_find_options *options = all_options;
    *options = (lr_find_options){.find = thaw_lr_find_defaults()};
    cli_train_defaults(&options->training);
    cli_data_defaults(&options->data);
    cli_preprocess_defaults(&options->preprocess);
}

typedef struct lr_find_state {
    thaw_dataset *dataset;
    thaw_model *model;
    thaw_finetune_options train;
    thaw_lr_find_result result;
} lr_find_state;

static thaw_status prepare(cli_state *cli, const lr_find_options *options, lr_find_state *state)
{
    thaw_status status = cli_preprocess_check(cli, &options->preprocess);
    if (status == THAW_OK && !(options->find.lowest < options->find.highest))
        status = cli_fail_usage(cli, "--from %g is not below --to %g", options->find.lowest, options->find.highest);
    if (status == THAW_OK)
        status = cli_train_resolve(cli, &options->training, &state->train);
    if (status == THAW_OK)
        status = cli_open_dataset(cli, &options->data, false, &state->dataset);
    if (status == THAW_OK)
        status = cli_load_model_to_run(cli, options->base, &state->model);
    if (status == THAW_OK)
        status = cli_preprocess_resolve(cli, &options->preprocess, state->model, &state->train.preprocess);
    if (status == THAW_OK)
        status = cli_open_device(cli);
    return status;
}

static void print_suggestion(const char *name, double rate)
{
    if (isnan(rate))
        printf("%-9s -: the loss went up too soon, begin at a lower rate\n", name);
    else
        printf("%-9s %.2e\n", name, rate);
}

static void print_text(const thaw_lr_find_result *result)
{
    printf("%12s %10s %10s\n", "lr", "loss", "smoothed");
    for (size_t i = 0; i < result->count; i++)
        printf("%12.3e %10.4f %10.4f\n", result->points[i].rate, result->points[i].loss, result->points[i].smoothed);
    if (result->diverged)
        printf("the loss grew beyond four times the best: stopped there\n");
    print_suggestion("valley", result->valley);
    print_suggestion("steepest", result->steepest);
    if (!isnan(result->valley))
        printf("suggested: --lr %.2g\n", result->valley);
}

static thaw_status print_json(const cli_state *cli, const lr_find_options *options, const thaw_lr_find_result *result)
{
    json_t *points = json_array();
    for (size_t i = 0; i < result->count; i++)
        cli_json_append(points, json_pack("{s:o, s:o, s:o}", "lr", cli_json_number(result->points[i].rate), "loss",
                                          cli_json_number(result->points[i].loss), "smoothed",
                                          cli_json_number(result->points[i].smoothed)));
    return cli_json_print(json_pack(
        "{s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o}", "device", cli_json_text(thaw_device_describe(cli->device)->name),
        "base", cli_json_text(options->base), "suggested", cli_json_number(result->valley), "diverged",
        result->diverged, "valley", cli_json_number(result->valley), "steepest", cli_json_number(result->steepest),
        "points", points, "bad_images", cli_json_bad_images(cli)));
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    (void)arguments, (void)argument_count;
    const lr_find_options *options = all_options;
    lr_find_state state = {0};
    thaw_status status = prepare(cli, options, &state);
    if (status == THAW_OK) {
        status = thaw_lr_find(state.model, cli->device, state.dataset, &state.train, &options->find, &state.result);
        cli_end_job(cli);
    }
    if (status == THAW_OK && cli->globals.json)
        status = print_json(cli, options, &state.result);
    else if (status == THAW_OK)
        print_text(&state.result);
    thaw_lr_find_result_free(&state.result);
    thaw_model_close(&state.model);
    thaw_dataset_close(&state.dataset);
    return status;
}

const cli_command cli_command_lr_find = {
    .name = "lr-find",
    .arguments = "",
    .summary = "suggest a learning rate for finetune",
    .description =
        "Trains as `finetune` would with the same options, with a learning rate that rises exponentially from step "
        "to step, and shows what becomes of the loss. Suggested is the valley: two thirds into the longest fall of "
        "the smoothed loss; steepest is where it falls fastest. Stops when the loss is four times the best. No model "
        "is written.",
    .examples = "  thaw lr-find --base resnet18.onnx --data flowers\n"
                "  thaw lr-find --base resnet18.onnx --data flowers --unfreeze 1 --optimizer sgd --json\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .options_bytes = sizeof(lr_find_options),
    .defaults = defaults,
    .run = run,
};
