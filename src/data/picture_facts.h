/* What can be said of image files without a model: read once, on several threads. */
#ifndef THAW_DATA_PICTURE_FACTS_H
#define THAW_DATA_PICTURE_FACTS_H

#include "data/thumbnail.h"

typedef struct thaw_picture_facts {
    bool readable;
    char *reason;      /* why it is not; freed with the facts */
    thaw_hash content; /* of the file's bytes */
    thaw_hash pixels;  /* of size and pixels, upright: the same picture with other notes, or in another file format */
    int32_t width, height; /* upright */
    double deviation;      /* of the pixels from their mean colour, root mean square over all channels, of 255 */
    double colour;         /* mean over the pixels of the largest channel less the smallest, of 255 */
    thaw_thumbnail thumbnail;
} thaw_picture_facts;

/* Reads the file and fills everything. */
void thaw_picture_look(const char *path, thaw_picture_facts *facts);
void thaw_picture_facts_free(thaw_picture_facts *facts, size_t count);

#endif
