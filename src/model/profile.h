/* What profiles of inference and of training have in common. */
#ifndef THAW_MODEL_PROFILE_H
#define THAW_MODEL_PROFILE_H

#include <thaw/profile.h>
#include "device/peak.h"
#include "model/program.h"

/* What is timed: it queues work. */
typedef struct thaw_profile_step {
    thaw_status (*run)(void *user);
    void *user;
} thaw_profile_step;

THAW_MUST_CHECK thaw_status thaw_profile_check(thaw_context *context, const thaw_profile_options *options);
/* Random numbers into the program's inputs. */
THAW_MUST_CHECK thaw_status thaw_profile_fill(thaw_program *program, uint64_t seed);
/* Adds the program's weights, and its activations where there are more of them. */
THAW_MUST_CHECK thaw_status thaw_profile_sizes(thaw_graph *graph, thaw_profile *profile);
/* The whole's time, and the device memory that was taken until then. */
THAW_MUST_CHECK thaw_status thaw_profile_whole(thaw_device *device, const thaw_profile_step *step, int32_t repeats,
                                               thaw_profile *profile);
/* A row for each node that runs, in running order. */
THAW_MUST_CHECK thaw_status thaw_profile_forward(thaw_graph *graph, thaw_profile *profile);
THAW_MUST_CHECK thaw_status thaw_profile_backward(thaw_graph *graph, thaw_profile *profile);
/* A row of its own: `row` without name and times. */
THAW_MUST_CHECK thaw_status thaw_profile_add(thaw_device *device, const thaw_profile_step *step,
                                             const thaw_profile_layer *row, const char *name, thaw_profile *profile);
/* Fills in what the rows are of the peaks. */
void thaw_profile_compare(thaw_profile *profile, const thaw_peak *peak);

#endif
