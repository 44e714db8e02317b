/* Where the time goes: a model's layers, each held against what the device can do at most. */
#ifndef THAW_PROFILE_H
#define THAW_PROFILE_H

#include <thaw/model.h>

typedef struct thaw_profile_options {
    int64_t batch;         /* images at once; default 1 */
    int32_t height, width; /* of the image; 0: the model's own, or 224 */
    int32_t repeats;       /* timed runs of the whole model, 1 to 10000; default 11 */
    bool whole_only;       /* no layers and no peaks: the model's time alone */
    uint64_t seed;         /* of the random input; default 1 */
    int32_t unfreeze; /* in training: the head and this many stages below it are trained, -1: everything; default -1 */
    bool checkpoint_activations;     /* in training, as in thaw_finetune_options */
    thaw_precision frozen_precision; /* not in training; default fp32 */
} thaw_profile_options;
THAW_API thaw_profile_options thaw_profile_defaults(void);

/* One step of the program that the model became: batch norms, additions and activations are part of what computes them,
 * what only gives a tensor another shape is none. */
typedef struct thaw_profile_layer {
    char *name;
    const char *op, *algorithm; /* "Conv", "winograd"; "default" where there is no choice */
    const char *pass;           /* "forward"; of a step of training also "backward", "loss" and "optimizer" */
    double seconds;             /* median of several timings of this layer alone */
    double flops;               /* for the whole batch; a multiply and an add are two; 0 where it is not known */
    double bytes;               /* inputs, weights and outputs (backward: and their gradients), each once */
    double flops_per_second, percent_of_peak;
    double bytes_per_second, percent_of_copy;
} thaw_profile_layer;

typedef struct thaw_profile {
    int64_t batch;
    const char *mode;      /* "inference" or "train" */
    double median_seconds; /* of the whole model, layer after layer without a wait; of the whole step */
    double images_per_second;
    double layer_seconds;              /* the sum over layers */
    double peak_flops_per_second;      /* measured in this run, by cl/peak.cl; 0 with whole_only */
    double peak_copy_bytes_per_second; /* read and written together */
    /* With fp16: the largest difference of an output's numbers from those with fp32, over the largest magnitude of that
     * output; 0 with fp32. */
    double largest_difference;
    uint64_t peak_device_bytes;     /* the most that buffers took, algorithms' trials included */
    uint64_t weight_bytes;          /* of the layers' constants, as float32 */
    uint64_t live_activation_bytes; /* the largest sum of activations that are needed at once */
    double pass_seconds[2];         /* of layer_seconds, those of forward and of backward */
    thaw_profile_layer *layers;     /* [layer_count], in running order */
    size_t layer_count, layer_capacity;
} thaw_profile;

/* Runs the model on random numbers and times it, then each of its layers. Takes about repeats + 20 times the model's
 * own time. peak_device_bytes is of everything since the device was opened. *profile is freed with thaw_profile_free(),
 * also after a failure. THAW_ERR_USAGE for an option out of range, THAW_ERR_SHAPE, THAW_ERR_UNSUPPORTED,
 * THAW_ERR_DEVICE..., THAW_ERR_INTERRUPTED. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_profile(thaw_model *model, thaw_device *device,
                                                        const thaw_profile_options *options, thaw_profile *profile);
/* The same for a step of training: the frozen part and the trained one forward, the loss of random
 * labels, backward, and SGD with momentum. Batch norms of what is trained use the batch's statistics. Sets what the
 * model trains, as thaw_model_freeze() does, and fails like that; weights stay as they are. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_profile_training(thaw_model *model, thaw_device *device,
                                                                 const thaw_profile_options *options,
                                                                 thaw_profile *profile);
THAW_API void thaw_profile_free(thaw_profile *profile);

#endif
