#include "model/bind.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/shared/activation.h"
#include "ops/shared/binary.h"

/* The node that makes `value`, if this one reader is all that it has. */
static thaw_node *sole_producer(const thaw_value *value)
{
    return value && value->uses == 1 ? value->producer : NULL;
}

static bool has_epilogue(const thaw_node *node)
{
    return node->epilogue.activation != THAW_LINEAR || node->epilogue.residual;
}

/* A product with a matrix of weights. Others may be part of attention, which knows nothing of epilogues. */
static bool is_linear(const thaw_node *node)
{
    return thaw_node_is(node, "Gemm") ||
           (thaw_node_is(node, "MatMul") && thaw_value_is_fixed(node->inputs[1]) && node->inputs[1]->shape.rank == 2);
}

/* May an activation be its epilogue's? */
static bool takes_activation(const thaw_node *maker)
{
    return maker && !maker->removed && maker->op->flags & THAW_OP_EPILOGUE &&
           maker->epilogue.activation == THAW_LINEAR && (!thaw_node_is(maker, "MatMul") || is_linear(maker));
}

static bool is_output(const thaw_value *value)
{
    const thaw_graph *graph = value->producer->graph;
    for (size_t i = 0; i < graph->output_count; i++)
        if (graph->outputs[i] == value)
            return true;
    return false;
}

/* `maker` writes what `last` wrote; `last` goes. */
static void take_over(thaw_node *maker, thaw_node *last)
{
    thaw_node_set_output_value(maker, 0, last->outputs[0]);
    last->removed = true;
}

/* Identity and Dropout do nothing at inference, but would hide patterns. */
static void bypass_identities(thaw_graph *graph)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        thaw_node *node = graph->nodes[i];
        if ((!thaw_node_is(node, "Identity") && !thaw_node_is(node, "Dropout")) || node->inputs[0]->is_input)
            continue;
        thaw_graph_redirect(graph, node->outputs[0], node->inputs[0]);
        if (node->output_count < 2 || !node->outputs[1])
            node->removed = true;
    }
}

/* Constant float32 input `index` of a node, or *tensor NULL where it is something else. Released by the caller. */
static thaw_status constant_input(const thaw_node *node, size_t index, thaw_tensor **tensor)
{
    const thaw_value *value = thaw_node_input(node, index);
    *tensor = NULL;
    if (!thaw_value_is_fixed(value))
        return THAW_OK;
    return thaw_tensor_to_float32(thaw_node_context(node), value->constant, tensor);
}

/* Per channel, y = x * scale + shift: what a BatchNormalization with fixed statistics does, or arithmetic with
 * constants. */
typedef struct affine {
    int64_t channels;
    double *scale, *shift; /* [channels] */
} affine;

static void affine_free(affine *a)
{
    free(a->scale);
    free(a->shift);
}

static thaw_status affine_create(const thaw_node *node, int64_t channels, affine *a)
{
    thaw_context *context = thaw_node_context(node);
    a->channels = channels;
    THAW_TRY(thaw_allocate(context, (size_t)channels, sizeof *a->scale, &a->scale));
    return thaw_allocate(context, (size_t)channels, sizeof *a->shift, &a->shift);
}

static thaw_status affine_of_parameters(const thaw_node *node, thaw_tensor *const parameters[4], affine *a)
{
    THAW_TRY(affine_create(node, parameters[0]->count, a));
    const double epsilon = thaw_node_float(node, "epsilon", 1e-5f);
    const float *scale = parameters[0]->data, *bias = parameters[1]->data;
    const float *mean = parameters[2]->data, *variance = parameters[3]->data;
    for (int64_t c = 0; c < a->channels; c++) {
        a->scale[c] = scale[c] / sqrt(variance[c] + epsilon);
        a->shift[c] = bias[c] - mean[c] * a->scale[c];
    }
    return THAW_OK;
}

/* The affine map of a BatchNormalization in inference form; a->scale stays NULL where it is not constant. */
static thaw_status affine_of_norm(const thaw_node *node, affine *a)
{
    if (thaw_node_int(node, "training_mode", 0))
        return THAW_OK;
    thaw_tensor *parameters[4] = {NULL};
    thaw_status status = THAW_OK;
    bool usable = true;
    for (size_t i = 0; i < 4 && status == THAW_OK; i++) {
        status = constant_input(node, i + 1, &parameters[i]);
        usable = usable && parameters[i] && parameters[i]->count == parameters[0]->count;
    }
    if (status == THAW_OK && usable)
        status = affine_of_parameters(node, parameters, a);
    for (size_t i = 0; i < 4; i++)
        thaw_tensor_release(&parameters[i]);
    return status;
}

