#include "device/blas.h"

#include <assert.h>
#include <clblast_c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "device/chain.h"
#include "device/gemm_packed.h"

/* As in cl/gemm.cl. */
#define TILE_M 8
#define TILE_N 8
/* Work-items of gemm_dot for each core at least, where a product has as many tiles. */
#define DOT_ITEMS_PER_UNIT 4

/* Whether a matrix of rows x columns, as stored, lies inside the buffer: its last element is offset + (rows - 1) *
 * stride + columns - 1, computed so that nothing overflows. */
static bool fits(const thaw_buffer *buffer, int64_t offset, int64_t stride, int64_t rows, int64_t columns)
{
    if (rows == 0 || columns == 0)
        return true;
    if (!buffer || offset < 0 || stride < columns)
        return false;
    const int64_t elements = (int64_t)(thaw_buffer_bytes(buffer) / sizeof(float));
    return columns <= elements && offset <= elements - columns && rows - 1 <= (elements - columns - offset) / stride;
}

static bool gemm_fits(const thaw_gemm *g)
{
    return fits(g->a, g->a_offset, g->a_stride, g->transpose_a ? g->k : g->m, g->transpose_a ? g->m : g->k) &&
           fits(g->b, g->b_offset, g->b_stride, g->transpose_b ? g->n : g->k, g->transpose_b ? g->k : g->n) &&
           fits(g->c, g->c_offset, g->c_stride, g->m, g->n);
}

/* One work-item for each tile of C. Where Thaw picks the work-group size, each makes a group of its own: a tile fills
 * the vector unit already, and no second size has to be compiled. */
static thaw_range tile_range(const thaw_device *device, const thaw_gemm *g)
{
    thaw_range range = THAW_RANGE_2((g->n + TILE_N - 1) / TILE_N, (g->m + TILE_M - 1) / TILE_M);
    range.local[0] = device->quirks.max_auto_group ? 1 : 0;
    return range;
}

static thaw_status run_plain(thaw_device *device, const thaw_gemm *g)
{
    static const char *const options[2][2] = {{"", "-DTRANSPOSE_B=1"},
                                              {"-DTRANSPOSE_A=1", "-DTRANSPOSE_A=1 -DTRANSPOSE_B=1"}};
    thaw_kernel *kernel;
    THAW_TRY(thaw_kernel_get(device, "gemm", "gemm", options[g->transpose_a][g->transpose_b], &kernel));
    return thaw_kernel_launch(kernel, tile_range(device, g), THAW_INT(g->m), THAW_INT(g->n), THAW_INT(g->k),
                              THAW_FLOAT(g->alpha), THAW_BUFFER(g->a), THAW_LONG(g->a_offset), THAW_LONG(g->a_stride),
                              THAW_BUFFER(g->b), THAW_LONG(g->b_offset), THAW_LONG(g->b_stride), THAW_FLOAT(g->beta),
                              THAW_BUFFER(g->c), THAW_LONG(g->c_offset), THAW_LONG(g->c_stride));
}

/* A B^T with both operands as they stand. Tiles as many registers have room for: NEON and AVX-512 have 32, AVX2 16. */
static thaw_status run_dot(thaw_device *device, const thaw_gemm *g)
{
    const int32_t likes = thaw_device_width(device), width = likes > 1 ? likes : 4;
    const int64_t tile_m = 4, tile_n = width == 8 ? 2 : 4, strips = thaw_divide_up(g->n, tile_n);
    const int64_t parts = thaw_divide_up((int64_t)device->info.compute_units * DOT_ITEMS_PER_UNIT, strips);
    const int64_t rows = thaw_divide_up(thaw_divide_up(g->m, parts), tile_m) * tile_m;
    char options[64];
    thaw_kernel *kernel;
    snprintf(options, sizeof options, "-DWIDTH=%d -DTILE_M=%d -DTILE_N=%d", (int)width, (int)tile_m, (int)tile_n);
    THAW_TRY(thaw_kernel_get(device, "gemm_dot", "gemm_dot", options, &kernel));
    const thaw_range range = {{(size_t)strips, (size_t)thaw_divide_up(g->m, rows), 1}, {1, 1, 1}};
    return thaw_kernel_launch(kernel, range, THAW_INT(g->m), THAW_INT(g->n), THAW_INT(g->k), THAW_FLOAT(g->alpha),
                              THAW_BUFFER(g->a), THAW_LONG(g->a_offset), THAW_LONG(g->a_stride), THAW_BUFFER(g->b),
                              THAW_LONG(g->b_offset), THAW_LONG(g->b_stride), THAW_FLOAT(g->beta), THAW_BUFFER(g->c),
                              THAW_LONG(g->c_offset), THAW_LONG(g->c_stride), THAW_INT(rows));
}

/* The queue is in order, so CLBlast, which knows no wait lists, needs none. */
static CLBlastStatusCode call_clblast(thaw_device *device, const thaw_gemm *g)
{
    return CLBlastSgemm(CLBlastLayoutRowMajor, g->transpose_a ? CLBlastTransposeYes : CLBlastTransposeNo,
                        g->transpose_b ? CLBlastTransposeYes : CLBlastTransposeNo, (size_t)g->m, (size_t)g->n,
                        (size_t)g->k, g->alpha, g->a->memory, (size_t)g->a_offset, (size_t)g->a_stride, g->b->memory,
                        (size_t)g->b_offset, (size_t)g->b_stride, g->beta, g->c->memory, (size_t)g->c_offset,
                        (size_t)g->c_stride, &device->queue, NULL);
}

