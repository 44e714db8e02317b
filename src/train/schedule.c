#include "train/schedule.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* From `start` to `end` along half a cosine as `t` goes from 0 to 1. */
static double half_cosine(double start, double end, double t)
{
    return end + (start - end) * (1.0 + cos(pi * t)) / 2.0;
}

static double constant_rate(double t)
{
    (void)t;
    return 1.0;
}

static double cosine_rate(double t)
{
    return half_cosine(1.0, 0.0, t);
}

static double one_cycle_rate(double t)
{
    const double rise = 0.25;
    return t < rise ? half_cosine(1.0 / 25.0, 1.0, t / rise) : half_cosine(1.0, 1e-5, (t - rise) / (1.0 - rise));
}

static double step_rate(double t)
{
    return pow(0.1, floor(3.0 * t));
}

static const struct {
    const char *name;
    double (*rate)(double t); /* t: share of the run after warm-up that is done, in [0, 1) */
} schedules[] = {
    [THAW_SCHEDULE_CONSTANT] = {"constant", constant_rate},
    [THAW_SCHEDULE_COSINE] = {"cosine", cosine_rate},
    [THAW_SCHEDULE_ONE_CYCLE] = {"one-cycle", one_cycle_rate},
    [THAW_SCHEDULE_STEP] = {"step", step_rate},
};

double thaw_schedule_rate(thaw_schedule_kind kind, size_t step, size_t steps, size_t warmup)
{
    if (step < warmup)
        return (double)(step + 1) / (double)warmup;
    const double left = steps > warmup ? (double)(steps - warmup) : 1.0;
    return schedules[kind].rate((double)(step - warmup) / left);
}

bool thaw_schedule_named(const char *text, thaw_schedule_kind *kind)
{
    for (size_t i = 0; i < sizeof schedules / sizeof schedules[0]; i++)
        if (strcmp(schedules[i].name, text) == 0) {
            *kind = (thaw_schedule_kind)i;
            return true;
        }
    return false;
}
