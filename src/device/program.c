#include "device/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "device/build_log.h"
#include "device/chain.h"
#include "device/kernel_sources.h"
#include "device/program_cache.h"

#define SOURCE_LIMIT_BYTES (16u << 20)
#define SLOW_BUILD_SECONDS 2.0

/* NaN and infinity must stay what they are, so no -cl-fast-relaxed-math. Denormals may go: gradients that fade away
 * would make a CPU a hundred times slower. No warnings: drivers write how many there were to the program's stderr. */
#define COMMON_OPTIONS "-cl-std=CL1.2 -cl-mad-enable -cl-denorms-are-zero -w"

thaw_status thaw_program_source(thaw_device *device, const char *file, char **text)
{
    thaw_context *context = device->context;
    *text = NULL;
    const char *folder = getenv("THAW_KERNEL_DIR");
    if (folder) {
        char path[4096];
        uint8_t *bytes;
        size_t size;
        snprintf(path, sizeof path, "%s/%s", folder, file);
        if (access(path, F_OK) == 0) {
            THAW_TRY(thaw_file_read(context, path, SOURCE_LIMIT_BYTES, &bytes, &size));
            *text = (char *)bytes;
            return THAW_OK;
        }
    }
    for (size_t i = 0; i < thaw_kernel_source_count; i++)
        if (strcmp(thaw_kernel_sources[i].file, file) == 0)
            return thaw_copy_text(context, thaw_kernel_sources[i].text, text);
    return thaw_fail(context, THAW_ERR_COMPILE, "there is no kernel file %s", file);
}

/* The first line of the log that speaks of an error, else its first line, without blanks around it. */
static void find_error_line(const char *log, char *line, size_t size)
{
    const char *found = strstr(log, "error");
    const char *start = found ? found : log + strspn(log, " \t\r\n");
    while (start > log && start[-1] != '\n')
        start--;
    snprintf(line, size, "%.*s", (int)strcspn(start, "\r\n"), start);
}

static void log_lines(thaw_context *context, const char *log)
{
    while (*log) {
        const int length = (int)strcspn(log, "\r\n");
        if (length > 0)
            thaw_log(context, THAW_LOG_DEBUG, "  %.*s", length, log);
        log += length + (log[length] != '\0');
    }
}

