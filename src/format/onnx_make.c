/* New messages for what the graph has and the file has not. */
#include <stdlib.h>
#include <string.h>

#include "format/onnx.h"

thaw_status thaw_onnx_allocate(onnx_arena *arena, size_t count, size_t size, void *out)
{
    THAW_TRY(thaw_reserve(arena->context, &arena->blocks, &arena->capacity, arena->count + 1, sizeof *arena->blocks));
    THAW_TRY(thaw_allocate(arena->context, count, size, &arena->blocks[arena->count]));
    memcpy(out, &arena->blocks[arena->count++], sizeof(void *));
    return THAW_OK;
}

void thaw_onnx_arena_free(onnx_arena *arena)
{
    for (size_t i = 0; i < arena->count; i++)
        free(arena->blocks[i]);
    free(arena->blocks);
    *arena = (onnx_arena){.context = arena->context};
}

/* protobuf-c's structs know no const; packing only reads them. */
static void *unconst(const void *pointer)
{
    return (void *)(uintptr_t)pointer;
}

static thaw_status converted_data(onnx_arena *arena, const thaw_tensor *tensor, thaw_dtype dtype,
                                  ProtobufCBinaryData *data)
{
    thaw_tensor converted = *tensor;
    converted.dtype = dtype;
    converted.bytes = (size_t)tensor->count * thaw_dtype_bytes(dtype);
    THAW_TRY(thaw_onnx_allocate(arena, converted.bytes, 1, &converted.data));
    for (int64_t i = 0; i < tensor->count; i++)
        thaw_tensor_set(&converted, i, thaw_tensor_get(tensor, i));
    *data = (ProtobufCBinaryData){converted.bytes, converted.data};
    return THAW_OK;
}

thaw_status thaw_onnx_make_tensor(onnx_arena *arena, char *name, const thaw_tensor *tensor, thaw_dtype dtype,
                                  onnx_tensor **message)
{
    THAW_TRY(thaw_onnx_allocate(arena, 1, sizeof **message, message));
    onnx__tensor_proto__init(*message);
    (*message)->name = name;
    (*message)->has_data_type = 1;
    (*message)->data_type = thaw_dtype_to_onnx(dtype);
    (*message)->n_dims = (size_t)tensor->shape.rank;
    (*message)->dims = unconst(tensor->shape.dims);
    (*message)->has_raw_data = 1;
    if (dtype != tensor->dtype)
        return converted_data(arena, tensor, dtype, &(*message)->raw_data);
    (*message)->raw_data = (ProtobufCBinaryData){tensor->bytes, tensor->data};
    return THAW_OK;
}

/* An open dimension stays open; the first one is the batch and gets ONNX's usual name for it. */
static thaw_status make_shape(onnx_arena *arena, const thaw_shape *shape, onnx_shape **message)
{
    static char batch[] = "N";
    THAW_TRY(thaw_onnx_allocate(arena, 1, sizeof **message, message));
    onnx__tensor_shape_proto__init(*message);
    THAW_TRY(thaw_onnx_allocate(arena, (size_t)shape->rank, sizeof *(*message)->dim, &(*message)->dim));
    for (int32_t i = 0; i < shape->rank; i++) {
        onnx_dimension *dim;
        THAW_TRY(thaw_onnx_allocate(arena, 1, sizeof *dim, &dim));
        onnx__tensor_shape_proto__dimension__init(dim);
        if (shape->dims[i] >= 0) {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = shape->dims[i];
        } else if (i == 0) {
            dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim->dim_param = batch;
        }
        (*message)->dim[(*message)->n_dim++] = dim;
    }
    return THAW_OK;
}

