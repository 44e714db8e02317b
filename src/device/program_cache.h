/* Compiled programs on disk, between runs. Whatever goes wrong with it only costs a compilation. */
#ifndef THAW_DEVICE_PROGRAM_CACHE_H
#define THAW_DEVICE_PROGRAM_CACHE_H

#include "base/hash.h"
#include "device/device_private.h"

/* Whether this device's programs are kept on disk: THAW_PROGRAM_CACHE=0 or 1, else as the driver's habits suggest. */
bool thaw_program_cache_used(const thaw_device *device);
/* The name of a program's entry: depends on its text, its options, the device, its driver and this cache's format. */
thaw_hash thaw_program_cache_key(const thaw_device *device, const char *const *texts, size_t count,
                                 const char *options);
/* A built program, or NULL if there is no good entry. */
cl_program thaw_program_cache_load(thaw_device *device, thaw_hash key, const char *options);
void thaw_program_cache_store(thaw_device *device, thaw_hash key, cl_program program);

#endif