/* The compiler's log, to be freed; NULL if there is none. */
static char *read_build_log(const thaw_device *device, cl_program opencl, const thaw_program_parts *parts)
{
    size_t size = 0;
    thaw_text placed = {0};
    clGetProgramBuildInfo(opencl, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    char *log = size > 0 ? calloc(size + 1, 1) : NULL;
    if (log && clGetProgramBuildInfo(opencl, device->id, CL_PROGRAM_BUILD_LOG, size, log, NULL) == CL_SUCCESS)
        thaw_build_log_place(parts, log, &placed);
    free(log);
    return placed.data;
}

static thaw_status fail_build(thaw_device *device, cl_program opencl, cl_int code, const thaw_program_parts *parts,
                              const thaw_program *program, const char *kernel)
{
    char line[400] = "";
    char *log = read_build_log(device, opencl, parts);
    if (log) {
        thaw_log(device->context, THAW_LOG_DEBUG, "the compiler on %s.cl with '%s':", program->name, program->options);
        log_lines(device->context, log);
        find_error_line(log, line, sizeof line);
    }
    free(log);
    return thaw_fail(device->context, THAW_ERR_COMPILE, "kernel %s of %s.cl, options '%s', on %s: %s", kernel,
                     program->name, program->options, device->info.name, *line ? line : thaw_opencl_text(code));
}

static thaw_status build(thaw_device *device, const thaw_program_parts *parts, const char *options, const char *kernel,
                         thaw_program *program)
{
    const double start = thaw_clock_seconds();
    cl_int code = CL_SUCCESS;
    /* Not every driver's API takes const texts, though none writes to them. */
    program->opencl =
        clCreateProgramWithSource(device->opencl, THAW_PROGRAM_PARTS, (const char **)parts->texts, NULL, &code);
    if (code != CL_SUCCESS)
        return thaw_opencl_fail(device, code, "program %s.cl", program->name);
    code = clBuildProgram(program->opencl, 1, &device->id, options, NULL, NULL);
    if (code != CL_SUCCESS)
        return fail_build(device, program->opencl, code, parts, program, kernel);
    const double seconds = thaw_clock_seconds() - start;
    thaw_log(device->context, seconds > SLOW_BUILD_SECONDS ? THAW_LOG_INFO : THAW_LOG_DEBUG,
             "program %s '%s': built in %.2f s", program->name, program->options, seconds);
    return THAW_OK;
}

/* From the disk cache, or built and stored there. */
static thaw_status load_or_build(thaw_device *device, const thaw_program_parts *parts, const char *options,
                                 const char *kernel, thaw_program *program)
{
    const bool cached = thaw_program_cache_used(device);
    thaw_hash key = {0};
    if (cached) {
        key = thaw_program_cache_key(device, parts->texts, THAW_PROGRAM_PARTS, options);
        program->opencl = thaw_program_cache_load(device, key, options);
    }
    if (program->opencl) {
        thaw_log(device->context, THAW_LOG_DEBUG, "program %s '%s': from the cache", program->name, program->options);
        return THAW_OK;
    }
    THAW_TRY(build(device, parts, options, kernel, program));
    if (cached)
        thaw_program_cache_store(device, key, program->opencl);
    return THAW_OK;
}

/* Declared by cl/builtins.clh, the functions need not be by clang's header, which looks at this guard. */
#define NO_HEADER "-D_OPENCL_H_"

/* A work-item takes one piece of the work: see FOR_EACH_PIECE in cl/common.clh. */
#define ONE_PIECE "-DONE_PIECE"

typedef struct sources {
    char *builtins, *common, *own; /* builtins: "" where the driver declares its functions itself */
    char file[256];
    char line[300]; /* gives the program its own line numbers in messages */
} sources;

/* text: what stands for the program's file, or NULL. */
static thaw_status read_sources(thaw_device *device, const thaw_program *program, const char *text, sources *read)
{
    snprintf(read->file, sizeof read->file, "%s.cl", program->name);
    snprintf(read->line, sizeof read->line, "\n#line 1 \"%s\"\n", read->file);
    if (device->quirks.slow_header)
        THAW_TRY(thaw_program_source(device, "builtins.clh", &read->builtins));
    THAW_TRY(thaw_program_source(device, "common.clh", &read->common));
    return text ? thaw_copy_text(device->context, text, &read->own)
                : thaw_program_source(device, read->file, &read->own);
}

/* The program from its sources, with functions declared by us or by the driver. */
static thaw_status prepare_with(thaw_device *device, const sources *read, bool builtins, const char *kernel,
                                thaw_program *program)
{
    const thaw_program_parts parts = {{builtins ? read->builtins : "", read->common, read->line, read->own},
                                      {"builtins.clh", "common.clh", read->file, read->file}};
    thaw_text options = {0};
    thaw_text_append(&options, "%s%s%s %s", COMMON_OPTIONS, builtins ? " " NO_HEADER : "",
                     device->quirks.loops_end ? " " ONE_PIECE : "", program->options);
    const thaw_status status = options.failed
                                   ? thaw_fail(device->context, THAW_ERR_MEMORY, "program %s.cl", program->name)
                                   : load_or_build(device, &parts, options.data, kernel, program);
    thaw_text_free(&options);
    return status;
}

static thaw_status prepare(thaw_device *device, const char *text, const char *kernel, thaw_program *program)
{
    sources read = {0};
    thaw_status status = read_sources(device, program, text, &read);
    if (status == THAW_OK) {
        status = prepare_with(device, &read, read.builtins != NULL, kernel, program);
        if (status == THAW_ERR_COMPILE && read.builtins) { /* perhaps it calls what only the driver declares */
            thaw_log(device->context, THAW_LOG_DEBUG, "program %s: once more with the driver's header", program->name);
            clReleaseProgram(program->opencl);
            program->opencl = NULL;
            status = prepare_with(device, &read, false, kernel, program);
        }
    }
    free(read.builtins);
    free(read.common);
    free(read.own);
    return status;
}

static void release(thaw_program *program)
{
    while (program->kernels) {
        thaw_kernel *kernel = program->kernels;
        program->kernels = kernel->next;
        clReleaseKernel(kernel->opencl);
        free(kernel->name);
        free(kernel);
    }
    if (program->opencl)
        clReleaseProgram(program->opencl);
    free(program->name);
    free(program->options);
    free(program);
}

void thaw_programs_release(thaw_device *device)
{
    while (device->programs) {
        thaw_program *program = device->programs;
        device->programs = program->next;
        release(program);
    }
}

thaw_status thaw_device_forget(thaw_device *device)
{
    THAW_TRY(thaw_device_finish(device));
    thaw_chains_release(device); /* they know kernels */
    thaw_programs_release(device);
    thaw_buffer_pool_trim(device);
    return THAW_OK;
}

thaw_status thaw_program_get(thaw_device *device, const char *name, const char *options, const char *kernel,
                             thaw_program **program)
{
    return thaw_program_make(device, name, options, NULL, kernel, program);
}

thaw_status thaw_program_make(thaw_device *device, const char *name, const char *options, const char *text,
                              const char *kernel, thaw_program **program)
{
    for (thaw_program *built = device->programs; built; built = built->next)
        if (strcmp(built->name, name) == 0 && strcmp(built->options, options) == 0) {
            *program = built;
            return THAW_OK;
        }
    thaw_program *made;
    THAW_TRY(thaw_allocate(device->context, 1, sizeof *made, &made));
    thaw_status status = thaw_copy_text(device->context, name, &made->name);
    if (status == THAW_OK)
        status = thaw_copy_text(device->context, options, &made->options);
    if (status == THAW_OK)
        status = prepare(device, text, kernel, made);
    if (status != THAW_OK) {
        release(made);
        return status;
    }
    made->next = device->programs;
    device->programs = made;
    *program = made;
    return THAW_OK;
}
