/* Fine-tuning, evaluation, prediction, features. */
#ifndef THAW_TRAIN_H
#define THAW_TRAIN_H

#include <thaw/data.h>
#include <thaw/device.h>
#include <thaw/model.h>

/* How far a long call is. Called from the calling thread a few times a second at most, and at each phase's end. */
typedef struct thaw_progress {
    const char *phase; /* "features", "images", "train", "lr-find", "evaluate", "predict" */
    size_t done, total;
    double seconds;         /* since the phase began */
    double rate;            /* done per second */
    double data_wait_share; /* 0 to 1: of the time so far, spent waiting for image decoding */
} thaw_progress;
typedef void (*thaw_progress_callback)(void *user, const thaw_progress *progress);
/* An image that was left out, and why. */
typedef void (*thaw_bad_image_callback)(void *user, const char *path, const char *reason);

/* How features are kept; X(name, text). Auto: as they are where they are lists of numbers, as 16-bit floats where they
 * are maps and a sample of the images shows that this changes them by less than a thousandth, by norm. */
#define THAW_CACHE_PRECISION_LIST(X) X(AUTO, "auto") X(FP32, "fp32") X(FP16, "fp16")
typedef enum thaw_cache_precision {
#define THAW_CACHE_PRECISION_ENUM(name, text) THAW_CACHE_##name,
    THAW_CACHE_PRECISION_LIST(THAW_CACHE_PRECISION_ENUM)
#undef THAW_CACHE_PRECISION_ENUM
} thaw_cache_precision;

/* What every job over images takes. */
typedef struct thaw_job {
    size_t batch_size; /* images at once on the device; halved by itself where memory does not suffice; default 16 */
    size_t workers;    /* decoding threads; 0: one per processor */
    thaw_precision frozen_precision; /* of what is not trained; default fp32 */
    bool no_cache;                   /* training keeps no features on disk for later runs, and uses none */
    uint64_t cache_limit_bytes; /* what they may take there, those of others included, which go when they were not used
                                 * for the longest time; 0: THAW_CACHE_LIMIT megabytes, else a tenth of what is free,
                                 * 16 GiB at most */
    thaw_cache_precision cache_precision;
    thaw_progress_callback on_progress;
    thaw_bad_image_callback on_bad_image;
    void *user;
} thaw_job;
THAW_API thaw_job thaw_job_defaults(void);

/* X(name, text) */
#define THAW_OPTIMIZER_LIST(X) X(SGD, "sgd") X(ADAM, "adam") X(ADAMW, "adamw")
#define THAW_RECIPE_LIST(X)    X(FINETUNE, "finetune") X(PROBE, "probe") X(PROBE_THEN_FINETUNE, "probe-then-finetune")
#define THAW_SCHEDULE_LIST(X)  X(CONSTANT, "constant") X(COSINE, "cosine") X(ONE_CYCLE, "one-cycle") X(STEP, "step")
typedef enum thaw_optimizer_kind {
#define THAW_OPTIMIZER_ENUM(name, text) THAW_OPTIMIZER_##name,
    THAW_OPTIMIZER_LIST(THAW_OPTIMIZER_ENUM)
#undef THAW_OPTIMIZER_ENUM
} thaw_optimizer_kind;
typedef enum thaw_schedule_kind {
#define THAW_SCHEDULE_ENUM(name, text) THAW_SCHEDULE_##name,
    THAW_SCHEDULE_LIST(THAW_SCHEDULE_ENUM)
#undef THAW_SCHEDULE_ENUM
} thaw_schedule_kind;
/* finetune: steps of gradient descent, by the options. probe: the head by logistic regression. probe-then-finetune:
 * that, then deeper, if it pays. See below. */
typedef enum thaw_recipe {
#define THAW_RECIPE_ENUM(name, text) THAW_RECIPE_##name,
    THAW_RECIPE_LIST(THAW_RECIPE_ENUM)
#undef THAW_RECIPE_ENUM
} thaw_recipe;
/* False if there is no such name. */
THAW_API bool thaw_optimizer_named(const char *text, thaw_optimizer_kind *kind);
THAW_API bool thaw_schedule_named(const char *text, thaw_schedule_kind *kind);

