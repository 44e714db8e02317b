#ifndef THAW_BASE_CLOCK_H
#define THAW_BASE_CLOCK_H

/* Seconds on a clock that never goes back; only differences mean something. */
double thaw_clock_seconds(void);

#endif
