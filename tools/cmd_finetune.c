/* thaw finetune: from a pre-trained model and a folder of images to a model of one's own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json_output.h"
#include "shared_options.h"

typedef struct finetune_options {
    const char *base, *output;
    cli_data_options data;
    thaw_finetune_options train;
    int class_weights, batch_norm;
    size_t workers;
    cli_preprocess_options preprocess;
} finetune_options;

#define LIST_NAME(name, text) text,
static const char *const optimizers[] = {THAW_OPTIMIZER_LIST(LIST_NAME) NULL};
static const char *const schedules[] = {THAW_SCHEDULE_LIST(LIST_NAME) NULL};
#undef LIST_NAME
static const char *const class_weights[] = {"none", "balanced", NULL};
static const char *const batch_norms[] = {"frozen", NULL};

#define FIELD(member) offsetof(finetune_options, member)
static const cli_option file_table[] = {
    {"base", &cli_text, FIELD(base), "MODEL", .help = "the pre-trained model, an ONNX file", .required = true},
    {"data", &cli_text, FIELD(data.folder), "DIR", .help = "a folder of images for each class", .required = true},
    {"output", &cli_text, FIELD(output), "MODEL", .help = "where the new model goes", .required = true},
};
static const cli_option train_table[] = {
    {"epochs", &cli_int32, FIELD(train.epochs), "N", .help = "times that every training image is used",
     .otherwise = "as many as make about 600 steps, 30 to 200", CLI_RANGE(1, 100000)},
    {"batch-size", &cli_size, FIELD(train.train_batch_size), "N", .help = "images for one step", CLI_RANGE(1, 65536)},
    {"lr", &cli_number, FIELD(train.learning_rate), "X", .help = "learning rate, the highest of the schedule",
     CLI_RANGE(1e-10, 1000)},
    {"optimizer", &cli_choice, FIELD(train.optimizer), .help = "how steps are made", .choices = optimizers},
    {"momentum", &cli_number, FIELD(train.momentum), "X", .help = "of sgd", CLI_RANGE(0, 0.9999)},
    {"weight-decay", &cli_number, FIELD(train.weight_decay), "X", .help = "pull of the weights to zero; not on biases",
     CLI_RANGE(0, 10)},
    {"schedule", &cli_choice, FIELD(train.schedule), .help = "how the learning rate changes", .choices = schedules},
    {"warmup", &cli_int32, FIELD(train.warmup_steps), "N", .help = "steps in which the learning rate rises from 0",
     CLI_RANGE(0, 1000000)},
    {"label-smoothing", &cli_number, FIELD(train.label_smoothing), "X",
     .help = "share of the target spread over all classes", CLI_RANGE(0, 0.99)},
    {"class-weights", &cli_choice, FIELD(class_weights),
     .help = "balanced: each class weighs 1 / its share of the images", .choices = class_weights},
    {"early-stop", &cli_int32, FIELD(train.early_stop), "N",
     .help = "stop after N epochs without a better one; 0: never", CLI_RANGE(0, 100000)},
    {"batch-norm", &cli_choice, FIELD(batch_norm),
     .help = "statistics of batch norms, which are frozen like all but the head", .choices = batch_norms},
    {"head-at", &cli_text, FIELD(train.head_at), "NODE", .help = "node or value whose output feeds the new head",
     .otherwise = "found at the end of the graph"},
    {"seed", &cli_seed, FIELD(train.seed), "N", .help = "of the new head and of the images' order"},
    {"workers", &cli_size, FIELD(workers), "N", .help = "threads that decode images", .otherwise = "one per processor",
     CLI_RANGE(0, 256)},
};
#undef FIELD
static const cli_group groups[] = {
    CLI_GROUP("Files", file_table, 0),
    CLI_GROUP("Training", train_table, 0),
    CLI_GROUP("Validation", cli_split_table, offsetof(finetune_options, data)),
    CLI_GROUP("Preprocessing (what the base model carries is taken unless you say otherwise)", cli_preprocess_table,
              offsetof(finetune_options, preprocess)),
};

static void defaults(void *all_options)
{
    finetune_options *options = all_options;
    *options = (finetune_options){.train = thaw_finetune_defaults()};
    cli_data_defaults(&options->data);
    cli_preprocess_defaults(&options->preprocess);
}

/* What the command works on. */
typedef struct finetune_state {
    thaw_dataset *dataset;
    thaw_model *model;
    thaw_preprocess preprocess;
    thaw_finetune_result result;
    int64_t frozen_parameters, trained_parameters;
} finetune_state;

