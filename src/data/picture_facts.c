#include "data/picture_facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static thaw_hash hash_pixels(const thaw_image *image)
{
    const int32_t size[2] = {image->width, image->height};
    const size_t bytes = (size_t)image->width * (size_t)image->height * 3;
    return thaw_hash_extend(thaw_hash_bytes(size, sizeof size, 0), image->pixels, bytes);
}

static int largest(const uint8_t *p)
{
    const int two = p[0] > p[1] ? p[0] : p[1];
    return two > p[2] ? two : p[2];
}

static int smallest(const uint8_t *p)
{
    const int two = p[0] < p[1] ? p[0] : p[1];
    return two < p[2] ? two : p[2];
}

/* Sums in whole numbers: a picture has at most 2^28 pixels. */
static void measure_colours(const thaw_image *image, thaw_picture_facts *facts)
{
    const size_t count = (size_t)image->width * (size_t)image->height;
    uint64_t sums[3] = {0}, squares[3] = {0}, colour = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *pixel = image->pixels + 3 * i;
        for (int c = 0; c < 3; c++) {
            sums[c] += pixel[c];
            squares[c] += (uint64_t)pixel[c] * pixel[c];
        }
        colour += (uint64_t)(largest(pixel) - smallest(pixel));
    }
    double variance = 0;
    for (int c = 0; c < 3; c++) {
        const double mean = (double)sums[c] / (double)count;
        variance += fmax((double)squares[c] / (double)count - mean * mean, 0) / 3;
    }
    facts->deviation = sqrt(variance);
    facts->colour = (double)colour / (double)count;
}

void thaw_picture_look(const char *path, thaw_picture_facts *facts)
{
    thaw_image image;
    thaw_image_error error;
    *facts = (thaw_picture_facts){0};
    if (!thaw_image_read_hashed(path, &image, &facts->content, &error)) {
        facts->reason = strdup(error.reason);
        return;
    }
    facts->width = image.width;
    facts->height = image.height;
    facts->pixels = hash_pixels(&image);
    measure_colours(&image, facts);
    facts->readable = thaw_thumbnail_make(&image, &facts->thumbnail);
    if (!facts->readable)
        facts->reason = strdup("out of memory for a thumbnail");
    free(image.pixels);
}

void thaw_picture_facts_free(thaw_picture_facts *facts, size_t count)
{
    for (size_t i = 0; facts && i < count; i++)
        free(facts[i].reason);
    free(facts);
}
