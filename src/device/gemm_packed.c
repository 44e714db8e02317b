#include "device/gemm_packed.h"

#include <stdio.h>

#include "base/memory.h"
#include "device/device_private.h"

/* Rows of op(A) or columns of op(B) that are packed at a time: scratch memory is bounded, to 16 MiB for each operand.
 */
#define LANES_AT_ONCE 4096
/* Work-items for each core at least, where a product has as many. */
#define ITEMS_PER_UNIT 4
/* Rows of the operand that a work-item of pack_across takes. */
#define PACKED_ROWS 8
/* Host memory is packed in pieces of so much. */
#define PIECE_BYTES (16 << 20)
/* Rows that gemm_rows takes at most, as there. */
#define MOST_ROWS 64

/* A tile of C, in registers, and what of the operands is to stay close to the core meanwhile. */
typedef struct tile {
    int32_t width, rows, columns;
    int64_t panel_bytes; /* of op(B), */
    int64_t block_bytes; /* and of op(A): in the second-level cache */
} tile;

/* What fits NEON's 32 registers of 4 floats, AVX2's 16 of 8 and AVX-512's 32 of 16. Cores with the last have 1 MiB and
 * more of second-level cache. */
static tile tile_of(const thaw_device *device)
{
    static const tile four = {4, 8, 8, 32768, 196608}, eight = {8, 6, 16, 32768, 196608},
                      sixteen = {16, 12, 32, 131072, 524288};
    const int32_t width = thaw_device_width(device);
    return width == 16 ? sixteen : width == 8 ? eight : four;
}

/* options: besides the sizes of a tile, "" for none. */
static thaw_status get_kernel(thaw_device *device, const char *name, const char *more, thaw_kernel **kernel)
{
    char options[64];
    const tile t = tile_of(device);
    snprintf(options, sizeof options, "-DBLOCK=%d -DROWS=%d %s", (int)t.width, (int)t.rows, more);
    return thaw_kernel_get(device, "gemm_packed", name, options, kernel);
}

/* Steps of the products at a time. */
static int64_t most_steps(tile t)
{
    return t.panel_bytes / (int64_t)sizeof(float) / t.columns;
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
    const char *options;    /* for the kernels that pack */
} block;

/* Packs the block to `packed` from element `packed_offset` on, `stride` elements from panel to panel. */
static thaw_status pack(thaw_device *device, const block *b, const thaw_buffer *packed, int64_t packed_offset,
                        int64_t stride)
{
    thaw_kernel *kernel;
    const int64_t offset = b->offset + (b->along ? b->lane * b->stride + b->first : b->first * b->stride + b->lane);
    THAW_TRY(get_kernel(device, b->along ? "pack_along" : "pack_across", b->options, &kernel));
    if (b->along)
        return thaw_kernel_launch(kernel, items(thaw_divide_up(b->lanes, b->width), 1), THAW_BUFFER(packed),
                                  THAW_LONG(packed_offset), THAW_LONG(stride), THAW_BUFFER(b->from), THAW_LONG(offset),
                                  THAW_LONG(b->stride), THAW_INT(b->lanes), THAW_INT(b->depth));
    return thaw_kernel_launch(kernel, items(thaw_divide_up(b->depth, PACKED_ROWS), 1), THAW_BUFFER(packed),
                              THAW_LONG(packed_offset), THAW_LONG(stride), THAW_INT(b->width), THAW_BUFFER(b->from),
                              THAW_LONG(offset), THAW_LONG(b->stride), THAW_INT(b->lanes), THAW_INT(b->depth),
                              THAW_INT(PACKED_ROWS));
}

/* So many elements at a time that no part is much smaller than the others. */
static int64_t even_part(int64_t whole, int64_t most, int64_t multiple)
{
    return thaw_divide_up(thaw_divide_up(whole, thaw_divide_up(whole, most)), multiple) * multiple;
}

/* How a product is cut up, and where its operands are packed. */
typedef struct plan {
    bool packs_a, packs_b;
    int64_t rows, columns, depth; /* at a time */
    thaw_buffer *a, *b;           /* scratch memory */
} plan;

