/* What operators ask of their node: attributes, inputs, outputs, surroundings. */
#include "ops/op.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

thaw_context *thaw_node_context(const thaw_node *node)
{
    return node->graph->context;
}

thaw_device *thaw_node_device(const thaw_node *node)
{
    return node->graph->device;
}

int64_t thaw_node_opset(const thaw_node *node)
{
    return node->graph->opset;
}

thaw_buffer *thaw_node_scratch(const thaw_node *node)
{
    return node->graph->scratch;
}

int64_t thaw_node_file_batch(const thaw_node *node)
{
    return node->graph->file_batch;
}

int64_t thaw_node_batch(const thaw_node *node)
{
    return node->graph->batch;
}

int64_t thaw_block_lanes(int32_t block, int64_t channels)
{
    if (block != THAW_BLOCK_ALL)
        return block;
    return channels > 0 ? channels : 1;
}

thaw_shape thaw_value_stored(const thaw_value *value)
{
    const thaw_shape *shape = &value->shape;
    if (value->block <= 1 || shape->rank != 4)
        return *shape;
    const int64_t block = thaw_block_lanes(value->block, shape->dims[1]);
    return (thaw_shape){5,
                        {shape->dims[0], (shape->dims[1] + block - 1) / block, shape->dims[2], shape->dims[3], block}};
}

void thaw_value_place(const thaw_value *value, int64_t *offset, int64_t *stride)
{
    const thaw_value *whole = value->whole ? value->whole : value;
    const thaw_shape stored = thaw_value_stored(whole);
    *stride = thaw_shape_span(&stored, 1, stored.rank);
    const int64_t before = value->block == THAW_BLOCK_ALL ? 1 : thaw_shape_span(&value->shape, 2, value->shape.rank);
    *offset = value->whole ? value->first_channel * before : 0;
}

int64_t thaw_value_pixel(const thaw_value *value)
{
    const thaw_value *whole = value->whole ? value->whole : value;
    return thaw_block_lanes(whole->block, whole->shape.dims[1]);
}

bool thaw_node_overwrites(const thaw_node *node, size_t index)
{
    const thaw_value *value = node->inputs[index];
    if (!(node->op->flags & THAW_OP_BACKWARD_OVERWRITES) || value->gradient_begins != node)
        return false;
    for (size_t i = 0; i < node->input_count; i++) /* read twice, it is added to */
        if (i != index && node->inputs[i] && node->inputs[i]->gradient == value->gradient)
            return false;
    return true;
}

thaw_status thaw_node_clear_gradient(const thaw_node *node, size_t index)
{
    const thaw_value *value = node->inputs[index];
    const thaw_shape stored = thaw_value_stored(value);
    if (!value->gradient || !thaw_node_overwrites(node, index))
        return THAW_OK;
    return thaw_buffer_fill(value->gradient, 0, 0, (size_t)thaw_shape_size(&stored) * sizeof(float));
}

