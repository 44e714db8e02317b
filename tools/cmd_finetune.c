/* thaw finetune: from a pre-trained model and a folder of images to a model of one's own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forecast.h"
#include "json_output.h"
#include "recipe.h"
#include "stages.h"
#include "train_options.h"

typedef struct finetune_options {
    const char *base, *output;
    cli_data_options data;
    cli_recipe_options recipe;
    cli_train_options training;
    const char *checkpoint_every;
    cli_preprocess_options preprocess;
} finetune_options;

#define LIST_NAME(name, text) text,
static const char *const schedules[] = {THAW_SCHEDULE_LIST(LIST_NAME) NULL};
#undef LIST_NAME

/* Beyond that width, an interval says that more validation images would be worth having. */
static const double small_interval = 0.1;

#define FIELD(member) offsetof(finetune_options, member)
static const cli_option file_table[] = {
    {"base", &cli_text, FIELD(base), "MODEL", .help = "the pre-trained model, an ONNX file", .required = true},
    {"data", &cli_text, FIELD(data.folder), "DIR", .help = "a folder of images for each class", .required = true},
    {"output", &cli_text, FIELD(output), "MODEL", .help = "where the new model goes; not needed with --plan"},
};
static const cli_option run_table[] = {
    {"epochs", &cli_int32, FIELD(training.train.epochs), "N", .help = "times that every training image is used",
     .otherwise = "as many as make about 600 steps, 30 to 200", CLI_RANGE(1, 100000)},
    {"lr", &cli_number, FIELD(training.train.learning_rate), "X",
     .help = "learning rate, the highest of the schedule; `thaw lr-find` suggests one", CLI_RANGE(1e-10, 1000)},
    {"schedule", &cli_choice, FIELD(training.train.schedule), .help = "how the learning rate changes",
     .choices = schedules},
    {"warmup", &cli_int32, FIELD(training.train.warmup_steps), "N",
     .help = "steps in which the learning rate rises from 0", CLI_RANGE(0, 1000000)},
    {"ema", &cli_number, FIELD(training.train.ema), "X",
     .help = "validates and keeps a moving average of the weights, X of it what it was before each step; 0: none",
     CLI_RANGE(0, 0.99999)},
    {"early-stop", &cli_int32, FIELD(training.train.early_stop), "N",
     .help = "stop after N epochs without a better one; 0: never", CLI_RANGE(0, 100000)},
};
static const cli_option checkpoint_table[] = {
    {"checkpoint", &cli_text, FIELD(training.train.checkpoint), "DIR",
     .help = "keeps the state of the last two epochs there, to resume from"},
    {"checkpoint-every", &cli_text, FIELD(checkpoint_every), "N|Ns",
     .help = "also within epochs, after N steps, or N seconds"},
    {"resume", &cli_flag, FIELD(training.train.resume),
     .help = "goes on from the newest checkpoint in DIR, to the same bits as without the interruption; begins at the "
             "beginning where there is none"},
};
#undef FIELD
static const cli_group groups[] = {
    CLI_GROUP("Files", file_table, 0),
    CLI_GROUP("How", cli_recipe_table, offsetof(finetune_options, recipe)),
    CLI_GROUP("What is trained", cli_freeze_table, offsetof(finetune_options, training)),
    CLI_GROUP("Training", run_table, 0),
    CLI_GROUP("Steps", cli_step_table, offsetof(finetune_options, training)),
    CLI_GROUP("Checkpoints", checkpoint_table, 0),
    CLI_GROUP("Validation", cli_split_table, offsetof(finetune_options, data)),
    CLI_GROUP("Preprocessing (what the base model carries is taken unless you say otherwise)", cli_preprocess_table,
              offsetof(finetune_options, preprocess)),
    CLI_GROUP("Work", cli_work_table, offsetof(finetune_options, training)),
};

static void defaults(void *all_options)
{
    finetune_options *options = all_options;
    *options = (finetune_options){0};
    cli_recipe_defaults(&options->recipe);
    cli_train_defaults(&options->training);
    cli_data_defaults(&options->data);
    cli_preprocess_defaults(&options->preprocess);
}

