/* MeanVarianceNormalization: y = (x - mean) / (deviation + 1e-9) over `axes`: all but the channels by default. */
#include "ops/shared/reduce.h"
#include "ops/shared/view.h"

#define EPSILON 1e-9f

static thaw_status attributes(thaw_node *node)
{
    size_t count;
    THAW_TRY(thaw_node_known_attributes(node, "axes"));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    thaw_node_ints(node, "axes", &count);
    if (count > THAW_MAX_RANK)
        return thaw_node_fail(node, THAW_ERR_MODEL, "%zu axes, at most %d are possible", count, THAW_MAX_RANK);
    return thaw_reduce_create(node);
}

static thaw_status infer(thaw_node *node)
{
    static const int64_t all_but_channels[] = {0, 2, 3};
    const thaw_value *x = node->inputs[0];
    thaw_reduce *reduce = node->state;
    size_t count;
    const int64_t *axes = thaw_node_ints(node, "axes", &count);
    THAW_TRY(thaw_node_float_inputs(node));
    THAW_TRY(
        thaw_view_mark(node, axes ? axes : all_but_channels, axes ? (int32_t)count : 3, x->shape.rank, reduce->marked));
    thaw_reduce_group(reduce, &x->shape, reduce->marked);
    node->flops = 5 * thaw_shape_size(&x->shape);
    return thaw_node_set_output(node, 0, x->dtype, &x->shape);
}

static thaw_status prepare(thaw_node *node)
{
    thaw_reduce *reduce = node->state;
    thaw_device *device = thaw_node_device(node);
    if (node->inputs[0]->gradient)
        THAW_TRY(thaw_kernel_get(device, "reduce", "standardise_backward", "", &reduce->slope));
    return thaw_kernel_get(device, "reduce", "standardise", "", &reduce->kernel);
}

static int64_t count_of(const thaw_reduce_groups *groups)
{
    int64_t count = 1;
    for (int i = 0; i < THAW_REDUCE_GROUPS; i++)
        count *= groups->extent[i];
    return count;
}

/* `buffers` come first among the arguments. */
static thaw_status run(const thaw_node *node, thaw_kernel *kernel, const thaw_buffer *const *buffers, size_t count)
{
    const thaw_reduce *reduce = node->state;
    thaw_argument arguments[5 + THAW_REDUCE_ARGUMENTS];
    for (size_t i = 0; i < count; i++)
        arguments[i] = THAW_BUFFER(buffers[i]);
    arguments[count++] = THAW_FLOAT(count_of(&reduce->reduced));
    arguments[count++] = THAW_FLOAT(EPSILON);
    thaw_reduce_list(reduce, arguments + count);
    return thaw_kernel_run(kernel, THAW_RANGE_1(count_of(&reduce->kept)), arguments, count + THAW_REDUCE_ARGUMENTS);
}

static thaw_status forward(thaw_node *node)
{
    const thaw_buffer *buffers[] = {node->outputs[0]->buffer, node->inputs[0]->buffer};
    return run(node, ((const thaw_reduce *)node->state)->kernel, buffers, 2);
}

static thaw_status backward(thaw_node *node)
{
    const thaw_value *x = node->inputs[0];
    const thaw_buffer *buffers[] = {x->gradient, node->outputs[0]->gradient, x->buffer};
    return x->gradient ? run(node, ((const thaw_reduce *)node->state)->slope, buffers, 3) : THAW_OK;
}

const thaw_op thaw_op_mean_variance_normalization = {
    .name = "mean_variance_normalization",
    .onnx_type = "MeanVarianceNormalization",
    .flags = THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
