#include "device/device_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/pages.h"
#include "device/chain.h"

#define SMALLEST_BYTES 256

/* Rounds up to one of eight sizes per power of two, so that a buffer that comes back fits the next of about its size;
 * at most an eighth is wasted. */
static size_t size_class(const thaw_device *device, size_t bytes)
{
    if (device->quirks.exact_buffers)
        return bytes ? bytes : 1;
    if (bytes <= SMALLEST_BYTES)
        return SMALLEST_BYTES;
    size_t step = SMALLEST_BYTES / 8;
    while (step < SIZE_MAX / 32 && step * 16 <= bytes)
        step *= 2;
    const size_t rounded = bytes > SIZE_MAX - step ? bytes : (bytes + step - 1) / step * step;
    return rounded > device->info.max_alloc_bytes ? bytes : rounded;
}

/* Takes an idle buffer of exactly this capacity from the pool; NULL if there is none. */
static thaw_buffer *take_idle(thaw_pool *pool, size_t capacity)
{
    for (thaw_buffer **link = &pool->idle; *link; link = &(*link)->next) {
        thaw_buffer *found = *link;
        if (found->capacity == capacity) {
            *link = found->next;
            pool->idle_bytes -= capacity;
            return found;
        }
    }
    return NULL;
}

/* A buffer's memory: ours where that suits the driver, else the driver's, which many allocate at first use only: moving
 * it to the device at once makes a lack of memory show here, where its size is known. */
static cl_int allocate_memory(thaw_device *device, size_t capacity, thaw_buffer *buffer)
{
    cl_int code = CL_SUCCESS;
    if (device->quirks.host_memory && capacity >= THAW_HUGE_PAGE_BYTES) {
        buffer->host = thaw_pages_allocate(capacity);
        if (!buffer->host)
            return CL_OUT_OF_HOST_MEMORY;
    }
    const cl_mem_flags flags = CL_MEM_READ_WRITE | (buffer->host ? CL_MEM_USE_HOST_PTR : 0);
    buffer->memory = clCreateBuffer(device->opencl, flags, capacity, buffer->host, &code);
    if (code == CL_SUCCESS) {
        code = clEnqueueMigrateMemObjects(device->queue, 1, &buffer->memory, CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED, 0,
                                          NULL, NULL);
        if (code == CL_SUCCESS || !thaw_opencl_lacks_memory(code))
            return CL_SUCCESS;
        clReleaseMemObject(buffer->memory);
    }
    free(buffer->host);
    buffer->host = NULL;
    return code;
}

static bool within_limit(const thaw_device *device, size_t capacity)
{
    const thaw_pool *pool = &device->pool;
    const uint64_t taken = pool->live_bytes + pool->idle_bytes;
    return taken <= pool->limit_bytes && capacity <= pool->limit_bytes - taken;
}

/* The same, after the pool gave up its idle buffers if need be. */
static cl_int allocate_or_trim(thaw_device *device, size_t capacity, thaw_buffer *buffer)
{
    if (capacity > device->info.max_alloc_bytes)
        return CL_INVALID_BUFFER_SIZE;
    if (!within_limit(device, capacity))
        thaw_buffer_pool_trim(device);
    if (!within_limit(device, capacity))
        return CL_MEM_OBJECT_ALLOCATION_FAILURE;
    cl_int code = allocate_memory(device, capacity, buffer);
    if (thaw_opencl_lacks_memory(code) && device->pool.idle) {
        thaw_buffer_pool_trim(device);
        code = allocate_memory(device, capacity, buffer);
    }
    return code;
}

static thaw_status fail_without_memory(thaw_device *device, size_t bytes, cl_int code)
{
    return thaw_fail(device->context, THAW_ERR_DEVICE_MEMORY,
                     "%zu bytes asked for on %s, %" PRIu64 " in use; it gives %" PRIu64 " at once and %" PRIu64
                     " in all (%s)",
                     bytes, device->info.name, device->pool.live_bytes, device->info.max_alloc_bytes,
                     device->pool.limit_bytes, thaw_opencl_text(code));
}

thaw_status thaw_buffer_create(thaw_device *device, size_t bytes, thaw_buffer **buffer)
{
    thaw_pool *pool = &device->pool;
    const size_t capacity = size_class(device, bytes);
    *buffer = NULL;
    thaw_buffer *taken = take_idle(pool, capacity);
    if (!taken) {
        THAW_TRY(thaw_allocate(device->context, 1, sizeof *taken, &taken));
        const cl_int code = allocate_or_trim(device, capacity, taken);
        if (code != CL_SUCCESS) {
            free(taken);
            return fail_without_memory(device, bytes, code);
        }
        taken->device = device;
        taken->capacity = capacity;
    }
    taken->bytes = bytes;
    taken->next = NULL;
    pool->live_count++;
    pool->live_bytes += capacity;
    if (pool->live_bytes > pool->peak_bytes)
        pool->peak_bytes = pool->live_bytes;
    *buffer = taken;
    return THAW_OK;
}

