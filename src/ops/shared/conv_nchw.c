/* Row-major convolutions on GPUs, and their gradients, as matrix products that gather what they multiply:
 * cl/conv_nchw.cl says how. All images make one product. */
#include "ops/shared/conv_backward.h"

#include <stdio.h>

#define DEPTH             16                 /* as in the kernel */
#define NEAR              ((int64_t)1 << 30) /* elements, and places in an image with its padding, are below */
#define QUAD              4
#define FEWEST_TERMS      (8 * DEPTH) /* of a part: fewer are not worth its results' way through memory */
#define WAVES             4           /* of work-groups, that parts are to make */
#define FEWEST_WAVES      2           /* with fewer, smaller tiles are faster */
#define PARTS_LIMIT_BYTES ((int64_t)64 << 20)

/* What a work-group of GROUP work-items computes, by descending size. */
typedef struct tile {
    int items_m, items_n;       /* work-items along rows and columns */
    int per_item_m, per_item_n; /* results of one of them */
} tile;

static const tile tiles[] = {
    {8, 16, 8, 8}, /* 64 x 128 */
    {16, 8, 4, 8}, /* 64 x 64 */
    {8, 16, 4, 4}, /* 32 x 64 */
};
#define TILE_COUNT ((int)(sizeof tiles / sizeof *tiles))
#define GROUP      128

/* A product for each group of channels: see the kernel. `parts` of them have `columns` each, at most. */
typedef struct matrices {
    const char *mode;
    int64_t rows, columns, depth, parts;
    int64_t run; /* terms of a part */
    bool quads, runs;
} matrices;

static int64_t plane(const int64_t sizes[THAW_CONV_AXES])
{
    return sizes[1] * sizes[2];
}

static matrices forward_matrices(const thaw_conv_geometry *geometry)
{
    const int64_t pixels = plane(geometry->out), depth = thaw_conv_depth(geometry);
    return (matrices){.mode = "-DFORWARD",
                      .rows = thaw_conv_group_out(geometry),
                      .columns = geometry->n * pixels,
                      .depth = depth,
                      .parts = 1,
                      .run = depth,
                      .quads = pixels % QUAD == 0,
                      .runs = thaw_conv_group_in(geometry) % DEPTH == 0};
}

/* A part for each phase. */
static matrices data_matrices(const thaw_conv_geometry *geometry)
{
    const int64_t *in = geometry->in, *stride = geometry->stride,
                  depth = thaw_conv_group_out(geometry) * thaw_conv_taps(geometry);
    return (matrices){.mode = "-DDATA",
                      .rows = thaw_conv_group_in(geometry),
                      .columns = geometry->n * thaw_divide_up(in[1], stride[1]) * thaw_divide_up(in[2], stride[2]),
                      .depth = depth,
                      .parts = thaw_smaller(stride[1], in[1]) * thaw_smaller(stride[2], in[2]),
                      .run = depth,
                      .quads = stride[1] * stride[2] == 1 && plane(in) % QUAD == 0,
                      .runs = thaw_conv_group_out(geometry) % DEPTH == 0};
}

static int64_t tile_rows(int number)
{
    return tiles[number].items_m * tiles[number].per_item_m;
}

static int64_t tile_columns(int number)
{
    return tiles[number].items_n * tiles[number].per_item_n;
}

/* The terms of a gradient's part are counted elsewhere. */
static matrices weights_matrices(const thaw_conv_geometry *geometry, const thaw_conv_gradient *gradient)
{
    const int64_t columns = thaw_conv_depth(geometry);
    const bool runs = thaw_conv_group_in(geometry) % tile_columns(gradient->tile) == 0;
    return (matrices){.mode = "-DWEIGHTS",
                      .rows = thaw_conv_group_out(geometry),
                      .columns = columns,
                      .depth = geometry->n * plane(geometry->out),
                      .parts = gradient->parts,
                      .run = gradient->terms,
                      .quads = columns % QUAD == 0 && (!runs || thaw_conv_taps(geometry) == 1),
                      .runs = runs};
}

static bool fits(const thaw_conv_geometry *geometry)
{
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        if ((geometry->kernel[axis] - 1) * geometry->dilation[axis] + geometry->pad[axis] + geometry->in[axis] >= NEAR)
            return false;
    return geometry->in[0] == 1 && geometry->out[0] == 1 && geometry->kernel[0] == 1 &&
           geometry->n <= NEAR / geometry->in_channels / plane(geometry->in) &&
           geometry->n <= NEAR / geometry->out_channels / plane(geometry->out) &&
           geometry->out_channels <= NEAR / thaw_conv_depth(geometry);
}

static bool suits(const thaw_device_info *info)
{
    return thaw_conv_groups_suit(info, thaw_conv_nchw.name, GROUP);
}

/* --- tiles --- */

