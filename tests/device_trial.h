/* What the suites of the device layer share: kernels of a test's own, a device whose log is looked into, and a suite
 * run again in a process of its own. */
#ifndef THAW_TESTS_DEVICE_TRIAL_H
#define THAW_TESTS_DEVICE_TRIAL_H

#include "op_harness.h"
#include "test.h"

/* Environment variables for the length of a test: environment_set() remembers what was there (NULL unsets),
 * environment_restore() puts all of it back. */
void environment_set(const char *name, const char *value);
void environment_restore(void);

/* Runs `suite` of this program in another process, in which is_child() is true; its exit status. With `copies`
 * above 1, as many processes at once: 0 only if all give 0. */
int children_run(const char *suite, int copies);
bool is_child(void);

/* A folder inside this run's own, made. Valid until the next call. */
const char *folder_make(const char *name);
/* Writes a file there. */
void file_put(const char *folder, const char *file, const void *bytes, size_t size);

/* A device with a context of its own, whose log lines are counted. */
typedef struct device_trial {
    thaw_context *context;
    thaw_device *device;
    int built, cached, again, lines; /* log lines that say so ("once more": with the driver's header), and all */
} device_trial;

void device_trial_open(device_trial *trial);
void device_trial_close(device_trial *trial);

#endif
