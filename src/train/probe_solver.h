/* Fits linear classifiers: mean cross-entropy + strength / 2 * |weights|^2, biases free, by L-BFGS, several side by
 * side. */
#ifndef THAW_TRAIN_PROBE_SOLVER_H
#define THAW_TRAIN_PROBE_SOLVER_H

#include "train/lbfgs.h"
#include "train/probe_objective.h"

/* How one classifier's fit ended. */
typedef struct thaw_probe_outcome {
    int32_t iterations; /* of all fits since thaw_probe_solver_begin() */
    double gradient;    /* the largest component */
    double reference;   /* the same where all weights are 0 and biases are the classes' shares; at least a mean share */
    bool converged;
} thaw_probe_outcome;

struct thaw_probe_line;

typedef struct thaw_probe_solver {
    thaw_probe_objective *objective;
    float *parameters, *gradients, *after, *directions; /* [slots][classes][width] */
    thaw_lbfgs **memories;                              /* [slots] */
    thaw_probe_outcome *outcomes;                       /* [slots] */
    struct thaw_probe_line *lines;                      /* [slots] */
    thaw_probe_point *points;                           /* [slots] */
    double *rates;                                      /* [slots] */
    size_t most_slots;
} thaw_probe_solver;

/* Bytes of host memory for each slot. */
size_t thaw_probe_solver_bytes(size_t classes, size_t width);
/* For as many slots as the objective can have. *solver is {0} or freed by thaw_probe_solver_close(). */
THAW_MUST_CHECK thaw_status thaw_probe_solver_open(thaw_probe_objective *objective, thaw_probe_solver *solver);
void thaw_probe_solver_close(thaw_probe_solver *solver);

/* Once the objective has begun and its weights are set: weights are 0, biases the logarithms of the classes' shares. */
THAW_MUST_CHECK thaw_status thaw_probe_solver_begin(thaw_probe_solver *solver);
/* Goes on from where the last fit ended until no component of the gradient is above `tolerance` of the penalty's
 * strongest pull (at the minimum, the losses pull as strongly the other way) or above 1e-6 of outcome->reference; or
 * until rounding lets nothing get any better (converged is false then). THAW_ERR_INTERRUPTED when asked to stop. */
THAW_MUST_CHECK thaw_status thaw_probe_solver_fit(thaw_probe_solver *solver, double strength, double tolerance);

#endif
