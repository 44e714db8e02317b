/* The gradient of 3x3 weights with stride 1 by minimal filtering, on blocks of channels: see
 * cl/conv_winograd_weights_gradient.cl. */
#include "ops/shared/conv_backward.h"

#include <limits.h>
#include <stdio.h>

#define TILE         4  /* outputs along each side */
#define PRODUCTS     36 /* (TILE + 2)^2 */
#define GAP          16 /* floats, as in the kernels */
#define GROUP        64 /* tiles, whose transforms for a stack of blocks stay in the first-level cache */
#define STACK        2
#define CHUNK_BYTES  ((int64_t)4 << 20)  /* of transforms, which are used up before the next are made */
#define MOST_BYTES   ((int64_t)64 << 20) /* of scratch memory */
#define FEWEST_TILES 32                  /* fewer don't pay for the weights' transform */
#define FEWEST       16                  /* channels, nor do these for those of x and dy */

/* How the output is cut. */
typedef struct tiling {
    int64_t rows, columns, tiles; /* of all images */
    int64_t groups, chunk;        /* of GROUP tiles; those that are transformed at a time */
    int64_t in_blocks, out_blocks, stacks;
    int64_t z_at, m_at, floats; /* where scratch memory holds what, see the kernels, and how much that is */
} tiling;

static tiling find_tiling(const thaw_conv_geometry *geometry)
{
    const int64_t block = geometry->out_block, group_floats = GROUP * block;
    tiling t = {.rows = thaw_divide_up(geometry->out[1], TILE),
                .columns = thaw_divide_up(geometry->out[2], TILE),
                .in_blocks = thaw_divide_up(geometry->in_channels, block),
                .out_blocks = thaw_divide_up(geometry->out_channels, block)};
    t.tiles = geometry->n * t.rows * t.columns;
    t.groups = thaw_divide_up(t.tiles, GROUP);
    t.stacks = thaw_divide_up(t.out_blocks, STACK);
    const int64_t most = CHUNK_BYTES / (int64_t)sizeof(float) / PRODUCTS / group_floats / (t.in_blocks + t.out_blocks);
    t.chunk = thaw_smaller(t.groups, most ? most : 1);
    t.z_at = PRODUCTS * t.chunk * t.in_blocks * GROUP;
    t.m_at = t.z_at + PRODUCTS * (t.chunk * t.out_blocks * GROUP + GAP / block);
    t.floats = (t.m_at + PRODUCTS * (t.stacks * STACK * t.in_blocks * block + GAP / block)) * block;
    return t;
}

static bool fits(const thaw_conv_geometry *geometry)
{
    const int32_t block = geometry->out_block;
    for (int axis = 0; axis < THAW_CONV_AXES; axis++)
        if (geometry->kernel[axis] != (axis ? 3 : 1) || geometry->stride[axis] != 1 || geometry->dilation[axis] != 1)
            return false;
    return geometry->groups == 1 && geometry->out[0] == 1 && geometry->in_block == block &&
           (block == 4 || block == 8 || block == 16) && geometry->in[1] * geometry->in[2] <= INT_MAX / block &&
           thaw_conv_pixels(geometry) <= INT_MAX / block && find_tiling(geometry).tiles <= INT_MAX / 2;
}

static bool pays(const thaw_conv_geometry *geometry)
{
    const tiling t = find_tiling(geometry);
    return t.tiles >= FEWEST_TILES && geometry->in_channels >= FEWEST && geometry->out_channels >= FEWEST &&
           t.floats <= MOST_BYTES / (int64_t)sizeof(float);
}

static void plan(const thaw_node *node, thaw_conv_gradient *gradient)
{
    gradient->scratch_bytes = (size_t)find_tiling(thaw_conv_geometry_of(node)).floats * sizeof(float);
}

static thaw_status get_kernel(const thaw_node *node, const char *name, thaw_kernel **kernel)
{
    const int block = (int)thaw_conv_geometry_of(node)->out_block;
    char options[80];
    snprintf(options, sizeof options, "-DBLOCK=%d -DTILES=%d -DSTACK=%d -DLANES=%d", block, GROUP, STACK,
             block > 4 ? block / 2 : block);
    return thaw_kernel_get(thaw_node_device(node), "conv_winograd_weights_gradient", name, options, kernel);
}

