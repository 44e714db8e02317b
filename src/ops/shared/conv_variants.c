#include "ops/shared/conv_variants.h"
#include "ops/shared/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_LIMIT_BYTES ((int64_t)16 << 20)

static int64_t product(const int64_t sizes[THAW_CONV_AXES])
{
    return sizes[0] * sizes[1] * sizes[2];
}

int64_t thaw_conv_pixels(const thaw_conv_geometry *geometry)
{
    return product(geometry->out);
}

int64_t thaw_conv_group_in(const thaw_conv_geometry *geometry)
{
    return geometry->in_channels / geometry->groups;
}

int64_t thaw_conv_group_out(const thaw_conv_geometry *geometry)
{
    return geometry->out_channels / geometry->groups;
}

int64_t thaw_conv_taps(const thaw_conv_geometry *geometry)
{
    return geometry->kernel[1] * geometry->kernel[2];
}

int64_t thaw_conv_depth(const thaw_conv_geometry *geometry)
{
    return thaw_conv_group_in(geometry) * product(geometry->kernel);
}

bool thaw_conv_groups_suit(const thaw_device_info *info, const char *name, uint64_t items)
{
    const char *wish = getenv("THAW_ALGORITHM");
    const bool wished = wish && strcmp(wish, name) == 0;
    return (wished || strcmp(info->type, "cpu") != 0) && info->max_work_group >= items;
}

/* Rows of one channel in the output, whatever their depth. */
static int64_t rows(const thaw_conv_geometry *geometry)
{
    return geometry->out[0] * geometry->out[1];
}

const thaw_buffer *thaw_conv_bias(const thaw_node *node)
{
    const thaw_value *bias = thaw_epilogue_own_input(node, 2);
    return bias ? bias->buffer : NULL;
}

void thaw_conv_geometry_arguments(const thaw_conv_geometry *geometry,
                                  thaw_argument arguments[THAW_CONV_GEOMETRY_ARGUMENTS])
{
    const int64_t *const sizes[] = {geometry->in,     geometry->out,      geometry->kernel,
                                    geometry->stride, geometry->dilation, geometry->pad};
    for (size_t i = 0; i < THAW_CONV_GEOMETRY_ARGUMENTS; i++)
        arguments[i] = THAW_INT(sizes[i / THAW_CONV_AXES][i % THAW_CONV_AXES]);
}

/* Work-items to a row: see LANES in cl/conv.cl. */
static int64_t lanes(const thaw_node *node)
{
    return strcmp(thaw_device_describe(thaw_node_device(node))->type, "cpu") == 0 ? 1 : 32;
}

/* --- one kernel that finishes its results itself: depthwise and direct --- */

static thaw_status get_finishing_kernel(const thaw_node *node, const char *name, thaw_kernel **kernel)
{
    char epilogue[THAW_EPILOGUE_OPTIONS], options[THAW_EPILOGUE_OPTIONS + 32];
    thaw_epilogue_options(node, thaw_conv_bias(node) != NULL, epilogue);
    snprintf(options, sizeof options, "%s -DLANES=%d", epilogue, (int)lanes(node));
    return thaw_kernel_get(thaw_node_device(node), "conv", name, options, kernel);
}

/* `channels` is what the kernel takes before the number of output channels per group. */
static thaw_status run_finishing_kernel(const thaw_node *node, const thaw_conv *conv, thaw_range range,
                                        int64_t channels)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    thaw_argument arguments[9 + THAW_CONV_GEOMETRY_ARGUMENTS] = {
        THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(node->inputs[0]->buffer),
        THAW_BUFFER(node->inputs[1]->buffer),
        THAW_BUFFER(thaw_conv_bias(node)),
        THAW_BUFFER(thaw_epilogue_residual(node)),
        THAW_FLOAT(node->epilogue.alpha),
        THAW_FLOAT(node->epilogue.beta),
        THAW_INT(channels),
        THAW_INT(geometry->out_channels / geometry->groups),
    };
    thaw_conv_geometry_arguments(geometry, arguments + 9);
    return thaw_kernel_run(conv->kernel, range, arguments, sizeof arguments / sizeof *arguments);
}

static bool depthwise_fits(const thaw_conv_geometry *geometry)
{
    return geometry->groups == geometry->in_channels && geometry->groups > 1;
}

static thaw_status depthwise_prepare(const thaw_node *node, thaw_conv *conv)
{
    return get_finishing_kernel(node, "conv_depthwise", &conv->kernel);
}

static thaw_status depthwise_run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_range range = THAW_RANGE_3(lanes(node), rows(geometry), geometry->n * geometry->out_channels);
    return run_finishing_kernel(node, conv, range, geometry->out_channels);
}

static bool direct_fits(const thaw_conv_geometry *geometry)
{
    (void)geometry;
    return true;
}

static thaw_status direct_prepare(const thaw_node *node, thaw_conv *conv)
{
    return get_finishing_kernel(node, "conv_direct", &conv->kernel);
}

