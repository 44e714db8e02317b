#include "train/optimizer.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STATES = 2 };

/* One parameter: weight and gradient are the program's, the moments ours. */
typedef struct parameter {
    const thaw_value *value;
    int64_t count;
    thaw_buffer *states[MOST_STATES];
    double decay;
} parameter;

struct thaw_optimizer {
    const struct rule *rule;
    thaw_optimizer_options options;
    thaw_kernel *kernel;
    parameter *parameters;
    size_t parameter_count;
    int64_t steps;
};

typedef struct rule {
    const char *name;
    const char *kernel; /* in cl/optimizer.cl */
    int states;         /* buffers of the weight's size */
    bool decoupled;     /* weight decay apart from the gradient */
    thaw_status (*update)(const thaw_optimizer *optimizer, const parameter *p, double rate);
} rule;

static thaw_status update_sgd(const thaw_optimizer *o, const parameter *p, double rate)
{
    return thaw_kernel_launch(o->kernel, THAW_RANGE_1(p->count), THAW_BUFFER(p->value->buffer),
                              THAW_BUFFER(p->value->gradient), THAW_BUFFER(p->states[0]), THAW_FLOAT(rate),
                              THAW_FLOAT(o->options.momentum), THAW_FLOAT(p->decay));
}

static thaw_status update_adam(const thaw_optimizer *o, const parameter *p, double rate)
{
    const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    const double correction1 = 1.0 - pow(beta1, (double)o->steps), correction2 = 1.0 - pow(beta2, (double)o->steps);
    return thaw_kernel_launch(o->kernel, THAW_RANGE_1(p->count), THAW_BUFFER(p->value->buffer),
                              THAW_BUFFER(p->value->gradient), THAW_BUFFER(p->states[0]), THAW_BUFFER(p->states[1]),
                              THAW_FLOAT(rate), THAW_FLOAT(p->decay), THAW_INT(o->rule->decoupled), THAW_FLOAT(beta1),
                              THAW_FLOAT(beta2), THAW_FLOAT(epsilon), THAW_FLOAT(correction1), THAW_FLOAT(correction2));
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

static thaw_status add_parameter(thaw_optimizer *o, thaw_device *device, const thaw_value *value)
{
    parameter *p = &o->parameters[o->parameter_count++];
    p->value = value;
    p->count = thaw_shape_size(&value->shape);
    p->decay = value->shape.rank >= 2 ? o->options.weight_decay : 0.0;
    const size_t bytes = (size_t)p->count * sizeof(float);
    for (int i = 0; i < o->rule->states; i++) {
        THAW_TRY(thaw_buffer_create(device, bytes, &p->states[i]));
        THAW_TRY(thaw_buffer_fill(p->states[i], 0, 0, bytes));
    }
    return THAW_OK;
}

static thaw_status fill(thaw_optimizer *o, const thaw_graph *graph)
{
    THAW_TRY(thaw_kernel_get(graph->device, "optimizer", o->rule->kernel, "", &o->kernel));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *o->parameters, &o->parameters));
    for (size_t i = 0; i < graph->value_count; i++)
        if (graph->values[i]->trainable)
            THAW_TRY(add_parameter(o, graph->device, graph->values[i]));
    return THAW_OK;
}

thaw_status thaw_optimizer_create(thaw_program *program, const thaw_optimizer_options *options,
                                  thaw_optimizer **optimizer)
{
    THAW_TRY(thaw_allocate(program->graph->context, 1, sizeof **optimizer, optimizer));
    (*optimizer)->rule = &rules[options->kind];
    (*optimizer)->options = *options;
    const thaw_status status = fill(*optimizer, program->graph);
    if (status != THAW_OK)
        thaw_optimizer_destroy(optimizer);
    return status;
}

thaw_status thaw_optimizer_step(thaw_optimizer *optimizer, double learning_rate)
{
    optimizer->steps++;
    for (size_t i = 0; i < optimizer->parameter_count; i++)
        THAW_TRY(optimizer->rule->update(optimizer, &optimizer->parameters[i], learning_rate));
    return THAW_OK;
}

void thaw_optimizer_destroy(thaw_optimizer **optimizer)
{
    if (!*optimizer)
        return;
    for (size_t i = 0; i < (*optimizer)->parameter_count; i++)
        for (int j = 0; j < MOST_STATES; j++)
            thaw_buffer_destroy(&(*optimizer)->parameters[i].states[j]);
    free((*optimizer)->parameters);
    free(*optimizer);
    *optimizer = NULL;
}
