/* Slice: elements start, start + step, .. below (for a negative step: above) end along each of the axes listed. */
#include "ops/shared/movement.h"

#include <string.h>

/* As the node lists them, before clamping. */
typedef struct slice_lists {
    int32_t count;
    int64_t starts[THAW_MAX_RANK], ends[THAW_MAX_RANK], axes[THAW_MAX_RANK], steps[THAW_MAX_RANK];
} slice_lists;

static bool lists_are_inputs(const thaw_node *node)
{
    return thaw_node_opset(node) >= 10;
}

static thaw_status attributes(thaw_node *node)
{
    if (lists_are_inputs(node)) {
        THAW_TRY(thaw_node_arity(node, 3, 5, 1));
        THAW_TRY(thaw_node_known_attributes(node, ""));
    } else {
        THAW_TRY(thaw_node_arity(node, 1, 1, 1));
        THAW_TRY(thaw_node_known_attributes(node, "starts,ends,axes"));
    }
    return thaw_move_allocate(node);
}

/* List `index` (that input, or attribute `name`); *count -1 where it is absent. */
static thaw_status read_list(const thaw_node *node, size_t index, const char *name, int64_t list[THAW_MAX_RANK],
                             int32_t *count)
{
    if (lists_are_inputs(node))
        return thaw_node_constant_ints(node, index, list, count);
    size_t listed;
    const int64_t *values = thaw_node_ints(node, name, &listed);
    if (listed > THAW_MAX_RANK)
        return thaw_node_fail(node, THAW_ERR_MODEL, "%zu %s, at most %d are possible", listed, name, THAW_MAX_RANK);
    if (values)
        memcpy(list, values, listed * sizeof *list);
    *count = values ? (int32_t)listed : -1;
    return THAW_OK;
}

static thaw_status read_lists(const thaw_node *node, slice_lists *lists)
{
    int32_t ends, axes, steps;
    THAW_TRY(read_list(node, 1, "starts", lists->starts, &lists->count));
    THAW_TRY(read_list(node, 2, "ends", lists->ends, &ends));
    THAW_TRY(read_list(node, 3, "axes", lists->axes, &axes));
    THAW_TRY(read_list(node, 4, "steps", lists->steps, &steps));
    if (lists->count < 0 || ends != lists->count || (axes >= 0 && axes != lists->count) ||
        (steps >= 0 && steps != lists->count))
        return thaw_node_fail(node, THAW_ERR_MODEL, "%d starts, %d ends, %d axes and %d steps (-1: none)", lists->count,
                              ends, axes, steps);
    for (int32_t i = 0; i < lists->count; i++) {
        lists->axes[i] = axes < 0 ? i : lists->axes[i];
        lists->steps[i] = steps < 0 ? 1 : lists->steps[i];
    }
    return THAW_OK;
}

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* How many elements [start:end:step] takes of `size`; *first is the index of the first. Rules of the ONNX operator:
 * negative indices count from the end, then everything is clamped. */
static int64_t slice_axis(int64_t size, int64_t start, int64_t end, int64_t step, int64_t *first)
{
    start += start < 0 ? size : 0;
    end += end < 0 ? size : 0;
    if (size == 0)
        return *first = 0;
    if (step > 0) {
        *first = clamp(start, 0, size);
        end = clamp(end, 0, size);
        return end > *first ? (end - *first - 1) / step + 1 : 0;
    }
    *first = clamp(start, 0, size - 1);
    end = clamp(end, -1, size - 1);
    return *first > end ? (*first - end - 1) / -step + 1 : 0;
}

static thaw_status infer(thaw_node *node)
{
    const thaw_value *input = node->inputs[0];
    thaw_move *move = &((thaw_move_state *)node->state)->move;
    thaw_shape shape = input->shape;
    slice_lists lists;
    int64_t strides[THAW_MAX_RANK];
    int64_t first[THAW_MAX_RANK] = {0}, step[THAW_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    bool sliced[THAW_MAX_RANK] = {false};
    THAW_TRY(thaw_move_check_input(node, 0));
    THAW_TRY(read_lists(node, &lists));
    for (int32_t i = 0; i < lists.count; i++) {
        int32_t axis;
        THAW_TRY(thaw_node_axis(node, lists.axes[i], shape.rank, &axis));
        if (lists.steps[i] == 0 || sliced[axis])
            return thaw_node_fail(node, THAW_ERR_MODEL, "axis %d %s", axis,
                                  sliced[axis] ? "is listed twice" : "has a step of 0");
        sliced[axis] = true;
        step[axis] = clamp(lists.steps[i], -INT64_MAX, INT64_MAX);
        shape.dims[axis] =
            slice_axis(input->shape.dims[axis], lists.starts[i], lists.ends[i], step[axis], &first[axis]);
    }
    THAW_TRY(thaw_node_set_output(node, 0, input->dtype, &shape));

    thaw_shape_strides(&input->shape, strides);
    *move = thaw_move_into(&shape);
    for (int32_t i = 0; i < shape.rank; i++) {
        move->from_offset += first[i] * strides[i];
        move->from_stride[i] =
            shape.dims[i] > 1 ? strides[i] * step[i] : 0; /* a lone step may be as large as it likes */
    }
    return THAW_OK;
}

const thaw_op thaw_op_slice = {
    .name = "slice",
    .onnx_type = "Slice",
    .attributes = attributes,
    .infer = infer,
    .fold = thaw_move_fold,
    .prepare = thaw_move_prepare,
    .forward = thaw_move_forward,
    .backward = thaw_move_backward,
};
