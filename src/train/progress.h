/* Progress reports at a bearable rate. */
#ifndef THAW_TRAIN_PROGRESS_H
#define THAW_TRAIN_PROGRESS_H

#include <thaw/train.h>

typedef struct thaw_reporter {
    const thaw_job *job;
    const char *phase;
    size_t total;
    double start_seconds, last_seconds;
} thaw_reporter;

void thaw_reporter_start(thaw_reporter *reporter, const thaw_job *job, const char *phase, size_t total);
/* Calls back if the last time was a while ago, or if all is done. */
void thaw_reporter_update(thaw_reporter *reporter, size_t done, double data_wait_seconds);

#endif
