#include "train/average.h"
#include "base/memory.h"

#include <stdlib.h>

struct thaw_average {
    const thaw_parameters *parameters;
    double decay;
    thaw_kernel *move, *exchange;
    thaw_buffer **buffers; /* [parameters->count] */
};

static thaw_status prepare(thaw_average *a, thaw_device *device)
{
    THAW_TRY(thaw_kernel_get(device, "optimizer", "move_average", "", &a->move));
    THAW_TRY(thaw_kernel_get(device, "optimizer", "exchange", "", &a->exchange));
    THAW_TRY(thaw_allocate(thaw_device_context(device), a->parameters->count, sizeof *a->buffers, &a->buffers));
    for (size_t i = 0; i < a->parameters->count; i++) {
        const thaw_parameter *p = &a->parameters->items[i];
        const size_t bytes = (size_t)p->count * sizeof(float);
        THAW_TRY(thaw_buffer_create(device, bytes, &a->buffers[i]));
        THAW_TRY(thaw_buffer_copy(p->value->buffer, 0, a->buffers[i], 0, bytes));
    }
    return THAW_OK;
}

thaw_status thaw_average_create(thaw_device *device, const thaw_parameters *parameters, double decay,
                                thaw_average **average)
{
    THAW_TRY(thaw_allocate(thaw_device_context(device), 1, sizeof **average, average));
    (*average)->parameters = parameters;
    (*average)->decay = decay;
    const thaw_status status = prepare(*average, device);
    if (status != THAW_OK)
        thaw_average_destroy(average);
    return status;
}

thaw_status thaw_average_update(thaw_average *a, uint64_t t)
{
    const double early = (1.0 + (double)t) / (10.0 + (double)t);
    const double decay = early < a->decay ? early : a->decay;
    for (size_t i = 0; i < a->parameters->count; i++) {
        const thaw_parameter *p = &a->parameters->items[i];
        THAW_TRY(thaw_kernel_launch(a->move, THAW_RANGE_1(p->count), THAW_BUFFER(a->buffers[i]),
                                    THAW_BUFFER(p->value->buffer), THAW_FLOAT(1.0 - decay)));
    }
    return THAW_OK;
}

thaw_status thaw_average_exchange(thaw_average *a)
{
    for (size_t i = 0; i < a->parameters->count; i++) {
        const thaw_parameter *p = &a->parameters->items[i];
        THAW_TRY(thaw_kernel_launch(a->exchange, THAW_RANGE_1(p->count), THAW_BUFFER(a->buffers[i]),
                                    THAW_BUFFER(p->value->buffer)));
    }
    return THAW_OK;
}

thaw_buffer *thaw_average_buffer(const thaw_average *average, size_t index)
{
    return average->buffers[index];
}

void thaw_average_destroy(thaw_average **average)
{
    if (!*average)
        return;
    for (size_t i = 0; i < (*average)->parameters->count && (*average)->buffers; i++)
        thaw_buffer_destroy(&(*average)->buffers[i]);
    free((*average)->buffers);
    free(*average);
    *average = NULL;
}
