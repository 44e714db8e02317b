#include "format/architectures/builder.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 256, MOST_TEXT_BYTES = 3000 };

int64_t thaw_builder_dimension(const thaw_builder *b, const char *name, int32_t index, int64_t otherwise)
{
    const size_t place = thaw_weights_find(b->weights, name);
    if (place == b->weights->count || index >= b->weights->tensors[place]->shape.rank)
        return otherwise;
    return b->weights->tensors[place]->shape.dims[index];
}

/* One more entry of a list, unless that has become too long: the count tells then. */
static void THAW_PRINTF(3, 4) tell(const thaw_builder *b, thaw_text *list, const char *format, ...)
{
    char entry[NAME_BYTES + 2 * THAW_SHAPE_TEXT];
    if (!b->telling || list->length > MOST_TEXT_BYTES)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(entry, sizeof entry, format, arguments);
    va_end(arguments);
    thaw_text_append(list, "%s%s", list->length ? ", " : "", entry);
}

static bool check_parameter(thaw_builder *b, const char *name, const thaw_shape *shape, size_t place)
{
    char wanted[THAW_SHAPE_TEXT], is[THAW_SHAPE_TEXT];
    if (place == b->weights->count) {
        b->missing_count++;
        tell(b, &b->missing, "%s %s", name, thaw_shape_text(shape, wanted));
        return false;
    }
    const thaw_safetensor *tensor = b->weights->tensors[place];
    b->used[place] = true;
    if (thaw_dtype_is_float(tensor->dtype) && thaw_shape_equal(&tensor->shape, shape)) {
        b->found_count++;
        return true;
    }
    b->misshaped_count++;
    tell(b, &b->misshaped, "%s is %s %s and not %s", name, thaw_dtype_text(tensor->dtype),
         thaw_shape_text(&tensor->shape, is), thaw_shape_text(shape, wanted));
    return false;
}

static thaw_status add_constant(thaw_builder *b, const char *name, thaw_tensor *tensor, thaw_value **value)
{
    THAW_TRY(thaw_graph_add_value(b->graph, name, value));
    (*value)->constant = thaw_tensor_retain(tensor);
    (*value)->dtype = tensor->dtype;
    (*value)->shape = tensor->shape;
    (*value)->shape_known = true;
    return THAW_OK;
}

/* In float32, whatever the file keeps it in: borrowed where it is that already, and lies where a float may. */
static thaw_status load(thaw_context *context, const thaw_safetensor *stored, thaw_tensor **tensor)
{
    thaw_tensor *read;
    if ((uintptr_t)stored->data % thaw_dtype_bytes(stored->dtype) == 0) {
        THAW_TRY(thaw_tensor_borrow(context, stored->dtype, &stored->shape, stored->data, &read));
    } else {
        THAW_TRY(thaw_tensor_create(context, stored->dtype, &stored->shape, &read));
        memcpy(read->data, stored->data, stored->bytes);
    }
    const thaw_status status = thaw_tensor_to_float32(context, read, tensor);
    thaw_tensor_release(&read);
    return status;
}

