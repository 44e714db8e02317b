#include "ops/shared/binary.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "ops/shared/movement.h"

thaw_status thaw_binary_attributes(thaw_node *node, thaw_arithmetic arithmetic)
{
    THAW_TRY(thaw_node_known_attributes(node, thaw_node_opset(node) < 7 ? "axis,broadcast" : ""));
    THAW_TRY(thaw_node_arity(node, 2, 2, 1));
    THAW_TRY(thaw_allocate(thaw_node_context(node), 1, sizeof(thaw_binary), &node->state));
    thaw_binary *binary = node->state;
    binary->arithmetic = arithmetic;
    return THAW_OK;
}

/* Before opset 7 the second operand could be put at an axis of the first, and slopes lay along the channels: as many 1s
 * as follow are added behind it. */
static thaw_status place_at_axis(const thaw_node *node, const thaw_shape *a, thaw_shape *b)
{
    const thaw_binary *binary = node->state;
    const bool slopes = binary->arithmetic == THAW_BEND && b->rank == 1 && b->dims[0] != 1 && a->rank > 1;
    if (thaw_node_opset(node) >= 7 || (!thaw_node_has(node, "axis") && !slopes))
        return THAW_OK;
    int32_t axis;
    THAW_TRY(thaw_node_axis(node, thaw_node_int(node, "axis", slopes), a->rank, &axis));
    if (axis + b->rank > a->rank)
        return thaw_node_fail(node, THAW_ERR_SHAPE, "rank %d does not fit behind axis %d of rank %d", b->rank, axis,
                              a->rank);
    while (axis + b->rank < a->rank)
        b->dims[b->rank++] = 1;
    return THAW_OK;
}

/* Drops dimensions of one element and joins neighbours that both operands walk as one. */
static void collapse(thaw_binary *binary)
{
    int32_t rank = 0;
    for (int32_t d = 0; d < binary->rank; d++) {
        const int64_t extent = binary->extent[d];
        if (extent == 1)
            continue;
        const int32_t outer = rank - 1;
        if (rank > 0 && binary->stride[0][outer] == binary->stride[0][d] * extent &&
            binary->stride[1][outer] == binary->stride[1][d] * extent)
            binary->extent[outer] *= extent;
        else
            binary->extent[rank++] = extent;
        for (int i = 0; i < 2; i++)
            binary->stride[i][rank - 1] = binary->stride[i][d];
    }
    binary->rank = rank;
}

void thaw_binary_set_shapes(thaw_binary *binary, const thaw_shape *a, const thaw_shape *b, const thaw_shape *y)
{
    binary->shape[0] = *a;
    binary->shape[1] = *b;
    binary->rank = y->rank;
    for (int32_t d = 0; d < y->rank; d++)
        binary->extent[d] = y->dims[d];
    thaw_broadcast_strides(a, y, binary->stride[0]);
    thaw_broadcast_strides(b, y, binary->stride[1]);
    collapse(binary);
}

/* What the device can't do must be constant; the types must agree, but of a power only the first one matters. */
static thaw_status check_types(const thaw_node *node)
{
    const thaw_value *a = node->inputs[0], *b = node->inputs[1];
    const thaw_binary *binary = node->state;
    if (!a->constant || !b->constant)
        return thaw_node_float_inputs(node);
    const bool floats = thaw_dtype_is_float(a->dtype) && thaw_dtype_is_float(b->dtype);
    const bool fits = a->dtype == b->dtype || floats || binary->arithmetic == THAW_RAISE;
    if (!fits || a->dtype == THAW_BOOL)
        return thaw_node_fail(node, THAW_ERR_MODEL, "can't combine %s and %s", thaw_dtype_text(a->dtype),
                              thaw_dtype_text(b->dtype));
    return THAW_OK;
}

thaw_status thaw_binary_infer(thaw_node *node)
{
    thaw_binary *binary = node->state;
    const thaw_shape a = node->inputs[0]->shape;
    thaw_shape b = node->inputs[1]->shape, y;
    THAW_TRY(check_types(node));
    THAW_TRY(place_at_axis(node, &a, &b));
    const thaw_status status = thaw_shape_broadcast(thaw_node_context(node), &a, &b, &y);
    if (status != THAW_OK)
        return thaw_fail_within(thaw_node_context(node), status, "%s '%s'", node->op->onnx_type, node->name);
    THAW_TRY(thaw_node_set_output(node, 0, node->inputs[0]->dtype, &y));
    node->flops = thaw_shape_size(&y);
    thaw_binary_set_shapes(binary, &a, &b, &y);
    return THAW_OK;
}

