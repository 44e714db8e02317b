#include "device/device_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

#define PLATFORM_NOT_FOUND (-1001) /* CL_PLATFORM_NOT_FOUND_KHR of cl_khr_icd */

/* A query of a platform or device that gives text of any length. */
typedef cl_int (*text_query)(const void *handle, cl_uint key, size_t size, void *value, size_t *needed);

static cl_int platform_query(const void *handle, cl_uint key, size_t size, void *value, size_t *needed)
{
    return clGetPlatformInfo((cl_platform_id)handle, key, size, value, needed);
}

static cl_int device_query(const void *handle, cl_uint key, size_t size, void *value, size_t *needed)
{
    return clGetDeviceInfo((cl_device_id)handle, key, size, value, needed);
}

/* The answer in full, to be freed; NULL if there is none. */
static char *query_text(text_query query, const void *handle, cl_uint key)
{
    size_t size = 0;
    if (query(handle, key, 0, NULL, &size) != CL_SUCCESS || size == 0)
        return NULL;
    char *text = calloc(size + 1, 1);
    if (text && query(handle, key, size, text, NULL) != CL_SUCCESS) {
        free(text);
        return NULL;
    }
    return text;
}

/* The answer cut to `size` and without the blanks that some drivers put around it; "" if there is none. */
static void query_field(text_query query, const void *handle, cl_uint key, char *field, size_t size)
{
    char *text = query_text(query, handle, key);
    const char *start = text ? text : "";
    while (isspace((unsigned char)*start))
        start++;
    snprintf(field, size, "%s", start);
    for (size_t end = strlen(field); end > 0 && isspace((unsigned char)field[end - 1]); end--)
        field[end - 1] = '\0';
    free(text);
}

/* A numeric property; 0 where the driver does not know it. */
#define NUMBER(type, id, key) (*(type *)query_number((id), (key), &(type){0}, sizeof(type)))

static void *query_number(cl_device_id id, cl_device_info key, void *value, size_t size)
{
    if (clGetDeviceInfo(id, key, size, value, NULL) != CL_SUCCESS)
        memset(value, 0, size);
    return value;
}

static const char *type_text(cl_device_type type)
{
    /* Simulators claim to be everything at once; they are run by the CPU. */
    if (type & CL_DEVICE_TYPE_CPU)
        return "cpu";
    if (type & CL_DEVICE_TYPE_GPU)
        return "gpu";
    return type & CL_DEVICE_TYPE_ACCELERATOR ? "accelerator" : "other";
}

static void query_extensions(cl_device_id id, thaw_device_info *info)
{
    char *extensions = query_text(device_query, id, CL_DEVICE_EXTENSIONS);
    info->fp16 = extensions && strstr(extensions, "cl_khr_fp16");
    info->fp64 = extensions && strstr(extensions, "cl_khr_fp64");
    free(extensions);
}

/* Why Thaw can't work with the device; NULL if it can. */
static const char *find_obstacle(cl_device_id id, const thaw_device_info *info)
{
    int major = 0, minor = 0;
    if (!NUMBER(cl_bool, id, CL_DEVICE_AVAILABLE))
        return "the driver says that it is not available";
    if (!NUMBER(cl_bool, id, CL_DEVICE_COMPILER_AVAILABLE))
        return "its driver has no compiler";
    if (!NUMBER(cl_bool, id, CL_DEVICE_ENDIAN_LITTLE))
        return "it is big-endian";
    if (sscanf(info->version, "OpenCL %d.%d", &major, &minor) != 2 || major < 1 || (major == 1 && minor < 2))
        return "its driver is older than OpenCL 1.2";
    return NULL;
}

/* GPU above accelerator above CPU; a GPU with memory of its own above one without; then units times vector width, in
 * less than such a step. */
static double score(const thaw_device_info *info)
{
    const double kind = strcmp(info->type, "gpu") == 0           ? (info->shared_memory ? 300 : 400)
                        : strcmp(info->type, "accelerator") == 0 ? 200
                                                                 : 100;
    const double lanes = (double)info->compute_units * (info->native_float_width ? info->native_float_width : 1);
    return (kind + 99 * lanes / (lanes + 1000)) * thaw_quirks_find(info).score_factor;
}

