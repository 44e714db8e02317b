#include "ops/shared/linear.h"

#include <string.h>

/* Both operands as stacks of matrices: [batch..., m, k] times [batch..., k, n]. A stride of 0 repeats the matrix.
 *
 * Where b is one constant matrix, the fusion may have listed a constant bias of n numbers, or one, as input 2, and
 * given the node an epilogue. */
typedef struct matmul_state {
    int64_t m, n, k;
    int32_t batch_rank;
    int64_t batch[THAW_MAX_RANK];                             /* of the output */
    int64_t a_stride[THAW_MAX_RANK], b_stride[THAW_MAX_RANK]; /* elements, per batch axis */
    thaw_linear linear;
} matmul_state;

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, ""));
    THAW_TRY(thaw_node_arity(node, 2, 2, 1));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(matmul_state), &node->state);
}

/* NumPy's promotion: a vector is a row in front and a column behind. */
static thaw_shape promote(const thaw_shape *shape, bool front)
{
    thaw_shape matrix = *shape;
    if (shape->rank == 1) {
        matrix.rank = 2;
        matrix.dims[front ? 1 : 0] = shape->dims[0];
        matrix.dims[front ? 0 : 1] = 1;
    }
    return matrix;
}

/* Broadcasts the axes before the last two. */
static thaw_status infer_batch(const thaw_node *node, const thaw_shape *a, const thaw_shape *b, matmul_state *state)
{
    thaw_shape batch, a_batch = *a, b_batch = *b;
    a_batch.rank -= 2;
    b_batch.rank -= 2;
    const thaw_status status = thaw_shape_broadcast(thaw_node_context(node), &a_batch, &b_batch, &batch);
    if (status != THAW_OK)
        return thaw_fail_within(thaw_node_context(node), status, "MatMul '%s'", node->name);
    state->batch_rank = batch.rank;
    memcpy(state->batch, batch.dims, sizeof state->batch);

    int64_t a_strides[THAW_MAX_RANK], b_strides[THAW_MAX_RANK];
    thaw_shape_strides(a, a_strides);
    thaw_shape_strides(b, b_strides);
    for (int32_t axis = 0; axis < batch.rank; axis++) {
        const int32_t a_axis = axis - (batch.rank - a_batch.rank), b_axis = axis - (batch.rank - b_batch.rank);
        state->a_stride[axis] = a_axis >= 0 && a->dims[a_axis] > 1 ? a_strides[a_axis] : 0;
        state->b_stride[axis] = b_axis >= 0 && b->dims[b_axis] > 1 ? b_strides[b_axis] : 0;
    }
    return THAW_OK;
}

/* [batch..., m, n], less the axes that promotion put there. */
static thaw_shape output_shape(const thaw_node *node, const matmul_state *state)
{
    thaw_shape shape = {.rank = state->batch_rank};
    memcpy(shape.dims, state->batch, sizeof shape.dims);
    if (node->inputs[0]->shape.rank > 1)
        shape.dims[shape.rank++] = state->m;
    if (node->inputs[1]->shape.rank > 1)
        shape.dims[shape.rank++] = state->n;
    return shape;
}

/* Where b is one matrix for all, a's stack is one tall matrix. */
static void merge_batch(const thaw_shape *a, matmul_state *state)
{
    for (int32_t axis = 0; axis < state->batch_rank; axis++)
        if (state->b_stride[axis] || (state->batch[axis] > 1 && !state->a_stride[axis]))
            return;
    state->m = thaw_shape_span(a, 0, a->rank - 1);
    state->batch_rank = 0;
}

static thaw_status infer(thaw_node *node)
{
    matmul_state *state = node->state;
    THAW_TRY(thaw_node_float_inputs(node));
    const thaw_shape a = promote(&node->inputs[0]->shape, true), b = promote(&node->inputs[1]->shape, false);
    char a_text[THAW_SHAPE_TEXT], b_text[THAW_SHAPE_TEXT];
    thaw_shape_text(&node->inputs[0]->shape, a_text);
    thaw_shape_text(&node->inputs[1]->shape, b_text);
    if (a.rank < 2 || b.rank < 2 || a.dims[a.rank - 1] != b.dims[b.rank - 2])
        return thaw_node_fail(node, THAW_ERR_SHAPE, "%s and %s do not multiply", a_text, b_text);
    state->m = a.dims[a.rank - 2];
    state->k = a.dims[a.rank - 1];
    state->n = b.dims[b.rank - 1];
    THAW_TRY(infer_batch(node, &a, &b, state));
    const thaw_shape y = output_shape(node, state);
    THAW_TRY(thaw_node_set_output(node, 0, node->inputs[0]->dtype, &y));
    if (!thaw_multiply(2 * thaw_shape_size(&y), state->k, &node->flops))
        return thaw_node_fail(node, THAW_ERR_SIZE, "%s times %s is too large", a_text, b_text);
    merge_batch(&a, state);
    return THAW_OK;
}

