#include "shared_options.h"

#include <math.h>

#define SIZE_MOST 16384.0 /* pixels: the library's own limit */

static const char *const preprocess_names[] = {"imagenet", "tf", "caffe", "raw", NULL};
static const char *const channel_orders[] = {"rgb", "bgr", NULL};
#define LIST_NAME(name, text) text,
const char *const cli_precisions[] = {THAW_PRECISION_LIST(LIST_NAME) NULL};
#undef LIST_NAME
/* In the order of thaw_interpolation. */
const char *const cli_interpolations[] = {"nearest", "bilinear", "bicubic", NULL};

#define FIELD(member) offsetof(cli_preprocess_options, member)
const cli_option cli_preprocess_table[9] = {
    {"preprocess", &cli_choice, FIELD(name),
     .help = "a named convention: imagenet (x/255, ImageNet's mean and std), tf (x/127.5 - 1), caffe (BGR, 0..255, "
             "mean taken off), raw (0..255)",
     .otherwise = "what the model carries, else imagenet", .choices = preprocess_names},
    {"size", &cli_extent, FIELD(size), "N|HxW", .help = "pixels that the model sees",
     .otherwise = "the model's own, else 224"},
    {"resize", &cli_int32, FIELD(resize), "N",
     .help = "shorter side in pixels before the centre crop; 0: the whole image is squeezed to the size, no crop",
     .otherwise = "size / 0.875", CLI_RANGE(0, SIZE_MOST)},
    {"crop-pct", &cli_number, FIELD(crop_share), "X", .help = "the same as a share: resize = size / X",
     CLI_RANGE(0.05, 1)},
    {"interpolation", &cli_choice, FIELD(interpolation), .help = "of the resize", .otherwise = "bilinear",
     .choices = cli_interpolations},
    {"mean", &cli_triple, FIELD(mean), "A,B,C",
     .help = "taken off each channel after --scale, in the model's channel order", CLI_RANGE(-1e6, 1e6)},
    {"std", &cli_triple, FIELD(std), "A,B,C", .help = "what each channel is divided by then", CLI_RANGE(1e-6, 1e6)},
    {"channel-order", &cli_choice, FIELD(channel_order), .help = "what the model expects", .choices = channel_orders},
    {"scale", &cli_number, FIELD(scale), "X", .help = "what pixels of 0..255 are multiplied by first, e.g. 1/255",
     CLI_RANGE(1e-6, 1e6)},
};
#undef FIELD

#define FIELD(member) offsetof(cli_data_options, member)
const cli_option cli_split_table[3] = {
    {"val", &cli_text, FIELD(validation_folder), "DIR", .help = "another folder with the same classes, for validation",
     .otherwise = "DATA/val where there is one"},
    {"val-split", &cli_number, FIELD(validation_share), "X",
     .help = "share of each class that is kept for validation, where there is no folder for it", CLI_RANGE(0, 0.9)},
    {"split-seed", &cli_seed, FIELD(split_seed), "N", .help = "which images those are"},
};
#undef FIELD

#define FIELD(member) offsetof(cli_job_options, member)
const cli_option cli_job_table[3] = {
    {"batch-size", &cli_size, FIELD(batch_size), "N", .help = "images at once on the device", CLI_RANGE(1, 65536)},
    {"workers", &cli_size, FIELD(workers), "N", .help = "threads that decode images", .otherwise = "one per processor",
     CLI_RANGE(0, 256)},
    {"frozen-precision", &cli_choice, FIELD(frozen_precision), .help = CLI_PRECISION_HELP, .choices = cli_precisions},
};
#undef FIELD

void cli_preprocess_defaults(cli_preprocess_options *options)
{
    *options = (cli_preprocess_options){.name = -1,
                                        .resize = -1,
                                        .crop_share = NAN,
                                        .interpolation = -1,
                                        .mean = {NAN, NAN, NAN},
                                        .std = {NAN, NAN, NAN},
                                        .channel_order = -1,
                                        .scale = NAN};
}

void cli_data_defaults(cli_data_options *options)
{
    const thaw_dataset_options defaults = thaw_dataset_defaults();
    *options = (cli_data_options){.validation_share = defaults.validation_share, .split_seed = defaults.split_seed};
}

void cli_job_defaults(cli_job_options *options)
{
    const thaw_job defaults = thaw_job_defaults();
    *options = (cli_job_options){.batch_size = defaults.batch_size, .workers = defaults.workers};
}

