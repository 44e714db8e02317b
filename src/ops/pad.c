/* Pad: more elements at the ends of dimensions (constant, reflected, the edge repeated, or wrapped round), or fewer
 * where a pad is negative. */
#include "ops/shared/movement.h"
#include "ops/shared/takers.h"

#include <stdlib.h>
#include <string.h>

typedef enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP } pad_mode;

/* What is left of a dimension after negative pads, and what is put around it. */
typedef struct pad_axis {
    int64_t extent; /* of the output */
    int64_t stride; /* of the input, elements */
    int64_t size;   /* of the input */
    int64_t first;  /* of the input's places, the first that is kept */
    int64_t kept;   /* how many are kept */
    int64_t before; /* how many are put before them, not negative */
} pad_axis;

typedef struct pad_state {
    pad_mode mode;
    thaw_tensor *value; /* scalar of the input's type; NULL: input 2, known at run time only */
    int32_t rank;
    pad_axis axes[THAW_MAX_RANK]; /* [rank], the innermost first; neighbours without pads are joined */
    thaw_buffer *table;           /* see cl/pad.cl */
    thaw_buffer *constant;        /* `value` on the device */
    thaw_kernel *kernel;
    thaw_mover backward;               /* adds the gradient of what was kept, where nothing is repeated; */
    thaw_takers takers[THAW_MAX_RANK]; /* else that of an axis with pads */
} pad_state;

static thaw_status attributes(thaw_node *node)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
    const int64_t opset = thaw_node_opset(node);
    const size_t inputs = opset < 11 ? 1 : 2;
    THAW_TRY(thaw_node_arity(node, inputs, opset < 11 ? 1 : opset < 18 ? 3 : 4, 1));
    THAW_TRY(thaw_node_known_attributes(node, opset < 11 ? "mode,pads,value" : "mode"));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(pad_state), &node->state));
    const char *mode = thaw_node_string(node, "mode", "constant");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(mode, modes[i]) == 0) {
            ((pad_state *)node->state)->mode = (pad_mode)i;
            return THAW_OK;
        }
    return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "mode '%s'", mode);
}

static thaw_status read_axes(const thaw_node *node, int32_t rank, int32_t axes[THAW_MAX_RANK], int32_t *count)
{
    int64_t listed[THAW_MAX_RANK];
    bool used[THAW_MAX_RANK] = {false};
    THAW_TRY(thaw_node_constant_ints(node, 3, listed, count));
    const bool all = *count < 0;
    if (all)
        *count = rank;
    for (int32_t i = 0; i < *count; i++) {
        THAW_TRY(thaw_node_axis(node, all ? i : listed[i], rank, &axes[i]));
        if (used[axes[i]])
            return thaw_node_fail(node, THAW_ERR_SHAPE, "axis %d is listed twice", axes[i]);
        used[axes[i]] = true;
    }
    return THAW_OK;
}

/* The list of pads: attribute before opset 11, input 1 since. */
static thaw_status read_list(const thaw_node *node, int64_t list[2 * THAW_MAX_RANK], int64_t count)
{
    size_t listed;
    const int64_t *values = thaw_node_ints(node, "pads", &listed);
    const thaw_tensor *tensor = NULL;
    if (thaw_node_opset(node) >= 11) {
        tensor = node->inputs[1]->constant;
        if (!tensor)
            return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "the pads ('%s') are not constant",
                                  node->inputs[1]->name);
        listed = (size_t)tensor->count;
    }
    if (listed != (size_t)count)
        return thaw_node_fail(node, THAW_ERR_MODEL, "%zu pads where %lld are needed", listed, (long long)count);
    for (int64_t i = 0; i < count; i++) {
        list[i] = tensor ? thaw_tensor_get_int(tensor, i) : values[i];
        if (list[i] < -INT32_MAX || list[i] > INT32_MAX)
            return thaw_node_fail(node, THAW_ERR_SIZE, "a pad of %lld", (long long)list[i]);
    }
    return THAW_OK;
}