/* From one panel of op(B) to the next: a little more than it takes, since at powers of two all would compete for the
 * same places in the caches. */
static int64_t panel_stride(const block *b)
{
    return (b->depth + 1) * b->width;
}

/* So many rows to a work-item that they stay in the second-level cache, and that every core has some. */
static int64_t rows_at_once(const thaw_device *device, int64_t rows, int64_t strips, int64_t depth)
{
    const tile t = tile_of(device);
    const int64_t cached = t.block_bytes / (int64_t)sizeof(float) / depth;
    const int64_t parts = thaw_divide_up((int64_t)device->info.compute_units * ITEMS_PER_UNIT, strips);
    return even_part(rows, thaw_smaller(cached > 0 ? cached : 1, thaw_divide_up(rows, parts)), t.rows);
}

/* Rows [row, row + rows) of C in the columns of `b`, over the steps of `b`. */
static thaw_status multiply_rows(thaw_device *device, const thaw_gemm *g, const plan *p, const block *b, int64_t row,
                                 int64_t rows)
{
    thaw_kernel *kernel;
    const tile t = tile_of(device);
    const block a = {g->a, g->a_offset, g->a_stride, !g->transpose_a, row, rows, b->first, b->depth, t.rows, ""};
    if (p->packs_a)
        THAW_TRY(pack(device, &a, p->a, 0, a.depth * t.rows));
    const int64_t a_row = p->packs_a || g->transpose_a ? 1 : g->a_stride;
    const int64_t a_step = p->packs_a ? t.rows : g->transpose_a ? g->a_stride : 1;
    const int64_t strips = thaw_divide_up(b->lanes, t.columns), at_once = rows_at_once(device, rows, strips, b->depth);
    THAW_TRY(get_kernel(device, "gemm_packed", a_step == 1 && p->packs_b ? "-DPANELS" : "", &kernel));
    return thaw_kernel_launch(
        kernel, items(strips, thaw_divide_up(rows, at_once)), THAW_INT(rows), THAW_INT(b->lanes), THAW_INT(b->depth),
        THAW_FLOAT(g->alpha), THAW_BUFFER(p->packs_a ? p->a : g->a),
        THAW_LONG(p->packs_a ? 0 : g->a_offset + row * a_row + b->first * a_step),
        THAW_LONG(p->packs_a ? a.depth * t.rows : t.rows * a_row), THAW_LONG(a_row), THAW_LONG(a_step),
        THAW_BUFFER(p->packs_b ? p->b : g->b),
        THAW_LONG(p->packs_b ? 0 : g->b_offset + b->first * g->b_stride + b->lane),
        THAW_LONG(p->packs_b ? panel_stride(b) : t.columns), THAW_LONG(p->packs_b ? t.columns : g->b_stride),
        THAW_INT(p->packs_b ? 0 : b->lanes), THAW_FLOAT(b->first == 0 ? g->beta : 1), THAW_BUFFER(g->c),
        THAW_LONG(g->c_offset + row * g->c_stride + b->lane), THAW_LONG(g->c_stride), THAW_INT(at_once));
}

static thaw_status multiply(thaw_device *device, const thaw_gemm *g, const plan *p)
{
    block b = {g->b, g->b_offset, g->b_stride, g->transpose_b, .width = tile_of(device).columns, .options = ""};
    for (b.lane = 0; b.lane < g->n; b.lane += p->columns)
        for (b.first = 0; b.first < g->k; b.first += p->depth) {
            b.lanes = thaw_smaller(p->columns, g->n - b.lane);
            b.depth = thaw_smaller(p->depth, g->k - b.first);
            if (p->packs_b)
                THAW_TRY(pack(device, &b, p->b, 0, panel_stride(&b)));
            for (int64_t row = 0; row < g->m; row += p->rows)
                THAW_TRY(multiply_rows(device, g, p, &b, row, thaw_smaller(p->rows, g->m - row)));
        }
    return THAW_OK;
}