static bool ends_in(const char *name, const char *end)
{
    const size_t length = strlen(name), end_length = strlen(end);
    return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

/* Numbers with which signals neither fade nor grow on the way through the net: weights as He et al. 2015 have them for
 * ReLU, uniform; scales and variances around 1; all else around 0. */
static void invent_range(const char *name, const thaw_shape *shape, double *centre, double *reach)
{
    const bool kernel = shape->rank == 2 || shape->rank == 4;
    const bool scale = shape->rank == 1 && (ends_in(name, "weight") || ends_in(name, "gamma"));
    const bool variance = ends_in(name, "running_var");
    *centre = scale || variance ? 1 : 0;
    *reach = kernel ? sqrt(6.0 / (double)thaw_shape_span(shape, 1, shape->rank)) : variance ? 0.5 : 0.1;
}

static thaw_status invent(thaw_builder *b, const char *name, const thaw_shape *shape, thaw_value **value)
{
    double centre, reach;
    thaw_tensor *tensor;
    THAW_TRY(thaw_tensor_create(b->context, THAW_FLOAT32, shape, &tensor));
    invent_range(name, shape, &centre, &reach);
    for (int64_t i = 0; i < tensor->count; i++)
        ((float *)tensor->data)[i] = (float)(centre + reach * (2 * thaw_random_uniform(&b->random) - 1));
    const thaw_status status = add_constant(b, name, tensor, value);
    thaw_tensor_release(&tensor);
    return status;
}

thaw_status thaw_builder_parameter(thaw_builder *b, const thaw_shape *shape, thaw_value **value, const char *format,
                                   ...)
{
    char name[NAME_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    *value = NULL;
    if (b->invents)
        return invent(b, name, shape, value);
    const size_t place = thaw_weights_find(b->weights, name);
    if (!check_parameter(b, name, shape, place) || !b->graph)
        return THAW_OK;
    thaw_tensor *tensor;
    THAW_TRY(load(b->context, b->weights->tensors[place], &tensor));
    const thaw_status status = add_constant(b, name, tensor, value);
    thaw_tensor_release(&tensor);
    return status;
}

/* The constant of that name, made of `tensor` if there is none; the reference is taken. */
static thaw_status shared_constant(thaw_builder *b, const char *name, thaw_tensor *tensor, thaw_value **value)
{
    thaw_status status = THAW_OK;
    *value = thaw_graph_find_value(b->graph, name);
    if (!*value)
        status = add_constant(b, name, tensor, value);
    thaw_tensor_release(&tensor);
    return status;
}

thaw_status thaw_builder_ints(thaw_builder *b, const int64_t *ints, size_t count, thaw_value **value)
{
    const thaw_shape shape = {1, {(int64_t)count}};
    char name[NAME_BYTES] = "ints";
    thaw_tensor *tensor;
    *value = NULL;
    if (!b->graph)
        return THAW_OK;
    for (size_t i = 0, length = 4; i < count && length < sizeof name; i++)
        length += (size_t)snprintf(name + length, sizeof name - length, "_%" PRId64, ints[i]);
    THAW_TRY(thaw_tensor_create(b->context, THAW_INT64, &shape, &tensor));
    for (size_t i = 0; i < count; i++)
        thaw_tensor_set_int(tensor, (int64_t)i, ints[i]);
    return shared_constant(b, name, tensor, value);
}

thaw_status thaw_builder_number(thaw_builder *b, float number, thaw_value **value)
{
    const thaw_shape scalar = {0};
    char name[NAME_BYTES];
    thaw_tensor *tensor;
    *value = NULL;
    if (!b->graph)
        return THAW_OK;
    snprintf(name, sizeof name, "number_%.9g", (double)number);
    THAW_TRY(thaw_tensor_create(b->context, THAW_FLOAT32, &scalar, &tensor));
    thaw_tensor_set(tensor, 0, (double)number);
    return shared_constant(b, name, tensor, value);
}

thaw_status thaw_build_node(thaw_builder *b, const char *type, const char *name, thaw_value *const *inputs,
                            size_t input_count, thaw_node **node, thaw_flow *x)
{
    *node = NULL;
    if (!b->graph)
        return THAW_OK;
    while (input_count && !inputs[input_count - 1])
        input_count--;
    THAW_TRY(thaw_graph_add_node(b->graph, thaw_op_find(type), name, input_count, 1, node));
    for (size_t i = 0; i < input_count; i++)
        thaw_node_set_input(*node, i, inputs[i]);
    THAW_TRY(thaw_graph_add_value(b->graph, name, &x->value));
    x->value->dtype = THAW_FLOAT32;
    thaw_node_set_output_value(*node, 0, x->value);
    return THAW_OK;
}