/* before[d] and after[d] for every dimension. */
static thaw_status read_pads(const thaw_node *node, int64_t before[THAW_MAX_RANK], int64_t after[THAW_MAX_RANK])
{
    int32_t axes[THAW_MAX_RANK], count;
    int64_t list[2 * THAW_MAX_RANK];
    THAW_TRY(read_axes(node, node->inputs[0]->shape.rank, axes, &count));
    THAW_TRY(read_list(node, list, 2 * count));
    memset(before, 0, THAW_MAX_RANK * sizeof *before);
    memset(after, 0, THAW_MAX_RANK * sizeof *after);
    for (int32_t i = 0; i < count; i++) {
        before[axes[i]] = list[i];
        after[axes[i]] = list[count + i];
    }
    return THAW_OK;
}

/* The constant as a scalar of the input's type: attribute `value` before opset 11, input 2 since, 0 by default. */
static thaw_status read_value(thaw_node *node)
{
    pad_state *state = node->state;
    const thaw_value *given = thaw_node_opset(node) < 11 ? NULL : thaw_node_input(node, 2);
    const thaw_shape scalar = {0};
    thaw_tensor_release(&state->value);
    if (given && thaw_shape_size(&given->shape) != 1)
        return thaw_node_fail(node, THAW_ERR_MODEL, "the value has %lld elements",
                              (long long)thaw_shape_size(&given->shape));
    if (given && !given->constant)
        return thaw_move_check_input(node, 2);
    THAW_TRY(thaw_tensor_create(thaw_node_context(node), node->inputs[0]->dtype, &scalar, &state->value));
    if (!given)
        thaw_tensor_set(state->value, 0, (double)thaw_node_float(node, "value", 0));
    else if (given->constant->dtype == state->value->dtype)
        memcpy(state->value->data, given->constant->data, state->value->bytes);
    else
        thaw_tensor_set(state->value, 0, thaw_tensor_get(given->constant, 0));
    return THAW_OK;
}

static thaw_status pad_dimension(const thaw_node *node, int64_t size, int64_t before, int64_t after, pad_axis *axis)
{
    const pad_state *state = node->state;
    const bool padded = before > 0 || after > 0;
    axis->first = before < 0 ? -before : 0;
    axis->before = before > 0 ? before : 0;
    if ((before || after) && size > INT32_MAX)
        return thaw_node_fail(node, THAW_ERR_SIZE, "pads a dimension of %lld", (long long)size);
    axis->kept = size - axis->first + (after < 0 ? after : 0);
    axis->extent = axis->kept + axis->before + (after > 0 ? after : 0);
    if (axis->kept < 0 || (axis->kept == 0 && padded && state->mode != PAD_CONSTANT))
        return thaw_node_fail(node, THAW_ERR_SHAPE, "pads of %lld and %lld leave nothing of %lld elements",
                              (long long)before, (long long)after, (long long)size);
    return THAW_OK;
}

static bool is_whole(const pad_axis *axis)
{
    return axis->first == 0 && axis->before == 0 && axis->extent == axis->kept;
}

/* Lists the dimensions from the innermost; one without pads joins its neighbour if that has none either. */
static void add_axis(pad_state *state, const pad_axis *axis)
{
    pad_axis *inner = state->rank ? &state->axes[state->rank - 1] : NULL;
    if (inner && is_whole(inner) && is_whole(axis)) {
        inner->extent *= axis->extent;
        inner->kept = inner->size = inner->extent;
    } else {
        state->axes[state->rank++] = *axis;
    }
}

