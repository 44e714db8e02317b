/* Programs: the sources of cl/, built for a device. */
#ifndef THAW_DEVICE_PROGRAM_H
#define THAW_DEVICE_PROGRAM_H

#include "device/device_private.h"

struct thaw_program {
    char *name, *options; /* as asked for: what makes it another program */
    cl_program opencl;
    thaw_kernel *kernels; /* those taken from it so far, linked */
    thaw_program *next;
};

/* The text of a file of cl/, to be freed: from THAW_KERNEL_DIR where that has it, else as embedded. */
THAW_MUST_CHECK thaw_status thaw_program_source(thaw_device *device, const char *file, char **text);

/* The same as thaw_program_get() for a program whose source is `text`, not a file's; the name and the options, which
 * tell it from others, are the caller's. */
THAW_MUST_CHECK thaw_status thaw_program_make(thaw_device *device, const char *name, const char *options,
                                              const char *text, const char *kernel, thaw_program **program);

/* The program cl/<name>.cl with these options: one that was built before, or from the disk cache, or built now. The
 * device owns it. `kernel` is named in the error. THAW_ERR_COMPILE, THAW_ERR_DEVICE, THAW_ERR_MEMORY. */
THAW_MUST_CHECK thaw_status thaw_program_get(thaw_device *device, const char *name, const char *options,
                                             const char *kernel, thaw_program **program);

#endif
