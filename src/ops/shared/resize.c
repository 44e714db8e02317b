#include "ops/shared/resize.h"

#include <math.h>
#include <stdlib.h>

static thaw_status allocate(thaw_context *context, int64_t places, int64_t count, bool constants, thaw_taps *taps)
{
    *taps = (thaw_taps){.places = places, .count = count};
    THAW_TRY(thaw_allocate(context, (size_t)places + 1, sizeof *taps->begin, &taps->begin));
    THAW_TRY(thaw_allocate(context, (size_t)count, sizeof *taps->index, &taps->index));
    THAW_TRY(thaw_allocate(context, (size_t)count, sizeof *taps->weight, &taps->weight));
    return constants ? thaw_allocate(context, (size_t)places, sizeof *taps->constant, &taps->constant) : THAW_OK;
}

void thaw_taps_free(thaw_taps *taps)
{
    free(taps->begin);
    free(taps->index);
    free(taps->weight);
    free(taps->constant);
    *taps = (thaw_taps){0};
}

/* Where place `i` of the result lies among the input's elements. */
static double source_of(const thaw_resizing *resizing, const thaw_resized_axis *axis, double i)
{
    const double in = (double)axis->in, width = axis->scale * in, half_pixel = (i + 0.5) / axis->scale - 0.5;
    const double part = axis->region[1] - axis->region[0];
    switch (resizing->coordinates) {
    case THAW_ALIGN_CORNERS:
        return width == 1 ? 0 : i * (in - 1) / (width - 1);
    case THAW_ASYMMETRIC:
        return i / axis->scale;
    case THAW_CROP_AND_RESIZE:
        return (width == 1 ? part * (in - 1) / 2 : i * part * (in - 1) / (width - 1)) + axis->region[0] * (in - 1);
    case THAW_PYTORCH_HALF_PIXEL:
        return width == 1 ? -0.5 : half_pixel;
    case THAW_HALF_PIXEL_SYMMETRIC:
        return half_pixel + in / 2 * (1 - (double)axis->out / width);
    case THAW_HALF_PIXEL_FOR_NN:
        return half_pixel + 0.5;
    default:
        return half_pixel;
    }
}

/* Keys' kernel, `a` being its slope at 1. */
static double cubic(double x, double a)
{
    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static bool picks_right(thaw_rounding rounding, double ratio)
{
    switch (rounding) {
    case THAW_FLOOR:
        return ratio == 1;
    case THAW_CEIL:
        return true;
    case THAW_PREFER_CEIL:
        return ratio >= 0.5;
    default:
        return ratio > 0.5;
    }
}

/* How far the interpolation reaches to each side, in elements, all of them if there are none that far. */
static int64_t reach_of(const thaw_resizing *resizing, const thaw_resized_axis *axis)
{
    const double narrow = resizing->interpolation == THAW_RESIZE_CUBIC ? 2 : 1;
    const double scale = resizing->antialias && axis->scale < 1 ? axis->scale : 1;
    return (int64_t)ceil(narrow / scale);
}

/* The weight of the element `distance` behind the left neighbour; the place lies `ratio` behind that. */
static double weight_at(const thaw_resizing *resizing, const thaw_resized_axis *axis, int64_t distance, double ratio)
{
    const double scale = resizing->antialias && axis->scale < 1 ? axis->scale : 1;
    const double x = ((double)distance - ratio) * scale;
    switch (resizing->interpolation) {
    case THAW_RESIZE_NEAREST:
        return distance == picks_right(resizing->rounding, ratio);
    case THAW_RESIZE_CUBIC:
        return cubic(x, (double)resizing->cubic);
    default:
        return fabs(x) < 1 ? 1 - fabs(x) : 0;
    }
}

/* The taps of one place, from *count on. Weights are made to sum up to 1 where some were left out, or their kernel was
 * stretched. */
static void add_place(const thaw_resizing *resizing, const thaw_resized_axis *axis, double source, thaw_taps *taps,
                      int32_t *count)
{
    const int64_t reach = reach_of(resizing, axis);
    const double left = ceil(source) - 1, ratio = source - left; /* in (0, 1] */
    double sum = 0;
    for (int64_t d = 1 - reach; d <= reach; d++) {
        const double at = left + (double)d;
        if (!resizing->exclude_outside || (at >= 0 && at < (double)axis->in))
            sum += weight_at(resizing, axis, d, ratio);
    }
    const bool scales = (resizing->exclude_outside || resizing->antialias) && sum != 0;
    for (int64_t d = 1 - reach; d <= reach; d++) {
        const double at = left + (double)d, weight = weight_at(resizing, axis, d, ratio);
        const bool outside = at < 0 || at >= (double)axis->in;
        if (weight == 0 || (resizing->exclude_outside && outside))
            continue;
        taps->index[*count] = (int32_t)(at < 0 ? 0 : outside ? (double)(axis->in - 1) : at);
        taps->weight[(*count)++] = (float)(scales ? weight / sum : weight);
    }
}

thaw_status thaw_taps_make(thaw_context *context, const thaw_resizing *resizing, const thaw_resized_axis *axis,
                           thaw_taps *taps)
{
    const bool crops = resizing->coordinates == THAW_CROP_AND_RESIZE;
    int64_t most;
    *taps = (thaw_taps){0};
    if (!thaw_multiply(axis->out, 2 * reach_of(resizing, axis), &most) || most > INT32_MAX)
        return thaw_fail(context, THAW_ERR_SIZE, "an axis of %lld elements is resized to %lld", (long long)axis->in,
                         (long long)axis->out);
    THAW_TRY(allocate(context, axis->out, most, crops, taps));
    int32_t count = 0;
    for (int64_t i = 0; i < axis->out; i++) {
        const double source = source_of(resizing, axis, (double)i);
        if (crops && !(source >= 0 && source <= (double)(axis->in - 1)))
            taps->constant[i] = resizing->outside;
        else
            add_place(resizing, axis, source, taps, &count);
        taps->begin[i + 1] = count;
    }
    taps->count = count;
    return THAW_OK;
}

thaw_status thaw_taps_reverse(thaw_context *context, const thaw_taps *taps, int64_t in, thaw_taps *reversed)
{
    THAW_TRY(allocate(context, in, taps->count, false, reversed));
    for (int64_t t = 0; t < taps->count; t++)
        reversed->begin[taps->index[t] + 1]++;
    for (int64_t i = 0; i < in; i++)
        reversed->begin[i + 1] += reversed->begin[i];
    for (int64_t place = 0; place < taps->places; place++)
        for (int32_t t = taps->begin[place]; t < taps->begin[place + 1]; t++) {
            const int32_t at = reversed->begin[taps->index[t]]++;
            reversed->index[at] = (int32_t)place;
            reversed->weight[at] = taps->weight[t];
        }
    for (int64_t i = in; i > 0; i--) /* each begin has moved on to the next one's */
        reversed->begin[i] = reversed->begin[i - 1];
    reversed->begin[0] = 0;
    return THAW_OK;
}
