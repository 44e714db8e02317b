/* The most that a device does: what times are held against. */
#ifndef THAW_DEVICE_PEAK_H
#define THAW_DEVICE_PEAK_H

#include <thaw/device.h>

typedef struct thaw_peak {
    double flops_per_second;      /* float32; a fused multiply-add is two */
    double copy_bytes_per_second; /* read and written together, in memory that no cache holds */
} thaw_peak;

/* Runs cl/peak.cl for a few tenths of a second and raises what is in `peak` to the best that it saw: to be called more
 * than once where other work disturbs. Starts as {0}. THAW_ERR_DEVICE, THAW_ERR_COMPILE, THAW_ERR_DEVICE_MEMORY. */
THAW_MUST_CHECK thaw_status thaw_peak_measure(thaw_device *device, thaw_peak *peak);

#endif