static void describe(thaw_device_entry *entry, size_t index)
{
    thaw_device_info *info = &entry->info;
    const cl_device_id id = entry->id;
    info->index = index;
    query_field(platform_query, entry->platform, CL_PLATFORM_NAME, info->platform, sizeof info->platform);
    query_field(device_query, id, CL_DEVICE_NAME, info->name, sizeof info->name);
    query_field(device_query, id, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
    query_field(device_query, id, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    query_field(device_query, id, CL_DEVICE_VERSION, info->version, sizeof info->version);
    info->type = type_text(NUMBER(cl_device_type, id, CL_DEVICE_TYPE));
    info->compute_units = NUMBER(cl_uint, id, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->native_float_width = NUMBER(cl_uint, id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    info->global_bytes = NUMBER(cl_ulong, id, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc_bytes = NUMBER(cl_ulong, id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->local_bytes = NUMBER(cl_ulong, id, CL_DEVICE_LOCAL_MEM_SIZE);
    info->max_work_group = NUMBER(size_t, id, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    info->shared_memory = NUMBER(cl_bool, id, CL_DEVICE_HOST_UNIFIED_MEMORY);
    query_extensions(id, info);
    const char *obstacle = find_obstacle(id, info);
    if (obstacle)
        snprintf(info->reason, sizeof info->reason, "%s", obstacle);
    else
        info->score = score(info);
}

/* Appends the devices of one platform. A platform without any, or one that fails, adds none. */
static thaw_status add_platform(thaw_context *context, cl_platform_id platform, thaw_device_entry **entries,
                                size_t *capacity, size_t *count)
{
    cl_uint found = 0;
    cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &found);
    if (code == CL_DEVICE_NOT_FOUND || (code == CL_SUCCESS && found == 0))
        return THAW_OK;
    cl_device_id *ids = NULL;
    THAW_TRY(thaw_allocate(context, found, sizeof *ids, &ids));
    if (code == CL_SUCCESS)
        code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, found, ids, NULL);
    if (code != CL_SUCCESS) {
        thaw_log(context, THAW_LOG_WARNING, "an OpenCL platform is left out: %s (%d)", thaw_opencl_text(code), code);
        free(ids);
        return THAW_OK;
    }
    const thaw_status status = thaw_reserve(context, entries, capacity, *count + found, sizeof **entries);
    for (cl_uint i = 0; status == THAW_OK && i < found; i++, ++*count) {
        (*entries)[*count] = (thaw_device_entry){.platform = platform, .id = ids[i]};
        describe(&(*entries)[*count], *count);
    }
    free(ids);
    return status;
}

thaw_status thaw_device_entries_list(thaw_context *context, thaw_device_entry **entries, size_t *count)
{
    *entries = NULL;
    *count = 0;
    cl_uint platform_count = 0;
    cl_int code = clGetPlatformIDs(0, NULL, &platform_count);
    if (code == PLATFORM_NOT_FOUND || (code == CL_SUCCESS && platform_count == 0))
        return THAW_OK;
    cl_platform_id *platforms = NULL;
    THAW_TRY(thaw_allocate(context, platform_count, sizeof *platforms, &platforms));
    if (code == CL_SUCCESS)
        code = clGetPlatformIDs(platform_count, platforms, NULL);
    thaw_status status = THAW_OK;
    if (code != CL_SUCCESS)
        status = thaw_fail(context, THAW_ERR_DEVICE, "the OpenCL loader failed: %s (%d)", thaw_opencl_text(code), code);
    size_t capacity = 0;
    for (cl_uint i = 0; status == THAW_OK && i < platform_count; i++)
        status = add_platform(context, platforms[i], entries, &capacity, count);
    free(platforms);
    if (status != THAW_OK) {
        free(*entries);
        *entries = NULL;
        *count = 0;
    }
    return status;
}

static bool contains(const char *text, const char *part)
{
    const size_t length = strlen(part);
    for (; *text; text++)
        if (strncasecmp(text, part, length) == 0)
            return true;
    return false;
}

static bool matches(const thaw_device_info *info, const char *selector)
{
    if (strcasecmp(selector, "cpu") == 0 || strcasecmp(selector, "gpu") == 0)
        return strcasecmp(selector, info->type) == 0;
    return contains(info->name, selector) || contains(info->platform, selector) || contains(info->vendor, selector);
}

const thaw_device_entry *thaw_device_entries_pick(const thaw_device_entry *entries, size_t count, const char *selector)
{
    if (!selector)
        selector = getenv("THAW_DEVICE");
    if (!selector)
        selector = "";
    char *end;
    const unsigned long long index = strtoull(selector, &end, 10);
    if (isdigit((unsigned char)*selector) && *end == '\0' && index < count)
        return &entries[index];
    const thaw_device_entry *best = NULL;
    for (size_t i = 0; i < count; i++) {
        /* One that is unusable is taken only when its name is asked for: the user learns why. */
        const bool wanted = *selector ? matches(&entries[i].info, selector) : entries[i].info.score > 0;
        if (wanted && (!best || entries[i].info.score > best->info.score))
            best = &entries[i];
    }
    return best;
}

thaw_status thaw_devices_list(thaw_context *context, const char *selector, thaw_device_info **list, size_t *count)
{
    *list = NULL;
    *count = 0;
    thaw_device_entry *entries = NULL;
    size_t entry_count = 0;
    THAW_TRY(thaw_device_entries_list(context, &entries, &entry_count));
    const thaw_device_entry *picked = thaw_device_entries_pick(entries, entry_count, selector);
    const thaw_status status = thaw_allocate(context, entry_count, sizeof **list, list);
    if (status == THAW_OK) {
        for (size_t i = 0; i < entry_count; i++) {
            (*list)[i] = entries[i].info;
            (*list)[i].selected = &entries[i] == picked;
        }
        *count = entry_count;
    }
    free(entries);
    return status;
}

void thaw_devices_free(thaw_device_info **list)
{
    if (!list)
        return;
    free(*list);
    *list = NULL;
}
