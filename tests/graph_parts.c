#include "graph_parts.h"

#include "op_harness.h"
#include "op_subject.h"
#include "op_trial.h"

thaw_value *graph_add_value(thaw_graph *graph, const char *name, const thaw_shape *shape)
{
    thaw_value *value;
    test_must(thaw_graph_add_value(graph, name, &value));
    if (shape) {
        value->dtype = THAW_FLOAT32;
        value->shape = *shape;
        value->shape_known = true;
    }
    return value;
}

thaw_tensor *graph_random_tensor(graph_numbers *numbers, const thaw_shape *shape)
{
    thaw_tensor *tensor;
    test_must(thaw_tensor_create(test_context(), THAW_FLOAT32, shape, &tensor));
    for (int64_t i = 0; i < tensor->count; i++)
        thaw_tensor_set(tensor, i,
                        numbers->low + (numbers->high - numbers->low) * thaw_random_uniform(&numbers->random));
    return tensor;
}

thaw_value *graph_add_constant(thaw_graph *graph, graph_numbers *numbers, thaw_shape shape)
{
    thaw_value *value = graph_add_value(graph, "", &shape);
    value->constant = graph_random_tensor(numbers, &shape);
    float *each = value->constant->data;
    for (int64_t i = 0; numbers->halves && i < value->constant->count; i++)
        each[i] = thaw_half_to_float(thaw_float_to_half(each[i]));
    return value;
}

thaw_value *graph_add_node(thaw_graph *graph, const char *type, const char *attributes, thaw_value *const *inputs,
                           size_t count)
{
    thaw_node *node;
    thaw_value *output = graph_add_value(graph, "", NULL);
    test_must(thaw_graph_add_node(graph, thaw_op_find(type), "", count, 1, &node));
    op_subject_attributes(node, attributes);
    for (size_t i = 0; i < count; i++)
        thaw_node_set_input(node, i, inputs[i]);
    thaw_node_set_output_value(node, 0, output);
    return output;
}

thaw_value *graph_add_integers(thaw_graph *graph, const int64_t *list, int64_t count)
{
    const thaw_shape shape = {1, {count}};
    thaw_value *value = graph_add_value(graph, "", &shape);
    value->dtype = THAW_INT64;
    test_must(thaw_tensor_create(test_context(), THAW_INT64, &shape, &value->constant));
    for (int64_t i = 0; i < count; i++)
        thaw_tensor_set_int(value->constant, i, list[i]);
    return value;
}
