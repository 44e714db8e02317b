#include "device/transfer.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/pages.h"
#include "device/device_private.h"

struct thaw_transfer {
    thaw_device *device;
    thaw_transfer_kind kind;
    size_t bytes;
    cl_mem memory;       /* on the device */
    cl_mem pinned;       /* NULL: host memory is ours */
    unsigned char *host; /* [bytes] */
};

static thaw_status check(const thaw_transfer *t, cl_int code, const char *what)
{
    return code == CL_SUCCESS ? THAW_OK : thaw_opencl_fail(t->device, code, "%s %zu bytes", what, t->bytes);
}

static thaw_status allocate_host(thaw_transfer *t)
{
    cl_int code = CL_SUCCESS;
    if (t->kind != THAW_TRANSFER_PINNED) {
        t->host = thaw_pages_allocate(t->bytes);
        return t->host ? THAW_OK : thaw_fail(t->device->context, THAW_ERR_MEMORY, "out of memory");
    }
    t->pinned = clCreateBuffer(t->device->opencl, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, t->bytes, NULL, &code);
    if (code == CL_SUCCESS)
        t->host = clEnqueueMapBuffer(t->device->queue, t->pinned, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, t->bytes, 0,
                                     NULL, NULL, &code);
    return check(t, code, "pinning");
}

thaw_status thaw_transfer_open(thaw_device *device, thaw_transfer_kind kind, size_t bytes, thaw_transfer **transfer)
{
    cl_int code = CL_SUCCESS;
    const cl_mem_flags flags = kind == THAW_TRANSFER_ZERO_COPY ? CL_MEM_ALLOC_HOST_PTR : 0;
    THAW_TRY(thaw_allocate(device->context, 1, sizeof **transfer, transfer));
    thaw_transfer *t = *transfer;
    t->device = device;
    t->kind = kind;
    t->bytes = bytes;
    t->memory = clCreateBuffer(device->opencl, CL_MEM_READ_WRITE | flags, bytes, NULL, &code);
    thaw_status status = check(t, code, "a buffer of");
    if (status == THAW_OK)
        status = allocate_host(t);
    if (status != THAW_OK) {
        thaw_transfer_close(transfer);
        return status;
    }
    memset(t->host, 0, bytes); /* memory that was never written may not exist yet */
    return THAW_OK;
}

void thaw_transfer_close(thaw_transfer **transfer)
{
    thaw_transfer *t = *transfer;
    if (!t)
        return;
    if (t->pinned && t->host)
        clEnqueueUnmapMemObject(t->device->queue, t->pinned, t->host, 0, NULL, NULL);
    clFinish(t->device->queue);
    if (t->pinned)
        clReleaseMemObject(t->pinned);
    else
        free(t->host);
    if (t->memory)
        clReleaseMemObject(t->memory);
    free(t);
    *transfer = NULL;
}

/* The host copies into the device's memory, or out of it. */
static thaw_status copy_mapped(const thaw_transfer *t, bool write)
{
    cl_int code = CL_SUCCESS;
    void *mapped =
        clEnqueueMapBuffer(t->device->queue, t->memory, CL_TRUE, write ? CL_MAP_WRITE_INVALIDATE_REGION : CL_MAP_READ,
                           0, t->bytes, 0, NULL, NULL, &code);
    if (code != CL_SUCCESS)
        return check(t, code, "mapping");
    memcpy(write ? mapped : t->host, write ? t->host : mapped, t->bytes);
    code = clEnqueueUnmapMemObject(t->device->queue, t->memory, mapped, 0, NULL, NULL);
    if (code == CL_SUCCESS)
        code = clFinish(t->device->queue);
    return check(t, code, "unmapping");
}

thaw_status thaw_transfer_write(thaw_transfer *t)
{
    if (t->kind == THAW_TRANSFER_ZERO_COPY)
        return copy_mapped(t, true);
    cl_int code = clEnqueueWriteBuffer(t->device->queue, t->memory, CL_FALSE, 0, t->bytes, t->host, 0, NULL, NULL);
    if (code == CL_SUCCESS)
        code = clFinish(t->device->queue);
    return check(t, code, "writing");
}

thaw_status thaw_transfer_read(thaw_transfer *t)
{
    if (t->kind == THAW_TRANSFER_ZERO_COPY)
        return copy_mapped(t, false);
    return check(t, clEnqueueReadBuffer(t->device->queue, t->memory, CL_TRUE, 0, t->bytes, t->host, 0, NULL, NULL),
                 "reading");
}

unsigned char *thaw_transfer_host(thaw_transfer *transfer)
{
    return transfer->host;
}
