/* Attention as exporters write it, MatMul, scale, mask, Softmax, MatMul, as one node. */
#include "model/bind.h"
#include "model/strided.h"
#include "ops/shared/attention.h"
#include "ops/shared/movement.h"
#include "ops/shared/softmax.h"

#include <limits.h>
#include <string.h>

enum { MOST_MASKS = 4, MOST_BIAS = 1 << 26 /* elements */ };

/* What is added to the scores, seen as `view`. */
typedef struct mask {
    const thaw_tensor *tensor;
    thaw_shape view;
} mask;

typedef struct pattern {
    const thaw_node *softmax;
    thaw_node *last; /* softmax(..) v */
    thaw_value *q, *k, *v;
    double scale;
    mask masks[MOST_MASKS];
    int32_t mask_count;
} pattern;

/* Of that type, and nothing joined it. */
static bool is_plain(const thaw_node *node, const char *onnx_type)
{
    return thaw_node_is(node, onnx_type) && node->epilogue.activation == THAW_LINEAR && !node->epilogue.residual;
}

/* Takes a multiplication by one constant number, or a division, into *scale; gives what is multiplied, or `value`. */
static thaw_value *unscale(thaw_value *value, double *scale)
{
    const thaw_node *node = value->uses == 1 ? value->producer : NULL;
    const bool divides = is_plain(node, "Div");
    for (size_t side = divides; node && (divides || is_plain(node, "Mul")) && side < 2; side++) {
        const thaw_value *number = node->inputs[side];
        if (!thaw_value_is_fixed(number) || number->constant->count != 1 || node->inputs[1 - side]->constant ||
            !thaw_shape_equal(&node->inputs[1 - side]->shape, &value->shape))
            continue;
        const double factor = thaw_tensor_get(number->constant, 0);
        *scale *= divides ? 1 / factor : factor;
        return node->inputs[1 - side];
    }
    return value;
}

static bool same_matrices(const thaw_shape *a, const thaw_shape *b)
{
    return a->rank >= 2 && b->rank >= 2 && a->dims[a->rank - 1] == b->dims[b->rank - 1] &&
           a->dims[a->rank - 2] == b->dims[b->rank - 2];
}

/* What a mask is added to; NULL where `value` is made in another way. */
static thaw_value *unmask(const thaw_value *value, pattern *p)
{
    const thaw_node *node = value->producer;
    for (size_t side = 0; is_plain(node, "Add") && side < 2 && p->mask_count < MOST_MASKS; side++) {
        if (!thaw_value_is_fixed(node->inputs[side]) || node->inputs[1 - side]->constant ||
            !thaw_shape_equal(&node->inputs[1 - side]->shape, &value->shape))
            continue;
        p->masks[p->mask_count++] = (mask){node->inputs[side]->constant, value->shape};
        return node->inputs[1 - side];
    }
    return NULL;
}

/* From what Softmax reads up to the product of q and k: masks and other shapes, then the scale. */
static bool find_product(pattern *p)
{
    thaw_value *value = p->softmax->inputs[0], *next = value;
    while (next && value->uses == 1 && value->producer) {
        next = is_plain(value->producer, "Reshape") && same_matrices(&value->producer->inputs[0]->shape, &value->shape)
                   ? value->producer->inputs[0]
                   : unmask(value, p);
        value = next ? next : value;
    }
    for (thaw_value *before = NULL; before != value;) {
        before = value;
        value = unscale(value, &p->scale);
    }
    if (value->uses != 1 || !is_plain(value->producer, "MatMul"))
        return false;
    p->q = unscale(value->producer->inputs[0], &p->scale);
    p->k = unscale(value->producer->inputs[1], &p->scale);
    return true;
}

/* The same dimensions but for the last two. */
static bool same_stack(const thaw_shape *a, const thaw_shape *b)
{
    bool same = a->rank == b->rank && a->rank > 2;
    for (int32_t d = 0; same && d < a->rank - 2; d++)
        same = a->dims[d] == b->dims[d];
    return same;
}

