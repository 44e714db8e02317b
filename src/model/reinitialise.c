/* New random values for all parameters: what training from scratch starts with. */
#include "base/random.h"
#include "model/model.h"
#include "model/roles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One of the two numbers that Box and Muller's method makes: enough here. */
static double normal(thaw_random *random)
{
    const double radius = sqrt(-2.0 * log(1.0 - thaw_random_uniform(random)));
    return radius * cos(2.0 * 3.14159265358979323846 * thaw_random_uniform(random));
}

/* torch.nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu") */
static void fill_convolution(thaw_random *random, const thaw_tensor *like, float *values)
{
    const int64_t area = thaw_shape_span(&like->shape, 2, like->shape.rank);
    const double deviation = sqrt(2.0 / (double)(like->shape.dims[0] * area));
    for (int64_t i = 0; i < like->count; i++)
        values[i] = (float)(normal(random) * deviation);
}

/* torch.nn.Linear */
static void fill_linear(thaw_random *random, const thaw_tensor *like, int64_t inputs, float *values)
{
    const double bound = 1.0 / sqrt((double)inputs);
    for (int64_t i = 0; i < like->count; i++)
        values[i] = (float)((2.0 * thaw_random_uniform(random) - 1.0) * bound);
}

/* Rows or columns of a matrix are what goes in: a Gemm says which, a MatMul's come first, a Transpose turns it round.
 */
static int64_t linear_inputs(const thaw_node *node, const thaw_value *weight)
{
    const thaw_shape *shape = &weight->constant->shape;
    const bool direct = node->inputs[1] == weight || node->inputs[0] == weight;
    const bool transposed = strcmp(node->op->onnx_type, "Gemm") == 0 && thaw_node_int(node, "transB", 0) != 0;
    if (shape->rank < 2)
        return weight->constant->count;
    return shape->dims[transposed == direct ? shape->rank - 1 : shape->rank - 2];
}

static thaw_status renew(const thaw_node *node, thaw_reading reading, thaw_random *random)
{
    thaw_value *value = reading.parameter;
    const thaw_tensor *old = value->constant;
    thaw_tensor *tensor;
    THAW_TRY(thaw_tensor_create(thaw_node_context(node), THAW_FLOAT32, &old->shape, &tensor));
    float *values = tensor->data;
    if (reading.role == THAW_ROLE_WEIGHT && strcmp(node->op->onnx_type, "Conv") == 0)
        fill_convolution(random, old, values);
    else if (reading.role == THAW_ROLE_WEIGHT)
        fill_linear(random, old, linear_inputs(node, value), values);
    else
        for (int64_t i = 0; i < old->count; i++)
            values[i] = reading.role == THAW_ROLE_SCALE || reading.role == THAW_ROLE_VARIANCE ? 1.0f : 0.0f;
    thaw_tensor_release(&value->constant);
    value->constant = tensor;
    return THAW_OK;
}

static thaw_status renew_all(thaw_graph *graph, uint64_t seed, thaw_value *const *origins, bool *renewed)
{
    thaw_random random = {seed};
    for (size_t i = 0; i < graph->node_count; i++)
        for (size_t j = 0; j < graph->nodes[i]->input_count; j++) {
            const thaw_reading reading = thaw_role_of_input(graph->nodes[i], j, origins);
            if (!reading.parameter || reading.role == THAW_ROLE_NONE || renewed[reading.parameter->index])
                continue;
            renewed[reading.parameter->index] = true;
            THAW_TRY(renew(graph->nodes[i], reading, &random));
        }
    return THAW_OK;
}

thaw_status thaw_model_reinitialise(thaw_model *model, uint64_t seed)
{
    thaw_graph *graph = model->graph;
    thaw_value **origins = NULL;
    bool *renewed = NULL;
    thaw_status status = thaw_allocate(model->context, graph->value_count, sizeof *origins, &origins);
    if (status == THAW_OK)
        status = thaw_allocate(model->context, graph->value_count, sizeof *renewed, &renewed);
    if (status == THAW_OK) {
        thaw_roles_trace(graph, origins);
        status = renew_all(graph, seed, origins, renewed);
    }
    free(origins);
    free(renewed);
    return status;
}
