/* The decoders of PNG and JPEG files, EXIF included: whatever they accept has all of its pixels. */
#include "fuzz_file.h"

#include "data/image.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    thaw_image image;
    thaw_image_error error;
    volatile unsigned sum = 0;
    if (!thaw_image_read(fuzz_file(bytes, size), &image, &error))
        return 0;
    if (image.width < 1 || image.height < 1)
        abort();
    for (size_t i = 0; i < (size_t)image.width * (size_t)image.height * 3; i++)
        sum += image.pixels[i];
    free(image.pixels);
    return 0;
}
