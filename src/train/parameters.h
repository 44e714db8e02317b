/* The values of a program that training changes. */
#ifndef THAW_TRAIN_PARAMETERS_H
#define THAW_TRAIN_PARAMETERS_H

#include "model/model.h"
#include "model/program.h"

typedef struct thaw_parameter {
    const thaw_value *value; /* the program's: its buffer, and its gradient where it is trainable */
    thaw_value *source;      /* the same in the model's own graph */
    int64_t count;           /* elements */
    bool trainable;          /* by its gradient; otherwise a running statistic */
    bool decays;             /* a weight: not a bias, not a norm's scale */
    double rate_factor;      /* of the learning rate */
} thaw_parameter;

typedef struct thaw_parameters {
    thaw_parameter *items; /* [count], in the order of the model's graph */
    size_t count;
} thaw_parameters;

/* How the learning rate depends on where a parameter is: head_factor for the head, depth_factor^stage for a stage below
 * it. A parameter that several stages share belongs to the one nearest to the output. */
typedef struct thaw_rate_options {
    int32_t height, width; /* of the image that stages are counted for */
    double head_factor, depth_factor;
} thaw_rate_options;

/* Of a program that was made from the model. *parameters is {0} or freed by thaw_parameters_free(). */
THAW_MUST_CHECK thaw_status thaw_parameters_find(const thaw_model *model, const thaw_program *program,
                                                 const thaw_rate_options *options, thaw_parameters *parameters);
void thaw_parameters_free(thaw_parameters *parameters);

#endif
