/* What the frozen part makes of images, and of augmented views of them: found in the cache between runs, or computed;
 * then held in memory, or mapped from the cache. */
#ifndef THAW_TRAIN_FEATURE_STORE_H
#define THAW_TRAIN_FEATURE_STORE_H

#include <thaw/train.h>
#include "base/hash.h"
#include "data/feature_cache.h"
#include "train/cut.h"

typedef struct thaw_feature_store_options {
    const thaw_graph *graph; /* of the model */
    const thaw_cut *cut;
    const char *const *paths; /* [count]; must outlive the store, like all else here */
    size_t count;
    thaw_preprocess preprocess;
    const thaw_job *job;
    uint64_t memory_bytes;     /* what it may hold in memory; 0: half of the machine's */
    size_t views;              /* of each image: the first as it is, the others augmented; at least 1 */
    thaw_augment_kind augment; /* of these */
    const bool *single; /* [count]: images that are only wanted as they are; NULL: none. Read while it is filled */
} thaw_feature_store_options;

/* An item is a view of an image. First come all images as they are, one item each, then the augmented views of the
 * first, of the second, ... Images that don't decode have none. */
typedef struct thaw_feature_store {
    thaw_context *context;
    thaw_feature_store_options options;
    size_t *images;      /* [count]: places in paths, rising */
    size_t *first_extra; /* [count + 1]: the first augmented item of the image at that place among `images` */
    size_t count, item_count;
    size_t width;          /* numbers of an item: the cut's values, one behind the other */
    bool halves;           /* rounded to 16-bit floats, wherever they lie */
    float *values;         /* [item_count][width]; NULL: they take too much memory */
    uint8_t *memory;       /* [item_count][row_bytes], encoded; NULL: not there either */
    const uint8_t **rows;  /* [item_count]: encoded, in memory or mapped; NULL where there are values */
    size_t row_bytes;      /* of an encoded item */
    size_t found_count;    /* items that were found in the cache */
    uint64_t stored_bytes; /* what the items take, in memory or mapped */
    thaw_feature_cache *cache;
} thaw_feature_store;

/* Fills it. *kept is false where the items fit neither into memory nor into the cache: then nothing was computed but a
 * sample. *bad_count counts images that don't decode, which job->on_bad_image was told of. */
THAW_MUST_CHECK thaw_status thaw_feature_store_open(thaw_device *device, const thaw_feature_store_options *options,
                                                    thaw_feature_store *store, bool *kept, size_t *bad_count);

/* What a store would take. */
typedef struct thaw_feature_survey {
    size_t item_count, found_count; /* views of images, and those of them that the cache has */
    bool kept;                      /* false: they fit neither into memory nor into the cache */
    bool in_memory;
    uint64_t stored_bytes; /* in memory or mapped */
    uint64_t added_bytes;  /* on the disk, for those that are missing; 0 without a cache */
} thaw_feature_survey;

/* Looks as thaw_feature_store_open() would, and computes no more than the sample that decides about 16 bits. */
THAW_MUST_CHECK thaw_status thaw_feature_store_survey(thaw_device *device, const thaw_feature_store_options *options,
                                                      thaw_feature_survey *survey);
/* {0} is fine. */
void thaw_feature_store_close(thaw_feature_store *store);

/* Numbers [from .. from + count) of an item. */
void thaw_feature_store_read(const thaw_feature_store *store, size_t item, size_t from, size_t count, float *numbers);
/* One hash over all items. */
thaw_hash thaw_feature_store_hash(const thaw_feature_store *store);

/* --- how numbers are kept, for who fills it ----------------------------------------------------------------------- */

/* Puts an item to its place. */
void thaw_feature_store_put_floats(thaw_feature_store *store, size_t item, const float *numbers);
/* The same of one that is encoded as the store's items are. */
void thaw_feature_store_put_row(thaw_feature_store *store, size_t item, const void *row);
/* Numbers as 16-bit floats. The relative error of that, by norm; infinite where one of them is too large, or no number.
 */
float thaw_feature_encode_halves(const float *numbers, size_t count, uint16_t *halves);

#endif
