/* Limited-memory BFGS: directions from the last few steps and what they did to the gradient. */
#ifndef THAW_TRAIN_LBFGS_H
#define THAW_TRAIN_LBFGS_H

#include <stdbool.h>
#include <stddef.h>
#include <thaw/status.h>

typedef struct thaw_lbfgs thaw_lbfgs;

/* Vectors have `length` numbers; `pairs` steps are remembered. THAW_ERR_MEMORY. */
THAW_MUST_CHECK thaw_status thaw_lbfgs_create(thaw_context *context, size_t length, size_t pairs, thaw_lbfgs **lbfgs);
void thaw_lbfgs_destroy(thaw_lbfgs **lbfgs);
/* Forgets all steps: of another objective. */
void thaw_lbfgs_reset(thaw_lbfgs *lbfgs);
/* Is there a step whose length says how long the next one should be? */
bool thaw_lbfgs_knows_length(const thaw_lbfgs *lbfgs);
/* direction = -H gradient with H the estimate of the inverse Hessian (Nocedal 1980: two loops); -gradient as long as no
 * step is known. */
void thaw_lbfgs_direction(thaw_lbfgs *lbfgs, const float *gradient, float *direction);
/* A step was made and changed the gradient from `before` to `after`: step = rate * direction. What has no positive
 * curvature (rounding) is not remembered. */
void thaw_lbfgs_remember(thaw_lbfgs *lbfgs, double rate, const float *direction, const float *before,
                         const float *after);

/* The inner product, summed in double. */
double thaw_lbfgs_dot(const float *a, const float *b, size_t length);

#endif
