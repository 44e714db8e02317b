#include "ops/shared/linear.h"

/* y [m, n] = alpha * op(a) [m, k] op(b) [k, n] + beta * c, c broadcast to [m, n]. */
typedef struct gemm_state {
    float alpha, beta;
    bool transpose_a, transpose_b;
    int64_t m, n, k;
    int64_t c_rows, c_columns; /* m or 1, n or 1 */
    thaw_kernel *reduce;       /* backward of c */
    thaw_linear linear;
} gemm_state;

static thaw_status attributes(thaw_node *node)
{
    /* `broadcast` was dropped in opset 7, which broadcasts always */
    THAW_TRY(thaw_node_known_attributes(node, thaw_node_opset(node) < 7 ? "alpha,beta,transA,transB,broadcast"
                                                                        : "alpha,beta,transA,transB"));
    THAW_TRY(thaw_node_arity(node, 2, 3, 1));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(gemm_state), &node->state));
    gemm_state *state = node->state;
    state->alpha = thaw_node_float(node, "alpha", 1);
    state->beta = thaw_node_float(node, "beta", 1);
    state->transpose_a = thaw_node_int(node, "transA", 0) != 0;
    state->transpose_b = thaw_node_int(node, "transB", 0) != 0;
    return THAW_OK;
}

/* c's extent along each axis of [m, n]: all of it, or 1. */
static thaw_status infer_addend(const thaw_node *node, const thaw_value *c, gemm_state *state)
{
    const int32_t rank = c->shape.rank;
    state->c_columns = rank > 0 ? c->shape.dims[rank - 1] : 1;
    state->c_rows = rank > 1 ? c->shape.dims[rank - 2] : 1;
    char text[THAW_SHAPE_TEXT];
    if (rank > 2 || (state->c_columns != 1 && state->c_columns != state->n) ||
        (state->c_rows != 1 && state->c_rows != state->m))
        return thaw_node_fail(node, THAW_ERR_SHAPE, "C %s does not broadcast to [%lld,%lld]",
                              thaw_shape_text(&c->shape, text), (long long)state->m, (long long)state->n);
    return THAW_OK;
}

static thaw_status infer(thaw_node *node)
{
    gemm_state *state = node->state;
    const thaw_shape *a = &node->inputs[0]->shape, *b = &node->inputs[1]->shape;
    const thaw_value *c = thaw_epilogue_own_input(node, 2);
    char a_text[THAW_SHAPE_TEXT], b_text[THAW_SHAPE_TEXT];
    THAW_TRY(thaw_node_float_inputs(node));
    if (a->rank != 2 || b->rank != 2 || a->dims[!state->transpose_a] != b->dims[state->transpose_b])
        return thaw_node_fail(node, THAW_ERR_SHAPE, "A %s%s and B %s%s do not multiply", thaw_shape_text(a, a_text),
                              state->transpose_a ? " transposed" : "", thaw_shape_text(b, b_text),
                              state->transpose_b ? " transposed" : "");
    state->m = a->dims[state->transpose_a];
    state->k = a->dims[!state->transpose_a];
    state->n = b->dims[!state->transpose_b];
    if (c)
        THAW_TRY(infer_addend(node, c, state));
    const thaw_shape y = {.rank = 2, .dims = {state->m, state->n}};
    THAW_TRY(thaw_node_set_output(node, 0, node->inputs[0]->dtype, &y));
    if (!thaw_multiply(2 * thaw_shape_size(&y), state->k, &node->flops))
        return thaw_node_fail(node, THAW_ERR_SIZE, "A %s times B %s is too large", a_text, b_text);
    return THAW_OK;
}

/* Nothing here has channels: only the weights are stored in another way. */
static int32_t layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    const gemm_state *state = node->state;
    const thaw_value *c = thaw_epilogue_own_input(node, 2);
    (void)block, (void)wanted;
    node->packs_weights =
        !(c && c->trainable) && !state->transpose_a && state->m > 0 && thaw_weights_fit(node, 1, state->n, state->k);
    return 1;
}

static thaw_status prepare(thaw_node *node)
{
    gemm_state *state = node->state;
    thaw_value *c = thaw_epilogue_own_input(node, 2);
    state->linear = (thaw_linear){
        .m = state->m,
        .n = state->n,
        .k = state->k,
        .transposed = state->transpose_b,
        .scale = state->alpha,
        .epilogue = {.planes = 1,
                     .rows = state->m,
                     .columns = state->n,
                     .bias = state->beta != 0 ? c : NULL,
                     .bias_row = c && state->c_rows > 1 ? state->c_columns : 0,
                     .bias_column = c && state->c_columns > 1,
                     .bias_scale = state->beta},
    };
    if (c && c->gradient)
        THAW_TRY(thaw_kernel_get(thaw_node_device(node), "gemm_backward", "reduce_rows", "", &state->reduce));
    return thaw_linear_prepare(node, &state->linear);
}