thaw_status thaw_node_fail(const thaw_node *node, thaw_status status, const char *format, ...)
{
    char reason[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return thaw_fail(node->graph->context, status, "%s '%s': %s",
                     node->op->onnx_type ? node->op->onnx_type : node->op->name, node->name, reason);
}

/* Is `name` one of the comma-separated `names`? */
static bool listed(const char *names, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = names; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

thaw_status thaw_node_known_attributes(const thaw_node *node, const char *names)
{
    for (size_t i = 0; i < node->attribute_count; i++)
        if (!listed(names, node->attributes[i].name))
            return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "attribute '%s' is not known", node->attributes[i].name);
    return THAW_OK;
}

thaw_status thaw_node_arity(const thaw_node *node, size_t least, size_t most_inputs, size_t most_outputs)
{
    if (node->input_count < least || node->input_count > most_inputs)
        return thaw_node_fail(node, THAW_ERR_MODEL, "has %zu inputs, takes %zu to %zu", node->input_count, least,
                              most_inputs);
    for (size_t i = 0; i < least; i++)
        if (!node->inputs[i])
            return thaw_node_fail(node, THAW_ERR_MODEL, "input %zu is missing", i);
    if (node->output_count < 1 || node->output_count > most_outputs)
        return thaw_node_fail(node, THAW_ERR_MODEL, "has %zu outputs, gives 1 to %zu", node->output_count,
                              most_outputs);
    if (!node->outputs[0])
        return thaw_node_fail(node, THAW_ERR_MODEL, "output 0 is missing");
    return THAW_OK;
}

static const thaw_attribute *find_attribute(const thaw_node *node, const char *name)
{
    for (size_t i = 0; i < node->attribute_count; i++)
        if (strcmp(node->attributes[i].name, name) == 0)
            return &node->attributes[i];
    return NULL;
}

bool thaw_node_has(const thaw_node *node, const char *name)
{
    return find_attribute(node, name) != NULL;
}

int64_t thaw_node_int(const thaw_node *node, const char *name, int64_t otherwise)
{
    const thaw_attribute *attribute = find_attribute(node, name);
    return attribute && attribute->kind == THAW_ATTRIBUTE_INT ? attribute->i : otherwise;
}

float thaw_node_float(const thaw_node *node, const char *name, float otherwise)
{
    const thaw_attribute *attribute = find_attribute(node, name);
    return attribute && attribute->kind == THAW_ATTRIBUTE_FLOAT ? attribute->f : otherwise;
}

const char *thaw_node_string(const thaw_node *node, const char *name, const char *otherwise)
{
    const thaw_attribute *attribute = find_attribute(node, name);
    return attribute && attribute->kind == THAW_ATTRIBUTE_STRING ? attribute->s : otherwise;
}

const int64_t *thaw_node_ints(const thaw_node *node, const char *name, size_t *count)
{
    const thaw_attribute *attribute = find_attribute(node, name);
    const bool found = attribute && attribute->kind == THAW_ATTRIBUTE_INTS;
    *count = found ? attribute->count : 0;
    return found ? attribute->ints : NULL;
}

const float *thaw_node_floats(const thaw_node *node, const char *name, size_t *count)
{
    const thaw_attribute *attribute = find_attribute(node, name);
    const bool found = attribute && attribute->kind == THAW_ATTRIBUTE_FLOATS;
    *count = found ? attribute->count : 0;
    return found ? attribute->floats : NULL;
}

thaw_tensor *thaw_node_tensor(const thaw_node *node, const char *name)
{
    const thaw_attribute *attribute = find_attribute(node, name);
    return attribute && attribute->kind == THAW_ATTRIBUTE_TENSOR ? attribute->tensor : NULL;
}

thaw_value *thaw_node_input(const thaw_node *node, size_t index)
{
    return index < node->input_count ? node->inputs[index] : NULL;
}

thaw_value *thaw_node_output(const thaw_node *node, size_t index)
{
    return index < node->output_count ? node->outputs[index] : NULL;
}

thaw_status thaw_node_constant_ints(const thaw_node *node, size_t index, int64_t values[THAW_MAX_RANK], int32_t *count)
{
    const thaw_value *value = thaw_node_input(node, index);
    *count = -1;
    if (!value)
        return THAW_OK;
    const thaw_tensor *tensor = value->constant;
    if (!tensor)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "input %zu ('%s') is not constant", index, value->name);
    if (!thaw_dtype_is_integer(tensor->dtype) || tensor->shape.rank > 1 || tensor->count > THAW_MAX_RANK)
        return thaw_node_fail(node, THAW_ERR_MODEL, "input %zu ('%s') is not a list of up to %d integers", index,
                              value->name, THAW_MAX_RANK);
    for (int64_t i = 0; i < tensor->count; i++)
        values[i] = thaw_tensor_get_int(tensor, i);
    *count = (int32_t)tensor->count;
    return THAW_OK;
}

thaw_status thaw_node_axis(const thaw_node *node, int64_t axis, int32_t rank, int32_t *out)
{
    if (axis < -rank || axis >= rank)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "axis %lld is outside a tensor of rank %d", (long long)axis, rank);
    *out = (int32_t)(axis < 0 ? axis + rank : axis);
    return THAW_OK;
}

thaw_status thaw_node_set_output(thaw_node *node, size_t index, thaw_dtype dtype, const thaw_shape *shape)
{
    thaw_value *value = thaw_node_output(node, index);
    if (!value)
        return THAW_OK;
    int64_t count;
    const thaw_status status = thaw_shape_count(thaw_node_context(node), shape, &count);
    if (status != THAW_OK)
        return thaw_fail_within(thaw_node_context(node), status, "%s '%s'", node->op->onnx_type, node->name);
    if (count > INT64_MAX / 8) /* so that bytes can't overflow anywhere */
        return thaw_node_fail(node, THAW_ERR_SIZE, "output %zu would have %lld elements", index, (long long)count);
    value->dtype = dtype;
    value->shape = *shape;
    value->shape_known = true;
    return THAW_OK;
}

thaw_status thaw_node_float_inputs(const thaw_node *node)
{
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i] && !thaw_dtype_is_float(node->inputs[i]->dtype))
            return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "input %zu is %s: only floating types run on the device",
                                  i, thaw_dtype_text(node->inputs[i]->dtype));
    return THAW_OK;
}

/* A few nodes of a small file may ask for any number of elements (ConstantOfShape, or Concat again and again): far
 * beyond what a folded value is good for, the file is hostile. */
#define MOST_FOLDED_BYTES (INT64_C(1) << 31)

thaw_status thaw_node_fold_output(thaw_node *node, size_t index, thaw_tensor **tensor)
{
    thaw_value *value = thaw_node_output(node, index);
    assert(value && value->shape_known);
    if (thaw_shape_size(&value->shape) > MOST_FOLDED_BYTES / (int64_t)thaw_dtype_bytes(value->dtype)) {
        char text[THAW_SHAPE_TEXT];
        return thaw_node_fail(node, THAW_ERR_SIZE, "a constant of shape %s is too large",
                              thaw_shape_text(&value->shape, text));
    }
    thaw_tensor_release(&value->constant);
    THAW_TRY(thaw_tensor_create(thaw_node_context(node), value->dtype, &value->shape, &value->constant));
    *tensor = value->constant;
    return THAW_OK;
}