/* What the command works on. */
typedef struct finetune_state {
    thaw_dataset *dataset;
    thaw_model *model;
    thaw_preprocess preprocess;
    thaw_finetune_options train;
    thaw_finetune_result result;
    thaw_layer_list *layers; /* of the result */
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

/* "100" steps, or "30s". */
static thaw_status parse_distance(cli_state *cli, const char *text, thaw_finetune_options *train)
{
    char *end;
    const double number = strtod(text, &end);
    const bool seconds = strcmp(end, "s") == 0;
    if (end == text || (*end && !seconds) || !(number > 0 && number <= 1e9) || (!seconds && number != floor(number)))
        return cli_fail_usage(cli, "--checkpoint-every '%s': expected a number of steps, or of seconds as in 30s",
                              text);
    if (seconds)
        train->checkpoint_seconds = number;
    else
        train->checkpoint_steps = (int64_t)number;
    return train->checkpoint ? THAW_OK : cli_fail_usage(cli, "--checkpoint-every needs --checkpoint DIR");
}

/* Everything that can be found wrong before the work begins. */
static thaw_status prepare(cli_state *cli, const finetune_options *options, finetune_state *state)
{
    thaw_status status = cli_preprocess_check(cli, &options->preprocess);
    if (status == THAW_OK)
        status = cli_train_resolve(cli, &options->training, &state->train);
    if (status == THAW_OK)
        status = cli_recipe_resolve(cli, &options->recipe, &state->train);
    if (status == THAW_OK && options->checkpoint_every)
        status = parse_distance(cli, options->checkpoint_every, &state->train);
    if (status == THAW_OK && !options->output && !options->recipe.plan)
        status = cli_fail_usage(cli, "--output MODEL is missing");
    if (status == THAW_OK && options->output)
        status = cli_check_output(cli, options->output);
    if (status == THAW_OK)
        status = cli_open_dataset(cli, &options->data, false, &state->dataset);
    if (status == THAW_OK)
        status = cli_load_model_to_run(cli, options->base, &state->model);
    if (status == THAW_OK)
        status = cli_preprocess_resolve(cli, &options->preprocess, state->model, &state->preprocess);
    if (status == THAW_OK)
        status = cli_open_device(cli);
    return status;
}

static thaw_status train(cli_state *cli, const finetune_options *options, finetune_state *state)
{
    state->train.preprocess = state->preprocess;
    state->train.on_epoch = on_epoch;
    const thaw_status status = thaw_finetune(state->model, cli->device, state->dataset, &state->train, &state->result);
    cli_end_job(cli);
    if (status == THAW_ERR_INTERRUPTED && options->training.train.checkpoint)
        return cli_fail(cli, status, "finetune: interrupted: %s is not written yet; --resume goes on", options->output);
    if (status == THAW_ERR_INTERRUPTED)
        return cli_fail(cli, status, "finetune: interrupted before there was anything to save: %s is not written",
                        options->output);
    return status;
}

static int64_t frozen_count(const thaw_layer_list *layers)
{
    return layers->parameters - layers->trainable_parameters - layers->updated_parameters;
}

static void print_validation(const thaw_finetune_result *result)
{
    const double low = result->best_validation_low, high = result->best_validation_high;
    printf("valid   top-1 %.2f %% of %zu images (95 %%: %.1f to %.1f)%s\n", 100 * result->best_validation_top1,
           result->validation_count, 100 * low, 100 * high, high - low > small_interval ? ", a small set" : "");
}

static void print_text(const finetune_options *options, const finetune_state *state)
{
    const thaw_finetune_result *result = &state->result;
    const thaw_layer_list *layers = state->layers;
    printf("frozen  %lld parameters, %s\n", (long long)frozen_count(layers),
           result->frozen_unchanged ? "unchanged" : "CHANGED");
    printf("trained %lld parameters on %zu images, %zu features each%s\n", (long long)layers->trainable_parameters,
           result->train_count, result->feature_count, result->features_kept ? "" : ", computed again in every epoch");
    if (result->found_count > 0)
        printf("cached  the features of %zu images, views counted, were kept from earlier runs\n", result->found_count);
    if (layers->updated_parameters > 0)
        printf("updated %lld running statistics of batch norms\n", (long long)layers->updated_parameters);
    if (result->resumed_step > 0)
        printf("resumed after step %llu\n", (unsigned long long)result->resumed_step);
    if (result->bad_count > 0)
        printf("bad     %zu images left out\n", result->bad_count);
    cli_recipe_print(result);
    if (result->recipe == THAW_RECIPE_FINETUNE && result->best_epoch == 0)
        printf("best    the model as it was: better in none of %zu epochs\n", result->epoch_count);
    else if (result->recipe == THAW_RECIPE_FINETUNE && result->validation_count > 0)
        printf("best    epoch %d of %zu\n", result->best_epoch, result->epoch_count);
    else if (result->recipe == THAW_RECIPE_FINETUNE)
        printf("best    epoch %d, the last one: no validation images\n", result->best_epoch);
    if (result->validation_count > 0)
        print_validation(result);
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
        "{s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:i, s:b, s:o, s:o, s:o, s:o, s:I, s:b, s:b, s:I, s:I, s:o, s:I, s:I, "
        "s:b, s:o, s:s, s:I, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:b}",
        "device", cli_json_text(thaw_device_describe(cli->device)->name), "base", cli_json_text(options->base),
        "classes", cli_json_classes(state->model), "train_count", (json_int_t)result->train_count, "val_count",
        (json_int_t)result->validation_count, "epochs", epochs_json(result), "best_val_top1",
        cli_json_number(result->best_validation_top1), "best_epoch", result->best_epoch, "frozen_unchanged",
        result->frozen_unchanged, "output", cli_json_text(options->output), "seconds", cli_json_number(result->seconds),
        "preprocess", cli_json_preprocess(&state->preprocess), "bad_images", cli_json_bad_images(cli), "feature_count",
        (json_int_t)result->feature_count, "features_kept", result->features_kept, "head_kept", result->head_kept,
        "frozen_parameters", (json_int_t)frozen_count(state->layers), "trained_parameters",
        (json_int_t)state->layers->trainable_parameters, "stages", cli_stages_json(state->layers), "steps",
        (json_int_t)result->steps, "resumed_step", (json_int_t)result->resumed_step, "interrupted", result->interrupted,
        "peak_device_bytes", json_integer((json_int_t)thaw_device_peak_bytes(cli->device)), "augment",
        cli_augment_text(state->train.augment), "features_found", (json_int_t)result->found_count, "features_halved",
        result->features_halved, "recipe", cli_recipe_text(result->recipe), "val_top1_low",
        cli_json_number(result->best_validation_low), "val_top1_high", cli_json_number(result->best_validation_high),
        "probe", cli_probe_json(result), "refinement", cli_refinement_json(result), "start_val_top1",
        cli_json_number(result->start_validation_top1), "planned_steps", (json_int_t)result->planned_steps,
        "out_of_time", result->out_of_time));
}

