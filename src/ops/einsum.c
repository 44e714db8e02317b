/* Einsum, where it is a matrix product or a transposition: letters of both operands that the result lacks are summed
 * over, those that it has are a batch; letters of one operand only must be the result's. */
#include "ops/shared/movement.h"

#include <string.h>

/* Letters are their own codes; the dimensions of "..." are 1, 2, ... from the innermost. */
enum { LABELS = 128, A = 0, B = 1, RESULT = 2, TERMS = 3 };

typedef struct labels {
    int32_t count;
    unsigned char label[THAW_MAX_RANK];
} labels;

/* Operands are brought into the order [batch, m, k] and [batch, k, n], the product [batch, m, n] into the result's. */
typedef struct einsum_state {
    labels term[TERMS];
    int64_t batch, m, n, k;
    thaw_move move[TERMS]; /* into the memory for all three, one behind the other; of one operand: into the result */
    thaw_mover forward[TERMS];  /* the operands' into it, the result's out of it */
    thaw_mover backward[TERMS]; /* the result's gradient into it, the operands' out of what is behind the three */
} einsum_state;

/* One term of the equation; `rank` is of the tensor that it stands for, -1 where that is not known. Gives what is
 * behind it. */
static const char *read_term(const char *at, int32_t rank, int32_t *ellipsis, labels *term)
{
    int32_t letters = 0;
    for (const char *c = at; *c && *c != ',' && *c != '-'; c++)
        letters += *c != '.' && *c != ' ';
    *term = (labels){0};
    for (; *at && *at != ',' && *at != '-'; at++) {
        if (*at == ' ')
            continue;
        if (strncmp(at, "...", 3) == 0) {
            at += 2;
            *ellipsis = rank >= 0 ? rank - letters : *ellipsis;
            for (int32_t i = *ellipsis; i > 0 && term->count < THAW_MAX_RANK; i--)
                term->label[term->count++] = (unsigned char)i;
        } else if (((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z')) && term->count < THAW_MAX_RANK) {
            term->label[term->count++] = (unsigned char)*at;
        } else {
            return NULL;
        }
    }
    return at;
}

static bool has(const labels *term, int label)
{
    return memchr(term->label, label, (size_t)term->count) != NULL;
}

/* Without "->", the result has the dimensions of "..." and then every letter that comes once, by the alphabet. */
static void imply_result(einsum_state *state, int32_t ellipsis)
{
    labels *result = &state->term[RESULT];
    *result = (labels){0};
    for (int32_t i = ellipsis; i > 0 && result->count < THAW_MAX_RANK; i--)
        result->label[result->count++] = (unsigned char)i;
    for (int label = 'A'; label <= 'z'; label++) {
        int times = 0;
        for (int t = A; t <= B; t++)
            for (int32_t i = 0; i < state->term[t].count; i++)
                times += state->term[t].label[i] == label;
        if (times == 1 && result->count < THAW_MAX_RANK)
            result->label[result->count++] = (unsigned char)label;
    }
}

static thaw_status read_equation(const thaw_node *node, einsum_state *state)
{
    const char *equation = thaw_node_string(node, "equation", ""), *at = equation;
    int32_t ellipsis = 0;
    for (size_t t = 0; t < node->input_count && at; t++) {
        at = read_term(at, node->inputs[t]->shape.rank, &ellipsis, &state->term[t]);
        if (at && t + 1 < node->input_count)
            at = *at == ',' ? at + 1 : NULL;
        if (at && state->term[t].count != node->inputs[t]->shape.rank)
            at = NULL;
    }
    if (at && strncmp(at, "->", 2) == 0)
        at = read_term(at + 2, -1, &ellipsis, &state->term[RESULT]);
    else if (at)
        imply_result(state, ellipsis);
    if (!at || *at)
        return thaw_node_fail(node, THAW_ERR_MODEL, "the equation '%s' does not fit the inputs", equation);
    return THAW_OK;
}

static thaw_status attributes(thaw_node *node)
{
    THAW_TRY(thaw_node_known_attributes(node, "equation"));
    THAW_TRY(thaw_node_arity(node, 1, SIZE_MAX, 1));
    if (node->input_count > 2)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "'%s' is of %zu tensors, at most 2 are supported",
                              thaw_node_string(node, "equation", ""), node->input_count);
    THAW_TRY(thaw_node_arity(node, node->input_count, 2, 1));
    return thaw_allocate(thaw_node_context(node), 1, sizeof(einsum_state), &node->state);
}

/* How many elements each letter stands for. */
static thaw_status read_extents(const thaw_node *node, const einsum_state *state, int64_t extent[LABELS])
{
    for (int label = 0; label < LABELS; label++)
        extent[label] = -1;
    for (size_t t = 0; t < node->input_count; t++)
        for (int32_t i = 0; i < state->term[t].count; i++) {
            int64_t *own = &extent[state->term[t].label[i]];
            const int64_t dim = node->inputs[t]->shape.dims[i];
            if (*own >= 0 && *own != dim)
                return thaw_node_fail(node, THAW_ERR_SHAPE,
                                      "'%s': one dimension has %lld elements and %lld (nothing is broadcast)",
                                      thaw_node_string(node, "equation", ""), (long long)*own, (long long)dim);
            *own = dim;
        }
    return THAW_OK;
}

/* Only dimensions that a product, or a move, can do without. */
static thaw_status check_labels(const thaw_node *node, const einsum_state *state, const int64_t extent[LABELS])
{
    const labels *term = state->term;
    for (int32_t i = 0; i < term[RESULT].count; i++) {
        const unsigned char label = term[RESULT].label[i];
        const bool again = memchr(term[RESULT].label + i + 1, label, (size_t)(term[RESULT].count - i - 1)) != NULL;
        if (extent[label] < 0 || again)
            return thaw_node_fail(node, THAW_ERR_MODEL, "'%s': the result has a letter twice, or one that no input has",
                                  thaw_node_string(node, "equation", ""));
    }
    for (int label = 0; label < LABELS; label++)
        if (extent[label] >= 0 && !has(&term[RESULT], label) && !(has(&term[A], label) && has(&term[B], label)))
            return thaw_node_fail(node, THAW_ERR_UNSUPPORTED,
                                  "'%s' is no matrix product: it sums over a dimension of one input alone",
                                  thaw_node_string(node, "equation", ""));
    return THAW_OK;
}

/* What a letter's next element is away, in a tensor with these strides: in a diagonal, all of its dimensions. */
static int64_t stride_of(const labels *term, const int64_t *strides, int label)
{
    int64_t stride = 0;
    for (int32_t i = 0; i < term->count; i++)
        stride += term->label[i] == label ? strides[i] : 0;
    return stride;
}

/* A move that is being made from a tensor, letter by letter. */
typedef struct box {
    thaw_move move;
    const labels *term;
    const int64_t *extent;
    int64_t strides[THAW_MAX_RANK];
} box;

/* Adds the letters of `order` that are in just these terms; *count becomes the number of their elements. */
static void add_labels(box *b, const labels *order, bool in_a, bool in_b, bool in_result, const einsum_state *state,
                       int64_t *count)
{
    *count = 1;
    for (int32_t i = 0; i < order->count; i++) {
        const unsigned char label = order->label[i];
        const bool seen = memchr(order->label, label, (size_t)i) != NULL;
        if (seen || has(&state->term[A], label) != in_a || has(&state->term[B], label) != in_b ||
            has(&state->term[RESULT], label) != in_result)
            continue;
        b->move.extent[b->move.rank] = b->extent[label];
        b->move.from_stride[b->move.rank++] = stride_of(b->term, b->strides, label);
        *count *= b->extent[label];
    }
}

/* From the tensor of term `t` into memory where it lies in the order of the product, from `offset` on. */
static void make_move(const thaw_shape *shape, einsum_state *state, int t, const int64_t extent[LABELS], int64_t offset)
{
    const labels *order = &state->term[RESULT];
    box b = {.term = &state->term[t], .extent = extent};
    thaw_shape_strides(shape, b.strides);
    add_labels(&b, order, true, true, true, state, &state->batch);
    if (t != B)
        add_labels(&b, order, true, false, true, state, &state->m);
    if (t != RESULT)
        add_labels(&b, &state->term[A], true, true, false, state, &state->k);
    if (t != A)
        add_labels(&b, order, false, true, true, state, &state->n);
    thaw_shape packed = {.rank = b.move.rank};
    memcpy(packed.dims, b.move.extent, sizeof packed.dims);
    thaw_shape_strides(&packed, b.move.to_stride);
    b.move.to_offset = offset;
    state->move[t] = b.move;
}

static thaw_status infer(thaw_node *node)
{
    einsum_state *state = node->state;
    int64_t extent[LABELS];
    THAW_TRY(thaw_node_float_inputs(node));
    state->term[B] = (labels){0};
    THAW_TRY(read_equation(node, state));
    THAW_TRY(read_extents(node, state, extent));
    THAW_TRY(check_labels(node, state, extent));
    thaw_shape y = {.rank = state->term[RESULT].count};
    for (int32_t i = 0; i < y.rank; i++)
        y.dims[i] = extent[state->term[RESULT].label[i]];
    THAW_TRY(thaw_node_set_output(node, 0, node->inputs[0]->dtype, &y));
    const bool product = node->input_count == 2;
    const int64_t a = thaw_shape_size(&node->inputs[0]->shape);
    const int64_t b = product ? thaw_shape_size(&node->inputs[1]->shape) : 0, c = thaw_shape_size(&y);
    make_move(&node->inputs[0]->shape, state, A, extent, 0);
    if (product)
        make_move(&node->inputs[1]->shape, state, B, extent, a);
    make_move(&y, state, RESULT, extent, a + b);
    node->scratch_bytes = (size_t)(a + b + c) * sizeof(float);
    if (product && !thaw_multiply(2 * c, state->k, &node->flops))
        return thaw_node_fail(node, THAW_ERR_SIZE, "the product is too large");
    return THAW_OK;
}

static int64_t elements(const thaw_node *node, int t)
{
    const thaw_value *value = t == RESULT ? node->outputs[0] : thaw_node_input(node, (size_t)t);
    return value ? thaw_shape_size(&value->shape) : 0;
}

/* Where term `t` lies in the memory; behind the result is room for an operand's gradient. */
static int64_t offset_of(const thaw_node *node, int t)
{
    int64_t offset = 0;
    for (int before = 0; before < t; before++)
        offset += elements(node, before);
    return offset;
}

static bool has_gradient(const thaw_node *node, int t)
{
    const thaw_value *value = thaw_node_input(node, (size_t)t);
    return value && value->gradient;
}

static thaw_status prepare(thaw_node *node)
{
    einsum_state *state = node->state;
    thaw_device *device = thaw_node_device(node);
    const bool product = node->input_count == 2;
    bool trains = false;
    for (int t = A; t < RESULT; t++) {
        thaw_move back = thaw_move_reversed(&state->move[t]);
        back.from_offset = product ? offset_of(node, TERMS) : 0;
        if (thaw_node_input(node, (size_t)t))
            THAW_TRY(thaw_mover_prepare(device, &state->move[t], false, &state->forward[t]));
        if (has_gradient(node, t))
            THAW_TRY(thaw_mover_prepare(device, &back, true, &state->backward[t]));
        trains = trains || has_gradient(node, t);
    }
    if (!product)
        return THAW_OK;
    const thaw_move out = thaw_move_reversed(&state->move[RESULT]);
    THAW_TRY(thaw_mover_prepare(device, &out, false, &state->forward[RESULT]));
    return trains ? thaw_mover_prepare(device, &state->move[RESULT], false, &state->backward[RESULT]) : THAW_OK;
}

/* Both operands in the order of the product. */
static thaw_status pack(const thaw_node *node, thaw_buffer *memory)
{
    const einsum_state *state = node->state;
    for (size_t t = 0; t < node->input_count; t++)
        THAW_TRY(thaw_mover_run(&state->forward[t], node->inputs[t]->buffer, memory));
    return THAW_OK;
}

static thaw_status multiply(const thaw_node *node, thaw_buffer *memory)
{
    const einsum_state *state = node->state;
    for (int64_t i = 0; i < state->batch; i++) {
        const thaw_gemm gemm = {.m = state->m,
                                .n = state->n,
                                .k = state->k,
                                .alpha = 1,
                                .a = memory,
                                .a_offset = offset_of(node, A) + i * state->m * state->k,
                                .a_stride = state->k,
                                .b = memory,
                                .b_offset = offset_of(node, B) + i * state->k * state->n,
                                .b_stride = state->n,
                                .c = memory,
                                .c_offset = offset_of(node, RESULT) + i * state->m * state->n,
                                .c_stride = state->n};
        THAW_TRY(thaw_gemm_run(thaw_node_device(node), &gemm));
    }
    return THAW_OK;
}

/* Of a, [m, k] = dy b^T, or of b, [k, n] = a^T dy. */
static thaw_status multiply_gradient(const thaw_node *node, thaw_buffer *memory, int t)
{
    const einsum_state *state = node->state;
    for (int64_t i = 0; i < state->batch; i++) {
        const int64_t dy = offset_of(node, RESULT) + i * state->m * state->n;
        const int64_t a = offset_of(node, A) + i * state->m * state->k;
        const int64_t b = offset_of(node, B) + i * state->k * state->n;
        const bool of_a = t == A;
        const thaw_gemm gemm = {.transpose_a = !of_a,
                                .transpose_b = of_a,
                                .m = of_a ? state->m : state->k,
                                .n = of_a ? state->k : state->n,
                                .k = of_a ? state->n : state->m,
                                .alpha = 1,
                                .a = memory,
                                .a_offset = of_a ? dy : a,
                                .a_stride = of_a ? state->n : state->k,
                                .b = memory,
                                .b_offset = of_a ? b : dy,
                                .b_stride = state->n,
                                .c = memory,
                                .c_offset =
                                    offset_of(node, TERMS) + i * (of_a ? state->m * state->k : state->k * state->n),
                                .c_stride = of_a ? state->k : state->n};
        THAW_TRY(thaw_gemm_run(thaw_node_device(node), &gemm));
    }
    return THAW_OK;
}

static thaw_status forward(thaw_node *node)
{
    const einsum_state *state = node->state;
    thaw_buffer *memory = thaw_node_scratch(node);
    if (elements(node, RESULT) == 0)
        return THAW_OK;
    if (node->input_count == 1)
        return thaw_mover_run(&state->forward[A], node->inputs[A]->buffer, node->outputs[0]->buffer);
    THAW_TRY(pack(node, memory));
    THAW_TRY(multiply(node, memory));
    return thaw_mover_run(&state->forward[RESULT], memory, node->outputs[0]->buffer);
}

static thaw_status run_backward(const thaw_node *node, thaw_buffer *memory)
{
    const einsum_state *state = node->state;
    THAW_TRY(pack(node, memory));
    THAW_TRY(thaw_mover_run(&state->backward[RESULT], node->outputs[0]->gradient, memory));
    for (int t = A; t < RESULT; t++) {
        if (!has_gradient(node, t))
            continue;
        THAW_TRY(multiply_gradient(node, memory, t));
        THAW_TRY(thaw_mover_run(&state->backward[t], memory, node->inputs[t]->gradient));
    }
    return THAW_OK;
}

static thaw_status backward(thaw_node *node)
{
    const einsum_state *state = node->state;
    const int64_t a = elements(node, A), b = elements(node, B), c = elements(node, RESULT);
    thaw_buffer *memory = NULL;
    if (c == 0 || a == 0)
        return THAW_OK;
    if (node->input_count == 1)
        return thaw_mover_run(&state->backward[A], node->outputs[0]->gradient, node->inputs[A]->gradient);
    THAW_TRY(
        thaw_buffer_create(thaw_node_device(node), (size_t)(a + b + c + (a > b ? a : b)) * sizeof(float), &memory));
    const thaw_status status = run_backward(node, memory);
    thaw_buffer_destroy(&memory);
    return status;
}

const thaw_op thaw_op_einsum = {
    .name = "einsum",
    .onnx_type = "Einsum",
    .flags = THAW_OP_BACKWARD_READS_INPUTS,
    .attributes = attributes,
    .infer = infer,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
