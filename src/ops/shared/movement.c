#include "ops/shared/movement.h"

#include <stdlib.h>
#include <string.h>

/* What a work-item moves on a CPU, where its start costs as much as dozens of elements; elsewhere it is one. */
#define BLOCK  8192 /* elements */
#define SQUARE 16   /* for transpositions: elements on each side of a square */

thaw_move thaw_move_into(const thaw_shape *shape)
{
    thaw_move move = {.rank = shape->rank};
    memcpy(move.extent, shape->dims, sizeof move.extent);
    thaw_shape_strides(shape, move.to_stride);
    return move;
}

void thaw_move_collapse(thaw_move *move)
{
    int32_t rank = 0;
    for (int32_t d = 0; d < move->rank; d++) {
        const int64_t extent = move->extent[d];
        if (extent == 1)
            continue;
        const int32_t outer = rank - 1;
        if (rank > 0 && move->from_stride[outer] == move->from_stride[d] * extent &&
            move->to_stride[outer] == move->to_stride[d] * extent) {
            move->extent[outer] *= extent;
        } else {
            move->extent[rank++] = extent;
        }
        move->from_stride[rank - 1] = move->from_stride[d];
        move->to_stride[rank - 1] = move->to_stride[d];
    }
    move->rank = rank;
}

thaw_move thaw_move_reversed(const thaw_move *move)
{
    thaw_move reversed = *move;
    memcpy(reversed.from_stride, move->to_stride, sizeof reversed.from_stride);
    memcpy(reversed.to_stride, move->from_stride, sizeof reversed.to_stride);
    reversed.from_offset = move->to_offset;
    reversed.to_offset = move->from_offset;
    return reversed;
}

/* Strides of `move` are in elements of `bytes` bytes. */
static void move_dimension(const thaw_move *move, int32_t d, const char *from, char *to, size_t bytes)
{
    if (d == move->rank) {
        memcpy(to, from, bytes);
        return;
    }
    const int64_t from_step = move->from_stride[d] * (int64_t)bytes;
    const int64_t to_step = move->to_stride[d] * (int64_t)bytes;
    if (d == move->rank - 1 && move->from_stride[d] == 1 && move->to_stride[d] == 1) {
        memcpy(to, from, (size_t)move->extent[d] * bytes);
        return;
    }
    for (int64_t i = 0; i < move->extent[d]; i++)
        move_dimension(move, d + 1, from + i * from_step, to + i * to_step, bytes);
}

static bool is_empty(const thaw_move *move)
{
    for (int32_t d = 0; d < move->rank; d++)
        if (move->extent[d] == 0)
            return true;
    return false;
}

void thaw_move_on_host(const thaw_move *move, const thaw_tensor *from, thaw_tensor *to)
{
    if (is_empty(move))
        return;
    const size_t bytes = thaw_dtype_bytes(from->dtype);
    thaw_move collapsed = *move;
    thaw_move_collapse(&collapsed);
    move_dimension(&collapsed, 0, (const char *)from->data + move->from_offset * (int64_t)bytes,
                   (char *)to->data + move->to_offset * (int64_t)bytes, bytes);
}

/* True where the innermost dimension is dense in the target and the next one in the source: tiles of both then touch
 * each cache line once. */
static bool is_transposition(const thaw_move *move)
{
    const int32_t inner = move->rank - 1;
    return inner > 0 && move->to_stride[inner] == 1 && move->from_stride[inner] != 1 &&
           move->from_stride[inner - 1] == 1;
}

/* True where the innermost dimension is dense on both sides. */
static bool is_dense(const thaw_move *move)
{
    const int32_t inner = move->rank - 1;
    return inner < 0 || (move->from_stride[inner] == 1 && move->to_stride[inner] == 1);
}

/* Elements of all dimensions but the inner two. */
static int64_t outer_extent(const thaw_move *move)
{
    int64_t extent = 1;
    for (int32_t d = 0; d < move->rank - 2; d++)
        extent *= move->extent[d];
    return extent;
}

/* Which kernel of cl/movement.cl moves it; NULL where a plain copy does. */
static const char *choose_kernel(const thaw_move *move, bool accumulate)
{
    if (is_transposition(move))
        return "move_turned";
    if (!is_dense(move))
        return "move_strided";
    return move->rank > 1 || accumulate ? "move_dense" : NULL;
}

bool thaw_items_are_cheap(const thaw_device *device)
{
    const char *wish = getenv("THAW_ALGORITHM");
    return (wish && strcmp(wish, "plain") == 0) || strcmp(thaw_device_describe(device)->type, "cpu") != 0;
}

int32_t thaw_vector_width(const thaw_device *device)
{
    const int32_t native = thaw_device_width(device);
    return native > 1 ? native : 4;
}

static void choose_tile(const thaw_device *device, thaw_mover *mover)
{
    const thaw_move *move = &mover->move;
    const int64_t inner = move->rank > 0 ? move->extent[move->rank - 1] : 1;
    mover->tile[0] = mover->tile[1] = 1;
    if (thaw_items_are_cheap(device))
        return;
    if (is_transposition(move)) {
        mover->tile[0] = mover->tile[1] = SQUARE;
    } else {
        mover->tile[0] = inner < BLOCK ? inner : BLOCK;
        mover->tile[1] = BLOCK / mover->tile[0];
    }
}