static CLBlastStatusCode try_clblast(thaw_device *device, const thaw_gemm *g)
{
    CLBlastStatusCode code = call_clblast(device, g);
    if (thaw_opencl_lacks_memory(code)) {
        thaw_buffer_pool_trim(device);
        code = call_clblast(device, g);
    }
    return code;
}

static thaw_status run_clblast(thaw_device *device, const thaw_gemm *g)
{
    THAW_TRY(thaw_chain_flush(device));
    const CLBlastStatusCode code = try_clblast(device, g);
    if (code == CLBlastSuccess)
        return THAW_OK;
    if (thaw_opencl_lacks_memory(code))
        return thaw_opencl_fail(device, code, "a matrix product of %lld x %lld x %lld", (long long)g->m,
                                (long long)g->n, (long long)g->k);
    /* Its kernels do not suit every device: ours do. */
    thaw_log(device->context, THAW_LOG_WARNING, "CLBlast does not work on %s (%d): using Thaw's own kernel",
             device->info.name, code);
    device->quirks.clblast_runs = false;
    return run_plain(device, g);
}

/* Whether rows are so few, and the sums so long, that it is faster to read B^T as it stands than to pack it: measured,
 * see docs/decisions/gemm-on-cpus.md. */
static bool dot_pays(const thaw_gemm *g)
{
    return (g->m <= 128 && 2 * g->m <= g->k) || (g->n <= 16 && 2 * g->n <= g->k);
}

static bool dot_fits(const thaw_gemm *g)
{
    return !g->transpose_a && g->transpose_b;
}

typedef thaw_status (*algorithm)(thaw_device *device, const thaw_gemm *g);

/* Of our own. */
static algorithm choose_own(const thaw_device *device, const thaw_gemm *g)
{
    if (g->k == 0 || thaw_device_width(device) == 1)
        return run_plain;
    if (dot_fits(g) && dot_pays(g))
        return run_dot;
    return thaw_gemm_packed_pays(device, g) ? thaw_gemm_run_packed : run_plain;
}

static algorithm choose(const thaw_device *device, const thaw_gemm *g)
{
    const char *wish = getenv("THAW_ALGORITHM");
    if (g->k == 0 || (wish && strcmp(wish, "plain") == 0))
        return run_plain;
    if (wish && strcmp(wish, "dot") == 0)
        return dot_fits(g) ? run_dot : run_plain;
    if (wish && strcmp(wish, "packed") == 0)
        return thaw_gemm_run_packed;
    if (device->quirks.clblast_runs && (device->quirks.clblast_fast || (wish && strcmp(wish, "clblast") == 0)))
        return run_clblast;
    return choose_own(device, g);
}

static thaw_status check(const thaw_device *device, const thaw_gemm *gemm)
{
    assert(gemm->m >= 0 && gemm->n >= 0 && gemm->k >= 0);
    if (!gemm_fits(gemm))
        return thaw_fail(device->context, THAW_ERR_SIZE,
                         "a matrix product of %lld x %lld x %lld reaches outside its buffers", (long long)gemm->m,
                         (long long)gemm->n, (long long)gemm->k);
    /* The tiles of cl/gemm.cl count in int. */
    if (gemm->m > INT32_MAX - TILE_M || gemm->n > INT32_MAX - TILE_N || gemm->k > INT32_MAX)
        return thaw_fail(device->context, THAW_ERR_SIZE, "a matrix product of %lld x %lld x %lld is too large",
                         (long long)gemm->m, (long long)gemm->n, (long long)gemm->k);
    return THAW_OK;
}

thaw_status thaw_gemm_run(thaw_device *device, const thaw_gemm *gemm)
{
    if (gemm->m == 0 || gemm->n == 0)
        return THAW_OK;
    THAW_TRY(check(device, gemm));
    return choose(device, gemm)(device, gemm);
}

/* What it makes is not ours in any case. */
static thaw_status run_only_clblast(thaw_device *device, const thaw_gemm *g)
{
    if (!device->quirks.clblast_runs)
        return thaw_fail(device->context, THAW_ERR_UNSUPPORTED, "CLBlast is not used on %s", device->info.platform);
    THAW_TRY(thaw_chain_flush(device));
    const CLBlastStatusCode code = try_clblast(device, g);
    return code == CLBlastSuccess
               ? THAW_OK
               : thaw_fail(device->context, THAW_ERR_UNSUPPORTED, "CLBlast does not work here: error %d", (int)code);
}

thaw_status thaw_gemm_run_by(thaw_device *device, const thaw_gemm *gemm, thaw_gemm_maker maker)
{
    if (gemm->m == 0 || gemm->n == 0)
        return THAW_OK;
    THAW_TRY(check(device, gemm));
    return maker == THAW_GEMM_CLBLAST ? run_only_clblast(device, gemm) : choose_own(device, gemm)(device, gemm);
}

const char *thaw_gemm_algorithm(thaw_device *device, const thaw_gemm *gemm, thaw_gemm_maker maker)
{
    if (maker == THAW_GEMM_CLBLAST)
        return "clblast";
    const algorithm own = choose_own(device, gemm);
    return own == run_dot ? "dot" : own == run_plain ? "plain" : "packed";
}
