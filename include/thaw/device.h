/* OpenCL devices: what there is, and one opened for work. */
#ifndef THAW_DEVICE_H
#define THAW_DEVICE_H

#include <stdint.h>
#include <thaw/status.h>

typedef struct thaw_device_info {
    size_t index; /* place in the list, as --device takes it */
    char platform[128];
    char name[128];
    char vendor[128];
    char driver[128];
    char version[128];
    const char *type; /* "gpu", "accelerator", "cpu" or "other" */
    uint32_t compute_units;
    uint32_t native_float_width;
    uint64_t global_bytes;
    uint64_t max_alloc_bytes;
    uint64_t local_bytes;
    size_t max_work_group;
    bool fp16; /* arithmetic; fp16 storage works everywhere */
    bool fp64;
    bool shared_memory; /* the device works in the host's RAM */
    double score;       /* higher is better; 0 or less: unusable, see reason */
    char reason[128];   /* why it is unusable, "" otherwise */
    bool selected;      /* what thaw_device_open(NULL) takes */
} thaw_device_info;

/* Every device of every OpenCL platform, in the platforms' order. *list is freed with thaw_devices_free().
 * No device at all is no error: *count is 0. THAW_ERR_MEMORY, THAW_ERR_DEVICE if the loader fails. */
THAW_API THAW_MUST_CHECK thaw_status thaw_devices_list(thaw_context *context, const char *selector,
                                                       thaw_device_info **list, size_t *count);
THAW_API void thaw_devices_free(thaw_device_info **list);

/* How weights that don't change are stored on a device; sums are of float32 either way. */
#define THAW_PRECISION_LIST(X) X(FP32, "fp32") X(FP16, "fp16")
typedef enum thaw_precision {
#define THAW_PRECISION_ENUM(name, text) THAW_PRECISION_##name,
    THAW_PRECISION_LIST(THAW_PRECISION_ENUM)
#undef THAW_PRECISION_ENUM
} thaw_precision;

/* One opened device: its queue, kernels, caches and buffers. Not for use from two threads at once. */
typedef struct thaw_device thaw_device;

/* Opens the device that `selector` names: an index, "cpu", "gpu", part of a name, or NULL for THAW_DEVICE from the
 * environment, else the best score. THAW_ERR_DEVICE with what to install if there is none, or with the list of
 * names if none matches. */
THAW_API THAW_MUST_CHECK thaw_status thaw_device_open(thaw_context *context, const char *selector,
                                                      thaw_device **device);
/* Waits for the device, frees everything, sets *device to NULL. Models bound to it must be gone. */
THAW_API void thaw_device_close(thaw_device **device);

THAW_API const thaw_device_info *thaw_device_describe(const thaw_device *device);
THAW_API thaw_context *thaw_device_context(const thaw_device *device);
/* Bytes in buffers now, and the most there ever were since it was opened. */
THAW_API uint64_t thaw_device_live_bytes(const thaw_device *device);
THAW_API uint64_t thaw_device_peak_bytes(const thaw_device *device);

/* A short self-test: builds a kernel, multiplies two matrices, compares with the host. THAW_ERR_CHECK if a number
 * is wrong, otherwise the status of what failed. */
THAW_API THAW_MUST_CHECK thaw_status thaw_device_check(thaw_device *device);

#endif
