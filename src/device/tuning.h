/* What measurements chose on this device: kept on disk, so that the next start measures nothing. */
#ifndef THAW_DEVICE_TUNING_H
#define THAW_DEVICE_TUNING_H

#include <thaw/device.h>
#include "base/hash.h"

/* The file lies in the cache folder under "tuning", one for each device, driver and version of Thaw's kernels. One that
 * is damaged or another device's counts as empty; nothing that goes wrong with it is a failure. */
typedef struct thaw_tuning thaw_tuning;

/* One hash of whatever may make another algorithm the fastest, change what its name means, or the bits that it gives:
 * the device, its driver, Thaw's kernels. */
thaw_hash thaw_device_identity(const thaw_device *device);
/* Whether it knows of all that this device computes with: not where the environment gives other kernels or limits. */
bool thaw_device_identity_known(const thaw_device *device);

/* False where the first that fits is taken: THAW_TUNING=off, or THAW_ALGORITHM forces a choice. */
bool thaw_tuning_wanted(void);

/* The winner under `key`, or NULL; valid until the device is closed. */
const char *thaw_tuning_find(thaw_device *device, const char *key);
/* Remembers a choice that was measured. Key and winner are one line without tabs each. */
THAW_MUST_CHECK thaw_status thaw_tuning_put(thaw_device *device, const char *key, const char *winner);
/* How many choices were measured since the device was opened. */
size_t thaw_tuning_measured(const thaw_device *device);
/* Writes new choices to the file, beside those that other processes have put there. */
void thaw_tuning_save(thaw_device *device);

/* Saves and frees. For the device. */
void thaw_tuning_release(thaw_device *device);

#endif
