/* Resampling of a part of the result: what a crop after a resize needs. */
#ifndef THAW_DATA_RESIZE_H
#define THAW_DATA_RESIZE_H

#include "data/image.h"

/* The source's box is scaled to width x height; of that, the window is made. */
typedef struct thaw_resize {
    double box[4]; /* left, top, right, bottom in pixels of the source */
    int32_t width, height;
    thaw_interpolation interpolation;
    int32_t window_left, window_top, window_width, window_height; /* within width x height */
} thaw_resize;

/* Writes the window into `pixels`, whose rows are `row_bytes` apart. False if memory runs out. */
bool thaw_resize_window(const thaw_image *source, const thaw_resize *resize, uint8_t *pixels, size_t row_bytes);

#endif
