/* thaw check: what is wrong with a folder of images, before training on it. */
#include <stdlib.h>

#include "cli.h"
#include "check_output.h"
#include "shared_options.h"

typedef struct check_options {
    cli_data_options data;
    const char *base;
    bool strict, skip_turned;
    int32_t least_side;
    double similarity;
    size_t neighbours, limit;
    cli_job_options job;
    cli_preprocess_options preprocess;
} check_options;

#define FIELD(member) offsetof(check_options, member)
static const cli_option table[] = {
    {"base", &cli_text, FIELD(base), "MODEL",
     .help = "a pre-trained model, by whose features labels are doubted and turned images found",
     .otherwise = "these are not looked for"},
    {"strict", &cli_flag, FIELD(strict),
     .help = "exit status 1 if there are unreadable images, the same picture in training and validation, or in two "
             "classes"},
    {"limit", &cli_size, FIELD(limit), "N", .help = "lines of each list that are printed; --json has all",
     CLI_RANGE(0, 1e9)},
    {"tiny", &cli_int32, FIELD(least_side), "N", .help = "an image with a shorter side below so many pixels is tiny",
     CLI_RANGE(0, 16384)},
    {"similarity", &cli_number, FIELD(similarity), "X",
     .help = "from which correlation on two images are the same picture", CLI_RANGE(0.9, 1)},
    {"neighbours", &cli_size, FIELD(neighbours), "N", .help = "that are asked about an image's label",
     CLI_RANGE(1, 1000)},
    {"skip-turned", &cli_flag, FIELD(skip_turned),
     .help = "don't look for turned images, which takes three times as long as all else with --base"},
};
#undef FIELD
static const cli_group groups[] = {
    CLI_GROUP("Options", table, 0),
    CLI_GROUP("Which images are for validation, as finetune has it", cli_split_table, offsetof(check_options, data)),
    CLI_GROUP("Work", cli_job_table, offsetof(check_options, job)),
    CLI_GROUP("Preprocessing (what the model carries is taken unless you say otherwise)", cli_preprocess_table,
              offsetof(check_options, preprocess)),
};

static void defaults(void *all_options)
{
    check_options *options = all_options;
    const thaw_check_options library = thaw_check_defaults();
    *options = (check_options){.least_side = library.least_side,
                               .similarity = library.similarity,
                               .neighbours = library.neighbours,
                               .limit = 20};
    cli_data_defaults(&options->data);
    cli_job_defaults(&options->job);
    cli_preprocess_defaults(&options->preprocess);
}

static thaw_status use_model(cli_state *cli, const check_options *options, thaw_check_options *library)
{
    thaw_status status = cli_load_model_to_run(cli, options->base, &library->model);
    if (status == THAW_OK)
        status = cli_preprocess_resolve(cli, &options->preprocess, library->model, &library->preprocess);
    if (status == THAW_OK)
        status = cli_open_device(cli);
    library->device = cli->device;
    return status;
}

/* After the report, for scripts that must stop here. */
static thaw_status judge(cli_state *cli, const thaw_check_report *report)
{
    if (cli_check_passed(report))
        return THAW_OK;
    return cli_fail(cli, THAW_ERR_CHECK,
                    "%zu unreadable images, %zu pictures in training and validation, %zu in several classes",
                    report->kind_count[THAW_FINDING_UNREADABLE], report->leak_count, report->conflict_count);
}

static thaw_status check(cli_state *cli, const check_options *options, const thaw_dataset *dataset)
{
    thaw_check_report report = {0};
    thaw_check_options library = thaw_check_defaults();
    thaw_status status = THAW_OK;
    library.job = cli_job(cli, options->job.batch_size, options->job.workers, options->job.frozen_precision);
    library.least_side = options->least_side;
    library.similarity = options->similarity;
    library.neighbours = options->neighbours;
    library.skip_turned = options->skip_turned;
    if (options->base)
        status = use_model(cli, options, &library);
    if (status == THAW_OK)
        status = thaw_check(cli->context, dataset, &library, &report);
    cli_end_job(cli);
    const cli_check_view view = {dataset, &report, options->data.folder, options->base, options->limit};
    if (status == THAW_OK)
        status = cli->globals.json ? cli_check_print_json(&view) : cli_check_print_text(&view);
    if (status == THAW_OK && options->strict)
        status = judge(cli, &report);
    thaw_check_report_free(&report);
    thaw_model_close(&library.model);
    return status;
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    (void)argument_count;
    check_options options = *(const check_options *)all_options;
    thaw_dataset *dataset = NULL;
    options.data.folder = arguments[0];
    thaw_status status = cli_preprocess_check(cli, &options.preprocess);
    if (status == THAW_OK)
        status = cli_open_dataset(cli, &options.data, true, &dataset);
    if (status == THAW_OK)
        status = check(cli, &options, dataset);
    thaw_dataset_close(&dataset);
    return status;
}

const cli_command cli_command_check = {
    .name = "check",
    .arguments = "DATA",
    .summary = "find what is wrong with a folder of images",
    .description =
        "Looks for images that can't be read, tiny ones, those of one colour and grey ones among coloured; for the "
        "same "
        "picture twice, also if it was saved again, resized, mirrored, turned, made brighter or cropped a little: "
        "within a class, in two classes, and in training and validation, split as finetune does it. With --base, also "
        "for images whose neighbours by that model's features belong to another class, and for those that look more "
        "like their class when turned. Nothing is changed; the exit status is 0 whatever is found, unless --strict.",
    .examples = "  thaw check photos\n"
                "  thaw check photos --base mobilenet.onnx --preprocess tf\n"
                "  thaw check photos --val photos-val --strict --json\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .least_arguments = 1,
    .most_arguments = 1,
    .options_bytes = sizeof(check_options),
    .defaults = defaults,
    .run = run,
};