thaw_status thaw_mover_prepare(thaw_device *device, const thaw_move *move, bool accumulate, thaw_mover *mover)
{
    *mover = (thaw_mover){.move = *move};
    if (is_empty(move))
        return THAW_OK;
    thaw_move_collapse(&mover->move);
    if (outer_extent(&mover->move) > INT32_MAX)
        return thaw_fail(thaw_device_context(device), THAW_ERR_SIZE, "%lld rows are too many to be moved at once",
                         (long long)outer_extent(&mover->move));
    choose_tile(device, mover);
    const char *name = choose_kernel(&mover->move, accumulate);
    if (!name)
        return THAW_OK;
    return thaw_kernel_get(device, "movement", name, accumulate ? "-DACCUMULATE" : "", &mover->kernel);
}

static thaw_status copy(const thaw_move *move, thaw_buffer *from, thaw_buffer *to)
{
    const int64_t count = move->rank ? move->extent[0] : 1;
    return thaw_buffer_copy(from, (size_t)move->from_offset * sizeof(float), to,
                            (size_t)move->to_offset * sizeof(float), (size_t)count * sizeof(float));
}

/* The kernels' arguments count dimensions from the innermost: each one's extent and strides. */
thaw_status thaw_mover_run(const thaw_mover *mover, thaw_buffer *from, thaw_buffer *to)
{
    const thaw_move *move = &mover->move;
    if (is_empty(move))
        return THAW_OK;
    if (!mover->kernel)
        return copy(move, from, to);
    thaw_argument arguments[6 + 3 * THAW_MAX_RANK] = {
        THAW_BUFFER(from),          THAW_BUFFER(to),           THAW_LONG(move->from_offset),
        THAW_LONG(move->to_offset), THAW_LONG(mover->tile[0]), THAW_LONG(mover->tile[1])};
    int64_t inner[2] = {1, 1};
    for (int32_t i = 0; i < THAW_MAX_RANK; i++) {
        const int32_t d = move->rank - 1 - i;
        thaw_argument *argument = &arguments[6 + 3 * i];
        argument[0] = THAW_LONG(d >= 0 ? move->extent[d] : 1);
        argument[1] = THAW_LONG(d >= 0 ? move->from_stride[d] : 0);
        argument[2] = THAW_LONG(d >= 0 ? move->to_stride[d] : 0);
        if (i < 2 && d >= 0)
            inner[i] = (move->extent[d] + mover->tile[i] - 1) / mover->tile[i];
    }
    return thaw_kernel_run(mover->kernel, THAW_RANGE_3(inner[0], inner[1], outer_extent(move)), arguments,
                           sizeof arguments / sizeof *arguments);
}

thaw_status thaw_move_check_input(const thaw_node *node, size_t index)
{
    const thaw_value *value = thaw_node_input(node, index);
    if (value->constant || thaw_dtype_is_float(value->dtype) || value->dtype == THAW_BOOL)
        return THAW_OK;
    return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "input %zu ('%s') is %s and not constant", index, value->name,
                          thaw_dtype_text(value->dtype));
}

void thaw_broadcast_strides(const thaw_shape *from, const thaw_shape *to, int64_t strides[THAW_MAX_RANK])
{
    int64_t own[THAW_MAX_RANK];
    thaw_shape_strides(from, own);
    const int32_t missing = to->rank - from->rank;
    for (int32_t d = 0; d < to->rank; d++)
        strides[d] = d < missing || from->dims[d - missing] == 1 ? 0 : own[d - missing];
}

int64_t thaw_strided_index(const thaw_shape *shape, const int64_t strides[THAW_MAX_RANK], int64_t index)
{
    int64_t at = 0;
    for (int32_t d = shape->rank - 1; d >= 0; d--) {
        at += index % shape->dims[d] * strides[d];
        index /= shape->dims[d];
    }
    return at;
}

thaw_status thaw_move_allocate(thaw_node *node)
{
    return thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_move_state), &node->state);
}

thaw_status thaw_move_fold(thaw_node *node)
{
    const thaw_move_state *state = node->state;
    thaw_tensor *output;
    THAW_TRY(thaw_node_fold_output(node, 0, &output));
    thaw_move_on_host(&state->move, node->inputs[0]->constant, output);
    return THAW_OK;
}

thaw_status thaw_move_prepare(thaw_node *node)
{
    thaw_move_state *state = node->state;
    THAW_TRY(thaw_mover_prepare(thaw_node_device(node), &state->move, false, &state->forward));
    if (!node->inputs[0]->gradient)
        return THAW_OK;
    const thaw_move reversed = thaw_move_reversed(&state->move);
    return thaw_mover_prepare(thaw_node_device(node), &reversed, true, &state->backward);
}

thaw_status thaw_move_forward(thaw_node *node)
{
    const thaw_move_state *state = node->state;
    return thaw_mover_run(&state->forward, node->inputs[0]->buffer, node->outputs[0]->buffer);
}

thaw_status thaw_move_backward(thaw_node *node)
{
    const thaw_move_state *state = node->state;
    if (!node->inputs[0]->gradient)
        return THAW_OK;
    return thaw_mover_run(&state->backward, node->outputs[0]->gradient, node->inputs[0]->gradient);
}
