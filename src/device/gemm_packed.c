#include "device/gemm_packed.h"

#include <stdio.h>

#include "base/context.h"

/* How much is packed at a time. So much of a panel of op(B) stays in the first-level cache, ... */
#define DEPTH_AT_ONCE 256
/* ... so many rows of op(A) in the second-level one, ... */
#define ROWS_AT_ONCE 144
/* ... and scratch memory is bounded: 4 MiB for each operand. */
#define LANES_AT_ONCE 4096
/* Rows of the operand that a work-item of pack_across takes. */
#define PACKED_ROWS 8

/* A tile of C, in registers. */
typedef struct tile {
    int32_t width, rows, columns;
} tile;

/* What 16, 16 and 32 vector registers of 4, 8 and 16 floats take (NEON has 32 of 4, but 4 is also SSE). */
static tile tile_of(const thaw_device *device)
{
    const int32_t block = thaw_device_block(device);
    const int32_t width = block > 1 ? block : 4;
    return (tile){.width = width, .rows = width == 16 ? 12 : width == 8 ? 6 : 8, .columns = 2 * width};
}

static thaw_status get_kernel(thaw_device *device, const char *name, thaw_kernel **kernel)
{
    char options[48];
    const tile t = tile_of(device);
    snprintf(options, sizeof options, "-DWIDTH=%d -DROWS=%d", (int)t.width, (int)t.rows);
    return thaw_kernel_get(device, "gemm_packed", name, options, kernel);
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Every work-item a group of its own: it fills the vector unit already. */
static thaw_range items(int64_t x, int64_t y)
{
    return (thaw_range){{(size_t)x, (size_t)y, 1}, {1, 1, 1}};
}

/* A block of an operand, to be packed: lanes are rows of op(A) or columns of op(B). */
typedef struct block {
    const thaw_buffer *from;
    int64_t offset, stride; /* of the operand as stored */
    bool along;             /* a lane's elements lie side by side */
    int64_t lane, lanes;    /* which lanes, */
    int64_t first, depth;   /* which elements of each */
    int32_t width;          /* lanes to a panel */
} block;

/* Packs the block to `packed` from element `packed_offset` on, panel_stride elements from panel to panel. */
static thaw_status pack(thaw_device *device, const block *b, const thaw_buffer *packed, int64_t packed_offset,
                        int64_t panel_stride)
{
    thaw_kernel *kernel;
    const int64_t offset = b->offset + (b->along ? b->lane * b->stride + b->first : b->first * b->stride + b->lane);
    THAW_TRY(get_kernel(device, b->along ? "pack_along" : "pack_across", &kernel));
    const thaw_argument arguments[] = {THAW_BUFFER(packed),  THAW_LONG(packed_offset), THAW_LONG(panel_stride),
                                       THAW_INT(b->width),   THAW_BUFFER(b->from),     THAW_LONG(offset),
                                       THAW_LONG(b->stride), THAW_INT(b->lanes),       THAW_INT(b->depth),
                                       THAW_INT(PACKED_ROWS)};
    const size_t count = sizeof arguments / sizeof *arguments;
    return b->along ? thaw_kernel_run(kernel, items(divide_up(b->lanes, b->width), 1), arguments, count - 1)
                    : thaw_kernel_run(kernel, items(divide_up(b->depth, PACKED_ROWS), 1), arguments, count);
}

/* Scratch memory for one block of each operand. */
typedef struct scratch {
    thaw_buffer *a, *b;
} scratch;

/* So many elements at a time that no block is much smaller than the others. */
static int64_t even_part(int64_t whole, int64_t most, int64_t multiple)
{
    return divide_up(divide_up(whole, divide_up(whole, most)), multiple) * multiple;
}

/* Rows of C [row, row + rows) x columns [column, column + columns), steps [first, first + depth) of the products;
 * op(B)'s block is packed already. */
static thaw_status multiply_rows(thaw_device *device, const thaw_gemm *g, const scratch *s, const block *columns,
                                 int64_t row, int64_t rows)
{
    thaw_kernel *kernel;
    const tile t = tile_of(device);
    const block b = {g->a, g->a_offset,    g->a_stride,    !g->transpose_a, row,
                     rows, columns->first, columns->depth, t.rows};
    THAW_TRY(pack(device, &b, s->a, 0, b.depth * t.rows));
    THAW_TRY(get_kernel(device, "gemm_packed", &kernel));
    const int64_t at_once = even_part(rows, ROWS_AT_ONCE, t.rows);
    return thaw_kernel_launch(
        kernel, items(divide_up(columns->lanes, t.columns), divide_up(rows, at_once)), THAW_INT(rows),
        THAW_INT(columns->lanes), THAW_INT(b.depth), THAW_FLOAT(g->alpha), THAW_BUFFER(s->a), THAW_BUFFER(s->b),
        THAW_LONG(0), THAW_LONG(b.depth * t.columns), THAW_FLOAT(b.first == 0 ? g->beta : 1), THAW_BUFFER(g->c),
        THAW_LONG(g->c_offset + row * g->c_stride + columns->lane), THAW_LONG(g->c_stride), THAW_INT(at_once));
}

static thaw_status multiply(thaw_device *device, const thaw_gemm *g, const scratch *s, int64_t depth, int64_t rows,
                            int64_t columns)
{
    const tile t = tile_of(device);
    block b = {g->b, g->b_offset, g->b_stride, g->transpose_b, .width = t.columns};
    for (b.lane = 0; b.lane < g->n; b.lane += columns)
        for (b.first = 0; b.first < g->k; b.first += depth) {
            b.lanes = smaller(columns, g->n - b.lane);
            b.depth = smaller(depth, g->k - b.first);
            THAW_TRY(pack(device, &b, s->b, 0, b.depth * t.columns));
            for (int64_t row = 0; row < g->m; row += rows)
                THAW_TRY(multiply_rows(device, g, s, &b, row, smaller(rows, g->m - row)));
        }
    return THAW_OK;
}

thaw_status thaw_gemm_run_packed(thaw_device *device, const thaw_gemm *gemm)
{
    const tile t = tile_of(device);
    const int64_t depth = even_part(gemm->k, DEPTH_AT_ONCE, 1);
    const int64_t rows = even_part(gemm->m, LANES_AT_ONCE, t.rows);
    const int64_t columns = even_part(gemm->n, LANES_AT_ONCE, t.columns);
    scratch s = {NULL, NULL};
    thaw_status status = thaw_buffer_create(device, (size_t)(rows * depth) * sizeof(float), &s.a);
    if (status == THAW_OK)
        status = thaw_buffer_create(device, (size_t)(columns * depth) * sizeof(float), &s.b);
    if (status == THAW_OK)
        status = multiply(device, gemm, &s, depth, rows, columns);
    thaw_buffer_destroy(&s.a);
    thaw_buffer_destroy(&s.b);
    return status;
}