/* One work-item per element of the output. */
static thaw_status direct_run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const thaw_range range = THAW_RANGE_3(thaw_conv_pixels(geometry), geometry->out_channels, geometry->n);
    return run_finishing_kernel(node, conv, range, geometry->in_channels / geometry->groups);
}

/* --- matrix products: weights [out_channels, depth] times columns [depth, pixels], image by image --- */

static thaw_status prepare_product(const thaw_node *node, thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    conv->epilogue = (thaw_epilogue_pass){
        .planes = geometry->n,
        .rows = geometry->out_channels,
        .columns = thaw_conv_pixels(geometry),
        .bias = thaw_epilogue_own_input(node, 2),
        .bias_row = 1,
        .bias_scale = 1,
    };
    return thaw_epilogue_prepare(node, &conv->epilogue);
}

static bool pointwise_fits(const thaw_conv_geometry *geometry)
{
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        if (geometry->kernel[axis] != 1 || geometry->stride[axis] != 1 || geometry->in[axis] != geometry->out[axis])
            return false;
    return geometry->groups == 1;
}

/* An image [in_channels, pixels] is its own column matrix. */
static thaw_status pointwise_run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const int64_t pixels = thaw_conv_pixels(geometry);
    for (int64_t image = 0; image < geometry->n; image++) {
        const thaw_gemm gemm = {
            .m = geometry->out_channels,
            .n = pixels,
            .k = geometry->in_channels,
            .alpha = 1,
            .a = node->inputs[1]->buffer,
            .a_stride = geometry->in_channels,
            .b = node->inputs[0]->buffer,
            .b_offset = image * geometry->in_channels * pixels,
            .b_stride = pixels,
            .c = node->outputs[0]->buffer,
            .c_offset = image * geometry->out_channels * pixels,
            .c_stride = pixels,
        };
        THAW_TRY(thaw_gemm_run(thaw_node_device(node), &gemm));
    }
    return thaw_epilogue_run(node, &conv->epilogue);
}

/* Columns are made for as many rows of the output at a time as the scratch memory takes. */
int64_t thaw_conv_rows_at_once(const thaw_conv_geometry *geometry)
{
    const int64_t most =
        COLUMN_LIMIT_BYTES / (int64_t)sizeof(float) / thaw_conv_depth(geometry) / geometry->out[THAW_CONV_AXES - 1];
    return most < rows(geometry) ? most : rows(geometry);
}

static bool im2col_fits(const thaw_conv_geometry *geometry)
{
    return thaw_conv_rows_at_once(geometry) > 0;
}

static size_t im2col_scratch_bytes(const thaw_conv_geometry *geometry)
{
    const int64_t pixels = thaw_conv_rows_at_once(geometry) * geometry->out[THAW_CONV_AXES - 1];
    return (size_t)(thaw_conv_depth(geometry) * pixels) * sizeof(float);
}

thaw_status thaw_conv_get_im2col(const thaw_node *node, thaw_kernel **kernel)
{
    char options[32];
    snprintf(options, sizeof options, "-DLANES=%d", (int)lanes(node));
    return thaw_kernel_get(thaw_node_device(node), "conv", "im2col", options, kernel);
}

static thaw_status im2col_prepare(const thaw_node *node, thaw_conv *conv)
{
    THAW_TRY(thaw_conv_get_im2col(node, &conv->kernel));
    return prepare_product(node, conv);
}

thaw_status thaw_conv_run_im2col(const thaw_node *node, thaw_kernel *kernel, int64_t image, int64_t group,
                                 int64_t first, int64_t count)
{
    const thaw_conv_geometry *geometry = &((const thaw_conv *)node->state)->geometry;
    const int64_t group_in = geometry->in_channels / geometry->groups;
    thaw_argument arguments[4 + THAW_CONV_GEOMETRY_ARGUMENTS] = {
        THAW_BUFFER(thaw_node_scratch(node)),
        THAW_BUFFER(node->inputs[0]->buffer),
        THAW_LONG((image * geometry->in_channels + group * group_in) * product(geometry->in)),
        THAW_INT(first),
    };
    thaw_conv_geometry_arguments(geometry, arguments + 4);
    return thaw_kernel_run(kernel, THAW_RANGE_3(lanes(node), count, thaw_conv_depth(geometry)), arguments,
                           sizeof arguments / sizeof *arguments);
}

/* Columns of `count` rows of the output, from `first` on, of one group of one image, then their product. */
static thaw_status run_rows(const thaw_node *node, const thaw_conv *conv, int64_t image, int64_t group, int64_t first,
                            int64_t count)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const int64_t group_out = geometry->out_channels / geometry->groups;
    const int64_t depth = thaw_conv_depth(geometry), width = geometry->out[THAW_CONV_AXES - 1];
    THAW_TRY(thaw_conv_run_im2col(node, conv->kernel, image, group, first, count));
    const thaw_gemm gemm = {
        .m = group_out,
        .n = count * width,
        .k = depth,
        .alpha = 1,
        .a = node->inputs[1]->buffer,
        .a_offset = group * group_out * depth,
        .a_stride = depth,
        .b = thaw_node_scratch(node),
        .b_stride = count * width,
        .c = node->outputs[0]->buffer,
        .c_offset = (image * geometry->out_channels + group * group_out) * thaw_conv_pixels(geometry) + first * width,
        .c_stride = thaw_conv_pixels(geometry),
    };
    return thaw_gemm_run(thaw_node_device(node), &gemm);
}

