/* The state of a run in files, so that it can go on after a crash as if nothing had been.
 *
 * A checkpoint is FOLDER/checkpoint-<step>.safetensors: all arrays that were registered, and in its metadata what the
 * run is (notes) and a hash over everything. It is written beside and renamed; the last two are kept. */
#ifndef THAW_TRAIN_CHECKPOINT_H
#define THAW_TRAIN_CHECKPOINT_H

#include "device/buffer.h"
#include "tensor/tensor.h"

typedef struct thaw_checkpoint thaw_checkpoint;

/* Makes the folder where it is missing, and clears away what an interrupted writer left. THAW_ERR_IO. */
THAW_MUST_CHECK thaw_status thaw_checkpoint_open(thaw_context *context, const char *folder,
                                                 thaw_checkpoint **checkpoint);
void thaw_checkpoint_close(thaw_checkpoint **checkpoint);

/* What the run is: a checkpoint whose note differs is refused, as "NAME is A there, B here"; but another `device` is
 * only told to the log, since the run can go on there, to other bits. */
THAW_MUST_CHECK thaw_status thaw_checkpoint_note(thaw_checkpoint *checkpoint, const char *name, const char *format, ...)
    THAW_PRINTF(3, 4);
/* An array of the state: on the device, or in host memory. Both stay the caller's. */
THAW_MUST_CHECK thaw_status thaw_checkpoint_add_buffer(thaw_checkpoint *checkpoint, const char *kind, const char *name,
                                                       thaw_buffer *buffer, int64_t floats);
THAW_MUST_CHECK thaw_status thaw_checkpoint_add_memory(thaw_checkpoint *checkpoint, const char *kind, const char *name,
                                                       thaw_dtype dtype, void *memory, int64_t count);

/* Is there any checkpoint, good or not, in the folder? */
THAW_MUST_CHECK thaw_status thaw_checkpoint_exists(thaw_checkpoint *checkpoint, bool *exists);
/* Reads all arrays and writes them; then all but the newest two files go. THAW_ERR_DIVERGED if an array that is to hold
 * numbers holds others: the files stay as they were. THAW_ERR_IO. */
THAW_MUST_CHECK thaw_status thaw_checkpoint_save(thaw_checkpoint *checkpoint, uint64_t step);
/* Fills all arrays from the newest checkpoint that is whole, telling the log of those that are not; *found is false
 * where there is none at all. THAW_ERR_USAGE for one of another run; THAW_ERR_IO if none of several is whole. */
THAW_MUST_CHECK thaw_status thaw_checkpoint_load(thaw_checkpoint *checkpoint, bool *found);

#endif
