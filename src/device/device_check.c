#include <stdlib.h>

#include "base/memory.h"
#include "device/blas.h"
#include "device/device_private.h"

/* Odd sizes, so that every edge of a tile is met. */
#define M 37
#define N 29
#define K 41

typedef struct check_data {
    float a[M * K], b[K * N], c[M * N];
} check_data;

/* Small whole numbers: their products and sums are exact in float32, in whatever order. */
static void fill(float *values, size_t count, uint32_t seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = (float)(seed >> 24) - 128.0f;
    }
}

static thaw_status compare(const thaw_device *device, const check_data *data)
{
    for (int row = 0; row < M; row++)
        for (int column = 0; column < N; column++) {
            float sum = 0;
            for (int p = 0; p < K; p++)
                sum += data->a[row * K + p] * data->b[p * N + column];
            const float got = data->c[row * N + column];
            if (!(got == sum))
                return thaw_fail(device->context, THAW_ERR_CHECK,
                                 "%s computes wrongly: element %d, %d of a matrix product is %g instead of %g",
                                 device->info.name, row, column, (double)got, (double)sum);
        }
    return THAW_OK;
}

static thaw_status multiply(thaw_device *device, check_data *data, thaw_buffer *buffers[3])
{
    THAW_TRY(thaw_buffer_create(device, sizeof data->a, &buffers[0]));
    THAW_TRY(thaw_buffer_create(device, sizeof data->b, &buffers[1]));
    THAW_TRY(thaw_buffer_create(device, sizeof data->c, &buffers[2]));
    const thaw_gemm gemm = {.m = M,
                            .n = N,
                            .k = K,
                            .alpha = 1,
                            .a = buffers[0],
                            .b = buffers[1],
                            .c = buffers[2],
                            .a_stride = K,
                            .b_stride = N,
                            .c_stride = N};
    THAW_TRY(thaw_buffer_write(buffers[0], 0, data->a, sizeof data->a));
    THAW_TRY(thaw_buffer_write(buffers[1], 0, data->b, sizeof data->b));
    THAW_TRY(thaw_gemm_run(device, &gemm));
    THAW_TRY(thaw_buffer_read(buffers[2], 0, data->c, sizeof data->c));
    return compare(device, data);
}

thaw_status thaw_device_check(thaw_device *device)
{
    thaw_buffer *buffers[3] = {NULL};
    check_data *data;
    THAW_TRY(thaw_allocate(device->context, 1, sizeof *data, &data));
    fill(data->a, M * K, 1);
    fill(data->b, K * N, 2);
    const thaw_status status = multiply(device, data, buffers);
    for (int i = 0; i < 3; i++)
        thaw_buffer_destroy(&buffers[i]);
    free(data);
    return status;
}