static void release(thaw_buffer *buffer)
{
    if (thaw_chain_flush(buffer->device) != THAW_OK)
        thaw_log(buffer->device->context, THAW_LOG_WARNING, "%s", thaw_error_message(buffer->device->context));
    if (buffer->host)
        clFinish(buffer->device->queue); /* the driver waits with its own memory, ours it leaves to us */
    clReleaseMemObject(buffer->memory);
    free(buffer->host);
    free(buffer);
}

void thaw_buffer_destroy(thaw_buffer **buffer)
{
    if (!buffer || !*buffer)
        return;
    thaw_buffer *returned = *buffer;
    thaw_pool *pool = &returned->device->pool;
    *buffer = NULL;
    pool->live_count--;
    pool->live_bytes -= returned->capacity;
    if (returned->device->quirks.exact_buffers) {
        release(returned);
        return;
    }
    pool->idle_bytes += returned->capacity;
    returned->next = pool->idle;
    pool->idle = returned;
}

void thaw_buffer_restart_peak(thaw_device *device)
{
    device->pool.peak_bytes = device->pool.live_bytes;
}

void thaw_buffer_pool_trim(thaw_device *device)
{
    thaw_pool *pool = &device->pool;
    while (pool->idle) {
        thaw_buffer *first = pool->idle;
        pool->idle = first->next;
        release(first);
    }
    pool->idle_bytes = 0;
}

size_t thaw_buffer_bytes(const thaw_buffer *buffer)
{
    return buffer->bytes;
}

#define ASSERT_INSIDE(buffer, offset_bytes, size)                                                                      \
    assert((offset_bytes) <= (buffer)->bytes && (size) <= (buffer)->bytes - (offset_bytes))

static thaw_status check(thaw_buffer *buffer, cl_int code, const char *what, size_t size)
{
    return code == CL_SUCCESS ? THAW_OK : thaw_opencl_fail(buffer->device, code, "%s %zu bytes", what, size);
}

thaw_status thaw_buffer_write(thaw_buffer *buffer, size_t offset_bytes, const void *bytes, size_t size)
{
    ASSERT_INSIDE(buffer, offset_bytes, size);
    if (size == 0)
        return THAW_OK;
    THAW_TRY(thaw_chain_flush(buffer->device));
    return check(
        buffer,
        clEnqueueWriteBuffer(buffer->device->queue, buffer->memory, CL_TRUE, offset_bytes, size, bytes, 0, NULL, NULL),
        "writing", size);
}

thaw_status thaw_buffer_read(thaw_buffer *buffer, size_t offset_bytes, void *bytes, size_t size)
{
    ASSERT_INSIDE(buffer, offset_bytes, size);
    if (size == 0)
        return THAW_OK;
    THAW_TRY(thaw_chain_flush(buffer->device));
    return check(
        buffer,
        clEnqueueReadBuffer(buffer->device->queue, buffer->memory, CL_TRUE, offset_bytes, size, bytes, 0, NULL, NULL),
        "reading", size);
}

thaw_status thaw_buffer_copy(thaw_buffer *from, size_t from_bytes, thaw_buffer *to, size_t to_bytes, size_t size)
{
    assert(from->device == to->device);
    ASSERT_INSIDE(from, from_bytes, size);
    ASSERT_INSIDE(to, to_bytes, size);
    if (size == 0)
        return THAW_OK;
    THAW_TRY(thaw_chain_flush(from->device));
    return check(
        from,
        clEnqueueCopyBuffer(from->device->queue, from->memory, to->memory, from_bytes, to_bytes, size, 0, NULL, NULL),
        "copying", size);
}

/* The pattern from host memory: for a driver that does not do fills well. */
static thaw_status fill_by_writing(thaw_buffer *buffer, size_t offset_bytes, uint32_t pattern, size_t size)
{
    uint32_t *patterns;
    THAW_TRY(thaw_allocate(buffer->device->context, size / sizeof pattern, sizeof pattern, &patterns));
    for (size_t i = 0; i < size / sizeof pattern; i++)
        patterns[i] = pattern;
    const thaw_status status = thaw_buffer_write(buffer, offset_bytes, patterns, size);
    free(patterns);
    return status;
}

thaw_status thaw_buffer_fill(thaw_buffer *buffer, size_t offset_bytes, uint32_t pattern, size_t size)
{
    ASSERT_INSIDE(buffer, offset_bytes, size);
    assert(offset_bytes % sizeof pattern == 0 && size % sizeof pattern == 0);
    if (size == 0)
        return THAW_OK;
    if (buffer->device->quirks.fill_by_writing)
        return fill_by_writing(buffer, offset_bytes, pattern, size);
    THAW_TRY(thaw_chain_flush(buffer->device));
    return check(buffer,
                 clEnqueueFillBuffer(buffer->device->queue, buffer->memory, &pattern, sizeof pattern, offset_bytes,
                                     size, 0, NULL, NULL),
                 "filling", size);
}