static void on_epoch(void *user, const thaw_epoch *epoch)
{
    cli_progress_tell_epoch(&((cli_state *)user)->progress, epoch);
}

/* Images of each class, for training and for validation. */
static void note_data(cli_state *cli, const finetune_options *options, const thaw_dataset *dataset)
{
    const size_t class_count = thaw_dataset_class_count(dataset);
    size_t(*counts)[2] = calloc(class_count, sizeof *counts);
    size_t total[2] = {0, 0};
    for (size_t i = 0; counts && i < thaw_dataset_count(dataset); i++) {
        const thaw_sample *sample = thaw_dataset_sample(dataset, i);
        counts[sample->class_index][sample->validation]++;
        total[sample->validation]++;
    }
    cli_note(cli, "data:   %s: %zu classes, %zu images to train on, %zu to validate", options->data.folder, class_count,
             total[0], total[1]);
    for (size_t i = 0; counts && i < class_count; i++)
        cli_note(cli, "  %-24s %6zu + %zu", thaw_dataset_class_name(dataset, i), counts[i][0], counts[i][1]);
    free(counts);
}

static void note_job(cli_state *cli, const finetune_options *options, const finetune_state *state)
{
    char text[256];
    cli_preprocess_text(&state->preprocess, text, sizeof text);
    cli_note(cli, "base:   %s", options->base);
    note_data(cli, options, state->dataset);
    cli_note(cli, "images: %s", text);
}

/* Everything that can be found wrong before the work begins. */
static thaw_status prepare(cli_state *cli, const finetune_options *options, finetune_state *state)
{
    thaw_status status = cli_preprocess_check(cli, &options->preprocess);
    if (status == THAW_OK)
        status = cli_check_output(cli, options->output);
    if (status == THAW_OK)
        status = cli_open_dataset(cli, &options->data, false, &state->dataset);
    if (status == THAW_OK)
        status = cli_load_model(cli, options->base, &state->model);
    if (status == THAW_OK)
        status = cli_preprocess_resolve(cli, &options->preprocess, state->model, &state->preprocess);
    if (status == THAW_OK)
        status = cli_open_device(cli);
    return status;
}

static thaw_status train(cli_state *cli, const finetune_options *options, finetune_state *state)
{
    thaw_finetune_options train = options->train;
    train.job = cli_job(cli, train.job.batch_size, options->workers);
    train.preprocess = state->preprocess;
    train.balanced_classes = options->class_weights == 1;
    train.on_epoch = on_epoch;
    const thaw_status status = thaw_finetune(state->model, cli->device, state->dataset, &train, &state->result);
    cli_end_job(cli);
    if (status == THAW_ERR_INTERRUPTED)
        return cli_fail(cli, status, "finetune: interrupted before there was anything to save: %s is not written",
                        options->output);
    return status;
}

static thaw_status count_parameters(finetune_state *state)
{
    thaw_layer_list *list = NULL;
    const thaw_status status =
        thaw_model_layers(state->model, state->preprocess.height, state->preprocess.width, &list);
    if (status != THAW_OK)
        return status;
    state->trained_parameters = list->trainable_parameters;
    state->frozen_parameters = list->parameters - list->trainable_parameters;
    thaw_layer_list_free(&list);
    return THAW_OK;
}

static void print_text(const finetune_options *options, const finetune_state *state)
{
    const thaw_finetune_result *result = &state->result;
    printf("frozen  %lld parameters, %s\n", (long long)state->frozen_parameters,
           result->frozen_unchanged ? "unchanged" : "CHANGED");
    printf("trained %lld parameters on %zu images, %zu features each\n", (long long)state->trained_parameters,
           result->train_count, result->feature_count);
    if (result->bad_count > 0)
        printf("bad     %zu images left out\n", result->bad_count);
    if (result->validation_count > 0)
        printf("best    epoch %d of %zu: top-1 %.2f %% of %zu validation images\n", result->best_epoch,
               result->epoch_count, 100 * result->best_validation_top1, result->validation_count);
    else
        printf("best    epoch %d, the last one: no validation images\n", result->best_epoch);
    printf("written %s\n", options->output);
    printf("took    %.1f s\n", result->seconds);
}

