#include <string.h>

#include "format/onnx.h"

/* Old writers leave the type out: then the field that is there tells. */
static int32_t attribute_type(const onnx_attribute *attribute)
{
    if (attribute->type)
        return attribute->type;
    if (attribute->has_f)
        return ONNX_FLOAT;
    if (attribute->has_i)
        return ONNX_INT;
    if (attribute->has_s)
        return ONNX_STRING;
    if (attribute->t)
        return ONNX_TENSOR;
    if (attribute->n_floats)
        return ONNX_FLOATS;
    return attribute->n_ints ? ONNX_INTS : 0;
}

static thaw_status copy_list(thaw_context *context, const void *items, size_t count, size_t size, void *copy)
{
    THAW_TRY(thaw_allocate(context, count, size, copy));
    void *target;
    memcpy(&target, copy, sizeof target);
    if (count)
        memcpy(target, items, count * size);
    return THAW_OK;
}

static thaw_status copy_string(thaw_context *context, const ProtobufCBinaryData *bytes, char **copy)
{
    THAW_TRY(thaw_allocate(context, bytes->len + 1, 1, copy));
    if (bytes->len)
        memcpy(*copy, bytes->data, bytes->len);
    return THAW_OK;
}

/* Kinds that Thaw has no use for (graphs, lists of strings, ...) are told apart by OTHER; it is for the operators to
 * refuse them. */
thaw_status thaw_onnx_read_attribute(thaw_node *node, const onnx_attribute *attribute)
{
    thaw_context *context = node->graph->context;
    if (!attribute->name || !*attribute->name)
        return thaw_node_fail(node, THAW_ERR_MODEL, "an attribute has no name");
    thaw_attribute *made;
    THAW_TRY(thaw_node_add_attribute(node, attribute->name, &made));
    switch (attribute_type(attribute)) {
    case ONNX_FLOAT:
        made->kind = THAW_ATTRIBUTE_FLOAT;
        made->f = attribute->f;
        return THAW_OK;
    case ONNX_INT:
        made->kind = THAW_ATTRIBUTE_INT;
        made->i = attribute->i;
        return THAW_OK;
    case ONNX_STRING:
        made->kind = THAW_ATTRIBUTE_STRING;
        return copy_string(context, &attribute->s, &made->s);
    case ONNX_TENSOR:
        made->kind = THAW_ATTRIBUTE_TENSOR;
        return attribute->t ? thaw_onnx_read_tensor(context, NULL, attribute->t, &made->tensor)
                            : thaw_node_fail(node, THAW_ERR_MODEL, "attribute '%s' has no tensor", attribute->name);
    case ONNX_FLOATS:
        made->kind = THAW_ATTRIBUTE_FLOATS;
        made->count = attribute->n_floats;
        return copy_list(context, attribute->floats, made->count, sizeof *made->floats, &made->floats);
    case ONNX_INTS:
        made->kind = THAW_ATTRIBUTE_INTS;
        made->count = attribute->n_ints;
        return copy_list(context, attribute->ints, made->count, sizeof *made->ints, &made->ints);
    default:
        made->kind = THAW_ATTRIBUTE_OTHER;
        return THAW_OK;
    }
}
