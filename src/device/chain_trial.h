/* Is a sequence of launches faster as one chain, or one by one? Long kernels gain nothing by a chain, and a compiler
 * may make worse code of many kernels in one program: a sequence's first runs are timed, either way in turn. What came
 * out is kept like other measured choices. */
#ifndef THAW_DEVICE_CHAIN_TRIAL_H
#define THAW_DEVICE_CHAIN_TRIAL_H

#include "base/hash.h"
#include "device/device_private.h"

enum { THAW_CHAIN_TRIAL_RUNS = 5 };

typedef struct thaw_chain_trial {
    thaw_hash key; /* of the sequence, the same in every process */
    enum { THAW_CHAIN_UNKNOWN, THAW_CHAIN_FASTER, THAW_CHAIN_SLOWER } result;
    size_t runs[2]; /* one by one, as a chain */
    double seconds[2][THAW_CHAIN_TRIAL_RUNS];
} thaw_chain_trial;

/* Looks up what is known. */
void thaw_chain_trial_begin(thaw_device *device, thaw_chain_trial *trial, thaw_hash key);
/* Which way the next run is to go while the result is unknown; how long it took. */
bool thaw_chain_trial_wants_chain(const thaw_chain_trial *trial);
THAW_MUST_CHECK thaw_status thaw_chain_trial_add(thaw_device *device, thaw_chain_trial *trial, bool chain,
                                                 double seconds);

#endif
