#include "train/lbfgs.h"
#include "base/context.h"
#include "base/memory.h"

#include <stdlib.h>

struct thaw_lbfgs {
    size_t length, pairs;
    size_t count, next; /* pairs known; where the next one goes */
    float *steps;       /* [pairs][length] */
    float *changes;     /* [pairs][length]: of the gradient */
    double *products;   /* [pairs]: step times change */
    double *factors;    /* [pairs]: of the first loop */
    double size;        /* of the newest pair: step times change over the change's square */
};

thaw_status thaw_lbfgs_create(thaw_context *context, size_t length, size_t pairs, thaw_lbfgs **lbfgs)
{
    THAW_TRY(thaw_allocate(context, 1, sizeof **lbfgs, lbfgs));
    thaw_lbfgs *l = *lbfgs;
    l->length = length;
    l->pairs = pairs;
    int64_t bytes;
    thaw_status status = thaw_multiply((int64_t)length, sizeof *l->steps, &bytes) ? THAW_OK : THAW_ERR_SIZE;
    if (status == THAW_OK)
        status = thaw_allocate(context, pairs, (size_t)bytes, &l->steps);
    if (status == THAW_OK)
        status = thaw_allocate(context, pairs, (size_t)bytes, &l->changes);
    if (status == THAW_OK)
        status = thaw_allocate(context, pairs, sizeof *l->products, &l->products);
    if (status == THAW_OK)
        status = thaw_allocate(context, pairs, sizeof *l->factors, &l->factors);
    if (status != THAW_OK)
        thaw_lbfgs_destroy(lbfgs);
    return status;
}

void thaw_lbfgs_destroy(thaw_lbfgs **lbfgs)
{
    thaw_lbfgs *l = *lbfgs;
    if (!l)
        return;
    free(l->steps);
    free(l->changes);
    free(l->products);
    free(l->factors);
    free(l);
    *lbfgs = NULL;
}

void thaw_lbfgs_reset(thaw_lbfgs *lbfgs)
{
    lbfgs->count = lbfgs->next = 0;
}

bool thaw_lbfgs_knows_length(const thaw_lbfgs *lbfgs)
{
    return lbfgs->count > 0;
}

double thaw_lbfgs_dot(const float *a, const float *b, size_t length)
{
    enum { LANES = 8 }; /* sums side by side, for vector units */
    double sums[LANES] = {0}, sum = 0.0;
    size_t i = 0;
    for (; i + LANES <= length; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += (double)a[i + lane] * b[i + lane];
    for (; i < length; i++)
        sum += (double)a[i] * b[i];
    for (size_t lane = 0; lane < LANES; lane++)
        sum += sums[lane];
    return sum;
}

static void add_scaled(float *y, double factor, const float *x, size_t length)
{
    for (size_t i = 0; i < length; i++)
        y[i] = (float)(y[i] + factor * x[i]);
}

/* The place of the pair that is `age` steps old, from 0. */
static size_t place(const thaw_lbfgs *l, size_t age)
{
    return (l->next + l->pairs - 1 - age) % l->pairs;
}

void thaw_lbfgs_direction(thaw_lbfgs *l, const float *gradient, float *direction)
{
    const size_t n = l->length;
    for (size_t i = 0; i < n; i++)
        direction[i] = -gradient[i];
    for (size_t age = 0; age < l->count; age++) {
        const size_t at = place(l, age);
        l->factors[at] = thaw_lbfgs_dot(&l->steps[at * n], direction, n) / l->products[at];
        add_scaled(direction, -l->factors[at], &l->changes[at * n], n);
    }
    for (size_t i = 0; i < n && l->count; i++)
        direction[i] = (float)(direction[i] * l->size);
    for (size_t age = l->count; age-- > 0;) {
        const size_t at = place(l, age);
        const double back = thaw_lbfgs_dot(&l->changes[at * n], direction, n) / l->products[at];
        add_scaled(direction, l->factors[at] - back, &l->steps[at * n], n);
    }
}

void thaw_lbfgs_remember(thaw_lbfgs *l, double rate, const float *direction, const float *before, const float *after)
{
    const size_t n = l->length;
    float *step = &l->steps[l->next * n], *change = &l->changes[l->next * n];
    for (size_t i = 0; i < n; i++) {
        step[i] = (float)(rate * direction[i]);
        change[i] = after[i] - before[i];
    }
    const double product = thaw_lbfgs_dot(step, change, n), square = thaw_lbfgs_dot(change, change, n);
    if (!(product > 1e-12 * square) || !(square > 0.0))
        return;
    l->products[l->next] = product;
    l->size = product / square;
    l->next = (l->next + 1) % l->pairs;
    l->count += l->count < l->pairs;
}
