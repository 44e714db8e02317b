/* Range: start, start + delta, .. up to but not including the limit. */
#include "ops/op.h"

#include <math.h>

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 3, 3, 1));
    return thaw_node_known_attributes(node, "");
}

static thaw_status check_inputs(const thaw_node *node)
{
    for (size_t i = 0; i < 3; i++) {
        const thaw_value *input = node->inputs[i];
        if (!input->constant)
            return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "input %zu ('%s') is not constant", i, input->name);
        if (input->constant->count != 1 || input->dtype != node->inputs[0]->dtype)
            return thaw_node_fail(node, THAW_ERR_MODEL, "input %zu is not one %s", i,
                                  thaw_dtype_text(node->inputs[0]->dtype));
    }
    return THAW_OK;
}

/* Unsigned differences can't overflow. */
static int64_t count_integers(int64_t start, int64_t limit, int64_t delta)
{
    if (delta > 0 ? start >= limit : start <= limit)
        return 0;
    const uint64_t span = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    const uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
    const uint64_t count = (span - 1) / step + 1;
    return count > INT64_MAX ? INT64_MAX : (int64_t)count;
}

/* -1 where there is no sensible number. */
static int64_t count_floats(double start, double limit, double delta)
{
    const double count = ceil((limit - start) / delta);
    if (count <= 0)
        return 0;
    return count < 0x1p62 ? (int64_t)count : -1;
}

static thaw_status infer(thaw_node *node)
{
    THAW_TRY(check_inputs(node));
    const thaw_tensor *start = node->inputs[0]->constant, *limit = node->inputs[1]->constant;
    const thaw_tensor *delta = node->inputs[2]->constant;
    thaw_shape shape = {.rank = 1};
    if (thaw_tensor_get(delta, 0) == 0)
        return thaw_node_fail(node, THAW_ERR_MODEL, "delta is 0");
    if (thaw_dtype_is_float(start->dtype))
        shape.dims[0] = count_floats(thaw_tensor_get(start, 0), thaw_tensor_get(limit, 0), thaw_tensor_get(delta, 0));
    else
        shape.dims[0] =
            count_integers(thaw_tensor_get_int(start, 0), thaw_tensor_get_int(limit, 0), thaw_tensor_get_int(delta, 0));
    if (shape.dims[0] < 0)
        return thaw_node_fail(node, THAW_ERR_SIZE, "from %g to %g by %g", thaw_tensor_get(start, 0),
                              thaw_tensor_get(limit, 0), thaw_tensor_get(delta, 0));
    return thaw_node_set_output(node, 0, start->dtype, &shape);
}

/* Within the limits, though i * delta alone need not be: unsigned numbers wrap. */
static int64_t nth_integer(const thaw_tensor *start, const thaw_tensor *delta, int64_t i)
{
    return (int64_t)((uint64_t)thaw_tensor_get_int(start, 0) + (uint64_t)i * (uint64_t)thaw_tensor_get_int(delta, 0));
}

static thaw_status fold(thaw_node *node)
{
    const thaw_tensor *start = node->inputs[0]->constant, *delta = node->inputs[2]->constant;
    thaw_tensor *output;
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    const bool floating = thaw_dtype_is_float(start->dtype);
    for (int64_t i = 0; i < output->count; i++)
        if (floating)
            thaw_tensor_set(output, i, thaw_tensor_get(start, 0) + (double)i * thaw_tensor_get(delta, 0));
        else
            thaw_tensor_set_int(output, i, nth_integer(start, delta, i));
    return THAW_OK;
}

const thaw_op thaw_op_range = {
    .name = "range",
    .onnx_type = "Range",
    .flags = THAW_OP_HOST,
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
};
