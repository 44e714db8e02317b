/* Fine-tuning, evaluation, prediction, features. */
#ifndef THAW_TRAIN_H
#define THAW_TRAIN_H

#include <thaw/data.h>
#include <thaw/device.h>
#include <thaw/model.h>

/* How far a long call is. Called from the calling thread a few times a second at most, and at each phase's end. */
typedef struct thaw_progress {
    const char *phase; /* "features", "train", "evaluate", "predict" */
    size_t done, total;
    double seconds;         /* since the phase began */
    double rate;            /* done per second */
    double data_wait_share; /* 0 to 1: of the time so far, spent waiting for image decoding */
} thaw_progress;
typedef void (*thaw_progress_callback)(void *user, const thaw_progress *progress);
/* An image that was left out, and why. */
typedef void (*thaw_bad_image_callback)(void *user, const char *path, const char *reason);

/* What every job over images takes. */
typedef struct thaw_job {
    size_t batch_size; /* images at once on the device; halved by itself where memory does not suffice; default 16 */
    size_t workers;    /* decoding threads; 0: one per processor */
    thaw_progress_callback on_progress;
    thaw_bad_image_callback on_bad_image;
    void *user;
} thaw_job;
THAW_API thaw_job thaw_job_defaults(void);

/* X(name, text) */
#define THAW_OPTIMIZER_LIST(X) X(SGD, "sgd") X(ADAM, "adam") X(ADAMW, "adamw")
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

typedef struct thaw_finetune_options {
    thaw_job job;
    thaw_preprocess preprocess;
    int32_t epochs;                /* default 0: as many as make about 600 steps, from 30 to 200 */
    size_t train_batch_size;       /* samples a step, default 32 */
    thaw_optimizer_kind optimizer; /* default adamw */
    double learning_rate;          /* default 1e-3 */
    double momentum;               /* SGD; default 0.9 */
    double weight_decay;           /* default 1e-2; not on biases */
    thaw_schedule_kind schedule;   /* default cosine */
    int32_t warmup_steps;          /* default 0 */
    double label_smoothing;        /* 0 to below 1; default 0 */
    bool balanced_classes;         /* weighs each class by 1 / its share */
    int32_t early_stop;            /* epochs without a better validation top-1; 0: never */
    uint64_t seed;                 /* order of samples; default 1 */
    const char *head_at;           /* as in thaw_model_replace_head() */
    thaw_epoch_callback on_epoch;  /* with job.user */
} thaw_finetune_options;
THAW_API thaw_finetune_options thaw_finetune_defaults(void);

typedef struct thaw_finetune_result {
    size_t train_count, validation_count, bad_count; /* images used, and left out */
    thaw_epoch *epochs;                              /* [epoch_count] */
    size_t epoch_count;
    int32_t best_epoch;          /* the one whose weights the model now has */
    double best_validation_top1; /* NaN without validation images */
    size_t feature_count;        /* numbers per image at the cut */
    bool frozen_unchanged;       /* hashes of every frozen tensor before and after are equal */
    bool interrupted;            /* thaw_context_interrupt() came; the model holds the best epoch so far */
    double seconds;
} thaw_finetune_result;

/* The main job: replaces the head of `model` by one for the classes of `dataset`, computes the frozen part once for
 * every image, trains the head on the device, puts the weights of the best epoch (by validation top-1, then loss; the
 * last one without validation) into the model, and class names and preprocessing into its metadata. The caller saves.
 * *result is freed with thaw_finetune_result_free(), also after a failure. THAW_ERR_DATA: more than a tenth of the
 * images bad, or a class left empty by that. THAW_ERR_DIVERGED: the loss is no number. THAW_ERR_CHECK: a frozen tensor
 * changed. THAW_ERR_INTERRUPTED: before there was anything to save. */
THAW_API THAW_MUST_CHECK thaw_status thaw_finetune(thaw_model *model, thaw_device *device, const thaw_dataset *dataset,
                                                   const thaw_finetune_options *options, thaw_finetune_result *result);
THAW_API void thaw_finetune_result_free(thaw_finetune_result *result);

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
 * i (bad images have no row). `at` names a value or a node; NULL: where a new head would read. */
THAW_API THAW_MUST_CHECK thaw_status thaw_features(thaw_model *model, thaw_device *device, const char *const *paths,
                                                   size_t count, const char *at, const thaw_preprocess *preprocess,
                                                   const thaw_job *job, thaw_tensor **features, size_t *index);

#endif
