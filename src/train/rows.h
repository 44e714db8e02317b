/* Puts the cut's values for chosen images on the device: out of the store where they were computed once, or by running
 * the frozen part again. */
#ifndef THAW_TRAIN_ROWS_H
#define THAW_TRAIN_ROWS_H

#include <thaw/train.h>
#include "base/hash.h"
#include "base/random.h"
#include "train/cut.h"
#include "train/feature_store.h"
#include "train/standardise.h"

typedef struct thaw_rows thaw_rows;

typedef struct thaw_rows_options {
    const thaw_model *model;
    const thaw_cut *cut;
    const char *const *paths; /* [count]; must outlive the rows, like all else here */
    size_t count;
    thaw_preprocess preprocess;
    const thaw_job *job;
    uint64_t memory_bytes; /* what the values of images may take; 0: half of the machine's */
    thaw_augment_kind augment;
    size_t views;         /* of each image, which are kept; 0: augmented ones are new in every epoch */
    const bool *held_out; /* [count]: what is never augmented; only read in thaw_rows_create() */
} thaw_rows_options;

/* Decodes every image, and computes what it takes to the cut where that can be kept and the image is always the same,
 * as far as earlier runs have not done so already. Rows are in the order of paths, but where images are augmented anew
 * in every epoch those held out come last. *bad_count counts images that don't decode: these have no row. */
THAW_MUST_CHECK thaw_status thaw_rows_create(thaw_device *device, const thaw_rows_options *options, thaw_rows **rows,
                                             size_t *bad_count);
/* Rows of noise, with a little in it of what labels[count], below `classes`, say: for measuring what training costs,
 * without any image. The cut must outlive them. */
THAW_MUST_CHECK thaw_status thaw_rows_create_noise(thaw_context *context, const thaw_cut *cut, const int32_t *labels,
                                                   size_t count, size_t classes, thaw_rows **rows);
void thaw_rows_destroy(thaw_rows **rows);
size_t thaw_rows_count(const thaw_rows *rows);
/* The place in paths of each row. */
const size_t *thaw_rows_index(const thaw_rows *rows);
/* How features are kept; NULL where any are computed again and again. */
const thaw_feature_store *thaw_rows_store(const thaw_rows *rows);
/* The values of cut->names[which], [count][width], in memory, and those of augmented views behind them, as the store
 * orders its items; NULL where they don't lie there, not all of them, or beside those of other names. */
float *thaw_rows_values(thaw_rows *rows, size_t which);
/* What training gets of a cut with one value alone is standardised from now on: values in memory are, in place, others
 * when they are read. The standardisation must outlive the rows. */
void thaw_rows_standardise(thaw_rows *rows, const thaw_standardisation *standardisation);
/* The row of each of these items, views of an image: [store->item_count], to be freed. */
THAW_MUST_CHECK thaw_status thaw_rows_of_items(const thaw_rows *rows, size_t **of_items);

/* One hash over all values that are kept; zero where there are none. */
thaw_hash thaw_rows_hash(const thaw_rows *rows);

/* Announces order[0 .. count), which must stay until the next call, in batches of `batch`. `views` says which views
 * of images come: the same generator, the same views; NULL: they come as they are, and are among those held out. */
THAW_MUST_CHECK thaw_status thaw_rows_begin(thaw_rows *rows, const size_t *order, size_t count, size_t batch,
                                            const thaw_random *views);
/* Puts the next `count` of them (`batch`, or what is left) into the inputs of `program`, which holds `batch` rows; rows
 * that remain are filled with the first one. THAW_ERR_DATA if an image can't be decoded any more. */
THAW_MUST_CHECK thaw_status thaw_rows_next(thaw_rows *rows, size_t count, thaw_program *program);

#endif
