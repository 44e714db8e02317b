#ifndef THAW_BASE_MEDIAN_H
#define THAW_BASE_MEDIAN_H

#include <stddef.h>

/* The median of `count` numbers, 1 at least, none of them NaN; sorts them. */
double thaw_median(double *numbers, size_t count);

#endif
