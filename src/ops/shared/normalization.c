#include "ops/shared/normalization.h"
#include "ops/shared/movement.h"

#include <stdio.h>

/* Work-items that share a row, where they are cheap; vectors are as long as the device likes, or this. */
enum { LANES = 32 };

enum { X, SCALE, SHIFT };

thaw_status thaw_normalization_create(thaw_node *node)
{
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_normalization), &node->state);
}

static int64_t parameter_count(const thaw_normalization *state)
{
    return state->groups * (state->inner ? state->length / state->inner : 0);
}

thaw_status thaw_normalization_infer(thaw_node *node)
{
    const thaw_normalization *state = node->state;
    const thaw_value *x = node->inputs[X];
    char text[THAW_SHAPE_TEXT], x_text[THAW_SHAPE_TEXT];
    THAW_TRY(thaw_node_float_inputs(node));
    for (size_t i = SCALE; i <= SHIFT; i++) {
        const thaw_value *value = thaw_node_input(node, i);
        if (value && thaw_shape_size(&value->shape) != parameter_count(state))
            return thaw_node_fail(node, THAW_ERR_SHAPE, "input %zu is %s for an input 0 of %s", i,
                                  thaw_shape_text(&value->shape, text), thaw_shape_text(&x->shape, x_text));
    }
    node->flops = 8 * thaw_shape_size(&x->shape);
    return thaw_node_set_output(node, 0, x->dtype, &x->shape);
}

static bool has_gradient(const thaw_node *node, size_t index)
{
    const thaw_value *value = thaw_node_input(node, index);
    return value && value->gradient;
}

static thaw_status get_kernel(const thaw_node *node, const char *name, bool backward, thaw_kernel **kernel)
{
    const thaw_normalization *state = node->state;
    thaw_device *device = thaw_node_device(node);
    char options[80];
    snprintf(options, sizeof options, "-DBLOCK=%d -DLANES=%d%s%s%s%s", (int)thaw_vector_width(device),
             thaw_items_are_cheap(device) ? LANES : 1, state->inner == 1 ? " -DEACH" : "",
             thaw_node_input(node, SHIFT) ? " -DSHIFT" : "", has_gradient(node, X) ? " -DDX" : "",
             backward ? " -DBACKWARD" : "");
    return thaw_kernel_get(device, "normalization", name, options, kernel);
}

static bool trains_parameters(const thaw_node *node)
{
    return has_gradient(node, SCALE) || has_gradient(node, SHIFT);
}

thaw_status thaw_normalization_prepare(thaw_node *node)
{
    thaw_normalization *state = node->state;
    if (has_gradient(node, X) || trains_parameters(node))
        THAW_TRY(get_kernel(node, "normalization_backward", true, &state->backward));
    if (trains_parameters(node))
        THAW_TRY(get_kernel(node, "normalization_backward_parameters", true, &state->parameters));
    return get_kernel(node, "normalization", false, &state->kernel);
}

/* A work-group per row. */
static thaw_range rows(const thaw_node *node)
{
    const thaw_normalization *state = node->state;
    const size_t lanes = thaw_items_are_cheap(thaw_node_device(node)) ? LANES : 1;
    thaw_range range = THAW_RANGE_1((size_t)state->rows * lanes);
    range.local[0] = lanes;
    return range;
}

static thaw_buffer *output_buffer(const thaw_node *node, size_t index)
{
    const thaw_value *value = thaw_node_output(node, index);
    return value ? value->buffer : NULL;
}

static thaw_buffer *input_buffer(const thaw_node *node, size_t index)
{
    const thaw_value *value = thaw_node_input(node, index);
    return value ? value->buffer : NULL;
}

thaw_status thaw_normalization_forward(thaw_node *node)
{
    const thaw_normalization *state = node->state;
    if (thaw_shape_size(&node->inputs[X]->shape) == 0)
        return THAW_OK;
    return thaw_kernel_launch(state->kernel, rows(node), THAW_BUFFER(output_buffer(node, 0)),
                              THAW_BUFFER(input_buffer(node, X)), THAW_BUFFER(input_buffer(node, SCALE)),
                              THAW_BUFFER(input_buffer(node, SHIFT)), THAW_BUFFER(output_buffer(node, 1)),
                              THAW_BUFFER(output_buffer(node, 2)), THAW_INT(state->length), THAW_INT(state->inner),
                              THAW_INT(state->groups), THAW_FLOAT(state->epsilon));
}

static thaw_buffer *gradient(const thaw_node *node, size_t index)
{
    return has_gradient(node, index) ? node->inputs[index]->gradient : NULL;
}

/* Whether there is something in that gradient to be added to. */
static bool adds(const thaw_node *node, size_t index)
{
    return has_gradient(node, index) && !thaw_node_overwrites(node, index);
}

/* Work-items for the parameters: vectors of them where each has its own column. */
static int64_t parameter_items(const thaw_node *node)
{
    const thaw_normalization *state = node->state;
    const int64_t width = state->inner == 1 ? thaw_vector_width(thaw_node_device(node)) : 1;
    return (parameter_count(state) + width - 1) / width;
}

/* statistics [rows, 2]: mean and 1 / deviation of each. */
static thaw_status run_backward(const thaw_node *node, thaw_buffer *statistics)
{
    const thaw_normalization *state = node->state;
    const thaw_buffer *dy = node->outputs[0]->gradient;
    THAW_TRY(thaw_kernel_launch(state->backward, rows(node), THAW_BUFFER(gradient(node, X)), THAW_BUFFER(statistics),
                                THAW_BUFFER(dy), THAW_BUFFER(input_buffer(node, X)),
                                THAW_BUFFER(input_buffer(node, SCALE)), THAW_INT(state->length), THAW_INT(state->inner),
                                THAW_INT(state->groups), THAW_FLOAT(state->epsilon), THAW_INT(adds(node, X))));
    if (!trains_parameters(node))
        return THAW_OK;
    return thaw_kernel_launch(state->parameters, THAW_RANGE_1(parameter_items(node)),
                              THAW_BUFFER(gradient(node, SCALE)), THAW_BUFFER(gradient(node, SHIFT)), THAW_BUFFER(dy),
                              THAW_BUFFER(input_buffer(node, X)), THAW_BUFFER(statistics), THAW_LONG(state->rows),
                              THAW_INT(state->length), THAW_INT(state->inner), THAW_INT(state->groups),
                              THAW_INT(adds(node, SCALE)), THAW_INT(adds(node, SHIFT)));
}

thaw_status thaw_normalization_backward(thaw_node *node)
{
    const thaw_normalization *state = node->state;
    thaw_buffer *statistics = NULL;
    if (thaw_shape_size(&node->inputs[X]->shape) == 0) {
        for (size_t i = 0; i < node->input_count; i++)
            if (has_gradient(node, i))
                THAW_TRY(thaw_node_clear_gradient(node, i));
        return THAW_OK;
    }
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), 2 * (size_t)state->rows * sizeof(float), &statistics));
    const thaw_status status = run_backward(node, statistics);
    thaw_buffer_destroy(&statistics);
    return status;
}