thaw_status thaw_onnx_make_value_info(onnx_arena *arena, char *name, thaw_dtype dtype, const thaw_shape *shape,
                                      onnx_value_info **message)
{
    onnx_type *type;
    onnx_tensor_type *tensor_type;
    THAW_TRY(thaw_onnx_allocate(arena, 1, sizeof **message, message));
    THAW_TRY(thaw_onnx_allocate(arena, 1, sizeof *type, &type));
    THAW_TRY(thaw_onnx_allocate(arena, 1, sizeof *tensor_type, &tensor_type));
    onnx__value_info_proto__init(*message);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor_type);
    (*message)->name = name;
    (*message)->type = type;
    type->tensor_type = tensor_type;
    tensor_type->has_elem_type = 1;
    tensor_type->elem_type = thaw_dtype_to_onnx(dtype);
    return shape ? make_shape(arena, shape, &tensor_type->shape) : THAW_OK;
}

static thaw_status make_attribute(onnx_arena *arena, const thaw_attribute *attribute, onnx_attribute **message)
{
    THAW_TRY(thaw_onnx_allocate(arena, 1, sizeof **message, message));
    onnx_attribute *made = *message;
    onnx__attribute_proto__init(made);
    made->name = attribute->name;
    made->has_type = 1;
    switch (attribute->kind) {
    case THAW_ATTRIBUTE_INT:
        made->type = ONNX_INT;
        made->has_i = 1;
        made->i = attribute->i;
        return THAW_OK;
    case THAW_ATTRIBUTE_FLOAT:
        made->type = ONNX_FLOAT;
        made->has_f = 1;
        made->f = attribute->f;
        return THAW_OK;
    case THAW_ATTRIBUTE_STRING:
        made->type = ONNX_STRING;
        made->has_s = 1;
        made->s = (ProtobufCBinaryData){strlen(attribute->s), (uint8_t *)attribute->s};
        return THAW_OK;
    case THAW_ATTRIBUTE_TENSOR:
        made->type = ONNX_TENSOR;
        return thaw_onnx_make_tensor(arena, NULL, attribute->tensor, attribute->tensor->dtype, &made->t);
    case THAW_ATTRIBUTE_INTS:
        made->type = ONNX_INTS;
        made->n_ints = attribute->count;
        made->ints = attribute->ints;
        return THAW_OK;
    case THAW_ATTRIBUTE_FLOATS:
        made->type = ONNX_FLOATS;
        made->n_floats = attribute->count;
        made->floats = attribute->floats;
        return THAW_OK;
    case THAW_ATTRIBUTE_OTHER:
        break;
    }
    return thaw_fail(arena->context, THAW_ERR_UNSUPPORTED, "attribute '%s' can't be written", attribute->name);
}

static thaw_status make_bare_node(onnx_arena *arena, const thaw_node *node, onnx_node *message)
{
    onnx__node_proto__init(message);
    message->name = node->name;
    message->op_type = unconst(node->op->onnx_type);
    THAW_TRY(thaw_onnx_allocate(arena, node->attribute_count, sizeof *message->attribute, &message->attribute));
    for (size_t i = 0; i < node->attribute_count; i++)
        THAW_TRY(make_attribute(arena, &node->attributes[i], &message->attribute[message->n_attribute++]));
    return THAW_OK;
}

static thaw_status make_names(onnx_arena *arena, thaw_value *const *values, size_t count, char ***names)
{
    static char absent[] = "";
    THAW_TRY(thaw_onnx_allocate(arena, count, sizeof **names, names));
    for (size_t i = 0; i < count; i++)
        (*names)[i] = values[i] ? values[i]->name : absent;
    return THAW_OK;
}

thaw_status thaw_onnx_make_node(onnx_arena *arena, const thaw_node *node, const onnx_node *original,
                                onnx_node **message)
{
    THAW_TRY(thaw_onnx_allocate(arena, 1, sizeof **message, message));
    if (original)
        **message = *original;
    else
        THAW_TRY(make_bare_node(arena, node, *message));
    (*message)->n_input = node->input_count;
    (*message)->n_output = node->output_count;
    THAW_TRY(make_names(arena, node->inputs, node->input_count, &(*message)->input));
    return make_names(arena, node->outputs, node->output_count, &(*message)->output);
}
