/* What drivers do differently, as capabilities: the only place that looks at vendors' names. */
#ifndef THAW_DEVICE_QUIRKS_H
#define THAW_DEVICE_QUIRKS_H

#include <thaw/device.h>

typedef struct thaw_quirks {
    bool clblast_runs;   /* CLBlast works there at all */
    bool clblast_fast;   /* and faster than cl/gemm.cl */
    bool cache_binaries; /* the driver keeps no compiled programs itself */
    bool slow_header; /* clang's, with every built-in function, is read for each program: cl/builtins.clh is faster */
    bool fill_by_writing; /* fills are not seen as such */
    bool simulated;       /* so slow that times mean nothing */
    bool exact_buffers;   /* buffers of exactly the size asked for, never reused: every stray access shows */
    bool host_memory;     /* buffers in memory of ours cost no copy, so that it may lie on huge pages */
    bool group_unknown;   /* what it says about a kernel's largest work-group is too little */
    bool loops_end;       /* after 65,535 iterations of a work-item's loops in all, without an error: short ones only */
    bool idle_between_kernels; /* for so long that small ones are better queued in one launch */
    size_t max_auto_group; /* where Thaw picks the work-group size: its limit, a power of two; 0: the driver picks */
    double score_factor;   /* of the device's score; below 1 for what computes right but slowly */
} thaw_quirks;

thaw_quirks thaw_quirks_find(const thaw_device_info *info);

#endif
