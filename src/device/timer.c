#include "device/timer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "device/device_private.h"

struct thaw_timer {
    thaw_device *device;
    cl_command_queue before; /* the device's own queue; NULL: it is in use */
    cl_event first;          /* NULL: the host's clock is used, or nothing is being timed */
    double start;            /* the host's clock */
};

thaw_status thaw_timer_open(thaw_device *device, bool by_device, thaw_timer **timer)
{
    cl_int code = CL_SUCCESS;
    *timer = NULL;
    THAW_TRY(thaw_device_finish(device));
    THAW_TRY(thaw_allocate(device->context, 1, sizeof **timer, timer));
    (*timer)->device = device;
    if (!by_device)
        return THAW_OK;
    cl_command_queue queue = clCreateCommandQueue(device->opencl, device->id, CL_QUEUE_PROFILING_ENABLE, &code);
    if (code != CL_SUCCESS) {
        thaw_timer_close(timer);
        return thaw_opencl_fail(device, code, "no queue that takes times");
    }
    (*timer)->before = device->queue;
    device->queue = queue;
    return THAW_OK;
}

static void forget_first(thaw_timer *timer)
{
    if (timer->first)
        clReleaseEvent(timer->first);
    timer->first = NULL;
}

void thaw_timer_close(thaw_timer **timer)
{
    if (!*timer)
        return;
    thaw_device *device = (*timer)->device;
    clFinish(device->queue);
    forget_first(*timer);
    if ((*timer)->before) {
        clReleaseCommandQueue(device->queue);
        device->queue = (*timer)->before;
    }
    free(*timer);
    *timer = NULL;
}

thaw_status thaw_timer_start(thaw_timer *timer)
{
    thaw_device *device = timer->device;
    forget_first(timer);
    THAW_TRY(thaw_device_finish(device));
    timer->start = thaw_clock_seconds();
    if (!timer->before)
        return THAW_OK;
    const cl_int code = clEnqueueMarkerWithWaitList(device->queue, 0, NULL, &timer->first);
    return code == CL_SUCCESS ? THAW_OK : thaw_opencl_fail(device, code, "a marker in the queue");
}

/* From the end of the first marker to that of the last, and so of all in between. */
static cl_int read_events(cl_event first, cl_event last, double *seconds)
{
    cl_ulong begin = 0, end = 0;
    cl_int code = clGetEventProfilingInfo(first, CL_PROFILING_COMMAND_END, sizeof begin, &begin, NULL);
    if (code == CL_SUCCESS)
        code = clGetEventProfilingInfo(last, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
    *seconds = end > begin ? (double)(end - begin) * 1e-9 : 0;
    return code;
}

thaw_status thaw_timer_stop(thaw_timer *timer, double *seconds)
{
    thaw_device *device = timer->device;
    cl_event last = NULL;
    cl_int code = CL_SUCCESS;
    if (timer->before)
        code = clEnqueueMarkerWithWaitList(device->queue, 0, NULL, &last);
    const cl_int finished = clFinish(device->queue);
    *seconds = thaw_clock_seconds() - timer->start;
    if (code == CL_SUCCESS)
        code = finished;
    if (code == CL_SUCCESS && timer->before)
        code = read_events(timer->first, last, seconds);
    if (last)
        clReleaseEvent(last);
    forget_first(timer);
    return code == CL_SUCCESS ? THAW_OK : thaw_opencl_fail(device, code, "reading a time");
}

/* --- whether to believe it --- */

/* A launch of about so many steps, by both clocks. */
static thaw_status time_both(thaw_timer *timer, thaw_kernel *kernel, thaw_buffer *out, int32_t steps, double *device,
                             double *host)
{
    const double start = thaw_clock_seconds();
    const thaw_range range = {{8, 1, 1}, {1, 1, 1}};
    THAW_TRY(thaw_timer_start(timer));
    THAW_TRY(
        thaw_kernel_launch(kernel, range, THAW_BUFFER(out), THAW_INT(steps), THAW_FLOAT(0.999f), THAW_FLOAT(0.5f)));
    THAW_TRY(thaw_timer_stop(timer, device));
    *host = thaw_clock_seconds() - start;
    return THAW_OK;
}

static thaw_status compare_clocks(thaw_timer *timer, thaw_buffer *out, bool *usable, char reason[THAW_TIMER_REASON])
{
    const double long_enough = 0.02, agree = 0.8, resolution = 1e-3;
    thaw_kernel *kernel;
    double device = 0, host = 0;
    THAW_TRY(thaw_kernel_get(timer->device, "peak", "peak_fma", "-DWIDTH=4", &kernel));
    THAW_TRY(time_both(timer, kernel, out, 1, &device, &host)); /* compiles */
    for (int32_t steps = 1024; host < long_enough && steps < 1 << 28; steps *= 2)
        THAW_TRY(time_both(timer, kernel, out, steps, &device, &host));
    *usable = device >= agree * host && device <= host + resolution;
    if (!*usable)
        snprintf(reason, THAW_TIMER_REASON, "the device's clock gives %.3g ms for what takes %.3g ms", device * 1e3,
                 host * 1e3);
    return THAW_OK;
}

thaw_status thaw_timer_check(thaw_device *device, bool *usable, char reason[THAW_TIMER_REASON])
{
    thaw_timer *timer;
    thaw_buffer *out = NULL;
    *usable = false;
    reason[0] = '\0';
    if (thaw_timer_open(device, true, &timer) != THAW_OK) { /* a driver may refuse such queues */
        snprintf(reason, THAW_TIMER_REASON, "the driver gives no queue that takes times");
        return THAW_OK;
    }
    thaw_status status = thaw_buffer_create(device, 8 * sizeof(float), &out);
    if (status == THAW_OK)
        status = compare_clocks(timer, out, usable, reason);
    thaw_buffer_destroy(&out);
    thaw_timer_close(&timer);
    return status;
}
