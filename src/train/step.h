/* One step of training that can be run again and again, on whatever lies in its input: for measuring. */
#ifndef THAW_TRAIN_STEP_H
#define THAW_TRAIN_STEP_H

#include "train/cut.h"
#include "train/loss.h"
#include "train/optimizer.h"

typedef struct thaw_step_options {
    size_t batch;
    int32_t height, width; /* of the image; 0: the model's own, or 224 */
    int32_t unfreeze;      /* the head and this many stages below it are trained, -1: everything */
    bool checkpoint_activations;
    double momentum, learning_rate;
    uint64_t seed; /* of the labels */
} thaw_step_options;

/* The frozen part, the trained one behind it, and what follows that. */
typedef struct thaw_step {
    thaw_cut cut;
    thaw_program *frozen; /* NULL: the trained part begins with the image */
    thaw_program *program;
    thaw_parameters parameters;
    thaw_loss *loss;
    thaw_optimizer *optimizer;
    size_t batch;
    double learning_rate;
} thaw_step;

/* Sets what the model trains, as thaw_model_freeze() does; batch norms of that use the batch's statistics. The model's
 * weights stay as they are, whatever becomes of the step's. *step is {0} before; closed in any case. */
THAW_MUST_CHECK thaw_status thaw_step_open(thaw_model *model, thaw_device *device, const thaw_step_options *options,
                                           thaw_step *step);
void thaw_step_close(thaw_step *step);
/* Where the images go. */
thaw_program *thaw_step_first(const thaw_step *step);

/* Up to the logits. Queues. */
THAW_MUST_CHECK thaw_status thaw_step_forward(const thaw_step *step);
/* The gradient of the loss behind them; adds to `sums`. Waits for the device. */
THAW_MUST_CHECK thaw_status thaw_step_loss(const thaw_step *step, thaw_loss_sums *sums);
/* Forward, loss, backward, and the update of the weights. */
THAW_MUST_CHECK thaw_status thaw_step_run(const thaw_step *step);

#endif
