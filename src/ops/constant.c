/* Constant: what its one attribute holds. */
#include "ops/op.h"

#include <string.h>

/* The forms a constant may have in the file. */
typedef enum constant_form { FORM_TENSOR, FORM_FLOAT, FORM_FLOATS, FORM_INT, FORM_INTS } constant_form;

static const struct {
    const char *name;
    int kind; /* THAW_ATTRIBUTE_* */
    thaw_dtype dtype;
} forms[] = {
    [FORM_TENSOR] = {"value", THAW_ATTRIBUTE_TENSOR, THAW_FLOAT32 /* the tensor's own */},
    [FORM_FLOAT] = {"value_float", THAW_ATTRIBUTE_FLOAT, THAW_FLOAT32},
    [FORM_FLOATS] = {"value_floats", THAW_ATTRIBUTE_FLOATS, THAW_FLOAT32},
    [FORM_INT] = {"value_int", THAW_ATTRIBUTE_INT, THAW_INT64},
    [FORM_INTS] = {"value_ints", THAW_ATTRIBUTE_INTS, THAW_INT64},
};

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_arity(node, 0, 0, 1));
    THAW_TRY(thaw_node_known_attributes(node, "value,value_float,value_floats,value_int,value_ints"));
    if (node->attribute_count != 1)
        return thaw_node_fail(node, THAW_ERR_MODEL, "has %zu attributes, takes one", node->attribute_count);
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(constant_form), &node->state));
    const thaw_attribute *attribute = &node->attributes[0];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(forms[i].name, attribute->name) == 0 && forms[i].kind == (int)attribute->kind) {
            *(constant_form *)node->state = (constant_form)i;
            return THAW_OK;
        }
    return thaw_node_fail(node, THAW_ERR_MODEL, "attribute '%s' is of the wrong type", attribute->name);
}

static thaw_status infer(thaw_node *node)
{
    const constant_form form = *(const constant_form *)node->state;
    const thaw_attribute *attribute = &node->attributes[0];
    if (form == FORM_TENSOR)
        return thaw_node_set_output(node, 0, attribute->tensor->dtype, &attribute->tensor->shape);
    const bool list = form == FORM_FLOATS || form == FORM_INTS;
    const thaw_shape shape = {.rank = list, .dims = {list ? (int64_t)attribute->count : 0}};
    return thaw_node_set_output(node, 0, forms[form].dtype, &shape);
}

static thaw_status fold(thaw_node *node)
{
    const constant_form form = *(const constant_form *)node->state;
    const thaw_attribute *attribute = &node->attributes[0];
    thaw_tensor *output;
    if (form == FORM_TENSOR) {
        thaw_tensor_release(&node->outputs[0]->constant);
        node->outputs[0]->constant = thaw_tensor_retain(attribute->tensor);
        return THAW_OK;
    }
    const void *sources[] = {[FORM_FLOAT] = &attribute->f,
                             [FORM_FLOATS] = attribute->floats,
                             [FORM_INT] = &attribute->i,
                             [FORM_INTS] = attribute->ints};
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    if (output->bytes)
        memcpy(output->data, sources[form], output->bytes);
    return THAW_OK;
}

const thaw_op thaw_op_constant = {
    .name = "constant",
    .onnx_type = "Constant",
    .flags = THAW_OP_HOST,
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
};