static thaw_status infer(thaw_node *node)
{
    pad_state *state = node->state;
    thaw_shape shape = node->inputs[0]->shape;
    int64_t before[THAW_MAX_RANK], after[THAW_MAX_RANK], strides[THAW_MAX_RANK];
    THAW_TRY(thaw_move_check_input(node, 0));
    THAW_TRY(read_pads(node, before, after));
    THAW_TRY(read_value(node));
    thaw_shape_strides(&shape, strides);
    state->rank = 0;
    for (int32_t d = shape.rank - 1; d >= 0; d--) {
        pad_axis axis = {.stride = strides[d], .size = shape.dims[d]};
        THAW_TRY(pad_dimension(node, shape.dims[d], before[d], after[d], &axis));
        shape.dims[d] = axis.extent;
        add_axis(state, &axis);
    }
    return thaw_node_set_output(node, 0, node->inputs[0]->dtype, &shape);
}

static int64_t modulo(int64_t a, int64_t b)
{
    return a % b < 0 ? a % b + b : a % b;
}

/* Which of the places kept stands at output place `i`; -1: the constant. */
static int64_t source_place(const pad_axis *axis, pad_mode mode, int64_t i)
{
    const int64_t place = i - axis->before, last = axis->kept - 1;
    if (place >= 0 && place <= last)
        return place;
    switch (mode) {
    case PAD_CONSTANT:
        return -1;
    case PAD_EDGE:
        return place < 0 ? 0 : last;
    case PAD_WRAP:
        return modulo(place, axis->kept);
    case PAD_REFLECT:
        break;
    }
    const int64_t swing = last ? modulo(place, 2 * last) : 0; /* there and back again */
    return swing <= last ? swing : 2 * last - swing;
}

/* Offsets in the input, in elements, for every place along an axis; -1 for the constant. */
static void fill_table(const pad_axis *axis, pad_mode mode, int64_t *table)
{
    for (int64_t i = 0; i < axis->extent; i++) {
        const int64_t place = source_place(axis, mode, i);
        table[i] = place < 0 ? -1 : (axis->first + place) * axis->stride;
    }
}

/* The tables of all axes one behind the other, the innermost first; freed by the caller. Axes that are not used have
 * one entry of 0. */
static thaw_status make_table(const thaw_node *node, int64_t **table, size_t *count)
{
    const pad_state *state = node->state;
    *count = (size_t)(THAW_MAX_RANK - state->rank);
    for (int32_t a = 0; a < state->rank; a++)
        *count += (size_t)state->axes[a].extent;
    THAW_TRY(thaw_allocate(thaw_node_context(node), *count, sizeof **table, table));
    int64_t *at = *table;
    for (int32_t a = 0; a < state->rank; at += state->axes[a++].extent)
        fill_table(&state->axes[a], state->mode, at);
    return THAW_OK;
}

typedef struct pad_folding {
    const pad_state *state;
    const int64_t *table[THAW_MAX_RANK];
    const char *from;
    char *to; /* moves on */
    size_t bytes;
} pad_folding;

/* Writes all that lies below one place of the axes further out; from_at is -1 where that place is the constant. */
static void fold_axis(pad_folding *folding, int32_t a, int64_t from_at)
{
    if (a < 0) {
        memcpy(folding->to,
               from_at < 0 ? folding->state->value->data : folding->from + (size_t)from_at * folding->bytes,
               folding->bytes);
        folding->to += folding->bytes;
        return;
    }
    for (int64_t i = 0; i < folding->state->axes[a].extent; i++) {
        const int64_t entry = folding->table[a][i];
        fold_axis(folding, a - 1, from_at < 0 || entry < 0 ? -1 : from_at + entry);
    }
}

static thaw_status fold(thaw_node *node)
{
    const pad_state *state = node->state;
    int64_t *table;
    size_t count;
    thaw_tensor *output;
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    THAW_TRY(make_table(node, &table, &count));
    pad_folding folding = {.state = state,
                           .from = node->inputs[0]->constant->data,
                           .to = output->data,
                           .bytes = thaw_dtype_bytes(output->dtype)};
    const int64_t *at = table;
    for (int32_t a = 0; a < state->rank; at += state->axes[a++].extent)
        folding.table[a] = at;
    fold_axis(&folding, state->rank - 1, 0);
    free(table);
    return THAW_OK;
}

