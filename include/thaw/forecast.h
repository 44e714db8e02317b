/* What fine-tuning would take, measured before it is done. */
#ifndef THAW_FORECAST_H
#define THAW_FORECAST_H

#include <thaw/train.h>

/* A recipe with a cut. */
typedef struct thaw_forecast_row {
    thaw_recipe recipe;
    int32_t unfreeze;          /* stages below the head that are trained; -1: what options->freeze names otherwise */
    bool everything;           /* all stages are */
    char *cut;                 /* the values that the frozen part hands over, "a, b" */
    thaw_augment_kind augment; /* of training images */
    int32_t epochs;            /* 0: a probe alone, or too little time for any */
    uint64_t steps;            /* in all of them */
    double feature_seconds;    /* reading, decoding and the frozen part, before the first epoch */
    double probe_seconds;      /* fitting it, where there is one */
    double epoch_seconds;      /* with validation */
    double seconds;            /* all that thaw_finetune() takes, kernels being compiled */
    double least_seconds;      /* where the probe turns out too good to be told from anything better; else the same */
    uint64_t device_bytes;     /* in buffers, at most */
    uint64_t process_bytes;    /* of the process at most, the device's buffers included where they lie in its memory */
    uint64_t disk_bytes;       /* that the cache will grow by */
    size_t item_count;         /* images and their views that go through the frozen part once; */
    size_t found_count;        /* of these, what earlier runs have left in the cache */
    bool features_kept;        /* they are; false: all go through it in every epoch */
    bool possible;             /* else the reason says what is in the way, and numbers are 0 */
    bool taken;                /* thaw_finetune() with these options does this */
    char reason[256];
} thaw_forecast_row;

typedef struct thaw_forecast {
    thaw_forecast_row *rows; /* [count]: the probe, each cut from the head down, the default recipe likewise */
    size_t count;
    size_t train_count, validation_count; /* images, bad ones still among them */
    double decode_seconds;                /* of an image, all workers at it */
    double frozen_seconds;                /* of an image, to the head */
    double seconds;                       /* that measuring took, compiling included */
} thaw_forecast;

/* Measures on this device what a run of thaw_finetune() is made of: decodes a few images, runs the frozen part on them
 * and some steps of training on noise, for the head and for each depth, and asks the cache what it has. Nothing is
 * trained, but the model is left with an untrained head and other flags: load it again. Kernels that had to be compiled
 * and algorithms that had to be chosen are kept, so that a run after this finds them ready; that time is in no row.
 * Rows have the options' batch sizes, epochs and so on; a row of probe-then-finetune has what that recipe chooses
 * within the options' time. early_stop is not foreseen. THAW_ERR_USAGE, THAW_ERR_DATA, THAW_ERR_INTERRUPTED and device
 * errors as thaw_finetune(); what can't be done for some depths only is said in their rows. *forecast is freed with
 * thaw_forecast_free(), also after a failure. */
THAW_API THAW_MUST_CHECK thaw_status thaw_finetune_forecast(thaw_model *model, thaw_device *device,
                                                            const thaw_dataset *dataset,
                                                            const thaw_finetune_options *options,
                                                            thaw_forecast *forecast);
THAW_API void thaw_forecast_free(thaw_forecast *forecast);

#endif
