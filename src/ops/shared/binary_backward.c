/* Gradients of arithmetic with broadcasting: da += dy, dy * b or dy / b, db += dy, -dy, dy * a or -dy * a / b^2, and so
 * on (src/ops/shared/terms.h), summed where an operand was repeated. */
#include "ops/shared/binary.h"

#include <string.h>

static thaw_term term_of(thaw_arithmetic arithmetic, int operand)
{
    switch (arithmetic) {
    case THAW_MULTIPLY:
        return THAW_TERM_PRODUCT;
    case THAW_DIVIDE:
        return operand == 0 ? THAW_TERM_SHARE : THAW_TERM_QUOTIENT;
    case THAW_MINIMUM:
    case THAW_MAXIMUM:
        return THAW_TERM_WINNER;
    case THAW_RAISE:
        return operand == 0 ? THAW_TERM_BASE : THAW_TERM_EXPONENT;
    case THAW_BEND:
        return operand == 0 ? THAW_TERM_BENT : THAW_TERM_SLOPE;
    default:
        return THAW_TERM_PLAIN;
    }
}

/* Which input the term's q is: the other factor, the divisor, the exponent, or what lost. */
static int factor_of(const thaw_binary *binary, int operand)
{
    switch (binary->arithmetic) {
    case THAW_DIVIDE:
    case THAW_RAISE:
    case THAW_BEND:
        return 1;
    case THAW_MINIMUM:
        return operand;
    default:
        return 1 - operand;
    }
}

/* And which its p is. */
static int first_of(const thaw_binary *binary, int operand)
{
    switch (binary->arithmetic) {
    case THAW_MINIMUM:
        return 1 - operand;
    case THAW_MAXIMUM:
        return operand;
    default:
        return 0;
    }
}

static void set_strides(thaw_terms *terms, const thaw_binary *binary, int operand,
                        const int64_t (*stride)[THAW_MAX_RANK], const int64_t *dense)
{
    const size_t size = sizeof terms->stride[0];
    memcpy(terms->stride[THAW_TO], stride[operand], size);
    memcpy(terms->stride[THAW_FROM], dense, size);
    if (terms->term != THAW_TERM_PLAIN)
        memcpy(terms->stride[THAW_Q], stride[factor_of(binary, operand)], size);
    if (terms->term >= THAW_TERM_QUOTIENT)
        memcpy(terms->stride[THAW_P], stride[first_of(binary, operand)], size);
}

thaw_terms thaw_binary_terms(const thaw_binary *binary, int operand)
{
    thaw_terms terms = {.term = term_of(binary->arithmetic, operand),
                        .scale = binary->arithmetic == THAW_SUBTRACT && operand == 1 ? -1.0f : 1.0f,
                        .rank = binary->rank};
    thaw_shape y = {.rank = binary->rank};
    int64_t dense[THAW_MAX_RANK] = {0};
    memcpy(y.dims, binary->extent, sizeof y.dims);
    memcpy(terms.extent, binary->extent, sizeof terms.extent);
    thaw_shape_strides(&y, dense);
    set_strides(&terms, binary, operand, binary->stride, dense);
    return terms;
}

/* The first `blocks` blocks of the output, `lanes` channels of each. */
static thaw_terms blocked_box_of(const thaw_node *node, int operand, int64_t blocks, int64_t lanes)
{
    const thaw_binary *binary = node->state;
    const thaw_shape stored = thaw_value_stored(node->outputs[0]);
    const int64_t pixels = stored.dims[2] * stored.dims[3], block = binary->block;
    const int64_t dense[THAW_MAX_RANK] = {stored.dims[1] * pixels * block, pixels * block, block, 1};
    int64_t stride[2][THAW_MAX_RANK] = {{0}};
    for (int i = 0; i < 2; i++) {
        const thaw_binary_operand *o = &binary->operand[i];
        memcpy(stride[i], (int64_t[]){o->image, o->block, o->pixel, o->lane}, 4 * sizeof(int64_t));
    }
    thaw_terms terms = thaw_binary_terms(binary, operand);
    terms.rank = 4;
    memcpy(terms.extent, (int64_t[]){stored.dims[0], blocks, pixels, lanes}, 4 * sizeof(int64_t));
    terms.block = lanes == block ? binary->block : 1;
    set_strides(&terms, binary, operand, (const int64_t(*)[THAW_MAX_RANK])stride, dense);
    return terms;
}

/* Sums over channels must leave out those that only fill the last block up: it becomes a box of its own. */
static thaw_status prepare_blocked(thaw_node *node, int operand)
{
    thaw_binary *binary = node->state;
    thaw_device *device = thaw_node_device(node);
    const int64_t channels = node->outputs[0]->shape.dims[1], block = binary->block, rest = channels % block;
    const bool sums_channels = binary->operand[operand].lane == 0 && rest;
    const int64_t blocks = channels / block + (rest && !sums_channels);
    binary->gradient[operand] = blocked_box_of(node, operand, blocks, block);
    THAW_TRY(thaw_terms_prepare(device, &binary->gradient[operand]));
    if (!sums_channels)
        return THAW_OK;
    thaw_terms *last = &binary->rest[operand];
    *last = blocked_box_of(node, operand, 1, rest);
    for (int i = 0; i < THAW_TERM_OPERANDS; i++)
        last->offset[i] = blocks * last->stride[i][1];
    return thaw_terms_prepare(device, last);
}

thaw_status thaw_binary_prepare_backward(thaw_node *node)
{
    thaw_binary *binary = node->state;
    for (int i = 0; i < 2; i++) {
        if (!node->inputs[i]->gradient)
            continue;
        if (binary->block > 1) {
            THAW_TRY(prepare_blocked(node, i));
        } else {
            binary->gradient[i] = thaw_binary_terms(binary, i);
            THAW_TRY(thaw_terms_prepare(thaw_node_device(node), &binary->gradient[i]));
        }
    }
    return THAW_OK;
}

thaw_status thaw_binary_backward(thaw_node *node)
{
    const thaw_binary *binary = node->state;
    thaw_device *device = thaw_node_device(node);
    for (int i = 0; i < 2; i++) {
        thaw_buffer *to = node->inputs[i]->gradient, *from = node->outputs[0]->gradient;
        const thaw_buffer *first = node->inputs[first_of(binary, i)]->buffer;
        const thaw_buffer *factor = node->inputs[factor_of(binary, i)]->buffer;
        bool add;
        if (!to)
            continue;
        THAW_TRY(thaw_terms_begin(node, (size_t)i, &binary->gradient[i], &add));
        THAW_TRY(thaw_terms_run(device, &binary->gradient[i], to, from, first, factor, add));
        THAW_TRY(thaw_terms_run(device, &binary->rest[i], to, from, first, factor, true));
    }
    return THAW_OK;
}

void thaw_binary_release(thaw_node *node)
{
    thaw_binary *binary = node->state;
    for (int i = 0; i < 2; i++) {
        thaw_terms_release(&binary->gradient[i]);
        thaw_terms_release(&binary->rest[i]);
    }
}
