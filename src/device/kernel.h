/* Kernels: a name in a program of cl/, built with options, run with arguments. */
#ifndef THAW_DEVICE_KERNEL_H
#define THAW_DEVICE_KERNEL_H

#include <stdint.h>
#include <thaw/device.h>
#include "device/buffer.h"

typedef struct thaw_kernel thaw_kernel;

/* The kernel `name` of cl/<program>.cl built with `options` (-D definitions, "" for none). Built once per device and
 * request, taken from the disk cache where it has it; the device owns it. THAW_ERR_COMPILE with the compiler's first
 * error line, the options and the name (the whole log goes to the debug log). cl/common.clh is put before every
 * program. */
THAW_MUST_CHECK thaw_status thaw_kernel_get(thaw_device *device, const char *program, const char *name,
                                            const char *options, thaw_kernel **kernel);

typedef struct thaw_argument {
    enum { THAW_ARGUMENT_BUFFER, THAW_ARGUMENT_INT, THAW_ARGUMENT_LONG, THAW_ARGUMENT_FLOAT } kind;
    union {
        const thaw_buffer *buffer; /* NULL passes a null pointer: for inputs that are absent */
        int32_t i;
        int64_t l;
        float f;
    } value;
} thaw_argument;

#define THAW_BUFFER(b) ((thaw_argument){THAW_ARGUMENT_BUFFER, {.buffer = (b)}})
#define THAW_INT(x)    ((thaw_argument){THAW_ARGUMENT_INT, {.i = (int32_t)(x)}})
#define THAW_LONG(x)   ((thaw_argument){THAW_ARGUMENT_LONG, {.l = (int64_t)(x)}})
#define THAW_FLOAT(x)  ((thaw_argument){THAW_ARGUMENT_FLOAT, {.f = (float)(x)}})

/* global[] in work-items; a dimension of 0 is taken as 1 in [1] and [2]; nothing is launched if global[0] is 0.
 * local[0] of 0 leaves the work-group size to Thaw (which picks one that the device takes and rounds nothing: kernels
 * need no bounds check for it). */
typedef struct thaw_range {
    size_t global[3];
    size_t local[3];
} thaw_range;

/* Queues the kernel. Arguments are copied. THAW_ERR_DEVICE. */
THAW_MUST_CHECK thaw_status thaw_kernel_run(thaw_kernel *kernel, thaw_range range, const thaw_argument *arguments,
                                            size_t count);

/* The same for a kernel of pieces (PIECES in cl/common.clh), which are passed behind `arguments`: one work-item for
 * each compute unit takes some after others. Fewer than 2^31 pieces, else THAW_ERR_DEVICE. */
THAW_MUST_CHECK thaw_status thaw_kernel_run_pieces(thaw_kernel *kernel, const size_t pieces[3],
                                                   const thaw_argument *arguments, size_t count);

/* Between these two, kernels of pieces may wait until others can be queued with them in one launch, a chain; other work
 * stays in order with them. For whatever runs often in the same way: the program for a chain is built when it has run
 * some hundred times, or at once if it was built on this device before (then it is in the driver's cache), or if it is
 * known to be worth it: thaw_chains_expect(). THAW_CHAINS=off never builds one, =on always. */
void thaw_chains_begin(thaw_device *device);
THAW_MUST_CHECK thaw_status thaw_chains_end(thaw_device *device);
/* Chains are built when they run for the second time from here on. */
void thaw_chains_expect(thaw_device *device);
/* How many were queued since the device was opened. */
size_t thaw_chains_queued(const thaw_device *device);

/* Whether the driver ends a work-item's loops after some ten thousand iterations, without an error: a work-item must do
 * as little as it can. thaw_kernel_run_pieces() sees to that itself. */
bool thaw_device_ends_loops(const thaw_device *device);

/* thaw_kernel_launch(kernel, range, THAW_BUFFER(x), THAW_INT(n), ...) */
#define thaw_kernel_launch(kernel, range, ...)                                                                         \
    thaw_kernel_run((kernel), (range), (const thaw_argument[]){__VA_ARGS__},                                           \
                    sizeof((const thaw_argument[]){__VA_ARGS__}) / sizeof(thaw_argument))

/* thaw_kernel_launch_pieces(kernel, THAW_PIECES(x, y, z), THAW_BUFFER(x), THAW_INT(n), ...) */
#define thaw_kernel_launch_pieces(kernel, pieces, ...)                                                                 \
    thaw_kernel_run_pieces((kernel), (pieces), (const thaw_argument[]){__VA_ARGS__},                                   \
                           sizeof((const thaw_argument[]){__VA_ARGS__}) / sizeof(thaw_argument))
#define THAW_PIECES(x, y, z) ((const size_t[3]){(size_t)(x), (size_t)(y), (size_t)(z)})

/* One dimension of `count` work-items. */
#define THAW_RANGE_1(count)   ((thaw_range){{(size_t)(count), 1, 1}, {0, 0, 0}})
#define THAW_RANGE_2(x, y)    ((thaw_range){{(size_t)(x), (size_t)(y), 1}, {0, 0, 0}})
#define THAW_RANGE_3(x, y, z) ((thaw_range){{(size_t)(x), (size_t)(y), (size_t)(z)}, {0, 0, 0}})

/* As a count of channels side by side: all of them, [n, h, w, channels] (NHWC). */
#define THAW_BLOCK_ALL INT32_MAX

/* How many channels the device likes side by side: its vector width on a CPU; all of them elsewhere, so that
 * neighbouring work-items read neighbours and a whole batch is one matrix. THAW_LAYOUT in the environment forces 1, 4,
 * 8, 16 or "nhwc". */
int32_t thaw_device_block(const thaw_device *device);

/* The vectors of kernels whose work-items fill a vector unit each: a CPU's native width, as 4, 8 or 16; 1 elsewhere,
 * where they are not worth it. THAW_LAYOUT with a number forces that. */
int32_t thaw_device_width(const thaw_device *device);

/* The most work-items that the kernel takes in a group. */
size_t thaw_kernel_max_group(const thaw_kernel *kernel);

/* Waits until all that was queued is done. THAW_ERR_DEVICE if any of it failed. */
THAW_MUST_CHECK thaw_status thaw_device_finish(thaw_device *device);
/* The same, and gives back idle memory and every kernel, none of which may be in use: what comes next finds the device
 * as if it had just been opened, for measuring what a fresh start costs. */
THAW_MUST_CHECK thaw_status thaw_device_forget(thaw_device *device);

#endif