static thaw_status get_input_kernel(const thaw_node *node, thaw_kernel **kernel)
{
    char options[48];
    snprintf(options, sizeof options, "-DBLOCK=%d -DTILES=%d", (int)thaw_conv_geometry_of(node)->out_block, GROUP);
    return thaw_kernel_get(thaw_node_device(node), "conv_winograd", "winograd_input", options, kernel);
}

static thaw_status prepare(const thaw_node *node, thaw_conv_gradient *gradient)
{
    thaw_kernel *other;
    THAW_TRY(get_input_kernel(node, &other));
    THAW_TRY(get_kernel(node, "winograd_gradient", &other));
    THAW_TRY(get_kernel(node, "winograd_weights_gradient", &other));
    return get_kernel(node, "winograd_products", &gradient->kernel);
}

/* Transforms `count` groups from `first` on, and multiplies. */
static thaw_status run_chunk(const thaw_node *node, const thaw_conv_gradient *gradient, const tiling *t, int64_t first,
                             int64_t count)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const thaw_argument scratch = THAW_BUFFER(thaw_node_scratch(node)), z_at = THAW_LONG(t->z_at);
    thaw_kernel *input_kernel, *gradient_kernel;
    THAW_TRY(get_input_kernel(node, &input_kernel));
    THAW_TRY(get_kernel(node, "winograd_gradient", &gradient_kernel));
    THAW_TRY(thaw_kernel_launch_pieces(
        input_kernel, THAW_PIECES(t->in_blocks, count, 1), scratch, THAW_BUFFER(node->inputs[0]->buffer),
        THAW_INT(first), THAW_INT(t->tiles), THAW_INT(t->rows), THAW_INT(t->columns), THAW_INT(geometry->in[1]),
        THAW_INT(geometry->in[2]), THAW_INT(geometry->pad[1]), THAW_INT(geometry->pad[2])));
    THAW_TRY(thaw_kernel_launch_pieces(gradient_kernel, THAW_PIECES(t->out_blocks, count, 1), scratch, z_at,
                                       THAW_BUFFER(node->outputs[0]->gradient), THAW_INT(first), THAW_INT(t->tiles),
                                       THAW_INT(t->rows), THAW_INT(t->columns), THAW_INT(geometry->out[1]),
                                       THAW_INT(geometry->out[2])));
    return thaw_kernel_launch_pieces(
        gradient->kernel, THAW_PIECES(t->stacks, PRODUCTS, 1), scratch, z_at, THAW_LONG(t->m_at), THAW_INT(first > 0),
        THAW_INT(count), THAW_INT(t->tiles - first * GROUP), THAW_INT(t->in_blocks), THAW_INT(t->out_blocks));
}

static thaw_status run(const thaw_node *node, const thaw_conv_gradient *gradient, bool add)
{
    const thaw_conv_geometry *geometry = thaw_conv_geometry_of(node);
    const tiling t = find_tiling(geometry);
    const thaw_range weights = {{(size_t)geometry->in_channels, (size_t)(t.stacks * STACK), 1}, {0, 1, 1}};
    thaw_kernel *kernel;
    for (int64_t first = 0; first < t.groups; first += t.chunk)
        THAW_TRY(run_chunk(node, gradient, &t, first, thaw_smaller(t.chunk, t.groups - first)));
    THAW_TRY(get_kernel(node, "winograd_weights_gradient", &kernel));
    return thaw_kernel_launch(kernel, weights, THAW_BUFFER(node->inputs[1]->gradient), THAW_INT(add),
                              THAW_BUFFER(thaw_node_scratch(node)), THAW_LONG(t.m_at), THAW_INT(geometry->in_channels),
                              THAW_INT(geometry->out_channels), THAW_INT(t.in_blocks * geometry->in_block));
}

const thaw_conv_backward_variant thaw_conv_weights_winograd = {
    .name = "winograd", .fits = fits, .pays = pays, .plan = plan, .prepare = prepare, .run = run};