/* --- in blocks of channels --- */

/* An operand's shape as [n, c, h, w]. */
static void as_images(const thaw_shape *shape, int64_t dims[4])
{
    for (int32_t i = 0; i < 4; i++) {
        const int32_t d = shape->rank - 4 + i;
        dims[i] = d >= 0 ? shape->dims[d] : 1;
    }
}

/* Can operand `index` be read where the output has blocks? It must have its pixels or one for all. Sets how it must be
 * stored: blocks, or row by row if it has one number for all channels or [c, 1, 1] in whole blocks. */
static bool place_operand(const thaw_node *node, int index, int64_t block, int32_t *wanted)
{
    thaw_binary *binary = node->state;
    const thaw_value *value = node->inputs[index];
    int64_t dims[4];
    as_images(&binary->shape[index], dims);
    const int64_t *y = node->outputs[0]->shape.dims;
    const int64_t channels = y[1], pixels = dims[2] * dims[3];
    const bool one_pixel = pixels == 1 && y[2] * y[3] != 1, all_pixels = dims[2] == y[2] && dims[3] == y[3];
    const bool can_be_blocked = !value->constant && value->shape.rank == 4 && dims[1] == channels;
    const bool lies_alike = pixels == 1 && channels % block == 0;
    if (!one_pixel && !all_pixels)
        return false;
    *wanted = can_be_blocked && (value->block > 1 || !lies_alike) ? (int32_t)block : 1;
    if (*wanted == 1 && dims[1] != 1 && !lies_alike)
        return false;
    const int64_t lanes = *wanted > 1 || dims[1] != 1 ? block : 1, blocks = (dims[1] + lanes - 1) / lanes;
    binary->operand[index] = (thaw_binary_operand){.image = dims[0] == 1 ? 0 : blocks * pixels * lanes,
                                                   .block = dims[1] == 1 ? 0 : pixels * lanes,
                                                   .pixel = one_pixel ? 0 : lanes,
                                                   .lane = lanes > 1};
    return true;
}

/* A quotient of channels that don't exist must stay finite, so only numbers divide. */
static bool stays_finite(const thaw_node *node)
{
    const thaw_binary *binary = node->state;
    const thaw_tensor *divisor = node->inputs[1]->constant;
    return binary->arithmetic < THAW_DIVIDE || binary->arithmetic == THAW_MINIMUM ||
           binary->arithmetic == THAW_MAXIMUM ||
           (binary->arithmetic == THAW_DIVIDE && divisor && divisor->count == 1 &&
            isnormal((float)thaw_tensor_get(divisor, 0)));
}

/* --- all channels side by side --- */

/* How an operand is to be stored: as it is where that lies alike. */
static int32_t storage_of_operand(const thaw_value *value)
{
    const thaw_shape *shape = &value->shape;
    if (value->constant || shape->rank != 4)
        return 1;
    const bool lies_alike = shape->dims[1] == 1 || shape->dims[2] * shape->dims[3] == 1;
    return value->block == 1 && lies_alike ? 1 : THAW_BLOCK_ALL;
}

/* Seen as a box of [n, h, w, c], the output is like any row-major one. Gives false where an operand is a constant whose
 * channels lie apart. */
static bool walk_pixels(thaw_node *node, const int32_t storage[2])
{
    static const int order[4] = {0, 2, 3, 1};
    thaw_binary *binary = node->state, box = *binary;
    const int64_t *y = node->outputs[0]->shape.dims;
    box.rank = 4;
    for (int d = 0; d < 4; d++)
        box.extent[d] = y[order[d]];
    for (int i = 0; i < 2; i++) {
        int64_t dims[4], stride = 1, strides[4];
        as_images(&binary->shape[i], dims);
        for (int d = 3; d >= 0; d--) {
            const int axis = storage[i] == 1 ? d : order[d];
            strides[axis] = dims[axis] == 1 ? 0 : stride;
            stride *= dims[axis];
        }
        for (int d = 0; d < 4; d++)
            box.stride[i][d] = strides[order[d]];
    }
    collapse(&box);
    for (int i = 0; i < 2 && box.rank > 0; i++)
        if (box.stride[i][box.rank - 1] > 1)
            return false;
    *binary = box;
    return true;
}

