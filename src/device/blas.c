#include "device/blas.h"

#include <assert.h>
#include <clblast_c.h>
#include <stdlib.h>
#include <string.h>

#include "device/device_private.h"
#include "device/gemm_packed.h"

/* As in cl/gemm.cl. */
#define TILE_M 8
#define TILE_N 8

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

/* The queue is in order, so CLBlast, which knows no wait lists, needs none. */
static CLBlastStatusCode call_clblast(thaw_device *device, const thaw_gemm *g)
{
    return CLBlastSgemm(CLBlastLayoutRowMajor, g->transpose_a ? CLBlastTransposeYes : CLBlastTransposeNo,
                        g->transpose_b ? CLBlastTransposeYes : CLBlastTransposeNo, (size_t)g->m, (size_t)g->n,
                        (size_t)g->k, g->alpha, g->a->memory, (size_t)g->a_offset, (size_t)g->a_stride, g->b->memory,
                        (size_t)g->b_offset, (size_t)g->b_stride, g->beta, g->c->memory, (size_t)g->c_offset,
                        (size_t)g->c_stride, &device->queue, NULL);
}

static thaw_status run_clblast(thaw_device *device, const thaw_gemm *g)
{
    CLBlastStatusCode code = call_clblast(device, g);
    if (thaw_opencl_lacks_memory(code)) {
        thaw_buffer_pool_trim(device);
        code = call_clblast(device, g);
    }
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

/* Packing, and two more launches, cost less than they gain from about this size on, whatever the shape: measured, see
 * docs/decisions/gemm-on-cpus.md. */
static bool packing_pays(const thaw_gemm *g)
{
    return (double)g->m * (double)g->n * (double)g->k >= 1e5;
}

typedef thaw_status (*algorithm)(thaw_device *device, const thaw_gemm *g);

static algorithm choose(const thaw_device *device, const thaw_gemm *g)
{
    const char *wish = getenv("THAW_ALGORITHM");
    if (g->k == 0 || (wish && strcmp(wish, "plain") == 0))
        return run_plain;
    if (wish && strcmp(wish, "packed") == 0)
        return thaw_gemm_run_packed;
    if (device->quirks.clblast_runs && (device->quirks.clblast_fast || (wish && strcmp(wish, "clblast") == 0)))
        return run_clblast;
    return thaw_device_width(device) > 1 && packing_pays(g) ? thaw_gemm_run_packed : run_plain;
}

thaw_status thaw_gemm_run(thaw_device *device, const thaw_gemm *gemm)
{
    assert(gemm->m >= 0 && gemm->n >= 0 && gemm->k >= 0);
    if (gemm->m == 0 || gemm->n == 0)
        return THAW_OK;
    if (!gemm_fits(gemm))
        return thaw_fail(device->context, THAW_ERR_SIZE,
                         "a matrix product of %lld x %lld x %lld reaches outside its buffers", (long long)gemm->m,
                         (long long)gemm->n, (long long)gemm->k);
    /* The tiles of cl/gemm.cl count in int. */
    if (gemm->m > INT32_MAX - TILE_M || gemm->n > INT32_MAX - TILE_N || gemm->k > INT32_MAX)
        return thaw_fail(device->context, THAW_ERR_SIZE, "a matrix product of %lld x %lld x %lld is too large",
                         (long long)gemm->m, (long long)gemm->n, (long long)gemm->k);
    return choose(device, gemm)(device, gemm);
}