/* An operand is read as it stands where its elements lie in the order in which they are needed, or are needed so few
 * times that packing would cost more than it gains: measured, see docs/decisions/gemm-on-cpus.md. */
static bool packs_a(const thaw_gemm *g)
{
    return g->transpose_a && g->k > 256;
}

static bool packs_b(const thaw_gemm *g, tile t)
{
    return g->transpose_b || g->n < t.width || (g->m > 8 * t.rows && g->k > 128);
}

bool thaw_gemm_packed_pays(const thaw_device *device, const thaw_gemm *g)
{
    return (double)g->m * (double)g->n * (double)g->k >= (packs_b(g, tile_of(device)) ? 1e5 : 2e4);
}

static plan make_plan(const thaw_gemm *g, tile t)
{
    plan p = {.packs_a = packs_a(g), .packs_b = packs_b(g, t)};
    p.rows = p.packs_a ? even_part(g->m, LANES_AT_ONCE, t.rows) : g->m;
    p.columns = p.packs_b ? even_part(g->n, LANES_AT_ONCE, t.columns) : g->n;
    p.depth = even_part(g->k, most_steps(t), 1);
    return p;
}

thaw_status thaw_gemm_run_packed(thaw_device *device, const thaw_gemm *g)
{
    plan p = make_plan(g, tile_of(device));
    thaw_status status = THAW_OK;
    if (p.packs_a)
        status = thaw_buffer_create(device, (size_t)(p.rows * p.depth) * sizeof(float), &p.a);
    if (status == THAW_OK && p.packs_b)
        status = thaw_buffer_create(device, (size_t)(p.columns * (p.depth + 1)) * sizeof(float), &p.b);
    if (status == THAW_OK)
        status = multiply(device, g, &p);
    thaw_buffer_destroy(&p.a);
    thaw_buffer_destroy(&p.b);
    return status;
}

static const char *precision_options(thaw_precision precision)
{
    return precision == THAW_PRECISION_FP16 ? "-DHALVES" : "";
}

/* Whole panels where columns lie side by side in host memory, else some steps of every panel: what is contiguous
 * there. */
static thaw_status pack_pieces(thaw_device *device, const float *b, bool transpose_b, int64_t n, int64_t k,
                               thaw_precision precision, thaw_buffer *piece, thaw_buffer *panels)
{
    const int32_t width = tile_of(device).columns;
    const int64_t row = transpose_b ? k : n, rows = transpose_b ? n : k;
    const int64_t at_once = (int64_t)(thaw_buffer_bytes(piece) / sizeof(float)) / row;
    for (int64_t first = 0; first < rows; first += at_once) {
        const int64_t count = thaw_smaller(at_once, rows - first);
        block part = {.from = piece, .stride = row, .along = transpose_b, .width = width};
        part.options = precision_options(precision);
        part.lanes = transpose_b ? count : n;
        part.depth = transpose_b ? k : count;
        THAW_TRY(thaw_buffer_write(piece, 0, b + first * row, (size_t)(count * row) * sizeof(float)));
        THAW_TRY(pack(device, &part, panels, first * (transpose_b ? k : width), k * width));
    }
    return THAW_OK;
}

thaw_status thaw_gemm_pack(thaw_device *device, const float *b, bool transpose_b, int64_t n, int64_t k,
                           thaw_precision precision, thaw_buffer **panels)
{
    const size_t element = precision == THAW_PRECISION_FP16 ? 2 : sizeof(float);
    const int32_t width = tile_of(device).columns;
    const int64_t row = transpose_b ? k : n, rows = transpose_b ? n : k;
    const int64_t at_once = thaw_divide_up(thaw_divide_up(PIECE_BYTES / (int64_t)sizeof(float), row), width) * width;
    thaw_buffer *piece;
    *panels = NULL;
    THAW_TRY(thaw_buffer_create(device, (size_t)(thaw_smaller(at_once, rows) * row) * sizeof(float), &piece));
    thaw_status status = thaw_buffer_create(device, (size_t)(thaw_divide_up(n, width) * width * k) * element, panels);
    if (status == THAW_OK)
        status = pack_pieces(device, b, transpose_b, n, k, precision, piece, *panels);
    if (status != THAW_OK)
        thaw_buffer_destroy(panels);
    thaw_buffer_destroy(&piece);
    return status;
}