static int32_t layout_nhwc(thaw_node *node, int32_t *wanted)
{
    const int32_t storage[2] = {storage_of_operand(node->inputs[0]), storage_of_operand(node->inputs[1])};
    if (node->outputs[0]->shape.rank != 4 || (storage[0] == 1 && storage[1] == 1) || !walk_pixels(node, storage))
        return 1;
    wanted[0] = storage[0];
    wanted[1] = storage[1];
    return THAW_BLOCK_ALL;
}

int32_t thaw_binary_layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    thaw_binary *binary = node->state;
    int32_t places[2];
    const bool blocked = node->inputs[0]->block > 1 || node->inputs[1]->block > 1;
    const thaw_shape *y = &node->outputs[0]->shape;
    if (blocked && block == THAW_BLOCK_ALL)
        return layout_nhwc(node, wanted);
    if (!blocked || y->rank != 4 || thaw_shape_span(y, 2, 4) > INT_MAX || !stays_finite(node) ||
        !place_operand(node, 0, block, &places[0]) || !place_operand(node, 1, block, &places[1]))
        return 1;
    wanted[0] = places[0];
    wanted[1] = places[1];
    return binary->block = block;
}

/* --- on the host --- */

static double combine_floats(thaw_arithmetic arithmetic, double a, double b)
{
    switch (arithmetic) {
    case THAW_ADD:
    case THAW_SCALED:
        return a + b;
    case THAW_SUBTRACT:
        return a - b;
    case THAW_MULTIPLY:
        return a * b;
    case THAW_DIVIDE:
        return a / b;
    case THAW_MINIMUM:
        return isnan(a) || a < b ? a : b;
    case THAW_MAXIMUM:
        return isnan(a) || a > b ? a : b;
    case THAW_RAISE:
        return pow(a, b);
    case THAW_BEND:
        return a < 0 ? a * b : a;
    case THAW_MODULO:
        return a - floor(a / b) * b;
    default:
        return fmod(a, b);
    }
}

/* Without overflow: wraps around. A negative exponent gives a fraction, which is cut. */
static uint64_t raise_integer(uint64_t base, int64_t exponent)
{
    uint64_t power = 1;
    if (exponent < 0)
        return base == 1 || (base == UINT64_MAX && exponent % 2 == 0) ? 1 : base == UINT64_MAX ? base : 0;
    for (; exponent; exponent /= 2, base *= base)
        power *= exponent % 2 ? base : 1;
    return power;
}

/* Not by zero. The lowest number by -1 wraps around. */
static uint64_t divide(bool is_unsigned, uint64_t a, uint64_t b)
{
    if (is_unsigned)
        return a / b;
    return b == UINT64_MAX ? 0 - a : (uint64_t)((int64_t)a / (int64_t)b);
}

/* In the 64 bits of an unsigned type, so that nothing overflows: narrower types and negative numbers come out right
 * when the result is cut to their width. */
static uint64_t combine_integers(thaw_arithmetic arithmetic, thaw_dtype dtype, uint64_t a, uint64_t b)
{
    const bool is_unsigned = dtype == THAW_UINT64;
    const bool less = is_unsigned ? a < b : (int64_t)a < (int64_t)b;
    switch (arithmetic) {
    case THAW_ADD:
    case THAW_SCALED:
        return a + b;
    case THAW_SUBTRACT:
        return a - b;
    case THAW_MULTIPLY:
        return a * b;
    case THAW_DIVIDE:
        return divide(is_unsigned, a, b);
    case THAW_MINIMUM:
        return less ? a : b;
    case THAW_MAXIMUM:
        return less ? b : a;
    case THAW_RAISE:
        return raise_integer(a, (int64_t)b);
    case THAW_BEND:
        return (int64_t)a < 0 && !is_unsigned ? a * b : a;
    default:;
        const uint64_t rest = a - divide(is_unsigned, a, b) * b;
        const bool turned =
            arithmetic == THAW_MODULO && !is_unsigned && rest && ((int64_t)rest < 0) != ((int64_t)b < 0);
        return turned ? rest + b : rest;
    }
}