/* Of a part. */
static int64_t tile_count(const thaw_conv_geometry *geometry, const matrices *m, int number)
{
    return geometry->groups * thaw_divide_up(m->rows, tile_rows(number)) *
           thaw_divide_up(m->columns, tile_columns(number));
}

static bool device_has_room(const thaw_device_info *info, int number)
{
    const int64_t line = tile_rows(number) + tile_columns(number) + 2 * QUAD;
    return (uint64_t)DEPTH * (uint64_t)line * sizeof(float) <= info->local_bytes;
}

/* The largest that wastes less than half of itself and gives every compute unit work, in parts that are given. */
static int choose_tile(const thaw_node *node, const thaw_conv_geometry *geometry, const matrices *m)
{
    const thaw_device_info *info = thaw_device_describe(thaw_node_device(node));
    const int64_t fewest = FEWEST_WAVES * (int64_t)info->compute_units;
    int number = 0;
    while (number < TILE_COUNT - 1 &&
           (!device_has_room(info, number) || 2 * m->rows <= tile_rows(number) ||
            2 * m->columns <= tile_columns(number) || m->parts * tile_count(geometry, m, number) < fewest))
        number++;
    return number;
}

/* The same where parts can be made. Whole runs of channels count more than size. */
static int choose_weights_tile(const thaw_node *node, const thaw_conv_geometry *geometry)
{
    const thaw_device_info *info = thaw_device_describe(thaw_node_device(node));
    const int64_t rows = thaw_conv_group_out(geometry), columns = thaw_conv_depth(geometry),
                  channels = thaw_conv_group_in(geometry);
    const bool may_run = channels % tile_columns(TILE_COUNT - 1) == 0;
    int number = 0;
    while (number < TILE_COUNT - 1 &&
           (!device_has_room(info, number) || 2 * rows <= tile_rows(number) || 2 * columns <= tile_columns(number) ||
            (may_run && channels % tile_columns(number) != 0)))
        number++;
    return number;
}

static thaw_status get_kernel(const thaw_node *node, const matrices *m, const char *more, int number,
                              thaw_kernel **kernel)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const tile *t = &tiles[number];
    char options[THAW_EPILOGUE_OPTIONS + 192];
    snprintf(options, sizeof options,
             "%s -DKERNEL_H=%d -DKERNEL_W=%d -DITEMS_M=%d -DITEMS_N=%d -DTILE_M=%d -DTILE_N=%d%s%s%s", m->mode,
             (int)geometry->kernel[1], (int)geometry->kernel[2], t->items_m, t->items_n, t->per_item_m, t->per_item_n,
             m->quads ? " -DQUADS" : "", m->runs ? " -DRUNS" : "", more);
    return thaw_kernel_get(thaw_node_device(node), "conv_nchw", "conv_nchw", options, kernel);
}

/* From tile *number on, the first whose kernel the device can run in work-groups of that size. */
static thaw_status get_tile(const thaw_node *node, const matrices *m, const char *more, int *number,
                            thaw_kernel **kernel)
{
    THAW_TRY(get_kernel(node, m, more, *number, kernel));
    while (*number < TILE_COUNT - 1 && thaw_kernel_max_group(*kernel) < GROUP) {
        ++*number;
        THAW_TRY(get_kernel(node, m, more, *number, kernel));
    }
    return THAW_OK;
}

/* --- running --- */

/* What the modes differ in. */
typedef struct product {
    thaw_kernel *kernel;
    matrices m;
    int tile;
    const thaw_buffer *left, *right, *bias, *residual;
    thaw_buffer *to;
    float alpha, beta;
    bool add;
} product;

static thaw_status multiply(const thaw_conv_geometry *g, const product *p)
{
    const matrices *m = &p->m;
    thaw_range range = THAW_RANGE_3(tile_count(g, m, p->tile) / g->groups * GROUP, g->groups, m->parts);
    range.local[0] = GROUP;
    return thaw_kernel_launch(
        p->kernel, range, THAW_BUFFER(p->to), THAW_BUFFER(p->left), THAW_BUFFER(p->right), THAW_BUFFER(p->bias),
        THAW_BUFFER(p->residual), THAW_FLOAT(p->alpha), THAW_FLOAT(p->beta), THAW_INT(p->add), THAW_INT(m->rows),
        THAW_INT(m->columns), THAW_INT(m->depth), THAW_INT(m->run), THAW_INT(g->groups * m->rows * m->columns),
        THAW_INT(g->in_channels), THAW_INT(g->out_channels), THAW_INT(thaw_conv_group_in(g)),
        THAW_INT(thaw_conv_group_out(g)), THAW_INT(g->in[1]), THAW_INT(g->in[2]), THAW_INT(g->out[1]),
        THAW_INT(g->out[2]), THAW_INT(g->stride[1]), THAW_INT(g->stride[2]), THAW_INT(g->dilation[1]),
        THAW_INT(g->dilation[2]), THAW_INT(g->pad[1]), THAW_INT(g->pad[2]));
}

