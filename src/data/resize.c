/* Antialiased resampling in two passes with 8 bits between: the arithmetic of Pillow's Image.resize(), to the bit. */
#include "data/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHT_BITS = 22 }; /* 8 bits of pixel, 2 of headroom for negative lobes, the rest for the weights */

static double triangle(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys' cubic convolution with a = -0.5. */
static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

typedef struct resize_filter {
    double (*value)(double x);
    double support; /* value is 0 beyond it, in pixels of the coarser of the two images */
} resize_filter;

static const resize_filter filters[] = {[THAW_BILINEAR] = {triangle, 1.0}, [THAW_BICUBIC] = {cubic, 2.0}};

/* How the pixels of one axis of the result come from the source: out[i] is the sum over t < taps[i] of
 * source[first[i] + t] * weights[i * stride + t], in units of 2^-WEIGHT_BITS. */
typedef struct axis_weights {
    int32_t count, stride;
    int32_t *first, *taps, *weights;
} axis_weights;

static void axis_free(axis_weights *axis)
{
    free(axis->first);
    free(axis->taps);
    free(axis->weights);
}

static void set_weights(axis_weights *axis, int32_t index, const resize_filter *filter, double center,
                        double filter_scale, int32_t source_size, double *scratch)
{
    const double support = filter->support * filter_scale, step = 1.0 / filter_scale;
    int32_t first = (int32_t)(center - support + 0.5), end = (int32_t)(center + support + 0.5);
    first = first < 0 ? 0 : first;
    end = end > source_size ? source_size : end;
    double sum = 0.0;
    for (int32_t t = 0; t < end - first; t++) {
        scratch[t] = filter->value((t + first - center + 0.5) * step);
        sum += scratch[t];
    }
    for (int32_t t = 0; t < end - first; t++) {
        const double weight = sum != 0.0 ? scratch[t] / sum : scratch[t];
        axis->weights[(size_t)index * axis->stride + t] =
            (int32_t)((weight < 0 ? -0.5 : 0.5) + weight * (1 << WEIGHT_BITS));
    }
    axis->first[index] = first;
    axis->taps[index] = end - first;
}

/* Weights for results from .. from + count of `size`, which [box_start, box_end) of the source is scaled to. */
static bool axis_make(axis_weights *axis, const resize_filter *filter, int32_t source_size, float box_start,
                      float box_end, int32_t size, int32_t from, int32_t count)
{
    const double scale = (double)(box_end - box_start) / size;
    const double filter_scale = scale < 1.0 ? 1.0 : scale;
    axis->count = count;
    axis->stride = (int32_t)ceil(filter->support * filter_scale) * 2 + 1;
    axis->first = calloc((size_t)count, sizeof *axis->first);
    axis->taps = calloc((size_t)count, sizeof *axis->taps);
    axis->weights = calloc((size_t)count * axis->stride, sizeof *axis->weights);
    double *scratch = calloc((size_t)axis->stride, sizeof *scratch);
    const bool ok = axis->first && axis->taps && axis->weights && scratch;
    for (int32_t i = 0; ok && i < count; i++)
        set_weights(axis, i, filter, box_start + (from + i + 0.5) * scale, filter_scale, source_size, scratch);
    free(scratch);
    return ok;
}

static uint8_t to_pixel(int32_t sum)
{
    const int32_t value = sum >> WEIGHT_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void resample_row(const axis_weights *horizontal, const uint8_t *row, uint8_t *out)
{
    for (int32_t i = 0; i < horizontal->count; i++) {
        const int32_t *weights = horizontal->weights + (size_t)i * horizontal->stride;
        const uint8_t *pixel = row + 3 * (size_t)horizontal->first[i];
        int32_t red = 1 << (WEIGHT_BITS - 1), green = red, blue = red;
        for (int32_t t = 0; t < horizontal->taps[i]; t++, pixel += 3) {
            red += pixel[0] * weights[t];
            green += pixel[1] * weights[t];
            blue += pixel[2] * weights[t];
        }
        out[3 * i] = to_pixel(red);
        out[3 * i + 1] = to_pixel(green);
        out[3 * i + 2] = to_pixel(blue);
    }
}

/* sums += row * weight, byte by byte. */
static void add_row(int32_t *restrict sums, const uint8_t *restrict row, int32_t weight, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sums[i] += row[i] * weight;
}

/* One row of the vertical pass: sum of rows[(first + t) % height] * weight t, over rows of `samples` bytes. */
static void resample_column(const axis_weights *vertical, int32_t index, const uint8_t *rows, int32_t height,
                            size_t samples, int32_t *sums, uint8_t *out)
{
    const int32_t *weights = vertical->weights + (size_t)index * vertical->stride;
    for (size_t i = 0; i < samples; i++)
        sums[i] = 1 << (WEIGHT_BITS - 1);
    for (int32_t t = 0; t < vertical->taps[index]; t++)
        add_row(sums, rows + (vertical->first[index] + t) % height * samples, weights[t], samples);
    for (size_t i = 0; i < samples; i++)
        out[i] = to_pixel(sums[i]);
}

/* Rows that went through the horizontal pass wait in a ring that is as tall as the vertical filter. */
static bool horizontal_first(const thaw_image *source, const axis_weights *horizontal, const axis_weights *vertical,
                             uint8_t *pixels, size_t row_bytes)
{
    const size_t samples = (size_t)horizontal->count * 3, source_bytes = (size_t)source->width * 3;
    uint8_t *ring = calloc((size_t)vertical->stride, samples);
    int32_t *sums = calloc(samples, sizeof *sums);
    const bool ok = ring && sums;
    for (int32_t y = 0, made = vertical->first[0]; ok && y < vertical->count; y++, pixels += row_bytes) {
        const int32_t first = vertical->first[y], end = first + vertical->taps[y];
        for (made = made < first ? first : made; made < end; made++)
            resample_row(horizontal, source->pixels + made * source_bytes, ring + made % vertical->stride * samples);
        resample_column(vertical, y, ring, vertical->stride, samples, sums, pixels);
    }
    free(sums);
    free(ring);
    return ok;
}

static bool vertical_first(const thaw_image *source, const axis_weights *horizontal, const axis_weights *vertical,
                           uint8_t *pixels, size_t row_bytes)
{
    const size_t samples = (size_t)source->width * 3;
    uint8_t *row = calloc(samples, 1);
    int32_t *sums = calloc(samples, sizeof *sums);
    const bool ok = row && sums;
    for (int32_t y = 0; ok && y < vertical->count; y++, pixels += row_bytes) {
        resample_column(vertical, y, source->pixels, source->height, samples, sums, row);
        resample_row(horizontal, row, pixels);
    }
    free(sums);
    free(row);
    return ok;
}

static bool resize_filtered(const thaw_image *source, const thaw_resize *resize, const resize_filter *filter,
                            uint8_t *pixels, size_t row_bytes)
{
    const float left = (float)resize->box[0], top = (float)resize->box[1];
    const float right = (float)resize->box[2], bottom = (float)resize->box[3];
    /* Pillow 13 begins with the pass that leaves less to do; it shows only in the rounding between the passes. */
    const int32_t rows_less = source->height - resize->height, columns_less = source->width - resize->width;
    const bool rows_first = rows_less > 0 && rows_less > 2 * (int64_t)columns_less;
    axis_weights horizontal = {0}, vertical = {0};
    bool ok = axis_make(&horizontal, filter, source->width, left, right, resize->width, resize->window_left,
                        resize->window_width) &&
              axis_make(&vertical, filter, source->height, top, bottom, resize->height, resize->window_top,
                        resize->window_height);
    if (ok)
        ok = (rows_first ? vertical_first : horizontal_first)(source, &horizontal, &vertical, pixels, row_bytes);
    axis_free(&vertical);
    axis_free(&horizontal);
    return ok;
}

/* The source's pixel for each of from .. from + count. The position is added up step by step because Pillow does so,
 * and rounding shows at ties. */
static void nearest_positions(float box_start, float box_end, int32_t source_size, int32_t size, int32_t from,
                              int32_t count, int32_t *positions)
{
    const double step = (double)(box_end - box_start) / size;
    double position = box_start + step * 0.5;
    for (int32_t i = 0; i < from + count; i++, position += step) {
        if (i >= from)
            positions[i - from] = (int32_t)position < source_size ? (int32_t)position : source_size - 1;
    }
}

static bool resize_nearest(const thaw_image *source, const thaw_resize *resize, uint8_t *pixels, size_t row_bytes)
{
    const int32_t width = resize->window_width, height = resize->window_height;
    int32_t *columns = calloc((size_t)width + height, sizeof *columns), *rows = columns + width;
    if (!columns)
        return false;
    nearest_positions((float)resize->box[0], (float)resize->box[2], source->width, resize->width, resize->window_left,
                      width, columns);
    nearest_positions((float)resize->box[1], (float)resize->box[3], source->height, resize->height, resize->window_top,
                      height, rows);
    for (int32_t y = 0; y < height; y++, pixels += row_bytes) {
        const uint8_t *row = source->pixels + (size_t)rows[y] * source->width * 3;
        for (int32_t x = 0; x < width; x++)
            memcpy(pixels + 3 * (size_t)x, row + 3 * (size_t)columns[x], 3);
    }
    free(columns);
    return true;
}

bool thaw_resize_window(const thaw_image *source, const thaw_resize *resize, uint8_t *pixels, size_t row_bytes)
{
    if (resize->interpolation == THAW_NEAREST)
        return resize_nearest(source, resize, pixels, row_bytes);
    return resize_filtered(source, resize, &filters[resize->interpolation], pixels, row_bytes);
}

bool thaw_image_resize(const thaw_image *source, const double box[4], int32_t width, int32_t height,
                       thaw_interpolation interpolation, thaw_image *out)
{
    const thaw_resize resize = {.box = {box[0], box[1], box[2], box[3]},
                                .width = width,
                                .height = height,
                                .interpolation = interpolation,
                                .window_width = width,
                                .window_height = height};
    thaw_image made = {width, height, calloc((size_t)width * height, 3)};
    const size_t row_bytes = (size_t)width * 3;
    if (!made.pixels || !thaw_resize_window(source, &resize, made.pixels, row_bytes)) {
        free(made.pixels);
        return false;
    }
    *out = made;
    return true;
}