static bool is_over_rows(const thaw_node *softmax)
{
    const thaw_softmax *state = softmax->state;
    const thaw_shape *x = &softmax->inputs[0]->shape;
    return x->rank > 2 && state->inner == 1 && state->length == x->dims[x->rank - 1];
}

static bool read_pattern(thaw_node *last, pattern *p, thaw_attention *attention)
{
    const thaw_value *scores = last->inputs[0];
    *p = (pattern){.last = last, .v = last->inputs[1], .softmax = scores->producer, .scale = 1};
    if (scores->uses != 1 || !is_plain(p->softmax, "Softmax") || !is_over_rows(p->softmax) || !find_product(p))
        return false;
    const thaw_shape *q = &p->q->shape, *k = &p->k->shape, *v = &p->v->shape;
    if (!same_stack(q, k) || !same_stack(&scores->shape, v) || p->q->constant || p->k->constant || p->v->constant)
        return false;
    *attention = (thaw_attention){.scale = (float)p->scale,
                                  .stack = thaw_shape_span(q, 0, q->rank - 2),
                                  .inner = q->dims[q->rank - 3],
                                  .rows = q->dims[q->rank - 2],
                                  .depth = q->dims[q->rank - 1],
                                  .keys = k->dims[k->rank - 1],
                                  .width = v->dims[v->rank - 1]};
    return attention->stack == thaw_shape_span(v, 0, v->rank - 2) && attention->stack > 0;
}

/* After how many matrices the mask begins anew. */
static int64_t period_of(const mask *m, const int64_t strides[THAW_MAX_RANK])
{
    int64_t period = 1;
    bool changes = false;
    for (int32_t d = 0; d < m->view.rank - 2; d++) {
        changes = changes || strides[d] != 0;
        period *= changes ? m->view.dims[d] : 1;
    }
    return period;
}

static void add_mask(const mask *m, const thaw_attention *attention, float *bias)
{
    int64_t strides[THAW_MAX_RANK];
    const int64_t inside = attention->rows * attention->keys;
    thaw_broadcast_strides(&m->tensor->shape, &m->view, strides);
    for (int64_t i = 0; i < attention->period * inside; i++)
        bias[i] += (float)thaw_tensor_get(m->tensor, thaw_strided_index(&m->view, strides, i));
}

/* All masks in one constant; *value NULL where there are none. Sets attention->period; 0 beside a mask: they don't fit
 * together, or are too large. */
static thaw_status make_bias(thaw_graph *graph, const pattern *p, thaw_attention *attention, thaw_value **value)
{
    int64_t period = 1, strides[THAW_MAX_RANK];
    *value = NULL;
    for (int32_t i = 0; i < p->mask_count; i++) {
        thaw_broadcast_strides(&p->masks[i].tensor->shape, &p->masks[i].view, strides);
        const int64_t own = period_of(&p->masks[i], strides), longer = own > period ? own : period;
        if (longer % own != 0 || longer % period != 0)
            return THAW_OK;
        period = longer;
    }
    if (p->mask_count == 0 || period > MOST_BIAS / (attention->rows * attention->keys))
        return THAW_OK;
    const thaw_shape shape = {3, {period, attention->rows, attention->keys}};
    thaw_tensor *tensor;
    THAW_TRY(thaw_tensor_create(graph->context, THAW_FLOAT32, &shape, &tensor));
    attention->period = period;
    for (int32_t i = 0; i < p->mask_count; i++)
        add_mask(&p->masks[i], attention, tensor->data);
    const thaw_status status = thaw_graph_add_value(graph, "", value);
    if (status != THAW_OK) {
        thaw_tensor_release(&tensor);
        return status;
    }
    (*value)->constant = tensor;
    (*value)->dtype = THAW_FLOAT32;
    (*value)->shape = shape;
    (*value)->shape_known = true;
    return THAW_OK;
}

/* Makes a stack of matrices out of `strided`; false where strides can't, or columns don't lie side by side but have to.
 */
