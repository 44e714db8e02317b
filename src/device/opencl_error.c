#include "device/device_private.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    cl_int code;
    const char *text;
} errors[] = {
#define ERROR(name) {name, #name},
    ERROR(CL_DEVICE_NOT_FOUND) ERROR(CL_DEVICE_NOT_AVAILABLE) ERROR(CL_COMPILER_NOT_AVAILABLE)
        ERROR(CL_MEM_OBJECT_ALLOCATION_FAILURE) ERROR(CL_OUT_OF_RESOURCES) ERROR(CL_OUT_OF_HOST_MEMORY) ERROR(
            CL_MEM_COPY_OVERLAP) ERROR(CL_BUILD_PROGRAM_FAILURE) ERROR(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
            ERROR(CL_INVALID_VALUE) ERROR(CL_INVALID_DEVICE_TYPE) ERROR(CL_INVALID_PLATFORM) ERROR(CL_INVALID_DEVICE)
                ERROR(CL_INVALID_CONTEXT) ERROR(CL_INVALID_QUEUE_PROPERTIES) ERROR(CL_INVALID_COMMAND_QUEUE)
                    ERROR(CL_INVALID_MEM_OBJECT) ERROR(CL_INVALID_BINARY) ERROR(CL_INVALID_BUILD_OPTIONS)
                        ERROR(CL_INVALID_PROGRAM) ERROR(CL_INVALID_PROGRAM_EXECUTABLE) ERROR(CL_INVALID_KERNEL_NAME)
                            ERROR(CL_INVALID_KERNEL_DEFINITION) ERROR(CL_INVALID_KERNEL) ERROR(CL_INVALID_ARG_INDEX)
                                ERROR(CL_INVALID_ARG_VALUE) ERROR(CL_INVALID_ARG_SIZE) ERROR(CL_INVALID_KERNEL_ARGS)
                                    ERROR(CL_INVALID_WORK_DIMENSION) ERROR(CL_INVALID_WORK_GROUP_SIZE)
                                        ERROR(CL_INVALID_WORK_ITEM_SIZE) ERROR(CL_INVALID_GLOBAL_OFFSET)
                                            ERROR(CL_INVALID_OPERATION) ERROR(CL_INVALID_BUFFER_SIZE)
                                                ERROR(CL_INVALID_GLOBAL_WORK_SIZE)
#undef ERROR
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
