/* Images as small as can be told apart, and how much alike two of them are: also where one was mirrored, turned,
 * recompressed, made smaller, brighter, or cropped a little. */
#ifndef THAW_DATA_THUMBNAIL_H
#define THAW_DATA_THUMBNAIL_H

#include "data/image.h"

enum {
    THAW_THUMBNAIL_SIDE = 32, /* of the grey picture */
    THAW_SKETCH_SIDE = 8,     /* of the sketch and of the colours */
    THAW_TURNS = 8            /* turned by t & 3 quarters against the clock, after being mirrored if t & 4 */
};

typedef struct thaw_thumbnail {
    uint8_t grey[THAW_THUMBNAIL_SIDE * THAW_THUMBNAIL_SIDE];
    int8_t colour[2][THAW_SKETCH_SIDE * THAW_SKETCH_SIDE]; /* blue and red against grey, halved */
    int16_t sketch[THAW_SKETCH_SIDE * THAW_SKETCH_SIDE];   /* grey without mean, of length THAW_SKETCH_LENGTH */
    bool flat;                                             /* nothing in it that could be compared */
    bool coloured;
} thaw_thumbnail;

#define THAW_SKETCH_LENGTH 8192

/* The whole image, squeezed, antialiased. False if memory runs out. */
bool thaw_thumbnail_make(const thaw_image *image, thaw_thumbnail *thumbnail);

/* The sketch as it is after each turn. */
typedef struct thaw_turned_sketches {
    int16_t of[THAW_TURNS][THAW_SKETCH_SIDE * THAW_SKETCH_SIDE];
} thaw_turned_sketches;
void thaw_sketch_turn(const thaw_thumbnail *thumbnail, thaw_turned_sketches *turned);
/* The largest correlation, -1 to 1, of one sketch with the turned ones of another, and at which turn. For all but a few
 * pairs this is all that is looked at. */
double thaw_sketch_compare(const int16_t *sketch, const thaw_turned_sketches *turned, int *turn);

/* How much alike they are, as the correlation of their grey pictures, -1 to 1: `b` is turned by `turn`, then moved and
 * stretched by up to a tenth until it fits `a` best; -1 where the colours differ. 0.98 and more are one picture
 * (docs/checking-data.md). `enough` ends the search early. */
double thaw_thumbnail_compare(const thaw_thumbnail *a, const thaw_thumbnail *b, int turn, double enough);

#endif
