#include "ops/shared/elementwise.h"
#include "ops/shared/movement.h"

#include <math.h>
#include <stdio.h>

thaw_status thaw_elementwise_attributes(thaw_node *node, const char *known, thaw_function function, float alpha,
                                        float beta)
{
    THAW_TRY(thaw_node_known_attributes(node, known));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_elementwise), &node->state));
    thaw_elementwise *elementwise = node->state;
    *elementwise = (thaw_elementwise){.function = function, .alpha = alpha, .beta = beta};
    return THAW_OK;
}

static bool takes_integers(const thaw_elementwise *elementwise)
{
    return elementwise->function == THAW_ABS || elementwise->function == THAW_NEGATIVE;
}

thaw_status thaw_elementwise_infer(thaw_node *node)
{
    const thaw_value *x = node->inputs[0];
    if (!x->constant || x->trainable || x->dtype == THAW_BOOL || !takes_integers(node->state))
        THAW_TRY(thaw_node_float_inputs(node));
    node->flops = thaw_shape_size(&x->shape);
    return thaw_node_set_output(node, 0, x->dtype, &x->shape);
}

int32_t thaw_elementwise_layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    (void)block;
    return wanted[0] = node->inputs[0]->block;
}

/* --- on the host --- */

double thaw_function_value(const thaw_elementwise *elementwise, double x)
{
    const double alpha = elementwise->alpha;
    switch (elementwise->function) {
    case THAW_TANH:
        return tanh(x);
    case THAW_ERF:
        return erf(x);
    case THAW_EXP:
        return exp(x);
    case THAW_LOG:
        return log(x);
    case THAW_SQRT:
        return sqrt(x);
    case THAW_ABS:
        return fabs(x);
    case THAW_NEGATIVE:
        return -x;
    case THAW_RECIPROCAL:
        return 1 / x;
    case THAW_ELU:
        return x > 0 ? x : alpha * expm1(x);
    case THAW_SELU:
        return elementwise->beta * (x > 0 ? x : alpha * expm1(x));
    case THAW_SOFTPLUS:
        return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    case THAW_MISH:
        return x * tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)));
    case THAW_GELU:
        return x * 0.5 * (1 + erf(x * sqrt(0.5)));
    case THAW_GELU_TANH:
        return x * 0.5 * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    default:
        return pow(x, alpha);
    }
}

thaw_status thaw_elementwise_fold(thaw_node *node)
{
    const thaw_elementwise *elementwise = node->state;
    const thaw_tensor *x = node->inputs[0]->constant;
    thaw_tensor *y;
    THAW_TRY(thaw_node_fold_output(node, 0, &y));
    for (int64_t i = 0; i < y->count; i++) {
        if (thaw_dtype_is_float(y->dtype)) {
            thaw_tensor_set(y, i, thaw_function_value(elementwise, thaw_tensor_get(x, i)));
            continue;
        }
        const uint64_t number = (uint64_t)thaw_tensor_get_int(x, i);
        const bool turn = elementwise->function == THAW_NEGATIVE || (int64_t)number < 0;
        thaw_tensor_set_int(y, i, (int64_t)(turn && x->dtype != THAW_UINT64 ? 0 - number : number));
    }
    return THAW_OK;
}

/* --- on the device --- */

/* Vectors of a work-item where it costs as much as dozens of elements to start one. */
enum { RUN = 64 };

thaw_status thaw_elementwise_get(const thaw_node *node, thaw_elementwise *elementwise)
{
    thaw_device *device = thaw_node_device(node);
    char options[48];
    snprintf(options, sizeof options, "-DFUNCTION=%d -DBLOCK=%d", (int)elementwise->function,
             (int)thaw_vector_width(device));
    if (node->inputs[0]->gradient)
        THAW_TRY(thaw_kernel_get(device, "elementwise", "elementwise_backward", options, &elementwise->backward));
    return thaw_kernel_get(device, "elementwise", "elementwise", options, &elementwise->kernel);
}

/* Work-items for the output's elements, and how many of these each does. */
static thaw_range items(const thaw_node *node, int64_t *count, int64_t *each)
{
    const thaw_device *device = thaw_node_device(node);
    const bool cheap = thaw_items_are_cheap(device);
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    *count = thaw_shape_size(&stored);
    *each = (int64_t)thaw_vector_width(device) * (cheap ? 1 : RUN);
    thaw_range range = THAW_RANGE_1((*count + *each - 1) / *each);
    if (!cheap)
        range.local[0] = 1;
    return range;
}

thaw_status thaw_elementwise_run(const thaw_node *node, const thaw_elementwise *elementwise)
{
    int64_t count, each;
    const thaw_range range = items(node, &count, &each);
    return thaw_kernel_launch(elementwise->kernel, range, THAW_BUFFER(node->outputs[0]->buffer),
                              THAW_BUFFER(node->inputs[0]->buffer), THAW_FLOAT(elementwise->alpha),
                              THAW_FLOAT(elementwise->beta), THAW_LONG(count), THAW_INT(each));
}

thaw_status thaw_elementwise_run_backward(const thaw_node *node, const thaw_elementwise *elementwise)
{
    const bool reads_output = node->op->flags & THAW_OP_BACKWARD_READS_OUTPUT;
    int64_t count, each;
    const thaw_range range = items(node, &count, &each);
    return thaw_kernel_launch(
        elementwise->backward, range, THAW_BUFFER(node->inputs[0]->gradient), THAW_BUFFER(node->outputs[0]->gradient),
        THAW_BUFFER(reads_output ? node->outputs[0]->buffer : node->inputs[0]->buffer), THAW_FLOAT(elementwise->alpha),
        THAW_FLOAT(elementwise->beta), THAW_LONG(count), THAW_INT(each), THAW_INT(!thaw_node_overwrites(node, 0)));
}

thaw_status thaw_elementwise_prepare(thaw_node *node)
{
    return thaw_elementwise_get(node, node->state);
}

thaw_status thaw_elementwise_forward(thaw_node *node)
{
    return thaw_elementwise_run(node, node->state);
}

thaw_status thaw_elementwise_backward(thaw_node *node)
{
    return thaw_elementwise_run_backward(node, node->state);
}
