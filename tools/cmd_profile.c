/* thaw profile: where a model's time goes. */
#include <string.h>

#include "cli.h"
#include "json_output.h"
#include "shared_options.h"

typedef struct profile_options {
    size_t batch;
    int32_t size[2];
    int32_t repeats;
    bool whole, train, checkpoint_activations;
    int32_t unfreeze;
    thaw_precision frozen_precision;
} profile_options;

#define FIELD(member) offsetof(profile_options, member)
static const cli_option table[] = {
    {"batch", &cli_size, FIELD(batch), "N", .help = "images at once", CLI_RANGE(1, 65536)},
    {"size", &cli_extent, FIELD(size), "N|HxW", .help = "pixels of the image",
     .otherwise = "the model's own, else 224"},
    {"repeat", &cli_int32, FIELD(repeats), "N", .help = "timed runs of the whole model", CLI_RANGE(1, 10000)},
    {"whole", &cli_flag, FIELD(whole), .help = "time the whole model only: no layers, no peaks"},
    {"train", &cli_flag, FIELD(train), .help = "a step of training: forward, loss, backward, SGD"},
    {"unfreeze", &cli_int32, FIELD(unfreeze), "N", .help = "train the head and N stages below it only",
     .otherwise = "everything", CLI_RANGE(0, 10000)},
    {"checkpoint-activations", &cli_flag, FIELD(checkpoint_activations),
     .help = "with --train: compute activations again instead of keeping them"},
    {"frozen-precision", &cli_choice, FIELD(frozen_precision), .help = CLI_PRECISION_HELP, .choices = cli_precisions},
};
#undef FIELD
static const cli_group groups[] = {CLI_GROUP("Options", table, 0)};

static void defaults(void *all_options)
{
    profile_options *options = all_options;
    const thaw_profile_options otherwise = thaw_profile_defaults();
    *options = (profile_options){
        .batch = (size_t)otherwise.batch, .repeats = otherwise.repeats, .unfreeze = otherwise.unfreeze};
}

static int name_width(const thaw_profile *profile)
{
    size_t width = 4;
    for (size_t i = 0; i < profile->layer_count; i++)
        if (strlen(profile->layers[i].name) > width)
            width = strlen(profile->layers[i].name);
    return (int)(width < CLI_NAME_WIDTH ? width : CLI_NAME_WIDTH);
}

static void print_layers(const thaw_profile *profile)
{
    const int width = name_width(profile);
    printf("%-*s  %-9s  %-18s %-18s %9s %9s %7s %9s %7s\n", width, "name", "pass", "op", "algorithm", "ms", "GFLOP/s",
           "% peak", "MB", "% copy");
    for (size_t i = 0; i < profile->layer_count; i++) {
        const thaw_profile_layer *layer = &profile->layers[i];
        printf("%-*s  %-9s  %-18s %-18s %9.3f %9.1f %7.1f %9.3f %7.1f\n", width, cli_name_end(layer->name), layer->pass,
               layer->op, layer->algorithm, layer->seconds * 1e3, layer->flops_per_second / 1e9, layer->percent_of_peak,
               layer->bytes / 1e6, layer->percent_of_copy);
    }
    printf("\n%zu layers in %.3f ms, forward %.3f, backward %.3f; peak %.1f GFLOP/s, copy %.1f GB/s\n",
           profile->layer_count, profile->layer_seconds * 1e3, profile->pass_seconds[0] * 1e3,
           profile->pass_seconds[1] * 1e3, profile->peak_flops_per_second / 1e9,
           profile->peak_copy_bytes_per_second / 1e9);
}

static void print_totals(const thaw_profile *profile)
{
    printf("%lld image%s in %.3f ms (median): %.2f images/s\n", (long long)profile->batch,
           profile->batch == 1 ? "" : "s", profile->median_seconds * 1e3, profile->images_per_second);
    printf("device memory %.1f MB at most; weights %.1f MB, largest live activations %.1f MB\n",
           (double)profile->peak_device_bytes / 1e6, (double)profile->weight_bytes / 1e6,
           (double)profile->live_activation_bytes / 1e6);
}

