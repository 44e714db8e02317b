#include "ops/shared/softmax.h"
#include "ops/shared/movement.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Work-items that share a row, where they are cheap; where they are not, each does rows of about as many elements. */
enum { LANES = 32, ELEMENTS = 4096 };

thaw_status thaw_softmax_attributes(thaw_node *node, bool log)
{
    THAW_TRY(thaw_node_known_attributes(node, "axis"));
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_softmax), &node->state));
    ((thaw_softmax *)node->state)->log = log;
    return THAW_OK;
}

thaw_status thaw_softmax_infer(thaw_node *node)
{
    thaw_softmax *state = node->state;
    const thaw_value *x = node->inputs[0];
    const int32_t rank = x->shape.rank;
    const bool flattens = thaw_node_opset(node) < 13;
    const int64_t wanted = thaw_node_int(node, "axis", flattens ? 1 : -1);
    int32_t axis = rank;
    THAW_TRY(thaw_node_float_inputs(node));
    if (!flattens || wanted != rank) /* [outer, 1] is possible where it flattens */
        THAW_TRY(thaw_node_axis(node, wanted, rank, &axis));
    state->outer = thaw_shape_span(&x->shape, 0, axis);
    state->length = flattens ? thaw_shape_span(&x->shape, axis, rank) : x->shape.dims[axis];
    state->inner = flattens ? 1 : thaw_shape_span(&x->shape, axis + 1, rank);
    node->flops = thaw_shape_size(&x->shape);
    return thaw_node_set_output(node, 0, x->dtype, &x->shape);
}

static bool in_rows(const thaw_softmax *state)
{
    return state->inner == 1 && state->length <= INT_MAX;
}

static thaw_status get_kernel(const thaw_node *node, const char *program, thaw_kernel **kernel)
{
    const thaw_softmax *state = node->state;
    thaw_device *device = thaw_node_device(node);
    char name[32], options[48] = "";
    snprintf(name, sizeof name, "%s%s", program, in_rows(state) ? "_rows" : "");
    if (in_rows(state))
        snprintf(options, sizeof options, "-DBLOCK=%d -DLANES=%d", (int)thaw_vector_width(device),
                 thaw_items_are_cheap(device) ? LANES : 1);
    if (state->log)
        snprintf(options + strlen(options), sizeof options - strlen(options), " -DLOG");
    return thaw_kernel_get(device, program, name, options, kernel);
}

thaw_status thaw_softmax_prepare(thaw_node *node)
{
    thaw_softmax *state = node->state;
    if (node->inputs[0]->gradient)
        THAW_TRY(get_kernel(node, "softmax_backward", &state->backward));
    return get_kernel(node, "softmax", &state->kernel);
}

/* Work-groups for all rows, `each` of them to a group. */
static thaw_range rows(const thaw_node *node, int64_t *each)
{
    const thaw_softmax *state = node->state;
    const bool cheap = thaw_items_are_cheap(thaw_node_device(node));
    const size_t lanes = cheap ? LANES : 1;
    *each = cheap || state->length >= ELEMENTS ? 1 : ELEMENTS / state->length;
    thaw_range range = THAW_RANGE_1((size_t)((state->outer + *each - 1) / *each) * lanes);
    range.local[0] = lanes;
    return range;
}

/* From one buffer, or two, to another. */
static thaw_status run(const thaw_node *node, thaw_kernel *kernel, thaw_buffer *to, const thaw_buffer *from,
                       const thaw_buffer *y)
{
    const thaw_softmax *state = node->state;
    thaw_argument arguments[6] = {THAW_BUFFER(to), THAW_BUFFER(from), THAW_BUFFER(y)};
    size_t count = y ? 3 : 2;
    int64_t each;
    thaw_range range = THAW_RANGE_2(state->inner, state->outer);
    if (thaw_shape_size(&node->inputs[0]->shape) == 0)
        return THAW_OK;
    if (in_rows(state)) {
        range = rows(node, &each);
        arguments[count++] = THAW_LONG(state->outer);
        arguments[count++] = THAW_INT(state->length);
        arguments[count++] = THAW_INT(each);
    } else {
        arguments[count++] = THAW_LONG(state->length);
    }
    return thaw_kernel_run(kernel, range, arguments, count);
}

thaw_status thaw_softmax_forward(thaw_node *node)
{
    const thaw_softmax *state = node->state;
    return run(node, state->kernel, node->outputs[0]->buffer, node->inputs[0]->buffer, NULL);
}

thaw_status thaw_softmax_backward(thaw_node *node)
{
    const thaw_softmax *state = node->state;
    return run(node, state->backward, node->inputs[0]->gradient, node->outputs[0]->gradient, node->outputs[0]->buffer);
}