/* Does every place of the input go to one of the output at most? */
static bool repeats_nothing(const pad_state *state)
{
    for (int32_t a = 0; a < state->rank && state->mode != PAD_CONSTANT; a++)
        if (state->axes[a].extent != state->axes[a].kept)
            return false;
    return true;
}

static thaw_status prepare_mover(thaw_node *node)
{
    pad_state *state = node->state;
    thaw_move move = {.rank = state->rank};
    int64_t stride = 1;
    for (int32_t a = 0; a < state->rank; a++) {
        const pad_axis *axis = &state->axes[a];
        const int32_t d = state->rank - 1 - a;
        move.extent[d] = axis->kept;
        move.from_stride[d] = stride;
        move.to_stride[d] = axis->stride;
        move.from_offset += axis->before * stride;
        move.to_offset += axis->first * axis->stride;
        stride *= axis->extent;
    }
    return thaw_mover_prepare(thaw_node_device(node), &move, true, &state->backward);
}

static thaw_status prepare_takers(thaw_node *node, int32_t a)
{
    pad_state *state = node->state;
    const pad_axis *axis = &state->axes[a];
    int32_t *index;
    THAW_TRY(thaw_allocate(thaw_node_context(node), (size_t)axis->extent, sizeof *index, &index));
    for (int64_t i = 0; i < axis->extent; i++)
        index[i] = (int32_t)(axis->first + source_place(axis, state->mode, i));
    const thaw_status status =
        thaw_takers_prepare(thaw_node_device(node), index, axis->extent, axis->size, &state->takers[a]);
    free(index);
    return status;
}

static thaw_status prepare_backward(thaw_node *node)
{
    pad_state *state = node->state;
    if (repeats_nothing(state))
        return prepare_mover(node);
    for (int32_t a = 0; a < state->rank; a++) {
        if (state->axes[a].extent > INT32_MAX)
            return thaw_node_fail(node, THAW_ERR_SIZE, "pads a dimension to %lld", (long long)state->axes[a].extent);
        if (!is_whole(&state->axes[a]))
            THAW_TRY(prepare_takers(node, a));
    }
    return THAW_OK;
}

static thaw_status upload(const thaw_node *node, const void *bytes, size_t size, thaw_buffer **buffer)
{
    thaw_buffer_destroy(buffer);
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), size, buffer));
    return thaw_buffer_write(*buffer, 0, bytes, size);
}

static thaw_status upload_table(const thaw_node *node)
{
    pad_state *state = node->state;
    int64_t *table;
    size_t count;
    THAW_TRY(make_table(node, &table, &count));
    const thaw_status status = upload(node, table, count * sizeof *table, &state->table);
    free(table);
    return status;
}

static thaw_status prepare(thaw_node *node)
{
    pad_state *state = node->state;
    if (thaw_node_input(node, 2) && node->inputs[2]->gradient)
        return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "the value can't be trained");
    if (node->inputs[0]->gradient)
        THAW_TRY(prepare_backward(node));
    if (thaw_shape_size(&node->outputs[0]->shape) == 0)
        return THAW_OK;
    THAW_TRY(upload_table(node));
    if (state->value) {
        const float value = (float)thaw_tensor_get(state->value, 0);
        THAW_TRY(upload(node, &value, sizeof value, &state->constant));
    }
    return thaw_kernel_get(thaw_node_device(node), "pad", "pad", "", &state->kernel);
}

