/* From what was measured to what whole runs take. */
#ifndef THAW_TRAIN_FORECAST_H
#define THAW_TRAIN_FORECAST_H

#include <thaw/forecast.h>
#include "train/feature_store.h"
#include "train/measure.h"

/* What is known of a cut. */
typedef struct thaw_cut_costs {
    thaw_freeze_options freeze;
    int32_t unfreeze;       /* as in a thaw_forecast_row */
    char *names;            /* of the values at the cut */
    bool everything;        /* all that has weights is trained */
    double prepare_seconds; /* head, flags, cut, hashes: of each training */
    thaw_frozen_costs frozen;
    thaw_trained_costs trained;
    thaw_feature_survey all, held_out; /* of all images, and of those that are held out alone */
    uint64_t parameter_bytes;          /* of what is trained */
    uint64_t row_bytes;                /* of an image at the cut, as float32 */
    bool possible;
    char reason[256];
} thaw_cut_costs;

/* What is known in all. */
typedef struct thaw_costs {
    const thaw_finetune_options *options;
    thaw_measured_images images;
    double decode_share; /* of the device's time that decoding takes, all workers at it: 0 where it is not a CPU */
    double look_seconds; /* at the files, before anything else */
    double probe_seconds;
    uint64_t probe_bytes;   /* on the device */
    uint64_t process_bytes; /* of the process, without the device's buffers and features */
    bool shares_memory;     /* the device's buffers are the process's */
    bool probe_possible;
    char probe_reason[256];
    size_t train_count, validation_count;
    int32_t stages;       /* below the head */
    thaw_cut_costs *cuts; /* [cut_count]: the head, so many stages; then what options->freeze names otherwise */
    size_t cut_count;
} thaw_costs;

/* The rows for them, into forecast->rows, which has room for THAW_FORECAST_ROWS(cut_count). */
#define THAW_FORECAST_ROWS(cut_count) (1 + 2 * (cut_count))
void thaw_forecast_fill(const thaw_costs *costs, thaw_forecast *forecast);

#endif