/* Is it one number for each channel of y, or one for all? */
static bool is_by_channel(const thaw_shape *shape, const thaw_shape *y)
{
    for (int32_t d = 0; d < shape->rank; d++)
        if (shape->dims[d] != 1 && (d + y->rank - shape->rank != 1 || shape->dims[d] != y->dims[1]))
            return false;
    return shape->rank <= y->rank;
}

/* y = x (operation) number for the convolution's result x, which is input `side`; false where it is none of these. */
static bool affine_of_number(const thaw_node *node, size_t side, double number, double *scale, double *shift)
{
    const bool subtract = thaw_node_is(node, "Sub");
    if (subtract || thaw_node_is(node, "Add")) {
        *scale = subtract && side == 1 ? -1 : 1;
        *shift = subtract && side == 0 ? -number : number;
        return true;
    }
    *scale = thaw_node_is(node, "Div") && side == 0 ? 1 / number : number;
    *shift = 0;
    return isfinite(*scale) && (thaw_node_is(node, "Mul") || (thaw_node_is(node, "Div") && side == 0));
}

/* That of Add, Sub, Mul or Div; a->scale stays NULL where it is no map of channels, or not constant. */
static thaw_status affine_of_arithmetic(const thaw_node *node, size_t side, affine *a)
{
    const thaw_shape *y = &node->outputs[0]->shape;
    thaw_tensor *numbers;
    if (thaw_node_opset(node) < 7 || !thaw_shape_equal(&node->inputs[side]->shape, y))
        return THAW_OK;
    THAW_TRY(constant_input(node, 1 - side, &numbers));
    if (!numbers || !is_by_channel(&numbers->shape, y)) {
        thaw_tensor_release(&numbers);
        return THAW_OK;
    }
    const float *number = numbers->data;
    thaw_status status = affine_create(node, y->dims[1], a);
    bool usable = true;
    for (int64_t c = 0; c < a->channels && status == THAW_OK; c++)
        usable =
            affine_of_number(node, side, number[numbers->count == 1 ? 0 : c], &a->scale[c], &a->shift[c]) && usable;
    thaw_tensor_release(&numbers);
    if (!usable) {
        affine_free(a);
        *a = (affine){0};
    }
    return status;
}

/* a->scale stays NULL where there is none. */
static thaw_status affine_of(const thaw_node *node, size_t side, affine *a)
{
    *a = (affine){0};
    const thaw_status status =
        thaw_node_is(node, "BatchNormalization") ? affine_of_norm(node, a) : affine_of_arithmetic(node, side, a);
    if (status != THAW_OK)
        affine_free(a);
    return status;
}

static thaw_status add_constant(thaw_graph *graph, thaw_tensor *tensor, thaw_value **value)
{
    THAW_TRY(thaw_graph_add_value(graph, "", value));
    (*value)->constant = thaw_tensor_retain(tensor);
    (*value)->dtype = tensor->dtype;
    (*value)->shape = tensor->shape;
    (*value)->shape_known = true;
    return THAW_OK;
}

/* weight[k] *= scale[k], bias[k] = bias[k] * scale[k] + shift[k], as new constants: others may read the old ones. */
static thaw_status scale_convolution(thaw_node *conv, const thaw_tensor *weight, const thaw_tensor *bias,
                                     const affine *a)
{
    thaw_context *context = thaw_node_context(conv);
    const thaw_shape channels = {1, {a->channels}};
    thaw_tensor *new_weight = NULL, *new_bias = NULL;
    thaw_value *values[2] = {NULL};
    thaw_status status = thaw_tensor_create(context, THAW_FLOAT32, &weight->shape, &new_weight);
    if (status == THAW_OK)
        status = thaw_tensor_create(context, THAW_FLOAT32, &channels, &new_bias);
    if (status != THAW_OK)
        goto done;
    const int64_t row = weight->count / a->channels;
    for (int64_t k = 0; k < a->channels; k++) {
        for (int64_t i = 0; i < row; i++)
            ((float *)new_weight->data)[k * row + i] =
                (float)(((const float *)weight->data)[k * row + i] * a->scale[k]);
        const double old = bias ? ((const float *)bias->data)[k] : 0.0;
        ((float *)new_bias->data)[k] = (float)(old * a->scale[k] + a->shift[k]);
    }
    status = add_constant(conv->graph, new_weight, &values[0]);
    if (status == THAW_OK)
        status = add_constant(conv->graph, new_bias, &values[1]);
    if (status == THAW_OK) {
        conv->inputs[1] = values[0];
        conv->inputs[2] = values[1];
    }
done:
    thaw_tensor_release(&new_weight);
    thaw_tensor_release(&new_bias);
    return status;
}