static json_t *layers_json(const thaw_profile *profile)
{
    json_t *array = json_array();
    for (size_t i = 0; i < profile->layer_count; i++) {
        const thaw_profile_layer *layer = &profile->layers[i];
        cli_json_append(array,
                        json_pack("{s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "name", cli_json_text(layer->name),
                                  "op", layer->op, "pass", layer->pass, "algorithm", layer->algorithm, "seconds",
                                  cli_json_number(layer->seconds), "gflops",
                                  cli_json_number(layer->flops_per_second / 1e9), "percent_of_peak",
                                  cli_json_number(layer->percent_of_peak), "bytes", cli_json_number(layer->bytes),
                                  "percent_of_copy", cli_json_number(layer->percent_of_copy)));
    }
    return array;
}

static thaw_status print_json(const cli_state *cli, const char *path, thaw_precision precision,
                              const thaw_profile *profile)
{
    return cli_json_print(json_pack(
        "{s:o, s:o, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o}", "model",
        cli_json_text(path), "device", cli_json_text(thaw_device_describe(cli->device)->name), "batch",
        (json_int_t)profile->batch, "mode", profile->mode, "frozen_precision", cli_precisions[precision],
        "largest_difference", cli_json_number(profile->largest_difference), "images_per_second",
        cli_json_number(profile->images_per_second), "median_seconds", cli_json_number(profile->median_seconds),
        "layer_seconds", cli_json_number(profile->layer_seconds), "forward_seconds",
        cli_json_number(profile->pass_seconds[0]), "backward_seconds", cli_json_number(profile->pass_seconds[1]),
        "peak_device_bytes", (json_int_t)profile->peak_device_bytes, "weight_bytes", (json_int_t)profile->weight_bytes,
        "live_activation_bytes", (json_int_t)profile->live_activation_bytes, "peak_gflops",
        cli_json_number(profile->peak_flops_per_second / 1e9), "copy_bytes_per_second",
        cli_json_number(profile->peak_copy_bytes_per_second), "layers", layers_json(profile)));
}

static thaw_status print_result(const cli_state *cli, const char *path, thaw_precision precision,
                                const thaw_profile *profile)
{
    if (cli->globals.json)
        return print_json(cli, path, precision, profile);
    if (profile->layer_count > 0)
        print_layers(profile);
    print_totals(profile);
    if (precision != THAW_PRECISION_FP32)
        printf("outputs differ from those with fp32 by %.2g of their largest magnitude at most\n",
               profile->largest_difference);
    return THAW_OK;
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    (void)argument_count;
    const profile_options *options = all_options;
    thaw_profile_options wanted = thaw_profile_defaults();
    wanted.batch = (int64_t)options->batch;
    wanted.height = options->size[0];
    wanted.width = options->size[1];
    wanted.repeats = options->repeats;
    wanted.whole_only = options->whole;
    wanted.unfreeze = options->unfreeze;
    wanted.frozen_precision = options->frozen_precision;
    wanted.checkpoint_activations = options->checkpoint_activations;
    thaw_model *model = NULL;
    thaw_profile profile = {0};
    thaw_status status = cli_load_model_to_run(cli, arguments[0], &model);
    if (status == THAW_OK)
        status = cli_open_device(cli);
    if (status == THAW_OK)
        status =
            (options->train ? thaw_model_profile_training : thaw_model_profile)(model, cli->device, &wanted, &profile);
    if (status == THAW_OK)
        status = print_result(cli, arguments[0], options->frozen_precision, &profile);
    thaw_profile_free(&profile);
    thaw_model_close(&model);
    return status;
}

const cli_command cli_command_profile = {
    .name = "profile",
    .arguments = "MODEL",
    .summary = "show where a model's time goes",
    .description =
        "Runs the model on random numbers and prints for each layer the algorithm that was chosen, the median time, "
        "and what that is of the arithmetic and of the memory bandwidth which the device reaches at most (measured in "
        "the same run). A layer is timed alone, again and again, with its data in the caches as far as they go: the "
        "layers' sum is not quite the whole, which is timed apart and without a wait between layers. Percentages may "
        "pass 100: fast algorithms need fewer operations than are counted, and caches are faster than memory.\n"
        "With --train it is a whole step of training on random labels, batch norms with the batch's statistics: a "
        "layer has a row for each pass, and the model file stays as it is.",
    .examples = "  thaw profile model.onnx --batch 8\n  thaw profile model.onnx --train --batch 16\n  thaw profile "
                "model.onnx --whole --repeat 50 --json\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .least_arguments = 1,
    .most_arguments = 1,
    .options_bytes = sizeof(profile_options),
    .defaults = defaults,
    .run = run,
};