static thaw_status prepare(const thaw_node *node, thaw_conv *conv)
{
    const matrices m = forward_matrices(&conv->geometry);
    char epilogue[THAW_EPILOGUE_OPTIONS], more[THAW_EPILOGUE_OPTIONS + 1];
    snprintf(more, sizeof more, " %s", thaw_epilogue_options(node, thaw_conv_bias(node) != NULL, epilogue));
    conv->tile = choose_tile(node, &conv->geometry, &m);
    return get_tile(node, &m, more, &conv->tile, &conv->kernel);
}

static thaw_status run(const thaw_node *node, const thaw_conv *conv)
{
    const product p = {.kernel = conv->kernel,
                       .m = forward_matrices(&conv->geometry),
                       .tile = conv->tile,
                       .left = node->inputs[1]->buffer,
                       .right = node->inputs[0]->buffer,
                       .bias = thaw_conv_bias(node),
                       .residual = thaw_epilogue_residual(node),
                       .to = node->outputs[0]->buffer,
                       .alpha = node->epilogue.alpha,
                       .beta = node->epilogue.beta};
    return multiply(&conv->geometry, &p);
}

static thaw_status data_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const matrices m = data_matrices(geometry);
    char more[64];
    snprintf(more, sizeof more, " -DSTRIDE_H=%d -DSTRIDE_W=%d", (int)geometry->stride[1], (int)geometry->stride[2]);
    gradient->tile = choose_tile(node, geometry, &m);
    return get_tile(node, &m, more, &gradient->tile, &gradient->kernel);
}

static thaw_status data_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const product p = {.kernel = gradient->kernel,
                       .m = data_matrices(geometry),
                       .tile = gradient->tile,
                       .left = node->inputs[1]->buffer,
                       .right = node->outputs[0]->gradient,
                       .to = node->inputs[0]->gradient,
                       .add = add};
    return multiply(geometry, &p);
}

/* As many parts as keep the device busy: few tiles alone would leave compute units idle. */
static void cut_into_parts(const thaw_node *node, const thaw_conv_geometry *geometry, thaw_conv_gradient *gradient)
{
    const matrices m = weights_matrices(geometry, gradient);
    const int64_t wanted = WAVES * (int64_t)thaw_device_describe(thaw_node_device(node))->compute_units;
    const int64_t bytes = geometry->groups * m.rows * m.columns * (int64_t)sizeof(float);
    const int64_t room = PARTS_LIMIT_BYTES / bytes, useful = wanted / tile_count(geometry, &m, gradient->tile);
    const int64_t parts = thaw_smaller(thaw_smaller(room, useful), m.depth / FEWEST_TERMS);
    gradient->terms = thaw_divide_up(thaw_divide_up(m.depth, parts < 1 ? 1 : parts), DEPTH) * DEPTH;
    gradient->parts = thaw_divide_up(m.depth, gradient->terms);
    gradient->scratch_bytes = gradient->parts > 1 ? (size_t)(gradient->parts * bytes) : 0;
}

static void weights_plan(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    gradient->tile = choose_weights_tile(node, geometry);
    cut_into_parts(node, geometry, gradient);
}

static thaw_status weights_prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    const matrices m = weights_matrices(thaw_conv_geometry_of(node), gradient);
    return get_tile(node, &m, "", &gradient->tile, &gradient->kernel);
}

static thaw_status weights_run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const bool whole = gradient->parts == 1;
    thaw_buffer *to = node->inputs[1]->gradient;
    const product p = {.kernel = gradient->kernel,
                       .m = weights_matrices(geometry, gradient),
                       .tile = gradient->tile,
                       .left = node->outputs[0]->gradient,
                       .right = node->inputs[0]->buffer,
                       .to = whole ? to : thaw_node_scratch(node),
                       .add = whole && add};
    THAW_TRY(multiply(geometry, &p));
    const int64_t count = geometry->groups * p.m.rows * p.m.columns;
    return whole ? THAW_OK : thaw_conv_add_parts(node, to, count, add, p.to, gradient->parts, count);
}

const thaw_conv_variant thaw_conv_nchw = {
    .name = "implicit_nchw", .fits = fits, .suits = suits, .prepare = prepare, .run = run};
const thaw_conv_backward_variant thaw_conv_nchw_data = {
    .name = "implicit_nchw", .fits = fits, .suits = suits, .prepare = data_prepare, .run = data_run};
const thaw_conv_backward_variant thaw_conv_nchw_weights = {.name = "implicit_nchw",
                                                           .fits = fits,
                                                           .suits = suits,
                                                           .plan = weights_plan,
                                                           .prepare = weights_prepare,
                                                           .run = weights_run};