static json_t *epochs_json(const thaw_finetune_result *result)
{
    json_t *array = json_array();
    for (size_t i = 0; i < result->epoch_count; i++)
        cli_json_append(array, cli_json_epoch(&result->epochs[i]));
    return array;
}

static thaw_status print_json(const cli_state *cli, const finetune_options *options, const finetune_state *state)
{
    const thaw_finetune_result *result = &state->result;
    return cli_json_print(json_pack(
        "{s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:i, s:b, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:b, s:o}", "device",
        cli_json_text(thaw_device_describe(cli->device)->name), "base", cli_json_text(options->base), "classes",
        cli_json_classes(state->model), "train_count", (json_int_t)result->train_count, "val_count",
        (json_int_t)result->validation_count, "epochs", epochs_json(result), "best_val_top1",
        cli_json_number(result->best_validation_top1), "best_epoch", result->best_epoch, "frozen_unchanged",
        result->frozen_unchanged, "output", cli_json_text(options->output), "seconds", cli_json_number(result->seconds),
        "preprocess", cli_json_preprocess(&state->preprocess), "bad_images", cli_json_bad_images(cli), "feature_count",
        (json_int_t)result->feature_count, "frozen_parameters", (json_int_t)state->frozen_parameters,
        "trained_parameters", (json_int_t)state->trained_parameters, "interrupted", result->interrupted,
        "peak_device_bytes", json_integer((json_int_t)thaw_device_peak_bytes(cli->device))));
}

/* Saves what training left in the model, and tells. An interruption is over by then: saving must not stop. */
static thaw_status finish(cli_state *cli, const finetune_options *options, finetune_state *state)
{
    thaw_context_resume(cli->context);
    thaw_status status = thaw_model_save(state->model, options->output);
    if (status == THAW_OK)
        status = count_parameters(state);
    if (status != THAW_OK)
        return status;
    if (cli->globals.json)
        status = print_json(cli, options, state);
    else
        print_text(options, state);
    if (status == THAW_OK && state->result.interrupted)
        return cli_fail(cli, THAW_ERR_INTERRUPTED, "finetune: interrupted: %s holds the best epoch so far, %d of %zu",
                        options->output, state->result.best_epoch, state->result.epoch_count);
    return status;
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    (void)arguments, (void)argument_count;
    const finetune_options *options = all_options;
    finetune_state state = {0};
    thaw_status status = prepare(cli, options, &state);
    if (status == THAW_OK) {
        note_job(cli, options, &state);
        status = train(cli, options, &state);
    }
    if (status == THAW_OK)
        status = finish(cli, options, &state);
    thaw_finetune_result_free(&state.result);
    thaw_model_close(&state.model);
    thaw_dataset_close(&state.dataset);
    return status;
}

const cli_command cli_command_finetune = {
    .name = "finetune",
    .arguments = "",
    .summary = "train a new output layer on a folder of images",
    .description =
        "Freezes the pre-trained model, replaces its output layer by one for the classes of the data, trains "
        "that, and writes an ordinary ONNX model with the classes and the preprocessing in its metadata. The "
        "weights are those of the best epoch. Ctrl-C saves the best epoch so far; a second one quits at once.\n"
        "Data is a folder for each class: DIR/<class>/<image>, or DIR/train/<class>/.. with DIR/val/<class>/..",
    .examples = "  thaw finetune --base resnet18.onnx --data flowers --output flowers.onnx\n"
                "  thaw finetune --base mobilenet.onnx --preprocess tf --data signs --output signs.onnx \\\n"
                "       --epochs 50 --lr 3e-4 --val-split 0.25 --early-stop 8\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .options_bytes = sizeof(finetune_options),
    .defaults = defaults,
    .run = run,
};
