/* The geometry of preprocessing: torchvision's Resize(shorter side) and CenterCrop, on Pillow's resampling. */
#include "data/resize.h"

#include <string.h>

/* One axis of a centre crop: `count` pixels from `from` of the resized image go to `to` of the result. */
typedef struct crop {
    int32_t from, to, count;
} crop;

/* A crop larger than the image is filled up with black, the odd pixel behind; a smaller one starts at half the rest,
 * halves rounded to even. Both as torchvision does. */
static crop crop_make(int32_t size, int32_t wanted)
{
    if (wanted > size)
        return (crop){0, (wanted - size) / 2, size};
    const int32_t half = (size - wanted) / 2, odd = (size - wanted) % 2;
    return (crop){half + (odd & half), 0, wanted};
}

bool thaw_image_prepare(const thaw_image *source, const thaw_preprocess *preprocess, uint8_t *pixels,
                        thaw_image_error *error)
{
    thaw_resize resize = {.box = {0, 0, source->width, source->height},
                          .width = preprocess->width,
                          .height = preprocess->height,
                          .interpolation = preprocess->interpolation};
    if (preprocess->resize) {
        const bool tall = source->width <= source->height;
        const int64_t shorter = tall ? source->width : source->height, longer = tall ? source->height : source->width;
        const int32_t length = (int32_t)((double)(preprocess->resize * longer) / (double)shorter);
        resize.width = tall ? preprocess->resize : length;
        resize.height = tall ? length : preprocess->resize;
    }
    const crop across = crop_make(resize.width, preprocess->width);
    const crop down = crop_make(resize.height, preprocess->height);
    resize.window_left = across.from;
    resize.window_top = down.from;
    resize.window_width = across.count;
    resize.window_height = down.count;
    const size_t row_bytes = (size_t)preprocess->width * 3;
    if (across.count < preprocess->width || down.count < preprocess->height)
        memset(pixels, 0, row_bytes * preprocess->height);
    uint8_t *first = pixels + down.to * row_bytes + (size_t)across.to * 3;
    return thaw_resize_window(source, &resize, first, row_bytes) ||
           thaw_image_fail(error, "out of memory for resizing %d x %d pixels", source->width, source->height);
}
