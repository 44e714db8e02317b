#include "train/optimizer.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_STATES = 2,
    PIECES = 256 /* sums per parameter on the way to the norm: the same on every device */
};

/* What is ours of one parameter. */
typedef struct state {
    thaw_buffer *states[MOST_STATES];
    thaw_buffer *sum; /* of gradients, where they are accumulated */
} state;

struct thaw_optimizer {
    thaw_context *context;
    const struct rule *rule;
    thaw_optimizer_options options;
    const thaw_parameters *parameters;
    state *states; /* [parameters->count] */
    thaw_kernel *kernel, *accumulate;
    thaw_kernel *sum_squares, *add_pieces, *clip_factor;
    thaw_buffer *pieces, *sums, *factor; /* [parameters][PIECES], [parameters], [1] */
    size_t trainable;                    /* how many parameters are */
    uint64_t steps;
    double added_weight;
};

/* One update of one parameter; factor is NULL where nothing is clipped. */
typedef struct update {
    const thaw_parameter *parameter;
    const state *state;
    const thaw_buffer *gradient, *factor;
    double scale, rate, decay;
} update;

typedef struct rule {
    const char *name;
    const char *kernel; /* in cl/optimizer.cl */
    int states;         /* buffers of the weight's size */
    bool decoupled;     /* weight decay apart from the gradient */
    thaw_status (*update)(const thaw_optimizer *optimizer, const update *u);
} rule;

static thaw_status update_sgd(const thaw_optimizer *o, const update *u)
{
    return thaw_kernel_launch(o->kernel, THAW_RANGE_1(u->parameter->count), THAW_BUFFER(u->parameter->value->buffer),
                              THAW_BUFFER(u->gradient), THAW_FLOAT(u->scale), THAW_BUFFER(u->factor),
                              THAW_BUFFER(u->state->states[0]), THAW_FLOAT(u->rate), THAW_FLOAT(o->options.momentum),
                              THAW_INT(o->options.nesterov), THAW_FLOAT(u->decay));
}

static thaw_status update_adam(const thaw_optimizer *o, const update *u)
{
    const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    const double correction1 = 1.0 - pow(beta1, (double)o->steps), correction2 = 1.0 - pow(beta2, (double)o->steps);
    return thaw_kernel_launch(o->kernel, THAW_RANGE_1(u->parameter->count), THAW_BUFFER(u->parameter->value->buffer),
                              THAW_BUFFER(u->gradient), THAW_FLOAT(u->scale), THAW_BUFFER(u->factor),
                              THAW_BUFFER(u->state->states[0]), THAW_BUFFER(u->state->states[1]), THAW_FLOAT(u->decay),
                              THAW_INT(o->rule->decoupled), THAW_FLOAT(1.0 - u->rate * u->decay), THAW_FLOAT(beta2),
                              THAW_FLOAT(1.0 - beta1), THAW_FLOAT(1.0 - beta2), THAW_FLOAT(u->rate / correction1),
                              THAW_FLOAT(sqrt(correction2)), THAW_FLOAT(epsilon));
}

static const rule rules[] = {
    [THAW_OPTIMIZER_SGD] = {"sgd", "sgd", 1, false, update_sgd},
    [THAW_OPTIMIZER_ADAM] = {"adam", "adam", 2, false, update_adam},
    [THAW_OPTIMIZER_ADAMW] = {"adamw", "adam", 2, true, update_adam},
};

bool thaw_optimizer_named(const char *text, thaw_optimizer_kind *kind)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strcmp(rules[i].name, text) == 0) {
            *kind = (thaw_optimizer_kind)i;
            return true;
        }
    return false;
}

static thaw_status zeroed(thaw_device *device, size_t count, thaw_buffer **buffer)
{
    const size_t bytes = count * sizeof(float);
    THAW_TRY(thaw_buffer_create(device, bytes, buffer));
    return thaw_buffer_fill(*buffer, 0, 0, bytes);
}

static thaw_status add_states(thaw_optimizer *o, thaw_device *device, size_t index)
{
    const size_t count = (size_t)o->parameters->items[index].count;
    if (!o->parameters->items[index].trainable)
        return THAW_OK;
    o->trainable++;
    for (int i = 0; i < o->rule->states; i++)
        THAW_TRY(zeroed(device, count, &o->states[index].states[i]));
    return o->options.accumulates ? zeroed(device, count, &o->states[index].sum) : THAW_OK;
}

static thaw_status prepare_clipping(thaw_optimizer *o, thaw_device *device)
{
    THAW_TRY(thaw_kernel_get(device, "optimizer", "sum_squares", "", &o->sum_squares));
    THAW_TRY(thaw_kernel_get(device, "optimizer", "add_pieces", "", &o->add_pieces));
    THAW_TRY(thaw_kernel_get(device, "optimizer", "clip_factor", "", &o->clip_factor));
    THAW_TRY(zeroed(device, o->trainable * PIECES, &o->pieces));
    THAW_TRY(zeroed(device, o->trainable, &o->sums));
    return zeroed(device, 1, &o->factor);
}

