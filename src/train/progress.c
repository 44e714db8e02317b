#include "train/progress.h"
#include "base/clock.h"

static const double least_interval_seconds = 0.1;

void thaw_reporter_start(thaw_reporter *reporter, const thaw_job *job, const char *phase, size_t total)
{
    const double now = thaw_clock_seconds();
    *reporter = (thaw_reporter){job, phase, total, now, now};
}

void thaw_reporter_update(thaw_reporter *reporter, size_t done, double data_wait_seconds)
{
    const double now = thaw_clock_seconds();
    if (!reporter->job->on_progress ||
        (done < reporter->total && now - reporter->last_seconds < least_interval_seconds))
        return;
    reporter->last_seconds = now;
    const double seconds = now - reporter->start_seconds;
    const double safe_seconds = seconds > 0 ? seconds : 1e-9;
    const thaw_progress progress = {
        reporter->phase, done, reporter->total, seconds, (double)done / safe_seconds, data_wait_seconds / safe_seconds};
    reporter->job->on_progress(reporter->job->user, &progress);
}