/* The arguments of the kernels' FINISH. */
#define FINISH_ARGUMENTS(g, finish)                                                                                    \
    THAW_FLOAT((g)->alpha), THAW_BUFFER((finish)->bias), THAW_LONG((finish)->bias_row),                                \
        THAW_LONG((finish)->bias_column), THAW_FLOAT((finish)->bias_scale), THAW_BUFFER((finish)->residual),           \
        THAW_FLOAT((finish)->alpha), THAW_FLOAT((finish)->beta)

static thaw_status get_finishing(thaw_device *device, const char *name, int64_t rows, thaw_precision precision,
                                 const thaw_gemm_finish *finish, thaw_kernel **kernel)
{
    char options[192];
    snprintf(options, sizeof options, "-DBLOCK=%d -DROWS=%d -DPANELS %s %s", (int)tile_of(device).width, (int)rows,
             precision_options(precision), finish->options);
    return thaw_kernel_get(device, "gemm_packed", name, options, kernel);
}

/* A few rows at a time, for which the panels are read once from memory. */
static thaw_status run_rows(thaw_device *device, const thaw_gemm *g, thaw_precision precision,
                            const thaw_gemm_finish *finish)
{
    thaw_kernel *kernel;
    const tile t = tile_of(device);
    const int64_t at_once = even_part(g->m, MOST_ROWS, 1);
    const int64_t rows = at_once == 1 ? 1 : even_part(at_once, t.rows, 2); /* few programs for many counts */
    THAW_TRY(get_finishing(device, "gemm_rows", rows, precision, finish, &kernel));
    for (int64_t row = 0; row < g->m; row += at_once)
        THAW_TRY(thaw_kernel_launch(kernel, items(thaw_divide_up(g->n, t.columns), 1), THAW_INT(row),
                                    THAW_INT(thaw_smaller(row + at_once, g->m)), THAW_INT(g->n), THAW_INT(g->k),
                                    THAW_BUFFER(g->a), THAW_BUFFER(g->b), FINISH_ARGUMENTS(g, finish),
                                    THAW_BUFFER(g->c)));
    return THAW_OK;
}

/* Many rows, as many steps at a time as the second-level cache holds of a panel. */
static thaw_status run_tiles(thaw_device *device, const thaw_gemm *g, thaw_precision precision,
                             const thaw_gemm_finish *finish)
{
    thaw_kernel *kernel;
    const tile t = tile_of(device);
    const int64_t strips = thaw_divide_up(g->n, t.columns), depth = even_part(g->k, most_steps(t), 1);
    const int64_t at_once = rows_at_once(device, g->m, strips, depth);
    THAW_TRY(get_finishing(device, "gemm_panels", t.rows, precision, finish, &kernel));
    for (int64_t first = 0; first < g->k; first += depth)
        THAW_TRY(thaw_kernel_launch(kernel, items(strips, thaw_divide_up(g->m, at_once)), THAW_INT(g->m),
                                    THAW_INT(g->n), THAW_INT(g->k), THAW_INT(first),
                                    THAW_INT(thaw_smaller(depth, g->k - first)), THAW_BUFFER(g->a), THAW_BUFFER(g->b),
                                    FINISH_ARGUMENTS(g, finish), THAW_BUFFER(g->c), THAW_INT(at_once)));
    return THAW_OK;
}

thaw_status thaw_gemm_run_panels(thaw_device *device, const thaw_gemm *g, thaw_precision precision,
                                 const thaw_gemm_finish *finish)
{
    return g->m > MOST_ROWS ? run_tiles(device, g, precision, finish) : run_rows(device, g, precision, finish);
}