typedef struct thaw_epoch {
    int32_t epoch;   /* from 1 */
    int32_t planned; /* how many there are to be */
    double seconds;
    double train_loss;      /* mean over the epoch, while it trains */
    double validation_loss; /* mean; NaN without validation images */
    double validation_top1; /* 0 to 1; NaN without */
    double images_per_second;
    double learning_rate; /* at the end of the epoch */
} thaw_epoch;
typedef void (*thaw_epoch_callback)(void *user, const thaw_epoch *epoch);

/* What is going to be trained, before the first step. Valid during the callback. */
typedef struct thaw_plan {
    const thaw_layer_list *layers;
    const char *const *cut; /* [cut_count]: the values that the frozen part hands to the trained one */
    size_t cut_count;
    const double *rates; /* [stages]: the highest learning rate of each stage, the head's first; 0: no steps, a probe */
    size_t stages;
    bool head_kept; /* the model had one for these classes, which is trained on */
} thaw_plan;
typedef void (*thaw_plan_callback)(void *user, const thaw_plan *plan);

typedef struct thaw_finetune_options {
    thaw_recipe recipe;         /* default finetune */
    double time_budget_seconds; /* from the start; default 0: none, for probe-then-finetune 300. Where it comes to an
                                 * end, so does training: steps and schedule are drawn in so that validation is done by
                                 * then. A run that this shortens does not give the same bits twice */
    thaw_job job;
    thaw_preprocess preprocess;
    thaw_freeze_options freeze;    /* default: all frozen but the new head */
    bool from_scratch;             /* thaw_model_reinitialise() first, and everything is trained; to compare with */
    int32_t epochs;                /* default 0: as many as make about 600 steps, from 30 to 200 */
    size_t train_batch_size;       /* samples at once, default 32. Where batch norms are updated, what does not fill a
                                    * batch at the end of an epoch is left out of it */
    int32_t accumulate;            /* batches whose gradients make one step, default 1 */
    thaw_optimizer_kind optimizer; /* default adamw */
    double learning_rate;          /* default 1e-3 */
    double head_learning_rate;     /* of the head; default 0: learning_rate */
    double depth_decay;            /* the rate of a stage is multiplied by this for each stage that it is below the
                                    * head, 0 to 1; default 1 */
    double momentum;               /* SGD; default 0.9 */
    bool nesterov;                 /* SGD's momentum as Nesterov has it */
    double weight_decay;           /* default 1e-2; not on biases and norms */
    double clip_norm;              /* gradients are scaled down to this norm, taken over all of them; 0: never */
    thaw_schedule_kind schedule;   /* default cosine */
    int32_t warmup_steps;          /* default 0 */
    double label_smoothing;        /* 0 to below 1; default 0 */
    bool balanced_classes;         /* weighs each class by 1 / its share */
    bool checkpoint_activations;   /* computes activations again in backward instead of keeping them: less memory, the
                                    * same bits, about a third more time */
    double ema;                    /* weights are validated and kept as a moving average of this decay, below 1; 0: as
                                    * they are */
    int32_t early_stop;            /* epochs without a better validation top-1; 0: never */
    thaw_augment_kind augment;     /* of training images, never of others; default none: else the frozen part runs again
                                    * for each training image in every epoch */
    int32_t cache_views;           /* 0: augmented images are new in every epoch. 1: training images stay as they are,
                                    * whatever `augment` says. More: each has so many views, itself and augmented ones
                                    * (basic where `augment` is none), which go through the frozen part once; epochs
                                    * draw from them */
    uint64_t seed;                 /* order of samples, the new head, dropout, augmentation; default 1 */
    bool new_head;                 /* a fresh head also for a model that has one for the same classes, see below */
    const char *head_at;           /* as in thaw_model_replace_head(); the head is a fresh one then */
    uint64_t memory_bytes;         /* what the frozen part's output for all images may take in the host's memory; where
                                    * that is not enough, it is read from the disk, and computed again in every epoch
                                    * where it may not take the room there. 0: half of what there is */
    const char *checkpoint;        /* folder for checkpoints, made if missing; NULL: none */
    bool resume;                   /* goes on from the newest one in there; without any it begins at the beginning */
    int64_t checkpoint_steps;      /* one after so many steps, besides that after every epoch; 0: none */
    double checkpoint_seconds;     /* one after so long; 0: none */
    thaw_plan_callback on_plan;    /* with job.user */
    thaw_epoch_callback on_epoch;  /* with job.user */
} thaw_finetune_options;
THAW_API thaw_finetune_options thaw_finetune_defaults(void);
/* THAW_ERR_USAGE with what is wrong with an option, as far as that can be told without model and data. */
THAW_API THAW_MUST_CHECK thaw_status thaw_finetune_check(thaw_context *context, const thaw_finetune_options *options);

