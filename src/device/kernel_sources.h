/* The files of cl/, embedded at build. */
#ifndef THAW_DEVICE_KERNEL_SOURCES_H
#define THAW_DEVICE_KERNEL_SOURCES_H

#include <stddef.h>

typedef struct thaw_kernel_source {
    const char *file; /* "conv.cl" */
    const char *text; /* NUL-terminated */
    size_t length;
} thaw_kernel_source;

extern const thaw_kernel_source thaw_kernel_sources[];
extern const size_t thaw_kernel_source_count;

#endif
