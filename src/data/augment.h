/* Random views of training images: what is drawn for each on the host; the pixels are made on the device. */
#ifndef THAW_DATA_AUGMENT_H
#define THAW_DATA_AUGMENT_H

#include <thaw/data.h>

/* What one view does to the canvas, the image that the loader gives. */
typedef struct thaw_augmentation {
    double left, top, width, height; /* the part that is seen, in pixels of the canvas */
    double degrees;                  /* it is turned by that about its centre */
    bool flip;                       /* left to right, after all else */
    double brightness, contrast, saturation;
    int32_t erased[4]; /* left, top, right, bottom of what is erased, in pixels of the result; right and bottom behind
                          it */
} thaw_augmentation;

/* The same as cl/augment.cl takes it: 13 floats. */
typedef struct thaw_view {
    float across[3], down[3]; /* column and row of the canvas: [0] * x + [1] * y + [2] for pixel (x, y) of the result */
    float gain, grey_gain, offset; /* of the colours: gain * colour + grey_gain * grey + offset */
    float erased[4];
} thaw_view;

/* How the loader is to prepare images so that there is something to choose from: the model's crop and its surroundings
 * up to the resized image's shorter side, at most a quarter more; where the whole image is squeezed, an eighth more
 * pixels. */
thaw_preprocess thaw_augment_canvas(thaw_augment_kind kind, const thaw_preprocess *model);

/* Everything as it is in validation. */
thaw_augmentation thaw_augmentation_none(const thaw_preprocess *canvas, const thaw_preprocess *model);
/* A function of its arguments: the same view of the same image, whichever others are in the batch. `epoch` is a seed of
 * its own in each epoch; `image` is the image's place in the data. */
thaw_augmentation thaw_augmentation_draw(thaw_augment_kind kind, uint64_t epoch, uint64_t image,
                                         const thaw_preprocess *canvas, const thaw_preprocess *model);

/* `pixels` [height][width][3] is the canvas: contrast changes around its brightness. */
thaw_view thaw_view_make(const thaw_augmentation *augmentation, const uint8_t *pixels, const thaw_preprocess *canvas,
                         const thaw_preprocess *model);

#endif