/* What a strength of the penalty came to in cross-validation. */
typedef struct thaw_probe_strength {
    double strength;    /* lambda in: mean cross-entropy + lambda / 2 * |weights|^2 */
    double loss;        /* mean cross-entropy of images while they were held out, weighted as in training */
    double top1;        /* share of them classified right */
    int32_t iterations; /* of L-BFGS, all folds together */
} thaw_probe_strength;

/* How the probe came about. */
typedef struct thaw_probe_result {
    thaw_probe_strength *path; /* [path_count], from strong to weak; NULL without folds */
    size_t path_count, folds;  /* folds 0: one image per class, the strength is a fixed one; fewer than 5:
                                * no class has more images, or so many have 2000 */
    double strength;           /* chosen */
    size_t cv_count;           /* images that were held out once each, in cross-validation */
    double cv_top1, cv_top1_low, cv_top1_high; /* with that strength; 95 % interval. NaN, 0 and 1 without folds */
    int32_t iterations;                        /* of the last fit, on all training images */
    double gradient;                           /* its largest component, as a share of what it began with */
    bool converged;                            /* that is at most 1e-5; false: rounding let it get no further */
    double validation_top1, validation_top1_low, validation_top1_high; /* NaN, 0 and 1 without validation images */
    double seconds;                                                    /* without the features */
} thaw_probe_result;

/* What came of fine-tuning after the probe. */
typedef struct thaw_refinement {
    bool tried, kept;
    int32_t unfreeze, epochs;          /* what was tried */
    thaw_augment_kind augment;         /* likewise */
    double top1, top1_low, top1_high;  /* on the images held out; 95 % interval */
    size_t only_probe, only_finetuned; /* images held out that only the one had right */
    double p;                          /* McNemar's exact test, two-sided */
    char reason[256];                  /* why which was kept, in a sentence */
} thaw_refinement;

typedef struct thaw_finetune_result {
    thaw_recipe recipe;
    size_t train_count, validation_count, bad_count; /* images used, and left out */
    thaw_epoch *epochs;                              /* [epoch_count], those before a resumption included */
    size_t epoch_count;
    int32_t best_epoch;          /* the one whose weights the model now has; 0: those that it had, none was better */
    double best_validation_top1; /* NaN without validation images */
    double best_validation_low, best_validation_high; /* its 95 % interval */
    double start_validation_top1; /* of a head that is kept, before the first step; NaN for others */
    thaw_probe_result probe;      /* of recipes that have one */
    thaw_refinement refinement;   /* of probe-then-finetune */
    size_t feature_count;         /* numbers per image at the cut */
    bool features_kept;           /* they were computed once; false: in every epoch */
    bool head_kept;               /* the model's own head was trained on, not a fresh one */
    uint64_t steps;               /* of the optimizer */
    uint64_t planned_steps;       /* that all epochs would have come to */
    bool out_of_time;             /* the time allowed fewer */
    uint64_t resumed_step;        /* the step after which a resumed run went on; 0: it began at the beginning */
    bool frozen_unchanged; /* every frozen tensor, statistics included, is what it was, bit for bit: in the model,
                            * and in what the device trained with */
    bool interrupted;      /* thaw_context_interrupt() came; the model holds the best epoch so far */
    double seconds;

    size_t found_count;   /* of images and their views: those whose features earlier runs had computed */
    bool features_halved; /* kept as 16-bit floats */
} thaw_finetune_result;

