/* The exponential moving average of the weights: smoother than they are, and often better. */
#ifndef THAW_TRAIN_AVERAGE_H
#define THAW_TRAIN_AVERAGE_H

#include "train/parameters.h"

typedef struct thaw_average thaw_average;

/* Of all parameters, running statistics included, which must outlive it; starts as they are now. After step t (from 1)
 * it is d * average + (1 - d) * weight, with d = min(decay, (1 + t) / (10 + t)), so that short runs are not held back
 * by where they began. */
THAW_MUST_CHECK thaw_status thaw_average_create(thaw_device *device, const thaw_parameters *parameters, double decay,
                                                thaw_average **average);
/* Queues: takes the weights after step t in. */
THAW_MUST_CHECK thaw_status thaw_average_update(thaw_average *average, uint64_t t);
/* Queues: exchanges averages and weights, to validate with the averages, and back. */
THAW_MUST_CHECK thaw_status thaw_average_exchange(thaw_average *average);
thaw_buffer *thaw_average_buffer(const thaw_average *average, size_t index);
void thaw_average_destroy(thaw_average **average);

#endif
