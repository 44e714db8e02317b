#include "report/figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS      4
#define LEAST_POWER (-4) /* of ten, from which on no exponent is written */
#define MOST_POWER  6

thaw_figure thaw_figure_of(double number)
{
    thaw_figure figure = {""};
    if (isnan(number))
        return figure;
    snprintf(figure.text, sizeof figure.text, "%.*e", DIGITS - 1, number); /* rounds, and may carry: 9.9999 is 1e1 */
    const char *exponent = strchr(figure.text, 'e');
    const int power = exponent ? atoi(exponent + 1) : 0;
    if (exponent && power >= LEAST_POWER && power <= MOST_POWER)
        snprintf(figure.text, sizeof figure.text, "%.*f", power < DIGITS - 1 ? DIGITS - 1 - power : 0, number);
    return figure;
}

thaw_figure thaw_figure_ratio(double ratio)
{
    thaw_figure figure = {""};
    if (isnan(ratio) || ratio < 0.01 || ratio >= 10)
        return thaw_figure_of(ratio);
    snprintf(figure.text, sizeof figure.text, "%.3f", ratio);
    return figure;
}

/* With the largest unit that leaves one digit or more before the point, else the smallest there is. */
static thaw_figure with_unit(double number, const char *const *units, int count, double largest)
{
    thaw_figure figure = {""};
    if (isnan(number))
        return figure;
    int unit = 0;
    for (double one = largest; unit < count - 1 && fabs(number) < one; one /= 1e3)
        unit++;
    snprintf(figure.text, sizeof figure.text, "%.17s %s", thaw_figure_of(number / largest * pow(1e3, unit)).text,
             units[unit]);
    return figure;
}

thaw_figure thaw_figure_bytes(double bytes)
{
    static const char *const units[] = {"TB", "GB", "MB", "kB", "bytes"};
    return with_unit(bytes, units, 5, 1e12);
}

thaw_figure thaw_figure_flops(double flops)
{
    static const char *const units[] = {"TFLOP", "GFLOP", "MFLOP", "kFLOP", "FLOP"};
    return with_unit(flops, units, 5, 1e12);
}

thaw_figure thaw_figure_seconds(double seconds)
{
    static const char *const units[] = {"s", "ms", "\302\265s", "ns"};
    return with_unit(seconds, units, 4, 1);
}

thaw_figure thaw_figure_percent(double share)
{
    thaw_figure figure = {""};
    if (!isnan(share))
        snprintf(figure.text, sizeof figure.text, "%.*f\302\240%%", fabs(share) < 0.1 ? 1 : 0, 100 * share);
    return figure;
}