/* Makes room for inputs up to `count`, new ones absent. */
static thaw_status widen_inputs(thaw_node *node, size_t count)
{
    if (node->input_count >= count)
        return THAW_OK;
    thaw_value **wider;
    THAW_TRY(thaw_allocate(thaw_node_context(node), count, sizeof *wider, &wider));
    memcpy(wider, node->inputs, node->input_count * sizeof *wider);
    free(node->inputs);
    node->inputs = wider;
    node->input_count = count;
    return THAW_OK;
}

/* Into the convolution that makes input `side`. */
static thaw_status fold_affine(thaw_node *node, size_t side, bool *folded)
{
    *folded = false;
    thaw_node *conv = sole_producer(node->inputs[side]);
    if (!thaw_node_is(conv, "Conv") || has_epilogue(conv) || node->output_count > 1)
        return THAW_OK;
    affine a;
    THAW_TRY(affine_of(node, side, &a));
    thaw_tensor *weight = NULL, *bias = NULL;
    thaw_status status = widen_inputs(conv, 3);
    if (status == THAW_OK)
        status = constant_input(conv, 1, &weight);
    if (status == THAW_OK)
        status = constant_input(conv, 2, &bias);
    const bool constant = weight && (bias || !conv->inputs[2]);
    if (status == THAW_OK && constant && a.scale && weight->shape.dims[0] == a.channels) {
        status = scale_convolution(conv, weight, bias, &a);
        if (status == THAW_OK)
            take_over(conv, node);
        *folded = status == THAW_OK;
    }
    thaw_tensor_release(&weight);
    thaw_tensor_release(&bias);
    affine_free(&a);
    return status;
}

/* Does `value` exist when the node at `position` runs? */
static bool ready_before(const thaw_graph *graph, const thaw_value *value, size_t position)
{
    for (size_t i = position; value->producer && i < graph->node_count; i++)
        if (graph->nodes[i] == value->producer)
            return false;
    return true;
}

/* Add(MatMul(x, weights), bias): the product adds it itself, where there is one number for each column, or for all. */
static thaw_status fold_bias(thaw_node *add)
{
    for (size_t side = 0; side < 2 && !thaw_node_has(add, "axis"); side++) {
        thaw_node *product = sole_producer(add->inputs[side]);
        thaw_value *bias = add->inputs[1 - side];
        if (!thaw_node_is(product, "MatMul") || !is_linear(product) || has_epilogue(product) ||
            product->input_count > 2 || !thaw_value_is_fixed(bias) ||
            !thaw_shape_equal(&add->outputs[0]->shape, &add->inputs[side]->shape))
            continue;
        const int64_t count = bias->constant->count, columns = product->inputs[1]->shape.dims[1];
        if (count != 1 && (count != columns || bias->shape.dims[bias->shape.rank - 1] != columns))
            continue;
        THAW_TRY(widen_inputs(product, 3));
        product->inputs[2] = bias;
        take_over(product, add);
        return THAW_OK;
    }
    return THAW_OK;
}

/* Add(maker(x), r): a convolution or a product adds r itself, if r is there by then. */
static thaw_status fold_addition(thaw_node *add)
{
    thaw_graph *graph = add->graph;
    for (size_t side = 0; side < 2; side++) {
        thaw_node *maker = sole_producer(add->inputs[side]);
        thaw_value *residual = add->inputs[1 - side];
        if ((!thaw_node_is(maker, "Conv") && !is_linear(maker)) || has_epilogue(maker) || residual->constant ||
            !thaw_shape_equal(&residual->shape, &add->inputs[side]->shape) ||
            !ready_before(graph, residual, thaw_graph_position(graph, maker)))
            continue;
        THAW_TRY(widen_inputs(maker, 4));
        maker->inputs[3] = residual;
        maker->epilogue.residual = residual;
        take_over(maker, add);
        return THAW_OK;
    }
    return THAW_OK;
}

