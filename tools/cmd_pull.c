/* thaw pull: a model from a hub into the local model folder. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json_output.h"

typedef struct pull_options {
    const char *revision, *file;
    bool list;
} pull_options;

static const cli_option table[] = {
    {"revision", &cli_text, offsetof(pull_options, revision), "R", .help = "branch, tag or commit",
     .otherwise = "what NAME says, else main"},
    {"file", &cli_text, offsetof(pull_options, file), "F", .help = "only this one of the model's files",
     .otherwise = "config.json and the weights"},
    {"list", &cli_flag, offsetof(pull_options, list), .help = "what has been pulled; asks no hub"},
};
static const cli_group groups[] = {CLI_GROUP("Options", table, 0)};

static void defaults(void *options)
{
    (void)options;
}

static void on_progress(void *user, const thaw_hub_progress *now)
{
    const thaw_progress progress = {.phase = CLI_PHASE_DOWNLOAD,
                                    .done = (size_t)now->done_bytes,
                                    .total = (size_t)now->total_bytes,
                                    .seconds = now->seconds,
                                    .rate = now->bytes_per_second};
    cli_progress_tell(&((cli_state *)user)->progress, &progress);
}

static json_t *model_json(const thaw_hub_model *model)
{
    json_t *files = json_array();
    for (size_t i = 0; i < model->file_count; i++) {
        const thaw_hub_file *file = &model->files[i];
        cli_json_append(files, json_pack("{s:s, s:I, s:s, s:b}", "name", file->name, "bytes", (json_int_t)file->bytes,
                                         "check", thaw_hub_check_text(file->check), "downloaded", file->downloaded));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:I, s:o}", "name", model->name, "revision", model->revision, "commit",
                     model->commit, "folder", cli_json_text(model->folder), "bytes", (json_int_t)model->bytes, "files",
                     files);
}

static void print_model(const thaw_hub_model *model)
{
    for (size_t i = 0; i < model->file_count; i++) {
        const thaw_hub_file *file = &model->files[i];
        printf("%-32s %10.1f MB  %-8s  %s\n", file->name, (double)file->bytes / 1e6, thaw_hub_check_text(file->check),
               file->downloaded ? "downloaded" : "there already");
    }
    printf("%s%s%s -> %s\n", model->name, model->commit[0] ? " at " : "", model->commit, model->folder);
}

static thaw_status pull(cli_state *cli, const pull_options *options, const char *name)
{
    thaw_hub_model model;
    thaw_hub_options wish = thaw_hub_defaults();
    wish.revision = options->revision;
    wish.file = options->file;
    wish.on_progress = on_progress;
    wish.user = cli;
    thaw_status status = thaw_hub_pull(cli->context, name, &wish, &model);
    cli_progress_clear(&cli->progress);
    if (status != THAW_OK)
        return status;
    if (cli->globals.json)
        status = cli_json_print(model_json(&model));
    else
        print_model(&model);
    thaw_hub_model_free(&model);
    return status;
}

static thaw_status list(cli_state *cli)
{
    thaw_hub_list all;
    json_t *models = json_array();
    thaw_status status = thaw_hub_list_open(cli->context, &all);
    for (size_t i = 0; status == THAW_OK && i < all.count; i++) {
        const thaw_hub_model *model = &all.models[i];
        if (cli->globals.json)
            cli_json_append(models, model_json(model));
        else
            printf("%-40s %10.1f MB  %.12s\n", model->name, (double)model->bytes / 1e6,
                   model->commit[0] ? model->commit : "-");
    }
    if (status == THAW_OK && cli->globals.json)
        status = cli_json_print(json_pack("{s:o, s:O}", "folder", cli_json_text(all.folder), "models", models));
    json_decref(models);
    thaw_hub_list_free(&all);
    return status;
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    const pull_options *options = all_options;
    if (options->list && (argument_count > 0 || options->revision || options->file))
        return cli_fail_usage(cli, "--list goes with no other option and no NAME");
    if (!options->list && argument_count == 0)
        return cli_fail_usage(cli, "expected NAME: `thaw pull --help` tells more");
    return options->list ? list(cli) : pull(cli, options, arguments[0]);
}

const cli_command cli_command_pull = {
    .name = "pull",
    .arguments = "NAME",
    .summary = "a model from a hub into the local model folder",
    .description =
        "Brings OWNER/NAME, or OWNER/NAME@REVISION, from the hub whose address is in THAW_HUB, else " THAW_HUB_USUAL
        ": config.json, and model.safetensors, or its index with the files that this names, or model.onnx. What is "
        "there already is not brought again, what an earlier try left is gone on with, and every file is checked "
        "against the length and the digest that the hub announces. Afterwards every command takes NAME where it takes "
        "a model. The folder is THAW_MODEL_DIR, else ~/.local/share/thaw/models. A token, for models that need one, "
        "comes from THAW_HUB_TOKEN, or from HF_TOKEN for the usual hub. No other command uses the network.",
    .examples = "  thaw pull timm/resnet18.a1_in1k\n"
                "  thaw finetune --base timm/resnet18.a1_in1k --data photos --output mine.onnx\n"
                "  thaw pull --list\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .least_arguments = 0,
    .most_arguments = 1,
    .options_bytes = sizeof(pull_options),
    .defaults = defaults,
    .run = run,
};