static thaw_status prepare(thaw_optimizer *o, thaw_device *device)
{
    THAW_TRY(thaw_kernel_get(device, "optimizer", o->rule->kernel, "", &o->kernel));
    if (o->options.accumulates)
        THAW_TRY(thaw_kernel_get(device, "optimizer", "accumulate", "", &o->accumulate));
    THAW_TRY(thaw_allocate(o->context, o->parameters->count, sizeof *o->states, &o->states));
    for (size_t i = 0; i < o->parameters->count; i++)
        THAW_TRY(add_states(o, device, i));
    return o->options.clip_norm > 0 ? prepare_clipping(o, device) : THAW_OK;
}

thaw_status thaw_optimizer_create(thaw_device *device, const thaw_parameters *parameters,
                                  const thaw_optimizer_options *options, thaw_optimizer **optimizer)
{
    thaw_context *context = thaw_device_context(device);
    THAW_TRY(thaw_allocate(context, 1, sizeof **optimizer, optimizer));
    (*optimizer)->context = context;
    (*optimizer)->rule = &rules[options->kind];
    (*optimizer)->options = *options;
    (*optimizer)->parameters = parameters;
    const thaw_status status = prepare(*optimizer, device);
    if (status != THAW_OK)
        thaw_optimizer_destroy(optimizer);
    return status;
}

thaw_status thaw_optimizer_add(thaw_optimizer *o, double weight)
{
    for (size_t i = 0; i < o->parameters->count; i++) {
        const thaw_parameter *p = &o->parameters->items[i];
        if (p->trainable)
            THAW_TRY(thaw_kernel_launch(o->accumulate, THAW_RANGE_1(p->count), THAW_BUFFER(o->states[i].sum),
                                        THAW_BUFFER(p->value->gradient), THAW_FLOAT(weight),
                                        THAW_INT(o->added_weight == 0)));
    }
    o->added_weight += weight;
    return THAW_OK;
}

static const thaw_buffer *gradient_of(const thaw_optimizer *o, size_t index)
{
    return o->options.accumulates ? o->states[index].sum : o->parameters->items[index].value->gradient;
}

static thaw_status compute_factor(const thaw_optimizer *o, double scale)
{
    size_t place = 0;
    for (size_t i = 0; i < o->parameters->count; i++) {
        const thaw_parameter *p = &o->parameters->items[i];
        if (p->trainable)
            THAW_TRY(thaw_kernel_launch(o->sum_squares, THAW_RANGE_1(PIECES), THAW_BUFFER(gradient_of(o, i)),
                                        THAW_BUFFER(o->pieces), THAW_LONG(p->count), THAW_LONG(place++ * PIECES)));
    }
    THAW_TRY(thaw_kernel_launch(o->add_pieces, THAW_RANGE_1(place), THAW_BUFFER(o->pieces), THAW_BUFFER(o->sums),
                                THAW_INT(PIECES)));
    return thaw_kernel_launch(o->clip_factor, THAW_RANGE_1(1), THAW_BUFFER(o->sums), THAW_BUFFER(o->factor),
                              THAW_INT(place), THAW_FLOAT(scale), THAW_FLOAT(o->options.clip_norm));
}

thaw_status thaw_optimizer_step(thaw_optimizer *o, double learning_rate)
{
    const double scale = o->options.accumulates && o->added_weight > 0 ? 1.0 / o->added_weight : 1.0;
    o->steps++;
    o->added_weight = 0;
    if (o->factor)
        THAW_TRY(compute_factor(o, scale));
    for (size_t i = 0; i < o->parameters->count; i++) {
        const thaw_parameter *p = &o->parameters->items[i];
        const update u = {.parameter = p,
                          .state = &o->states[i],
                          .gradient = gradient_of(o, i),
                          .factor = o->factor,
                          .scale = scale,
                          .rate = learning_rate * p->rate_factor,
                          .decay = p->decays ? o->options.weight_decay : 0.0};
        if (p->trainable)
            THAW_TRY(o->rule->update(o, &u));
    }
    return THAW_OK;
}

uint64_t thaw_optimizer_steps(const thaw_optimizer *optimizer)
{
    return optimizer->steps;
}

void thaw_optimizer_set_steps(thaw_optimizer *optimizer, uint64_t steps)
{
    optimizer->steps = steps;
}

thaw_buffer *thaw_optimizer_state(const thaw_optimizer *optimizer, size_t index, int which)
{
    return which < MOST_STATES ? optimizer->states[index].states[which] : NULL;
}

void thaw_optimizer_destroy(thaw_optimizer **optimizer)
{
    thaw_optimizer *o = *optimizer;
    if (!o)
        return;
    for (size_t i = 0; i < o->parameters->count && o->states; i++) {
        for (int j = 0; j < MOST_STATES; j++)
            thaw_buffer_destroy(&o->states[i].states[j]);
        thaw_buffer_destroy(&o->states[i].sum);
    }
    thaw_buffer_destroy(&o->pieces);
    thaw_buffer_destroy(&o->sums);
    thaw_buffer_destroy(&o->factor);
    free(o->states);
    free(o);
    *optimizer = NULL;
}