static int64_t stack_size(const matmul_state *state)
{
    int64_t size = 1;
    for (int32_t axis = 0; axis < state->batch_rank; axis++)
        size *= state->batch[axis];
    return size;
}

/* Where the operands of place `index` in the stack, counted row-major, begin. */
static void find_operands(const matmul_state *state, int64_t index, int64_t *a, int64_t *b)
{
    *a = *b = 0;
    for (int32_t axis = state->batch_rank - 1; axis >= 0; axis--) {
        *a += index % state->batch[axis] * state->a_stride[axis];
        *b += index % state->batch[axis] * state->b_stride[axis];
        index /= state->batch[axis];
    }
}

static thaw_status multiply(const thaw_node *node, const matmul_state *state, int64_t index)
{
    thaw_gemm gemm = {
        .m = state->m,
        .n = state->n,
        .k = state->k,
        .alpha = 1,
        .a = node->inputs[0]->buffer,
        .a_stride = state->k,
        .b = node->inputs[1]->buffer,
        .b_stride = state->n,
        .c = node->outputs[0]->buffer,
        .c_offset = index * state->m * state->n,
        .c_stride = state->n,
    };
    find_operands(state, index, &gemm.a_offset, &gemm.b_offset);
    return thaw_gemm_run(thaw_node_device(node), &gemm);
}

/* da [m, k] += dy b^T */
static thaw_status backward_a(const thaw_node *node, const matmul_state *state, int64_t index)
{
    thaw_gemm gemm = {
        .m = state->m,
        .n = state->k,
        .k = state->n,
        .alpha = 1,
        .beta = 1,
        .a = node->outputs[0]->gradient,
        .a_offset = index * state->m * state->n,
        .a_stride = state->n,
        .transpose_b = true,
        .b = state->linear.rows ? state->linear.rows : node->inputs[1]->buffer,
        .b_stride = state->n,
        .c = node->inputs[0]->gradient,
        .c_stride = state->k,
    };
    find_operands(state, index, &gemm.c_offset, &gemm.b_offset);
    return thaw_gemm_run(thaw_node_device(node), &gemm);
}

/* db [k, n] += a^T dy */
static thaw_status backward_b(const thaw_node *node, const matmul_state *state, int64_t index)
{
    thaw_gemm gemm = {
        .m = state->k,
        .n = state->n,
        .k = state->m,
        .alpha = 1,
        .beta = 1,
        .transpose_a = true,
        .a = node->inputs[0]->buffer,
        .a_stride = state->k,
        .b = node->outputs[0]->gradient,
        .b_offset = index * state->m * state->n,
        .b_stride = state->n,
        .c = node->inputs[1]->gradient,
        .c_stride = state->n,
    };
    find_operands(state, index, &gemm.a_offset, &gemm.c_offset);
    return thaw_gemm_run(thaw_node_device(node), &gemm);
}

/* Nothing here has channels: only the weights are stored in another way. */
static int32_t layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    const matmul_state *state = node->state;
    (void)block, (void)wanted;
    node->packs_weights = state->batch_rank == 0 && state->m > 0 && thaw_weights_fit(node, 1, state->n, state->k);
    return 1;
}

static thaw_status prepare(thaw_node *node)
{
    matmul_state *state = node->state;
    const thaw_value *bias = thaw_epilogue_own_input(node, 2);
    state->linear = (thaw_linear){
        .m = state->m,
        .n = state->n,
        .k = state->k,
        .scale = 1,
        .epilogue = {.planes = stack_size(state),
                     .rows = state->m,
                     .columns = state->n,
                     .bias = bias,
                     .bias_column = bias && thaw_shape_size(&bias->shape) > 1,
                     .bias_scale = 1},
    };
    return thaw_linear_prepare(node, &state->linear);
}

static thaw_status forward(thaw_node *node)
{
    const matmul_state *state = node->state;
    if (state->linear.panels)
        return thaw_linear_forward(node, &state->linear);
    for (int64_t i = 0; i < stack_size(state); i++)
        THAW_TRY(multiply(node, state, i));
    return thaw_epilogue_run(node, &state->linear.epilogue);
}

/* A matrix that is repeated gets its gradient from one product after the other. */
static thaw_status backward(thaw_node *node)
{
    const matmul_state *state = node->state;
    for (int64_t i = 0; i < stack_size(state); i++) {
        if (node->inputs[0]->gradient)
            THAW_TRY(backward_a(node, state, i));
        if (node->inputs[1]->gradient)
            THAW_TRY(backward_b(node, state, i));
    }
    return THAW_OK;
}

static void release(thaw_node *node)
{
    matmul_state *state = node->state;
    thaw_linear_release(&state->linear);
}

const thaw_op thaw_op_matmul = {
    .name = "matmul",
    .onnx_type = "MatMul",
    .flags = THAW_OP_EPILOGUE | THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = infer,
    .layout = layout,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .release = release,
};