static thaw_status im2col_run(const thaw_node *node, const thaw_conv *conv)
{
    const thaw_conv_geometry *geometry = &conv->geometry;
    const int64_t all = rows(geometry), most = thaw_conv_rows_at_once(geometry);
    for (int64_t image = 0; image < geometry->n; image++)
        for (int64_t group = 0; group < geometry->groups; group++)
            for (int64_t first = 0; first < all; first += most)
                THAW_TRY(run_rows(node, conv, image, group, first, all - first < most ? all - first : most));
    return thaw_epilogue_run(node, &conv->epilogue);
}

int64_t thaw_conv_rows_for_item(const thaw_node *node, int64_t rows, int64_t others, int64_t items, int64_t fewest)
{
    const int64_t cores = (int64_t)thaw_device_describe(thaw_node_device(node))->compute_units;
    const int64_t most = thaw_divide_up(rows, fewest), wanted = thaw_divide_up(items * cores, others);
    return thaw_divide_up(rows, wanted < most ? wanted : most);
}

static const thaw_conv_variant depthwise = {
    .name = "depthwise", .fits = depthwise_fits, .prepare = depthwise_prepare, .run = depthwise_run};
static const thaw_conv_variant pointwise = {
    .name = "pointwise", .fits = pointwise_fits, .prepare = prepare_product, .run = pointwise_run};
static const thaw_conv_variant im2col = {.name = "im2col",
                                         .fits = im2col_fits,
                                         .scratch_bytes = im2col_scratch_bytes,
                                         .prepare = im2col_prepare,
                                         .run = im2col_run};
static const thaw_conv_variant direct = {
    .name = "direct", .fits = direct_fits, .prepare = direct_prepare, .run = direct_run};

static const thaw_conv_variant *const row_major[] = {
    &thaw_conv_depthwise_nchw, &depthwise, &thaw_conv_nchw, &pointwise, &im2col, &direct, NULL};
static const thaw_conv_variant *const blocked[] = {
    &thaw_conv_winograd_fused, &thaw_conv_winograd, &thaw_conv_depthwise_blocked,
    &thaw_conv_image,          &thaw_conv_tiled,    NULL};

static const thaw_conv_variant *const nhwc[] = {
    &thaw_conv_nhwc_depthwise,  &thaw_conv_nhwc_pointwise, &thaw_conv_implicit,    &thaw_conv_implicit_large,
    &thaw_conv_implicit_middle, &thaw_conv_implicit_small, &thaw_conv_nhwc_direct, NULL};

static bool device_runs(const thaw_device *device, const thaw_conv_variant *variant, const thaw_conv_geometry *geometry)
{
    const thaw_device_info *info = thaw_device_describe(device);
    return (!variant->suits || variant->suits(info)) &&
           (!variant->scratch_bytes || variant->scratch_bytes(geometry) <= info->max_alloc_bytes);
}

size_t thaw_conv_fitting(const thaw_conv_geometry *geometry, const thaw_device *device,
                         const thaw_conv_variant *fitting[THAW_CONV_MOST_VARIANTS])
{
    _Static_assert(sizeof nhwc / sizeof *nhwc <= THAW_CONV_MOST_VARIANTS + 1, "too many variants");
    const thaw_conv_variant *const *variants = geometry->out_block == THAW_BLOCK_ALL ? nhwc
                                               : geometry->out_block > 1             ? blocked
                                                                                     : row_major;
    size_t count = 0;
    for (; *variants; variants++)
        if ((*variants)->fits(geometry) && (device ? device_runs(device, *variants, geometry) : !(*variants)->suits))
            fitting[count++] = *variants;
    return count;
}

const thaw_conv_variant *thaw_conv_choose(const thaw_conv_geometry *geometry, const thaw_device *device)
{
    const char *wish = getenv("THAW_ALGORITHM");
    const thaw_conv_variant *fitting[THAW_CONV_MOST_VARIANTS];
    const size_t count = thaw_conv_fitting(geometry, device, fitting);
    for (size_t i = 0; i < count && wish; i++)
        if (strcmp(wish, fitting[i]->name) == 0)
            return fitting[i];
    return count ? fitting[0] : NULL;
}

thaw_status thaw_conv_pack_bias(const thaw_node *node, thaw_conv *conv, int64_t count)
{
    return thaw_weights_upload_padded(node, thaw_epilogue_own_input(node, 2), count, &conv->packed_bias);
}