static bool divides(const thaw_binary *binary)
{
    return binary->arithmetic == THAW_DIVIDE || binary->arithmetic >= THAW_MODULO;
}

/* Operands on the host, and the result. */
typedef struct operands {
    const thaw_tensor *a, *b;
    thaw_tensor *y;
} operands;

/* Dimension `d` and those inside it, for output elements from *at on and operands from `a_at` and `b_at` on. */
static thaw_status fold_dimension(const thaw_node *node, const thaw_binary *binary, const operands *o, int32_t d,
                                  int64_t *at, int64_t a_at, int64_t b_at)
{
    if (d < binary->rank) {
        for (int64_t i = 0; i < binary->extent[d]; i++)
            THAW_TRY(fold_dimension(node, binary, o, d + 1, at, a_at + i * binary->stride[0][d],
                                    b_at + i * binary->stride[1][d]));
        return THAW_OK;
    }
    const int64_t i = (*at)++;
    if (thaw_dtype_is_float(o->a->dtype) || thaw_dtype_is_float(o->b->dtype)) {
        const double value =
            combine_floats(binary->arithmetic, thaw_tensor_get(o->a, a_at), thaw_tensor_get(o->b, b_at));
        if (thaw_dtype_is_float(o->y->dtype))
            thaw_tensor_set(o->y, i, value);
        else
            thaw_tensor_set_int(o->y, i, (int64_t)value);
        return THAW_OK;
    }
    const int64_t left = thaw_tensor_get_int(o->a, a_at), right = thaw_tensor_get_int(o->b, b_at);
    if (right == 0 && divides(binary))
        return thaw_node_fail(node, THAW_ERR_MODEL, "divides %lld by zero", (long long)left);
    thaw_tensor_set_int(o->y, i,
                        (int64_t)combine_integers(binary->arithmetic, o->y->dtype, (uint64_t)left, (uint64_t)right));
    return THAW_OK;
}

thaw_status thaw_binary_compute(const thaw_node *node, const thaw_binary *binary, const thaw_tensor *a,
                                const thaw_tensor *b, thaw_tensor *y)
{
    const operands o = {a, b, y};
    int64_t at = 0;
    return y->count ? fold_dimension(node, binary, &o, 0, &at, 0, 0) : THAW_OK;
}

thaw_status thaw_binary_fold(thaw_node *node)
{
    thaw_tensor *y;
    THAW_TRY(thaw_node_fold_output(node, 0, &y));
    return thaw_binary_compute(node, node->state, node->inputs[0]->constant, node->inputs[1]->constant, y);
}

/* --- on the device --- */

/* Counted from the innermost dimension, as kernels do; a missing one has one element. */
static int64_t extent_at(const thaw_binary *binary, int32_t from_inner)
{
    return from_inner < binary->rank ? binary->extent[binary->rank - 1 - from_inner] : 1;
}

static int64_t stride_at(const thaw_binary *binary, int operand, int32_t from_inner)
{
    return from_inner < binary->rank ? binary->stride[operand][binary->rank - 1 - from_inner] : 0;
}

static thaw_status prepare_blocked(thaw_node *node)
{
    thaw_binary *binary = node->state;
    const thaw_binary_operand *operand = binary->operand;
    char options[96];
    snprintf(options, sizeof options, "-DARITHMETIC=%d -DA_INNER=%d -DB_INNER=%d -DACTIVATION=%d -DBLOCK=%d",
             (int)binary->arithmetic, (int)operand[0].lane, (int)operand[1].lane, (int)node->epilogue.activation,
             (int)binary->block);
    return thaw_kernel_get(thaw_node_device(node), "binary", "binary_blocked", options, &binary->kernel);
}

static thaw_status run_blocked(const thaw_node *node)
{
    enum { PIXELS_AT_ONCE = 512 };
    const thaw_binary *binary = node->state;
    const thaw_binary_operand *a = &binary->operand[0], *b = &binary->operand[1];
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    const int64_t pixels = stored.dims[2] * stored.dims[3];
    thaw_range range = THAW_RANGE_3((pixels + PIXELS_AT_ONCE - 1) / PIXELS_AT_ONCE, stored.dims[1], stored.dims[0]);
    range.local[0] = 1;
    return thaw_kernel_launch(binary->kernel, range, THAW_BUFFER(node->outputs[0]->buffer),
                              THAW_BUFFER(node->inputs[0]->buffer), THAW_BUFFER(node->inputs[1]->buffer),
                              THAW_FLOAT(node->epilogue.alpha), THAW_FLOAT(node->epilogue.beta), THAW_INT(pixels),
                              THAW_INT(PIXELS_AT_ONCE), THAW_LONG(a->image), THAW_LONG(a->block), THAW_INT(a->pixel),
                              THAW_LONG(b->image), THAW_LONG(b->block), THAW_INT(b->pixel));
}