/* The main job: replaces the head of `model` by one for the classes of `dataset`, unless it has one for just these
 * (class names in its metadata, in the same order, and an output layer that fits): then that one is trained on, so that
 * a second run can go deeper than the first. Freezes what options->freeze says, computes the frozen part once for every
 * image (in every epoch for those that augmentation changes), trains the rest on the device, puts the weights of the
 * best epoch (by validation top-1, then loss; the last one without validation) into the model, and class names and
 * preprocessing into its metadata. The caller saves. *result is freed with thaw_finetune_result_free(), also after a
 * failure.
 *
 * The recipe probe makes the new head by multinomial logistic regression on the standardised features of the frozen
 * part, which is all but the head: mean cross-entropy plus an L2 penalty (not on biases), minimised by L-BFGS.
 * Five-fold stratified cross-validation over the training images chooses the penalty's strength by the held-out
 * cross-entropy; of strengths within one standard error of the best, by accuracy. Class weights and label smoothing
 * hold; what is said about epochs, rates and steps is not looked at. The result has one epoch. Further: THAW_ERR_USAGE
 * for options that ask for more than a head; THAW_ERR_UNSUPPORTED where all features don't fit into memory_bytes.
 *
 * The recipe probe-then-finetune makes the probe first. Then, from that head, it trains as many stages below it as the
 * number of training images allows (one below 1000, two below 5000, three below 20000, else all), or what
 * options->freeze says, with AdamW, about 500 steps of options->train_batch_size, a cosine that comes from 3e-4 after a
 * warm-up, half of that for each stage further down, batch norms frozen, images augmented a little. A few steps are
 * timed first: where the time does not suffice, epochs become fewer, then images come as they are, then only one stage
 * is trained. The fine-tuned model, as the last epoch leaves it, is kept if it beats the probe on the images held out:
 * McNemar's exact test below 0.05. It is not even tried where the probe is wrong on too few of them for that, where
 * none are held out, or where time is too short. The result's epochs are the probe, then those of fine-tuning. Options
 * about rates, epochs, schedules, augmentation and checkpoints are not looked at. Where there can be no probe, it is
 * finetune.
 *
 * A run of the same model, data, options and device gives the same bits (probe-then-finetune: if the same plan came out
 * of what it measured), whether it was interrupted and resumed or not.
 * An interruption saves a checkpoint where there is a folder for it.
 *
 * THAW_ERR_USAGE: an option out of range, found before any work; what thaw_model_freeze() refuses; batch norms to be
 * updated on batches of one; checkpoints of another run; checkpoints in the folder but no `resume`. THAW_ERR_DATA: more
 * than a tenth of the images bad, or a class left empty by that. THAW_ERR_UNSUPPORTED: an operator in the trained part
 * that can't be trained through. THAW_ERR_DIVERGED: the loss is no number; the reason names the step and the first
 * tensor that went bad, checkpoints stay as they were. THAW_ERR_CHECK: a frozen tensor changed. THAW_ERR_INTERRUPTED:
 * before there was anything to put into the model. */
THAW_API THAW_MUST_CHECK thaw_status thaw_finetune(thaw_model *model, thaw_device *device, const thaw_dataset *dataset,
                                                   const thaw_finetune_options *options, thaw_finetune_result *result);
THAW_API void thaw_finetune_result_free(thaw_finetune_result *result);

typedef struct thaw_lr_find_options {
    double lowest, highest; /* learning rates, default 1e-7 to 10 */
    int32_t steps;          /* from one to the other, 20 to 100000, default 100 */
} thaw_lr_find_options;
THAW_API thaw_lr_find_options thaw_lr_find_defaults(void);