thaw_status cli_open_dataset(cli_state *cli, const cli_data_options *options, bool single, thaw_dataset **dataset)
{
    thaw_dataset_options dataset_options = thaw_dataset_defaults();
    dataset_options.validation_folder = options->validation_folder;
    dataset_options.validation_share = options->validation_share;
    dataset_options.split_seed = options->split_seed;
    dataset_options.single_class_allowed = single;
    return thaw_dataset_open(cli->context, options->folder, &dataset_options, dataset);
}

thaw_status cli_preprocess_check(cli_state *cli, const cli_preprocess_options *options)
{
    if (options->resize >= 0 && !isnan(options->crop_share))
        return cli_fail_usage(cli, "--resize and --crop-pct say the same: give one of them");
    return THAW_OK;
}

/* One side of the model's input in pixels: as asked for, else its own, else as carried. */
static int32_t resolve_side(int32_t own, int32_t asked, int32_t carried)
{
    return asked > 0 ? asked : own > 0 ? own : carried > 0 ? carried : 224;
}

static int32_t shorter_side(const thaw_preprocess *preprocess)
{
    return preprocess->width < preprocess->height ? preprocess->width : preprocess->height;
}

/* Puts another size in, with the same share of the image in sight. */
static void change_size(thaw_preprocess *preprocess, int32_t height, int32_t width)
{
    const double before = shorter_side(preprocess);
    preprocess->height = height;
    preprocess->width = width;
    preprocess->resize = (int32_t)lround(preprocess->resize * (shorter_side(preprocess) / before));
}

static void apply_explicit(const cli_preprocess_options *options, thaw_preprocess *preprocess)
{
    if (options->resize >= 0)
        preprocess->resize = options->resize;
    if (!isnan(options->crop_share))
        preprocess->resize = (int32_t)lround(shorter_side(preprocess) / options->crop_share);
    if (options->interpolation >= 0)
        preprocess->interpolation = (thaw_interpolation)options->interpolation;
    if (options->channel_order >= 0)
        preprocess->bgr = options->channel_order == 1;
    if (!isnan(options->scale))
        preprocess->scale = (float)options->scale;
    for (int c = 0; c < 3; c++) {
        if (!isnan(options->mean[c]))
            preprocess->mean[c] = (float)options->mean[c];
        if (!isnan(options->std[c]))
            preprocess->std[c] = (float)options->std[c];
    }
}

thaw_status cli_preprocess_resolve(cli_state *cli, const cli_preprocess_options *options, thaw_model *model,
                                   thaw_preprocess *preprocess)
{
    int32_t own_height = 0, own_width = 0;
    thaw_preprocess carried = {0};
    const bool carries = thaw_model_preprocess(model, &carried);
    thaw_status status = thaw_model_image_size(model, &own_height, &own_width);
    const int32_t height = resolve_side(own_height, options->size[0], carried.height);
    const int32_t width = resolve_side(own_width, options->size[1], carried.width);
    const bool fits = (own_height == 0 || own_height == height) && (own_width == 0 || own_width == width);
    if (status == THAW_OK && !fits)
        status = thaw_model_set_image_size(model, height, width);
    if (status != THAW_OK)
        return status;
    if (options->name < 0 && carries) {
        *preprocess = carried;
        change_size(preprocess, height, width);
    } else {
        const char *name = options->name < 0 ? "imagenet" : preprocess_names[options->name];
        if (!thaw_preprocess_named(name, width, height, preprocess))
            return cli_fail_usage(cli, "--preprocess '%s': no such convention", name);
        if (options->name < 0)
            cli_note(cli, "preprocessing: the model carries none, taking imagenet's; --preprocess and its like say "
                          "otherwise");
    }
    apply_explicit(options, preprocess);
    return thaw_preprocess_check(cli->context, preprocess);
}

void cli_preprocess_text(const thaw_preprocess *p, char *text, size_t size)
{
    char from[32] = "squeezed";
    if (p->resize > 0)
        snprintf(from, sizeof from, "from %d", p->resize);
    snprintf(text, size, "%dx%d %s %s, %s, (x * %.6g - [%.4g %.4g %.4g]) / [%.4g %.4g %.4g]", p->height, p->width, from,
             cli_interpolations[p->interpolation], p->bgr ? "bgr" : "rgb", p->scale, p->mean[0], p->mean[1], p->mean[2],
             p->std[0], p->std[1], p->std[2]);
}
