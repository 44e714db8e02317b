#include "device/device_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "device/chain.h"
#include "device/tuning.h"

static const char no_device[] = "no OpenCL device found; install a driver, e.g. pocl-opencl-icd (any CPU), "
                                "mesa-opencl-icd or intel-opencl-icd, or your GPU vendor's";

static thaw_status fail_without_match(thaw_context *context, const char *selector, const thaw_device_entry *entries,
                                      size_t count)
{
    if (count == 0)
        return thaw_fail(context, THAW_ERR_DEVICE, "%s", no_device);
    if (!selector)
        selector = getenv("THAW_DEVICE");
    thaw_text names = {0};
    for (size_t i = 0; i < count; i++)
        thaw_text_append(&names, "%s%zu: %s (%s)", i ? ", " : "", i, entries[i].info.name, entries[i].info.platform);
    thaw_status status;
    if (selector && *selector)
        status = thaw_fail(context, THAW_ERR_DEVICE, "no device matches '%s' (available: %s)", selector, names.data);
    else
        status =
            thaw_fail(context, THAW_ERR_DEVICE, "no device can be used (there: %s); see `thaw devices`", names.data);
    thaw_text_free(&names);
    return status;
}

/* Drivers report troubles from threads of their own. */
static void CL_CALLBACK on_driver_message(const char *message, const void *extra, size_t extra_size, void *user)
{
    (void)extra;
    (void)extra_size;
    thaw_log(user, THAW_LOG_DEBUG, "driver: %s", message);
}

/* What the device has of something, or the less that a variable in the environment allows. */
static uint64_t allowed(thaw_device *device, const char *variable, uint64_t most)
{
    const char *text = getenv(variable);
    const uint64_t wanted = text ? strtoull(text, NULL, 10) : 0;
    if (wanted == 0 || wanted >= most)
        return most;
    device->limited = true;
    return wanted;
}

/* Smaller devices than there are: for tests, and to leave something to others. */
static void limit(thaw_device *device)
{
    thaw_device_info *info = &device->info;
    device->pool.limit_bytes = allowed(device, "THAW_DEVICE_MEMORY", info->global_bytes);
    info->max_alloc_bytes = allowed(device, "THAW_DEVICE_ALLOCATION", info->max_alloc_bytes);
    info->local_bytes = allowed(device, "THAW_DEVICE_LOCAL", info->local_bytes);
    info->max_work_group = (size_t)allowed(device, "THAW_DEVICE_WORK_GROUP", info->max_work_group);
}

static thaw_status open_entry(thaw_context *context, const thaw_device_entry *entry, thaw_device **device)
{
    if (entry->info.score <= 0)
        return thaw_fail(context, THAW_ERR_DEVICE, "%s can't be used: %s", entry->info.name, entry->info.reason);
    THAW_TRY(thaw_allocate(context, 1, sizeof **device, device));
    thaw_device *opened = *device;
    opened->context = context;
    opened->platform = entry->platform;
    opened->id = entry->id;
    opened->info = entry->info;
    opened->info.selected = true;
    opened->quirks = thaw_quirks_find(&entry->info);
    limit(opened);
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)entry->platform, 0};
    cl_int code = CL_SUCCESS;
    opened->opencl = clCreateContext(properties, 1, &opened->id, on_driver_message, context, &code);
    if (code != CL_SUCCESS)
        return thaw_opencl_fail(opened, code, "the device can't be opened");
    opened->queue = clCreateCommandQueue(opened->opencl, opened->id, 0, &code);
    if (code != CL_SUCCESS)
        return thaw_opencl_fail(opened, code, "no queue on the device");
    uint32_t tickets[] = {0, 0, opened->info.compute_units};
    opened->tickets =
        clCreateBuffer(opened->opencl, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, sizeof tickets, tickets, &code);
    if (code != CL_SUCCESS)
        return thaw_opencl_fail(opened, code, "no memory on the device");
    if (opened->quirks.loops_end)
        thaw_log(context, THAW_LOG_WARNING,
                 "%s ends long loops in kernels without an error: what large layers give there can be wrong",
                 opened->info.name);
    return THAW_OK;
}

thaw_status thaw_device_open(thaw_context *context, const char *selector, thaw_device **device)
{
    *device = NULL;
    thaw_device_entry *entries = NULL;
    size_t count = 0;
    THAW_TRY(thaw_device_entries_list(context, &entries, &count));
    const thaw_device_entry *picked = thaw_device_entries_pick(entries, count, selector);
    const thaw_status status =
        picked ? open_entry(context, picked, device) : fail_without_match(context, selector, entries, count);
    free(entries);
    if (status != THAW_OK)
        thaw_device_close(device);
    return status;
}

void thaw_device_close(thaw_device **device)
{
    if (!device || !*device)
        return;
    thaw_device *closed = *device;
    if (closed->queue)
        clFinish(closed->queue);
    if (closed->pool.live_count > 0)
        thaw_log(closed->context, THAW_LOG_WARNING, "device closed with %zu buffers in use", closed->pool.live_count);
    thaw_chains_release(closed);
    thaw_tuning_release(closed);
    thaw_programs_release(closed);
    thaw_buffer_pool_trim(closed);
    if (closed->tickets)
        clReleaseMemObject(closed->tickets);
    if (closed->queue)
        clReleaseCommandQueue(closed->queue);
    if (closed->opencl)
        clReleaseContext(closed->opencl);
    free(closed);
    *device = NULL;
}

thaw_status thaw_device_finish(thaw_device *device)
{
    THAW_TRY(thaw_chain_flush(device));
    const cl_int code = clFinish(device->queue);
    return code == CL_SUCCESS ? THAW_OK : thaw_opencl_fail(device, code, "waiting for the device");
}

const thaw_device_info *thaw_device_describe(const thaw_device *device)
{
    return &device->info;
}

thaw_context *thaw_device_context(const thaw_device *device)
{
    return device->context;
}

uint64_t thaw_device_live_bytes(const thaw_device *device)
{
    return device->pool.live_bytes;
}

uint64_t thaw_device_peak_bytes(const thaw_device *device)
{
    return device->pool.peak_bytes;
}

/* Channels side by side as THAW_LAYOUT has it; 0: as the device likes. */
static int32_t forced_layout(void)
{
    const char *text = getenv("THAW_LAYOUT");
    if (text && strcmp(text, "nhwc") == 0)
        return THAW_BLOCK_ALL;
    const int wanted = text ? atoi(text) : 0;
    return wanted == 1 || wanted == 4 || wanted == 8 || wanted == 16 ? wanted : 0;
}

static bool is_cpu(const thaw_device *device)
{
    return strcmp(device->info.type, "cpu") == 0;
}

int32_t thaw_device_width(const thaw_device *device)
{
    const int32_t forced = forced_layout();
    if (forced && forced != THAW_BLOCK_ALL)
        return forced;
    const uint32_t width = is_cpu(device) ? device->info.native_float_width : 1;
    return width >= 16 ? 16 : width >= 8 ? 8 : width >= 4 ? 4 : 1;
}

int32_t thaw_device_block(const thaw_device *device)
{
    const int32_t forced = forced_layout();
    if (forced)
        return forced;
    return is_cpu(device) ? thaw_device_width(device) : THAW_BLOCK_ALL;
}