/* One step: the rate that it was made with, the loss before it, and that loss smoothed over the steps so far. */
typedef struct thaw_lr_point {
    double rate, loss, smoothed;
} thaw_lr_point;

typedef struct thaw_lr_find_result {
    thaw_lr_point *points; /* [count] */
    size_t count;
    bool diverged;           /* it ended early, at a loss of four times the best */
    double valley, steepest; /* what is suggested: two thirds into the longest valley, and where the loss falls fastest;
                              * NaN where there are too few points */
} thaw_lr_find_result;

/* Trains a new head, and whatever else options->freeze does not freeze, with a rate that rises exponentially from step
 * to step, and looks at the loss (Smith 2015, as fastai's lr_find does it: smoothed with 0.98, the first tenth and the
 * last five points left out of the suggestions). The model is left with an untrained head: load it again. Options about
 * epochs, schedules, validation and checkpoints are not looked at. Fails as thaw_finetune() does. *result is freed with
 * thaw_lr_find_result_free(), also after a failure. */
THAW_API THAW_MUST_CHECK thaw_status thaw_lr_find(thaw_model *model, thaw_device *device, const thaw_dataset *dataset,
                                                  const thaw_finetune_options *options,
                                                  const thaw_lr_find_options *find, thaw_lr_find_result *result);
THAW_API void thaw_lr_find_result_free(thaw_lr_find_result *result);

typedef struct thaw_class_score {
    size_t count;             /* images of this class */
    double recall, precision; /* NaN where there is nothing to divide by */
} thaw_class_score;

typedef struct thaw_evaluation {
    size_t count, bad_count, class_count;
    double top1, top1_low, top1_high;             /* 95 % Wilson interval */
    double top5, top5_low, top5_high;             /* top-k with k = min(5, classes) */
    double macro_f1, macro_f1_low, macro_f1_high; /* interval: seeded bootstrap over images */
    double loss;                                  /* mean cross-entropy */
    thaw_class_score *per_class;                  /* [class_count] */
    size_t *confusion;                            /* [class_count][class_count]: row true, column predicted */
} thaw_evaluation;

/* Classifies every image of `dataset` (validation images only if there are any and `all` is false). The model's class
 * names decide which output belongs to which folder: a folder that the model does not know is THAW_ERR_DATA. */
THAW_API THAW_MUST_CHECK thaw_status thaw_evaluate(thaw_model *model, thaw_device *device, const thaw_dataset *dataset,
                                                   bool all, const thaw_preprocess *preprocess, const thaw_job *job,
                                                   thaw_evaluation *evaluation);
THAW_API void thaw_evaluation_free(thaw_evaluation *evaluation);

/* The probabilities of one image: class_index[i] has probability[i], falling. */
typedef struct thaw_prediction {
    const char *path;
    bool ok; /* false: the image is bad, see on_bad_image */
    size_t count;
    int32_t *class_index;
    float *probability;
} thaw_prediction;

/* The `top` likeliest classes of each image, in the order of `paths`. predictions[count] is filled; free it with
 * thaw_predictions_free(). A model that does not end in a Softmax gets one. THAW_ERR_INTERRUPTED. */
THAW_API THAW_MUST_CHECK thaw_status thaw_predict(thaw_model *model, thaw_device *device, const char *const *paths,
                                                  size_t count, size_t top, const thaw_preprocess *preprocess,
                                                  const thaw_job *job, thaw_prediction **predictions);
THAW_API void thaw_predictions_free(thaw_prediction **predictions, size_t count);

/* The frozen part's output for each image: *features is float32 [count, ...]; index[i] is the place in `paths` of row
 * i (bad images have no row). `at` names a value or a node; NULL: where a new head would read. What the feature cache
 * has of them is taken from there, and what it lacks put into it, in float32, unless the job says otherwise. */
THAW_API THAW_MUST_CHECK thaw_status thaw_features(thaw_model *model, thaw_device *device, const char *const *paths,
                                                   size_t count, const char *at, const thaw_preprocess *preprocess,
                                                   const thaw_job *job, thaw_tensor **features, size_t *index);

#endif
