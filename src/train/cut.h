/* The cut: what the frozen part hands to the trained one, and the program behind it. */
#ifndef THAW_TRAIN_CUT_H
#define THAW_TRAIN_CUT_H

#include "model/model.h"
#include "model/program.h"

/* One value or several: features, maps, the image itself. */
typedef struct thaw_cut {
    const char **names; /* [count], the model's own */
    thaw_shape *shapes; /* [count]: of one image */
    size_t *widths;     /* [count]: elements of one image */
    size_t count;
    const char *logits; /* what goes into the loss: the output, before a Softmax */
} thaw_cut;

/* From the trainable flags of the model's graph, for images of this size. THAW_ERR_UNSUPPORTED if something crosses
 * that is not one row of numbers for each image. *cut is {0} or freed by thaw_cut_free(). */
THAW_MUST_CHECK thaw_status thaw_cut_find(const thaw_model *model, int32_t height, int32_t width, thaw_cut *cut);
void thaw_cut_free(thaw_cut *cut);

typedef struct thaw_cut_options {
    int32_t height, width; /* of the image */
    size_t batch;
    bool recompute; /* activations are computed again in backward where that saves memory */
} thaw_cut_options;

/* The differentiable program from the cut (its inputs, in that order) to the logits. */
THAW_MUST_CHECK thaw_status thaw_cut_program(const thaw_model *model, thaw_device *device, const thaw_cut *cut,
                                             const thaw_cut_options *options, thaw_program **program);

#endif
