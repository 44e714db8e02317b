/* Pictures that are there more than once. */
#ifndef THAW_DATA_DUPLICATES_H
#define THAW_DATA_DUPLICATES_H

#include "data/picture_facts.h"

typedef enum thaw_likeness { THAW_SAME_FILE, THAW_SAME_PIXELS, THAW_NEARLY } thaw_likeness;

/* To which picture one is like; of a group's first picture nothing is set. */
typedef struct thaw_like {
    size_t group; /* the place of the group's first picture; the picture's own: it is alone, or the first */
    size_t other;
    thaw_likeness likeness;
    double similarity; /* as in thaw_thumbnail_compare() */
    int turn;          /* of this picture, so that it looks as the other */
} thaw_like;

typedef struct thaw_duplicates_options {
    const thaw_picture_facts *facts; /* [count] */
    size_t count;
    double similarity; /* from which on two are one */
    size_t workers;
    void (*tell)(void *user, size_t done); /* as in thaw_parallel; may be NULL */
    void *user;
} thaw_duplicates_options;

/* likes[count], for every picture. Each pair of different pictures is looked at, most of them for an eighth of a
 * microsecond; memory grows with their number alone, also where all are alike. */
THAW_MUST_CHECK thaw_status thaw_duplicates_find(thaw_context *context, const thaw_duplicates_options *options,
                                                 thaw_like *likes);

#endif