/* Where it costs as much as dozens of elements to start a work-item, each does RUN or more. */
enum { RUN = 4096 };

thaw_status thaw_binary_get(const thaw_node *node, thaw_binary *binary)
{
    thaw_device *device = thaw_node_device(node);
    const bool runs = !thaw_items_are_cheap(device);
    const int64_t inner = extent_at(binary, 0);
    char options[96];
    const int length = snprintf(options, sizeof options, "-DARITHMETIC=%d -DA_INNER=%d -DB_INNER=%d -DACTIVATION=%d",
                                (int)binary->arithmetic, (int)stride_at(binary, 0, 0), (int)stride_at(binary, 1, 0),
                                (int)node->epilogue.activation);
    if (runs)
        snprintf(options + length, sizeof options - (size_t)length, " -DBLOCK=%d", (int)thaw_vector_width(device));
    binary->run = runs ? RUN : 0;
    binary->rows = inner > 0 && inner < RUN ? RUN / inner : 1;
    return thaw_kernel_get(device, "binary", runs ? "binary_runs" : "binary", options, &binary->kernel);
}

thaw_status thaw_binary_prepare(thaw_node *node)
{
    thaw_binary *binary = node->state;
    THAW_TRY(thaw_binary_prepare_backward(node));
    return binary->block > 1 ? prepare_blocked(node) : thaw_binary_get(node, binary);
}

thaw_status thaw_binary_run(const thaw_binary *binary, const thaw_epilogue *epilogue, thaw_buffer *y,
                            const thaw_buffer *a, const thaw_buffer *b)
{
    enum { BEFORE = 5, DIMENSIONS = 3 * (THAW_MAX_RANK - 1), BEHIND = 3 };
    thaw_argument arguments[BEFORE + DIMENSIONS + BEHIND] = {
        THAW_BUFFER(y), THAW_BUFFER(a), THAW_BUFFER(b), THAW_FLOAT(epilogue->alpha), THAW_FLOAT(epilogue->beta),
    };
    const int64_t inner = extent_at(binary, 0), next = extent_at(binary, 1);
    int64_t rest = 1;
    for (int32_t d = 1; d < THAW_MAX_RANK; d++) {
        thaw_argument *argument = &arguments[BEFORE + 3 * (d - 1)];
        argument[0] = THAW_LONG(extent_at(binary, d));
        argument[1] = THAW_LONG(stride_at(binary, 0, d));
        argument[2] = THAW_LONG(stride_at(binary, 1, d));
        rest *= d > 1 ? extent_at(binary, d) : 1;
    }
    if (!binary->run)
        return thaw_kernel_run(binary->kernel, THAW_RANGE_3(inner, next, rest), arguments, BEFORE + DIMENSIONS);
    thaw_range range = THAW_RANGE_3(thaw_divide_up(inner, binary->run), thaw_divide_up(next, binary->rows), rest);
    range.local[0] = 1;
    arguments[BEFORE + DIMENSIONS] = THAW_LONG(inner);
    arguments[BEFORE + DIMENSIONS + 1] = THAW_LONG(binary->run);
    arguments[BEFORE + DIMENSIONS + 2] = THAW_LONG(binary->rows);
    return thaw_kernel_run(binary->kernel, range, arguments, BEFORE + DIMENSIONS + BEHIND);
}

thaw_status thaw_binary_forward(thaw_node *node)
{
    const thaw_binary *binary = node->state;
    if (thaw_shape_size(&node->outputs[0]->shape) == 0)
        return THAW_OK;
    if (binary->block > 1)
        return run_blocked(node);
    return thaw_binary_run(binary, &node->epilogue, node->outputs[0]->buffer, node->inputs[0]->buffer,
                           node->inputs[1]->buffer);
}
