/* What the files of this folder share: the opened device, and how OpenCL's errors become statuses. Nothing outside
 * src/device includes this or any CL header. */
#ifndef THAW_DEVICE_PRIVATE_H
#define THAW_DEVICE_PRIVATE_H

#include <CL/cl.h>
#include <thaw/device.h>
#include "base/context.h"
#include "device/kernel.h"
#include "device/quirks.h"

/* A device as the loader lists it, with its handles. */
typedef struct thaw_device_entry {
    cl_platform_id platform;
    cl_device_id id;
    thaw_device_info info; /* .selected is false: that depends on the selector */
} thaw_device_entry;

/* Every device of every platform; *entries is freed with free(). A platform that fails is left out. */
THAW_MUST_CHECK thaw_status thaw_device_entries_list(thaw_context *context, thaw_device_entry **entries, size_t *count);
/* The entry that `selector` (or THAW_DEVICE, or the score) chooses; NULL if there is none. */
const thaw_device_entry *thaw_device_entries_pick(const thaw_device_entry *entries, size_t count, const char *selector);

typedef struct thaw_pool {
    thaw_buffer *idle; /* linked through next, the most recently used first */
    uint64_t idle_bytes, live_bytes, peak_bytes;
    uint64_t limit_bytes; /* live and idle bytes together stay below it */
    size_t live_count;
} thaw_pool;

typedef struct thaw_program thaw_program;

/* No lock anywhere in it: one thread at a time works with a device, as thaw/device.h says. */
struct thaw_device {
    thaw_context *context;
    cl_platform_id platform;
    cl_device_id id;
    cl_context opencl;
    cl_command_queue queue; /* in order */
    thaw_device_info info;
    thaw_quirks quirks;
    thaw_pool pool;
    thaw_program *programs;     /* all that were built, linked */
    cl_mem tickets;             /* three uints: PIECES in cl/common.clh */
    struct thaw_chains *chains; /* NULL until one is begun */
    uint32_t next_ticket;       /* what it is when all that was queued is done */
    struct thaw_tuning *tuning; /* NULL until it is asked for */
    bool limited;               /* the environment allows less of something than the device has */
};

struct thaw_buffer {
    thaw_device *device;
    cl_mem memory;
    void *host;      /* where it lies in memory of ours; NULL: the driver's */
    size_t bytes;    /* as asked for */
    size_t capacity; /* as allocated */
    thaw_buffer *next;
};

struct thaw_kernel {
    thaw_device *device;
    const thaw_program *program;
    char *name;
    cl_kernel opencl;
    size_t max_work_group;
    thaw_kernel *next;
};

/* "CL_OUT_OF_RESOURCES", or "an unknown error". */
const char *thaw_opencl_text(cl_int code);
/* True for the codes that mean a lack of memory on the device. */
bool thaw_opencl_lacks_memory(cl_int code);
/* Records "<what>: CL_... (code)"; THAW_ERR_DEVICE_MEMORY or THAW_ERR_DEVICE, by the code. */
thaw_status thaw_opencl_fail(thaw_device *device, cl_int code, const char *format, ...) THAW_PRINTF(3, 4);

/* kernel.c: a kernel of pieces in a launch of its own. */
THAW_MUST_CHECK thaw_status thaw_kernel_run_alone(thaw_kernel *kernel, const size_t pieces[3],
                                                  const thaw_argument *arguments, size_t count);
/* Sets one argument after the other from number `first` on. */
THAW_MUST_CHECK thaw_status thaw_kernel_set(thaw_kernel *kernel, size_t first, const thaw_argument *arguments,
                                            size_t count);
/* One work-item for each compute unit. */
THAW_MUST_CHECK thaw_status thaw_kernel_queue_takers(thaw_kernel *kernel, size_t takers);

/* Releases every program and kernel of the device. */
void thaw_programs_release(thaw_device *device);

#endif
