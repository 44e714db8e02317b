#include "device/kernel.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "device/chain.h"
#include "device/program.h"

static thaw_status create(thaw_device *device, thaw_program *program, const char *name, thaw_kernel **kernel)
{
    thaw_kernel *made;
    THAW_TRY(thaw_allocate(device->context, 1, sizeof *made, &made));
    thaw_status status = thaw_copy_text(device->context, name, &made->name);
    cl_int code = CL_SUCCESS;
    if (status == THAW_OK)
        made->opencl = clCreateKernel(program->opencl, name, &code);
    if (code != CL_SUCCESS)
        status = thaw_fail(device->context, THAW_ERR_COMPILE, "kernel %s of %s.cl, options '%s': %s (%d)", name,
                           program->name, program->options, thaw_opencl_text(code), code);
    if (status != THAW_OK) {
        free(made->name);
        free(made);
        return status;
    }
    made->device = device;
    made->program = program;
    if (clGetKernelWorkGroupInfo(made->opencl, device->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof made->max_work_group,
                                 &made->max_work_group, NULL) != CL_SUCCESS)
        made->max_work_group = 1;
    if (made->max_work_group > device->info.max_work_group || device->quirks.group_unknown)
        made->max_work_group = device->info.max_work_group;
    made->next = program->kernels;
    program->kernels = made;
    *kernel = made;
    return THAW_OK;
}

thaw_status thaw_kernel_get(thaw_device *device, const char *program, const char *name, const char *options,
                            thaw_kernel **kernel)
{
    thaw_program *built;
    *kernel = NULL;
    THAW_TRY(thaw_program_get(device, program, options, name, &built));
    for (thaw_kernel *known = built->kernels; known; known = known->next)
        if (strcmp(known->name, name) == 0) {
            *kernel = known;
            return THAW_OK;
        }
    return create(device, built, name, kernel);
}

size_t thaw_kernel_max_group(const thaw_kernel *kernel)
{
    return kernel->max_work_group;
}

static cl_int set_argument(cl_kernel opencl, cl_uint index, const thaw_argument *argument)
{
    switch (argument->kind) {
    case THAW_ARGUMENT_BUFFER: {
        const cl_mem memory = argument->value.buffer ? argument->value.buffer->memory : NULL;
        return clSetKernelArg(opencl, index, sizeof memory, &memory);
    }
    case THAW_ARGUMENT_INT:
        return clSetKernelArg(opencl, index, sizeof argument->value.i, &argument->value.i);
    case THAW_ARGUMENT_LONG:
        return clSetKernelArg(opencl, index, sizeof argument->value.l, &argument->value.l);
    case THAW_ARGUMENT_FLOAT:
        return clSetKernelArg(opencl, index, sizeof argument->value.f, &argument->value.f);
    }
    return CL_INVALID_VALUE;
}

/* Picks the work-group size where the caller did not: a power of two along the first dimension that divides it, so that
 * few different ones occur (drivers that compile per size do it a handful of times only). False: the driver picks. */
static bool pick_local(const thaw_kernel *kernel, const size_t global[3], size_t local[3])
{
    size_t limit = kernel->device->quirks.max_auto_group;
    if (limit == 0)
        return false;
    while (limit > 1 && (limit > kernel->max_work_group || global[0] % limit != 0))
        limit /= 2;
    local[0] = limit;
    local[1] = local[2] = 1;
    return true;
}

thaw_status thaw_kernel_set(thaw_kernel *kernel, size_t first, const thaw_argument *arguments, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const cl_int code = set_argument(kernel->opencl, (cl_uint)(first + i), &arguments[i]);
        if (code != CL_SUCCESS)
            return thaw_opencl_fail(kernel->device, code, "argument %zu of kernel %s", first + i, kernel->name);
    }
    return THAW_OK;
}

static thaw_status enqueue(thaw_kernel *kernel, thaw_range range)
{
    bool sized = range.local[0] != 0;
    if (sized)
        for (int i = 1; i < 3; i++)
            range.local[i] = range.local[i] ? range.local[i] : 1;
    else
        sized = pick_local(kernel, range.global, range.local);
    const cl_int code = clEnqueueNDRangeKernel(kernel->device->queue, kernel->opencl, 3, NULL, range.global,
                                               sized ? range.local : NULL, 0, NULL, NULL);
    if (code != CL_SUCCESS)
        return thaw_opencl_fail(kernel->device, code, "kernel %s over %zu x %zu x %zu", kernel->name, range.global[0],
                                range.global[1], range.global[2]);
    return THAW_OK;
}

thaw_status thaw_kernel_run(thaw_kernel *kernel, thaw_range range, const thaw_argument *arguments, size_t count)
{
    if (range.global[0] == 0)
        return THAW_OK;
    for (int i = 1; i < 3; i++)
        if (range.global[i] == 0)
            range.global[i] = 1;
    THAW_TRY(thaw_chain_flush(kernel->device));
    THAW_TRY(thaw_kernel_set(kernel, 0, arguments, count));
    return enqueue(kernel, range);
}

bool thaw_device_ends_loops(const thaw_device *device)
{
    return device->quirks.loops_end;
}

thaw_status thaw_kernel_queue_takers(thaw_kernel *kernel, size_t takers)
{
    return enqueue(kernel, (thaw_range){{takers, 1, 1}, {1, 1, 1}});
}

thaw_status thaw_kernel_run_alone(thaw_kernel *kernel, const size_t pieces[3], const thaw_argument *arguments,
                                  size_t count)
{
    thaw_device *device = kernel->device;
    const size_t total = pieces[0] * pieces[1] * pieces[2];
    THAW_TRY(thaw_kernel_set(kernel, 0, arguments, count));
    const cl_int code = clSetKernelArg(kernel->opencl, (cl_uint)count, sizeof device->tickets, &device->tickets);
    if (code != CL_SUCCESS)
        return thaw_opencl_fail(device, code, "argument %zu of kernel %s", count, kernel->name);
    const thaw_argument rest[] = {THAW_INT(device->next_ticket), THAW_INT(pieces[0]), THAW_INT(pieces[1]),
                                  THAW_INT(pieces[2])};
    THAW_TRY(thaw_kernel_set(kernel, count + 1, rest, sizeof rest / sizeof *rest));
    THAW_TRY(thaw_kernel_queue_takers(kernel, thaw_device_ends_loops(device) ? total : device->info.compute_units));
    device->next_ticket += (uint32_t)total;
    return THAW_OK;
}

thaw_status thaw_kernel_run_pieces(thaw_kernel *kernel, const size_t pieces[3], const thaw_argument *arguments,
                                   size_t count)
{
    const size_t total = pieces[0] * pieces[1] * pieces[2];
    if (total == 0)
        return THAW_OK;
    if (total > (size_t)INT32_MAX)
        return thaw_fail(kernel->device->context, THAW_ERR_DEVICE, "kernel %s: %zu pieces of work are too many",
                         kernel->name, total);
    if (thaw_chain_take(kernel, pieces, arguments, count))
        return THAW_OK;
    THAW_TRY(thaw_chain_flush(kernel->device));
    return thaw_chain_take(kernel, pieces, arguments, count) ? THAW_OK
                                                             : thaw_kernel_run_alone(kernel, pieces, arguments, count);
}
