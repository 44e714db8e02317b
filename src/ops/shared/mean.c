#include "ops/shared/mean.h"

#include <string.h>

static void add_dimensions(const thaw_shape *shape, const bool over[THAW_MAX_RANK], bool reduced, thaw_mean *mean)
{
    int64_t strides[THAW_MAX_RANK];
    thaw_shape_strides(shape, strides);
    for (int32_t i = 0; i < shape->rank; i++) {
        if (over[i] != reduced)
            continue;
        const int32_t at = mean->kept + mean->reduced;
        mean->extent[at] = shape->dims[i];
        mean->stride[at] = strides[i];
        *(reduced ? &mean->reduced : &mean->kept) += 1;
        *(reduced ? &mean->terms : &mean->output_count) *= shape->dims[i];
    }
}

void thaw_mean_plan(const thaw_shape *shape, const bool over[THAW_MAX_RANK], thaw_mean *mean)
{
    *mean = (thaw_mean){.output_count = 1, .terms = 1, .rows = true};
    add_dimensions(shape, over, false, mean);
    add_dimensions(shape, over, true, mean);
    for (int32_t i = 1; i < shape->rank; i++)
        mean->rows = mean->rows && (over[i] || !over[i - 1]);
}

thaw_status thaw_mean_prepare(thaw_device *device, thaw_mean *mean)
{
    if (mean->rows)
        return thaw_kernel_get(device, "mean", "mean_rows", "", &mean->kernel);
    int64_t layout[2 * THAW_MAX_RANK];
    const size_t rank = (size_t)(mean->kept + mean->reduced);
    memcpy(layout, mean->extent, rank * sizeof *layout);
    memcpy(layout + rank, mean->stride, rank * sizeof *layout);
    THAW_TRY(thaw_buffer_create(device, 2 * rank * sizeof *layout, &mean->layout));
    THAW_TRY(thaw_buffer_write(mean->layout, 0, layout, 2 * rank * sizeof *layout));
    return thaw_kernel_get(device, "mean", "mean_strided", "", &mean->kernel);
}

thaw_status thaw_mean_run(const thaw_mean *mean, const thaw_buffer *x, thaw_buffer *y)
{
    const thaw_range range = THAW_RANGE_1(mean->output_count);
    if (mean->rows)
        return thaw_kernel_launch(mean->kernel, range, THAW_BUFFER(x), THAW_BUFFER(y), THAW_LONG(mean->terms));
    return thaw_kernel_launch(mean->kernel, range, THAW_BUFFER(x), THAW_BUFFER(y), THAW_LONG(mean->terms),
                              THAW_BUFFER(mean->layout), THAW_INT(mean->kept), THAW_INT(mean->reduced));
}

void thaw_mean_release(thaw_mean *mean)
{
    thaw_buffer_destroy(&mean->layout);
}