/* Saves what training left in the model, and tells. An interruption is over by then: saving must not stop. */
static thaw_status finish(cli_state *cli, const finetune_options *options, finetune_state *state)
{
    thaw_context_resume(cli->context);
    thaw_status status = thaw_model_save(state->model, options->output);
    if (status == THAW_OK)
        status = thaw_model_layers(state->model, state->preprocess.height, state->preprocess.width, &state->layers);
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

/* Says what training would take instead of training. */
static thaw_status plan(cli_state *cli, finetune_state *state)
{
    thaw_forecast forecast;
    state->train.preprocess = state->preprocess;
    thaw_status status = thaw_finetune_forecast(state->model, cli->device, state->dataset, &state->train, &forecast);
    cli_end_job(cli);
    if (status == THAW_OK)
        status = cli_forecast_print(cli, &forecast);
    thaw_forecast_free(&forecast);
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
        status = options->recipe.plan ? plan(cli, &state) : train(cli, options, &state);
    }
    if (status == THAW_OK && !options->recipe.plan)
        status = finish(cli, options, &state);
    thaw_layer_list_free(&state.layers);
    thaw_finetune_result_free(&state.result);
    thaw_model_close(&state.model);
    thaw_dataset_close(&state.dataset);
    return status;
}

const cli_command cli_command_finetune = {
    .name = "finetune",
    .arguments = "",
    .summary = "train a new output layer, or more, on a folder of images",
    .description =
        "Replaces the output layer of a pre-trained model by one for the classes of the data and writes an ordinary "
        "ONNX "
        "model with the classes and the preprocessing in its metadata. Without options about training, it fits the new "
        "layer by logistic regression, then fine-tunes from there as far as images and time allow, and keeps that only "
        "if it is better on validation images beyond chance.\n"
        "With options about training, all but the new layer and what you unfreeze is frozen, and the weights are those "
        "of "
        "the best epoch; a model that has the data's classes already keeps its output layer. Ctrl-C saves the best so "
        "far; a second one quits at once.\n"
        "Data is a folder for each class: DIR/<class>/<image>, or DIR/train/<class>/.. with DIR/val/<class>/..",
    .examples = "  thaw finetune --base resnet18.onnx --data flowers --output flowers.onnx\n"
                "  thaw finetune --base resnet18.onnx --data flowers --plan\n"
                "  thaw finetune --base mobilenet.onnx --preprocess tf --data signs --output signs.onnx \\\n"
                "       --epochs 50 --lr 3e-4 --val-split 0.25 --early-stop 8\n"
                "  thaw finetune --base resnet18.onnx --data flowers --output flowers.onnx --unfreeze 1 --lr 1e-4 \\\n"
                "       --lr-head 1e-3 --epochs 10 --checkpoint flowers.run --resume\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .options_bytes = sizeof(finetune_options),
    .defaults = defaults,
    .run = run,
};
