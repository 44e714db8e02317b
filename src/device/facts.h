/* What a benchmark wants to know of a device beyond thaw_device_info. */
#ifndef THAW_DEVICE_FACTS_H
#define THAW_DEVICE_FACTS_H

#include <thaw/device.h>

typedef struct thaw_device_facts {
    uint32_t max_clock_mhz; /* as the driver has it; 0: it does not say. Processors may run faster for a while. */
    uint64_t cache_bytes;   /* of global memory; 0: none, or it does not say */
    bool int8_dot;          /* cl_khr_integer_dot_product */
    bool simulated;         /* times on it mean nothing */
    bool clblast;           /* CLBlast works there */
} thaw_device_facts;

thaw_device_facts thaw_device_find_facts(const thaw_device *device);
/* "1.5.3", of the CLBlast that this was compiled with */
const char *thaw_device_clblast_version(void);

#endif