static bool place_at(thaw_strided strided, const thaw_attention *attention, bool any_columns,
                     thaw_attention_place *place)
{
    const int64_t *dims = &strided.shape.dims[strided.shape.rank - 2];
    const thaw_shape shape = {4, {attention->stack / attention->inner, attention->inner, dims[0], dims[1]}};
    int64_t stride[THAW_MAX_RANK];
    if (!thaw_strided_reshape(&strided, &shape) || !thaw_strided_simple(&strided, stride) ||
        (!any_columns && shape.dims[3] > 1 && stride[3] != 1))
        return false;
    *place = (thaw_attention_place){strided.offset, stride[0], stride[1], stride[2], stride[3]};
    return true;
}

/* An operand is read where others left it. Gives the value that it lies in. */
static thaw_value *place_operand(thaw_value *value, const thaw_attention *attention, bool any_columns,
                                 thaw_attention_place *place)
{
    const thaw_strided traced = thaw_strided_trace(value);
    if (place_at(traced, attention, any_columns, place))
        return traced.source;
    place_at(thaw_strided_of(value), attention, any_columns, place);
    return value;
}

/* What is written, in the order in which the last one's only reader would have it, if that is a Transpose that leaves
 * columns side by side. The Transpose goes. */
static thaw_value *place_result(const thaw_graph *graph, thaw_value *y, thaw_attention *attention)
{
    int32_t order[THAW_MAX_RANK];
    int64_t strides[THAW_MAX_RANK];
    thaw_node *reader = thaw_graph_sole_reader(graph, y);
    thaw_strided written = thaw_strided_of(y);
    if (reader && thaw_transpose_order(reader, y->shape.rank, order)) {
        thaw_shape_strides(&reader->outputs[0]->shape, strides);
        for (int32_t i = 0; i < y->shape.rank; i++)
            written.stride[order[i]] = strides[i];
        if (place_at(written, attention, false, &attention->y)) {
            reader->removed = true;
            return reader->outputs[0];
        }
    }
    place_at(thaw_strided_of(y), attention, false, &attention->y);
    return y;
}

/* The new node gets the place of the last one. */
static thaw_status replace(thaw_graph *graph, const pattern *p, thaw_attention *attention, thaw_value *bias)
{
    thaw_node *node;
    thaw_value *const q = place_operand(p->q, attention, false, &attention->q);
    thaw_value *const k = place_operand(p->k, attention, true, &attention->k);
    thaw_value *const v = place_operand(p->v, attention, false, &attention->v);
    thaw_value *const y = place_result(graph, p->last->outputs[0], attention);
    attention->shape = y->shape;
    THAW_TRY(thaw_graph_add_node(graph, &thaw_op_attention, p->last->name, bias ? 4 : 3, 1, &node));
    THAW_TRY(node->op->attributes(node));
    *(thaw_attention *)node->state = *attention;
    thaw_value *const inputs[] = {q, k, v, bias};
    for (size_t i = 0; i < node->input_count; i++)
        thaw_node_set_input(node, i, inputs[i]);
    thaw_node_set_output_value(node, 0, y);
    thaw_graph_replace(graph, p->last);
    return node->op->infer(node);
}

thaw_status thaw_graph_attend(thaw_graph *graph, int32_t width)
{
    const size_t count = graph->node_count;
    thaw_graph_count_uses(graph);
    for (size_t i = 0; i < count; i++) {
        thaw_attention attention;
        thaw_value *bias;
        pattern p;
        if (!is_plain(graph->nodes[i], "MatMul") || !read_pattern(graph->nodes[i], &p, &attention) ||
            !thaw_attention_fits(&attention, width))
            continue;
        THAW_TRY(make_bias(graph, &p, &attention, &bias));
        if (bias || p.mask_count == 0)
            THAW_TRY(replace(graph, &p, &attention, bias));
    }
    thaw_graph_sweep(graph);
    return THAW_OK;
}
