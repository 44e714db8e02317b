#include "data/orientation.h"

#include <libexif/exif-data.h>
#include <stdlib.h>
#include <string.h>

/* Where pixel (x, y) of the upright image lies in the stored one, as EXIF 2.3 defines the values 1 to 8: x and y are
 * exchanged first, then mirrored. */
static const struct {
    bool exchanged, mirrored_x, mirrored_y;
} turns[9] = {
    [2] = {false, true, false}, [3] = {false, true, true}, [4] = {false, false, true}, [5] = {true, false, false},
    [6] = {true, false, true},  [7] = {true, true, true},  [8] = {true, true, false}};

static int orientation_of(ExifData *data)
{
    ExifEntry *entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
    if (!entry || entry->format != EXIF_FORMAT_SHORT || entry->components < 1 || entry->size < 2)
        return 1;
    const int orientation = exif_get_short(entry->data, exif_data_get_byte_order(data));
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

int thaw_orientation_read(const uint8_t *exif, size_t size)
{
    if (size < 6 || memcmp(exif, "Exif\0\0", 6) != 0)
        return 1;
    ExifData *data = exif_data_new();
    if (!data)
        return 1;
    exif_data_unset_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION); /* it would invent missing tags */
    exif_data_load_data(data, exif, (unsigned)size);
    const int orientation = orientation_of(data);
    exif_data_unref(data);
    return orientation;
}

bool thaw_orientation_apply(int orientation, thaw_image *image, thaw_image_error *error)
{
    if (orientation <= 1)
        return true;
    const bool exchanged = turns[orientation].exchanged;
    thaw_image upright = {exchanged ? image->height : image->width, exchanged ? image->width : image->height, NULL};
    if (!thaw_image_allocate(upright.width, upright.height, 3, &upright.pixels, error))
        return false;
    /* Steps in the stored image for one pixel to the right and one down in the upright one. */
    const ptrdiff_t x_step = turns[orientation].mirrored_x ? -3 : 3;
    const ptrdiff_t y_step = (turns[orientation].mirrored_y ? -3 : 3) * (ptrdiff_t)image->width;
    const ptrdiff_t right = exchanged ? y_step : x_step, down = exchanged ? x_step : y_step;
    const uint8_t *row = image->pixels + (x_step < 0 ? (image->width - 1) * (ptrdiff_t)3 : 0) +
                         (y_step < 0 ? (image->height - 1) * (ptrdiff_t)3 * image->width : 0);
    uint8_t *out = upright.pixels;
    for (int32_t y = 0; y < upright.height; y++) {
        for (int32_t x = 0; x < upright.width; x++, out += 3)
            memcpy(out, row + y * down + x * right, 3);
    }
    free(image->pixels);
    *image = upright;
    return true;
}
