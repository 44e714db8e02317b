#include "device/device_private.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    cl_int code;
    const char *text;
} errors[] = {
#define NAMED(name) name, #name
    {NAMED(CL_DEVICE_NOT_FOUND)},
    {NAMED(CL_DEVICE_NOT_AVAILABLE)},
    {NAMED(CL_COMPILER_NOT_AVAILABLE)},
    {NAMED(CL_MEM_OBJECT_ALLOCATION_FAILURE)},
    {NAMED(CL_OUT_OF_RESOURCES)},
    {NAMED(CL_OUT_OF_HOST_MEMORY)},
    {NAMED(CL_MEM_COPY_OVERLAP)},
    {NAMED(CL_BUILD_PROGRAM_FAILURE)},
    {NAMED(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)},
    {NAMED(CL_INVALID_VALUE)},
    {NAMED(CL_INVALID_DEVICE_TYPE)},
    {NAMED(CL_INVALID_PLATFORM)},
    {NAMED(CL_INVALID_DEVICE)},
    {NAMED(CL_INVALID_CONTEXT)},
    {NAMED(CL_INVALID_QUEUE_PROPERTIES)},
    {NAMED(CL_INVALID_COMMAND_QUEUE)},
    {NAMED(CL_INVALID_MEM_OBJECT)},
    {NAMED(CL_INVALID_BINARY)},
    {NAMED(CL_INVALID_BUILD_OPTIONS)},
    {NAMED(CL_INVALID_PROGRAM)},
    {NAMED(CL_INVALID_PROGRAM_EXECUTABLE)},
    {NAMED(CL_INVALID_KERNEL_NAME)},
    {NAMED(CL_INVALID_KERNEL_DEFINITION)},
    {NAMED(CL_INVALID_KERNEL)},
    {NAMED(CL_INVALID_ARG_INDEX)},
    {NAMED(CL_INVALID_ARG_VALUE)},
    {NAMED(CL_INVALID_ARG_SIZE)},
    {NAMED(CL_INVALID_KERNEL_ARGS)},
    {NAMED(CL_INVALID_WORK_DIMENSION)},
    {NAMED(CL_INVALID_WORK_GROUP_SIZE)},
    {NAMED(CL_INVALID_WORK_ITEM_SIZE)},
    {NAMED(CL_INVALID_GLOBAL_OFFSET)},
    {NAMED(CL_INVALID_OPERATION)},
    {NAMED(CL_INVALID_BUFFER_SIZE)},
    {NAMED(CL_INVALID_GLOBAL_WORK_SIZE)},
#undef NAMED
};

const char *thaw_opencl_text(cl_int code)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].code == code)
            return errors[i].text;
    return "an unknown error";
}

bool thaw_opencl_lacks_memory(cl_int code)
{
    return code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES || code == CL_OUT_OF_HOST_MEMORY;
}

thaw_status thaw_opencl_fail(thaw_device *device, cl_int code, const char *format, ...)
{
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return thaw_fail(device->context, thaw_opencl_lacks_memory(code) ? THAW_ERR_DEVICE_MEMORY : THAW_ERR_DEVICE,
                     "%s: %s (%d) on %s", what, thaw_opencl_text(code), code, device->info.name);
}
