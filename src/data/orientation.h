/* Which way up a photograph is: the orientation tag of its EXIF data. */
#ifndef THAW_DATA_ORIENTATION_H
#define THAW_DATA_ORIENTATION_H

#include "data/image.h"

/* The orientation, 1 (upright) to 8, in EXIF data that starts with its "Exif\0\0"; 1 where there is none. */
int thaw_orientation_read(const uint8_t *exif, size_t size);

/* Turns and mirrors the pixels so that the image stands upright. */
bool thaw_orientation_apply(int orientation, thaw_image *image, thaw_image_error *error);

#endif
