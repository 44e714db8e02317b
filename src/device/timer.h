/* How long what is queued takes: by the device's own clock where that can be believed, else by the host's. */
#ifndef THAW_DEVICE_TIMER_H
#define THAW_DEVICE_TIMER_H

#include <thaw/device.h>

typedef struct thaw_timer thaw_timer;

#define THAW_TIMER_REASON 128

/* Whether the device's clock can be used: measures a known piece of work by both. `reason` tells why not, "" if so. */
THAW_MUST_CHECK thaw_status thaw_timer_check(thaw_device *device, bool *usable, char reason[THAW_TIMER_REASON]);

/* Until it is closed, everything goes through a queue of its own where `by_device` says so: the time is then that
 * between two markers in that queue. Otherwise it is the host's, waiting for the end included. One at a time for a
 * device. THAW_ERR_DEVICE. */
THAW_MUST_CHECK thaw_status thaw_timer_open(thaw_device *device, bool by_device, thaw_timer **timer);
/* Waits for the device; sets *timer to NULL; NULL is fine. */
void thaw_timer_close(thaw_timer **timer);

/* Waits until the device is idle, then counts. */
THAW_MUST_CHECK thaw_status thaw_timer_start(thaw_timer *timer);
/* Waits for what was queued since. */
THAW_MUST_CHECK thaw_status thaw_timer_stop(thaw_timer *timer, double *seconds);

#endif
