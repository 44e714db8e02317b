#include "device/facts.h"

#include <clblast_c.h>
#include <stdlib.h>
#include <string.h>

#include "device/device_private.h"

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

static bool has_extension(const thaw_device *device, const char *name)
{
    size_t size = 0;
    if (clGetDeviceInfo(device->id, CL_DEVICE_EXTENSIONS, 0, NULL, &size) != CL_SUCCESS || size == 0)
        return false;
    char *all = calloc(size + 1, 1);
    const bool found = all && clGetDeviceInfo(device->id, CL_DEVICE_EXTENSIONS, size, all, NULL) == CL_SUCCESS &&
                       strstr(all, name) != NULL;
    free(all);
    return found;
}

thaw_device_facts thaw_device_find_facts(const thaw_device *device)
{
    cl_uint clock = 0;
    cl_ulong cache = 0;
    if (clGetDeviceInfo(device->id, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof clock, &clock, NULL) != CL_SUCCESS)
        clock = 0;
    if (clGetDeviceInfo(device->id, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, sizeof cache, &cache, NULL) != CL_SUCCESS)
        cache = 0;
    return (thaw_device_facts){.max_clock_mhz = clock,
                               .cache_bytes = cache,
                               .int8_dot = has_extension(device, "cl_khr_integer_dot_product"),
                               .simulated = device->quirks.simulated,
                               .clblast = device->quirks.clblast_runs};
}

const char *thaw_device_clblast_version(void)
{
#ifdef CLBLAST_VERSION_MAJOR
    return TEXT(CLBLAST_VERSION_MAJOR) "." TEXT(CLBLAST_VERSION_MINOR) "." TEXT(CLBLAST_VERSION_PATCH);
#else
    return "unknown"; /* before 1.5.3 its headers don't tell */
#endif
}