static thaw_status forward(thaw_node *node)
{
    const gemm_state *state = node->state;
    if (state->linear.panels)
        return thaw_linear_forward(node, &state->linear);
    const thaw_gemm gemm = {
        .transpose_a = state->transpose_a,
        .transpose_b = state->transpose_b,
        .m = state->m,
        .n = state->n,
        .k = state->k,
        .alpha = state->alpha,
        .a = node->inputs[0]->buffer,
        .a_stride = node->inputs[0]->shape.dims[1],
        .b = node->inputs[1]->buffer,
        .b_stride = node->inputs[1]->shape.dims[1],
        .c = node->outputs[0]->buffer,
        .c_stride = state->n,
    };
    THAW_TRY(thaw_gemm_run(thaw_node_device(node), &gemm));
    return thaw_epilogue_run(node, &state->linear.epilogue);
}

/* da [m, k] += alpha * dy op(b)^T, or its transpose [k, m] += alpha * op(b) dy^T. */
static thaw_status backward_a(const thaw_node *node, const gemm_state *state)
{
    const thaw_buffer *b = state->linear.rows ? state->linear.rows : node->inputs[1]->buffer;
    thaw_gemm gemm = {
        .m = state->m,
        .n = state->k,
        .k = state->n,
        .alpha = state->alpha,
        .beta = 1,
        .a = node->outputs[0]->gradient,
        .a_stride = state->n,
        .transpose_b = !state->transpose_b,
        .b = b,
        .b_stride = node->inputs[1]->shape.dims[1],
        .c = node->inputs[0]->gradient,
        .c_stride = node->inputs[0]->shape.dims[1],
    };
    if (state->transpose_a) {
        gemm.m = state->k;
        gemm.n = state->m;
        gemm.transpose_a = state->transpose_b;
        gemm.a = b;
        gemm.a_stride = node->inputs[1]->shape.dims[1];
        gemm.transpose_b = true;
        gemm.b = node->outputs[0]->gradient;
        gemm.b_stride = state->n;
    }
    return thaw_gemm_run(thaw_node_device(node), &gemm);
}

/* db [k, n] += alpha * op(a)^T dy, or its transpose [n, k] += alpha * dy^T op(a). */
static thaw_status backward_b(const thaw_node *node, const gemm_state *state)
{
    thaw_gemm gemm = {
        .m = state->k,
        .n = state->n,
        .k = state->m,
        .alpha = state->alpha,
        .beta = 1,
        .transpose_a = !state->transpose_a,
        .a = node->inputs[0]->buffer,
        .a_stride = node->inputs[0]->shape.dims[1],
        .b = node->outputs[0]->gradient,
        .b_stride = state->n,
        .c = node->inputs[1]->gradient,
        .c_stride = node->inputs[1]->shape.dims[1],
    };
    if (state->transpose_b) {
        gemm.m = state->n;
        gemm.n = state->k;
        gemm.transpose_a = true;
        gemm.a = node->outputs[0]->gradient;
        gemm.a_stride = state->n;
        gemm.transpose_b = state->transpose_a;
        gemm.b = node->inputs[0]->buffer;
        gemm.b_stride = node->inputs[0]->shape.dims[1];
    }
    return thaw_gemm_run(thaw_node_device(node), &gemm);
}

static thaw_status backward(thaw_node *node)
{
    const gemm_state *state = node->state;
    const thaw_value *c = thaw_epilogue_own_input(node, 2);
    if (node->inputs[0]->gradient)
        THAW_TRY(backward_a(node, state));
    if (node->inputs[1]->gradient)
        THAW_TRY(backward_b(node, state));
    if (!c || !c->gradient || thaw_shape_size(&c->shape) == 0)
        return THAW_OK;
    return thaw_kernel_launch(state->reduce, THAW_RANGE_2(state->c_columns, state->c_rows), THAW_BUFFER(c->gradient),
                              THAW_BUFFER(node->outputs[0]->gradient), THAW_LONG(state->m), THAW_LONG(state->n),
                              THAW_FLOAT(state->beta));
}

static void release(thaw_node *node)
{
    gemm_state *state = node->state;
    thaw_linear_release(&state->linear);
}

const thaw_op thaw_op_gemm = {
    .name = "gemm",
    .onnx_type = "Gemm",
    .flags = THAW_OP_EPILOGUE | THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = infer,
    .layout = layout,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .release = release,
};