static void fold_activation(thaw_node *node)
{
    thaw_epilogue epilogue = {THAW_LINEAR, 0, 0, NULL};
    thaw_node *maker = sole_producer(node->inputs[0]);
    if (!takes_activation(maker) || !thaw_activation_of(node, &epilogue))
        return;
    epilogue.residual = maker->epilogue.residual;
    maker->epilogue = epilogue;
    take_over(maker, node);
}

/* What x * gate(x) is as an activation; THAW_LINEAR: none that we know. */
static thaw_activation gated(const thaw_node *gate)
{
    thaw_epilogue epilogue;
    if (!thaw_activation_of(gate, &epilogue))
        return THAW_LINEAR;
    if (epilogue.activation == THAW_SIGMOID)
        return THAW_SILU;
    const bool sixth = fabsf(epilogue.alpha - 1.0f / 6.0f) < 1e-6f && epilogue.beta == 0.5f;
    return epilogue.activation == THAW_HARD_SIGMOID && sixth ? THAW_HARD_SWISH : THAW_LINEAR;
}

/* Mul(x, gate(x)), where nobody else reads either: x's maker does both. */
static void fold_gate(thaw_node *multiply)
{
    for (size_t side = 0; side < 2; side++) {
        thaw_value *x = multiply->inputs[1 - side];
        thaw_node *gate = sole_producer(multiply->inputs[side]), *maker = x->producer;
        if (!gate || gate->removed || gate->inputs[0] != x || gated(gate) == THAW_LINEAR)
            continue;
        if (x->uses != 2 || !takes_activation(maker))
            continue;
        maker->epilogue.activation = gated(gate);
        gate->removed = true;
        take_over(maker, multiply);
        return;
    }
}

/* In training, what has the slope of Relu and Clip in its backward pass: a BatchNormalization computes again what went
 * into them, a Conv looks at its result and changes that one's gradient, which must not be the caller's. */
static void join_activation(thaw_node *node)
{
    thaw_epilogue epilogue = {THAW_LINEAR, 0, 0, NULL};
    thaw_node *maker = sole_producer(node->inputs[0]);
    if (!thaw_activation_of(node, &epilogue) || !isfinite(epilogue.alpha) || !isfinite(epilogue.beta) ||
        (epilogue.activation != THAW_RELU && epilogue.activation != THAW_CLAMP))
        return;
    const bool conv = thaw_node_is(maker, "Conv") && !is_output(node->outputs[0]);
    if ((!conv && !thaw_node_is(maker, "BatchNormalization")) || has_epilogue(maker))
        return;
    maker->epilogue = epilogue;
    maker->keeps_output = conv && node->outputs[0]->needs_gradient;
    take_over(maker, node);
}

void thaw_graph_join_activations(thaw_graph *graph)
{
    thaw_graph_count_uses(graph);
    for (size_t i = 0; i < graph->node_count; i++)
        join_activation(graph->nodes[i]);
    thaw_graph_sweep(graph);
}

static thaw_status fuse_node(thaw_node *node)
{
    bool folded = false;
    if (thaw_node_is(node, "BatchNormalization"))
        THAW_TRY(fold_affine(node, 0, &folded));
    for (size_t side = 0; side < 2 && !folded && node->op->infer == thaw_binary_infer; side++)
        THAW_TRY(fold_affine(node, side, &folded));
    if (!folded && thaw_node_is(node, "Add"))
        THAW_TRY(fold_bias(node));
    if (!node->removed && thaw_node_is(node, "Add"))
        THAW_TRY(fold_addition(node));
    if (!folded && thaw_node_is(node, "Mul"))
        fold_gate(node);
    if (!node->removed)
        fold_activation(node);
    return THAW_OK;
}

thaw_status thaw_graph_fuse(thaw_graph *graph)
{
    bypass_identities(graph);
    thaw_graph_sweep(graph);
    thaw_graph_count_uses(graph);
    for (size_t i = 0; i < graph->node_count; i++)
        THAW_TRY(fuse_node(graph->nodes[i]));
    thaw_graph_sweep(graph);
    return THAW_OK;
}
