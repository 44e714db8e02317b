/* The device side of multinomial logistic regression: the weighted mean cross-entropy of linear classifiers, several at
 * once over the same rows ("slots"), along lines. Logits are linear in the parameters, so a line costs one matrix
 * product, and looking at it anywhere costs none. */
#ifndef THAW_TRAIN_PROBE_OBJECTIVE_H
#define THAW_TRAIN_PROBE_OBJECTIVE_H

#include "device/kernel.h"

/* Rows in host memory, borrowed. */
typedef struct thaw_probe_rows {
    const float *features; /* [any][features] */
    const size_t *order;   /* [count]: the rows, which may be others than they lie there */
    const int32_t *labels; /* [count], in that order */
    size_t count, features_count, classes;
} thaw_probe_rows;

/* What a line looks like at a place. */
typedef struct thaw_probe_point {
    double loss, slope, curvature; /* weighted means; of the place on the line */
} thaw_probe_point;

typedef struct thaw_probe_objective {
    thaw_device *device;
    size_t count, used; /* rows, and how many of them, from the first, are looked at */
    size_t classes;
    size_t features; /* behind them a row has a 1, for the bias, and zeros */
    size_t width;    /* of a row, and of a class's parameters */
    size_t slots, most_slots;
    double label_smoothing;
    int32_t *labels;     /* [count] */
    float *weights;      /* [slots][used], each slot's sum 1 */
    float *points;       /* [slots][used][4], of the last look */
    float *rate_numbers; /* [slots]: rates on their way to the device */
    thaw_buffer *rows, *device_labels;
    thaw_buffer *device_weights, *rates, *device_points;
    thaw_buffer *logits, *steps, *residuals; /* [used][slots][classes] */
    thaw_buffer *parameters, *gradient;      /* [slots][classes][width] */
    thaw_kernel *look, *advance;
} thaw_probe_objective;

/* For up to `most_slots` classifiers. *objective is {0} or freed by thaw_probe_objective_close(). */
THAW_MUST_CHECK thaw_status thaw_probe_objective_open(thaw_device *device, const thaw_probe_rows *rows,
                                                      size_t most_slots, double label_smoothing,
                                                      thaw_probe_objective *objective);
void thaw_probe_objective_close(thaw_probe_objective *objective);
/* Parameters of one classifier: classes * width. */
size_t thaw_probe_length(const thaw_probe_objective *objective);

/* From here on: so many classifiers on the first `used` rows. Weights are all to be set anew. */
void thaw_probe_objective_begin(thaw_probe_objective *objective, size_t slots, size_t used);
/* weights[used], not negative and not all 0, are scaled to the sum 1. */
void thaw_probe_objective_weigh(thaw_probe_objective *objective, size_t slot, const float *weights);
/* The sum of the weights of a class's rows. */
double thaw_probe_objective_share(const thaw_probe_objective *objective, size_t slot, size_t class_index);
/* parameters[slots][classes][width]: where lines start from. */
THAW_MUST_CHECK thaw_status thaw_probe_objective_start(thaw_probe_objective *objective, const float *parameters);
/* directions[slots][classes][width]: where they lead. */
THAW_MUST_CHECK thaw_status thaw_probe_objective_aim(thaw_probe_objective *objective, const float *directions);
/* The place rates[slots] on each slot's line. */
THAW_MUST_CHECK thaw_status thaw_probe_objective_look(thaw_probe_objective *objective, const double *rates,
                                                      thaw_probe_point *points);
/* Of the last look: */
double thaw_probe_objective_row_loss(const thaw_probe_objective *objective, size_t slot, size_t row);
bool thaw_probe_objective_row_right(const thaw_probe_objective *objective, size_t slot, size_t row);
/* Lines start from there now; gradient[slots][classes][width] of the losses at that place. */
THAW_MUST_CHECK thaw_status thaw_probe_objective_advance(thaw_probe_objective *objective, const double *rates,
                                                         float *gradient);

#endif