static thaw_status forward(thaw_node *node)
{
    const pad_state *state = node->state;
    if (!state->kernel)
        return THAW_OK;
    const thaw_buffer *value = state->value ? state->constant : node->inputs[2]->buffer;
    thaw_argument arguments[5 + THAW_MAX_RANK] = {THAW_BUFFER(node->inputs[0]->buffer),
                                                  THAW_BUFFER(node->outputs[0]->buffer), THAW_BUFFER(state->table),
                                                  THAW_BUFFER(value)};
    int64_t outer = 1, inner[2] = {1, 1};
    for (int32_t a = 0; a < THAW_MAX_RANK; a++) {
        const int64_t extent = a < state->rank ? state->axes[a].extent : 1;
        arguments[5 + a] = THAW_LONG(extent);
        if (a < 2)
            inner[a] = extent;
        else
            outer *= extent;
    }
    if (outer > INT32_MAX)
        return thaw_node_fail(node, THAW_ERR_SIZE, "%lld rows are too many to be padded at once", (long long)outer);
    const int64_t tile = thaw_items_are_cheap(thaw_node_device(node)) ? 1 : inner[0];
    arguments[4] = THAW_LONG(tile);
    return thaw_kernel_run(state->kernel, THAW_RANGE_3(inner[0] / tile, inner[1], outer), arguments,
                           sizeof arguments / sizeof *arguments);
}

/* Elements beside axis `a`, when those further out are back at the input's sizes. */
static void find_extents(const pad_state *state, int32_t a, int64_t *outer, int64_t *inner)
{
    *outer = *inner = 1;
    for (int32_t i = 0; i < state->rank; i++) {
        *inner *= i < a ? state->axes[i].extent : 1;
        *outer *= i > a ? state->axes[i].size : 1;
    }
}

/* Brings axis `a` back to the input's size, in memory of its own. */
static thaw_status fold_back_axis(const thaw_node *node, int32_t a, const thaw_buffer *from, thaw_buffer **to)
{
    const pad_state *state = node->state;
    int64_t outer, inner;
    find_extents(state, a, &outer, &inner);
    const size_t bytes = (size_t)(outer * inner * state->axes[a].size) * sizeof(float);
    THAW_TRY(thaw_buffer_create(thaw_node_device(node), bytes, to));
    THAW_TRY(thaw_buffer_fill(*to, 0, 0, bytes));
    return thaw_takers_run(&state->takers[a], outer, inner, from, *to);
}

/* One axis after the other, the outermost first, through memory that is handed back to whoever is queued behind. */
static thaw_status fold_back(const thaw_node *node)
{
    const pad_state *state = node->state;
    thaw_buffer *from = node->outputs[0]->gradient, *kept = NULL;
    thaw_status status = THAW_OK;
    int64_t outer, inner;
    int32_t innermost = 0;
    while (is_whole(&state->axes[innermost]))
        innermost++;
    for (int32_t a = state->rank - 1; a > innermost && status == THAW_OK; a--) {
        thaw_buffer *to = NULL;
        if (is_whole(&state->axes[a]))
            continue;
        status = fold_back_axis(node, a, from, &to);
        thaw_buffer_destroy(&kept);
        from = kept = to;
    }
    find_extents(state, innermost, &outer, &inner);
    if (status == THAW_OK)
        status = thaw_takers_run(&state->takers[innermost], outer, inner, from, node->inputs[0]->gradient);
    thaw_buffer_destroy(&kept);
    return status;
}

static thaw_status backward(thaw_node *node)
{
    const pad_state *state = node->state;
    if (!node->inputs[0]->gradient || thaw_shape_size(&node->outputs[0]->shape) == 0)
        return THAW_OK;
    if (!repeats_nothing(state))
        return fold_back(node);
    return thaw_mover_run(&state->backward, node->outputs[0]->gradient, node->inputs[0]->gradient);
}

static void release(thaw_node *node)
{
    pad_state *state = node->state;
    thaw_tensor_release(&state->value);
    thaw_buffer_destroy(&state->table);
    thaw_buffer_destroy(&state->constant);
    for (int32_t a = 0; a < THAW_MAX_RANK; a++)
        thaw_takers_release(&state->takers[a]);
}

const thaw_op thaw_op_pad = {
    .name = "pad",
    .onnx_type = "Pad",
    .attributes = attributes,
    .infer = infer,
    .fold = fold,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .release = release,
};
