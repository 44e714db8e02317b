#include "ops/shared/depth.h"

#include <string.h>

thaw_status thaw_depth_attributes(thaw_node *node, const char *known)
{
    const char *mode = thaw_node_string(node, "mode", "DCR");
    THAW_TRY(thaw_node_arity(node, 1, 1, 1));
    THAW_TRY(thaw_node_known_attributes(node, known));
    if (strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0)
        return thaw_node_fail(node, THAW_ERR_MODEL, "mode '%s' is neither DCR nor CRD", mode);
    if (thaw_node_int(node, "blocksize", 0) < 1 || thaw_node_int(node, "blocksize", 0) > INT32_MAX)
        return thaw_node_fail(node, THAW_ERR_MODEL, "blocksize %lld", (long long)thaw_node_int(node, "blocksize", 0));
    return thaw_move_allocate(node);
}

/* From deep [n, c * b^2, h, w] to flat [n, c, h * b, w * b], as [n, c, h, b, w, b]. */
static thaw_move flatten(const thaw_shape *deep, int64_t b, bool square_first)
{
    const int64_t channels = deep->dims[1] / (b * b), h = deep->dims[2], w = deep->dims[3];
    const int64_t channel = (square_first ? 1 : b * b) * h * w, row = (square_first ? b * channels : b) * h * w;
    const thaw_shape box = {6, {deep->dims[0], channels, h, b, w, b}};
    thaw_move move = thaw_move_into(&box);
    const int64_t from[] = {deep->dims[1] * h * w, channel, w, row, 1, (square_first ? channels : 1) * h * w};
    memcpy(move.from_stride, from, sizeof from);
    return move;
}

thaw_status thaw_depth_infer(thaw_node *node, bool to_space)
{
    const thaw_value *x = node->inputs[0];
    thaw_move *move = &((thaw_move_state *)node->state)->move;
    const int64_t b = thaw_node_int(node, "blocksize", 1), *dims = x->shape.dims;
    const bool square_first = strcmp(thaw_node_string(node, "mode", "DCR"), "DCR") == 0;
    char text[THAW_SHAPE_TEXT];
    THAW_TRY(thaw_move_check_input(node, 0));
    if (x->shape.rank != 4 || (to_space ? dims[1] % (b * b) != 0 : dims[2] % b || dims[3] % b))
        return thaw_node_fail(node, THAW_ERR_SHAPE, "input %s and a blocksize of %lld",
                              thaw_shape_text(&x->shape, text), (long long)b);
    const thaw_shape y = to_space ? (thaw_shape){4, {dims[0], dims[1] / (b * b), dims[2] * b, dims[3] * b}}
                                  : (thaw_shape){4, {dims[0], dims[1] * b * b, dims[2] / b, dims[3] / b}};
    THAW_TRY(thaw_node_set_output(node, 0, x->dtype, &y));
    *move = flatten(to_space ? &x->shape : &y, b, square_first);
    if (!to_space)
        *move = thaw_move_reversed(move);
    return THAW_OK;
}
