#include "device/program_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define FORMAT             1
#define BINARY_LIMIT_BYTES (256u << 20)

/* In front of each entry; in this machine's byte order, as the binary itself is for this machine only. */
typedef struct header {
    char magic[8];
    thaw_hash key;
    thaw_hash content;
    uint64_t size; /* of the binary behind it */
} header;

static const char magic[8] = "THAWCLB";

bool thaw_program_cache_used(const thaw_device *device)
{
    const char *wish = getenv("THAW_PROGRAM_CACHE");
    return wish && *wish ? strcmp(wish, "0") != 0 : device->quirks.cache_binaries;
}

static thaw_hash extend_text(thaw_hash hash, const char *text)
{
    return thaw_hash_extend(hash, text, strlen(text));
}

thaw_hash thaw_program_cache_key(const thaw_device *device, const char *const *texts, size_t count, const char *options)
{
    char platform_version[256] = "";
    clGetPlatformInfo(device->platform, CL_PLATFORM_VERSION, sizeof platform_version - 1, platform_version, NULL);
    thaw_hash hash = thaw_hash_bytes(magic, sizeof magic, FORMAT);
    for (size_t i = 0; i < count; i++)
        hash = extend_text(hash, texts[i]);
    hash = extend_text(hash, options);
    hash = extend_text(hash, device->info.platform);
    hash = extend_text(hash, platform_version);
    hash = extend_text(hash, device->info.name);
    hash = extend_text(hash, device->info.version);
    return extend_text(hash, device->info.driver);
}

static bool entry_path(thaw_device *device, thaw_hash key, char *path, size_t size)
{
    char folder[4096], name[THAW_HASH_TEXT];
    if (thaw_cache_folder(device->context, "programs", folder, sizeof folder) != THAW_OK) {
        thaw_log(device->context, THAW_LOG_DEBUG, "no program cache: %s", thaw_error_message(device->context));
        return false;
    }
    thaw_hash_text(key, name);
    return (size_t)snprintf(path, size, "%s/%s.bin", folder, name) < size;
}

/* Why the entry can't be used; NULL if header and content agree. */
static const char *find_fault(const uint8_t *bytes, size_t size, thaw_hash key)
{
    header head;
    if (size < sizeof head)
        return "too short";
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.magic, magic, sizeof magic) != 0)
        return "not an entry";
    if (!thaw_hash_equal(head.key, key))
        return "of another program";
    if (head.size != size - sizeof head)
        return "cut off";
    if (!thaw_hash_equal(head.content, thaw_hash_bytes(bytes + sizeof head, size - sizeof head, 0)))
        return "damaged";
    return NULL;
}

/* NULL if the driver does not want its own binary back. */
static cl_program create_from_binary(thaw_device *device, const uint8_t *binary, size_t size, const char *options)
{
    cl_int code = CL_SUCCESS, state = CL_SUCCESS;
    cl_program program = clCreateProgramWithBinary(device->opencl, 1, &device->id, &size, &binary, &state, &code);
    if (code == CL_SUCCESS && state == CL_SUCCESS &&
        clBuildProgram(program, 1, &device->id, options, NULL, NULL) == CL_SUCCESS)
        return program;
    if (program)
        clReleaseProgram(program);
    return NULL;
}

cl_program thaw_program_cache_load(thaw_device *device, thaw_hash key, const char *options)
{
    char path[4352];
    uint8_t *bytes;
    size_t size;
    if (!entry_path(device, key, path, sizeof path) || access(path, F_OK) != 0)
        return NULL;
    if (thaw_file_read(device->context, path, BINARY_LIMIT_BYTES, &bytes, &size) != THAW_OK) {
        thaw_log(device->context, THAW_LOG_DEBUG, "program cache: %s", thaw_error_message(device->context));
        return NULL;
    }
    cl_program program = NULL;
    const char *fault = find_fault(bytes, size, key);
    if (!fault) {
        program = create_from_binary(device, bytes + sizeof(header), size - sizeof(header), options);
        fault = program ? NULL : "refused by the driver";
    }
    if (fault)
        thaw_log(device->context, THAW_LOG_DEBUG, "program cache: %s is %s; built anew", path, fault);
    free(bytes);
    return program;
}

/* The program's binary with room for a header before it, to be freed; NULL if the driver gives none. */
static uint8_t *read_binary(cl_program program, size_t *size)
{
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof *size, size, NULL) != CL_SUCCESS || *size == 0 ||
        *size > BINARY_LIMIT_BYTES - sizeof(header))
        return NULL;
    uint8_t *bytes = calloc(1, sizeof(header) + *size);
    uint8_t *binary = bytes ? bytes + sizeof(header) : NULL;
    if (bytes && clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof(uint8_t *), &binary, NULL) != CL_SUCCESS) {
        free(bytes);
        bytes = NULL;
    }
    return bytes;
}

void thaw_program_cache_store(thaw_device *device, thaw_hash key, cl_program program)
{
    char path[4352];
    size_t size = 0;
    if (!entry_path(device, key, path, sizeof path))
        return;
    uint8_t *bytes = read_binary(program, &size);
    if (!bytes) {
        thaw_log(device->context, THAW_LOG_DEBUG, "program cache: the driver gives no binary");
        return;
    }
    header head = {.key = key, .content = thaw_hash_bytes(bytes + sizeof head, size, 0), .size = size};
    memcpy(head.magic, magic, sizeof magic);
    memcpy(bytes, &head, sizeof head);
    if (thaw_file_write(device->context, path, bytes, sizeof head + size) != THAW_OK)
        thaw_log(device->context, THAW_LOG_DEBUG, "program cache: %s", thaw_error_message(device->context));
    free(bytes);
}
