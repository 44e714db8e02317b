/* Transposed convolutions of frozen parts as convolutions, which have fast kernels and weights that are packed once.
 *
 * Along an axis, y[o] is the sum over k of w[k] * x[i] where i * stride + k * dilation = o + pad. With stride 1 that is
 * a convolution with the weights turned round. With a stride s, the outputs s * b + r of each r = 0, 1, .., s - 1 are a
 * convolution of their own, with every s-th weight: s * s times the channels, which DepthToSpace then lays out. */
#include "model/bind.h"
#include "ops/shared/conv_transpose.h"

#include <limits.h>
#include <string.h>

enum { X, WEIGHTS, BIAS, SIDES = 2, MOST_WEIGHTS = 1 << 28 };

/* One axis of the convolution: output b reads x[b + first], x[b + first + dilation], .., `taps` of them. */
typedef struct axis {
    int64_t kernel, stride, pad; /* of the transposed one */
    int64_t taps, first, dilation, pad_end;
} axis;

typedef struct plan {
    const thaw_conv_transpose *from;
    axis sides[SIDES]; /* height, width */
    int64_t phases;    /* of one output channel: channels of the convolution */
} plan;

/* Which weight of the transposed convolution tap `w` of phase r is; -1: none, it is zero. */
static int64_t weight_of(const axis *a, int64_t r, int64_t w)
{
    if (a->stride == 1)
        return a->kernel - 1 - w;
    const int64_t reach = (r + a->pad) / a->stride, back = reach - (a->first + w);
    const int64_t k = (r + a->pad) % a->stride + a->stride * back;
    return back >= 0 && k < a->kernel ? k : -1;
}

/* False where it would have to crop x, or rows would be left over. */
static bool plan_axis(int64_t in, int64_t out, axis *a)
{
    int64_t last = a->pad;
    a->first = a->pad - (a->kernel - 1) * a->dilation;
    a->taps = a->kernel;
    if (a->stride > 1) {
        if (a->dilation != 1 || out % a->stride != 0)
            return false;
        /* The first weight of phase r is (r + pad) % stride, the farthest back is `stride` weights for each x. */
        last = (a->stride - 1 + a->pad) / a->stride;
        a->first = last;
        for (int64_t r = 0; r < a->stride; r++) {
            const int64_t weight = (r + a->pad) % a->stride;
            const int64_t first = (r + a->pad) / a->stride - (a->kernel - 1 - weight) / a->stride;
            if (weight < a->kernel && first < a->first)
                a->first = first;
        }
        a->taps = last - a->first + 1;
    }
    a->pad_end = out / a->stride - 1 + last - (in - 1);
    return a->first <= 0 && a->pad_end >= 0 && a->pad_end <= INT_MAX;
}

static bool is_fixed(const thaw_value *value)
{
    return thaw_value_is_fixed(value) && value->constant->dtype == THAW_FLOAT32;
}

static bool read_plan(const thaw_node *node, plan *p)
{
    const thaw_conv_transpose *from = p->from = node->state;
    const thaw_value *x = node->inputs[X], *bias = node->input_count > BIAS ? node->inputs[BIAS] : NULL;
    int64_t weights;
    if (x->shape.rank != 2 + SIDES || x->constant || !is_fixed(node->inputs[WEIGHTS]) || (bias && !is_fixed(bias)))
        return false;
    for (int i = 0; i < SIDES; i++) {
        const int at = THAW_WINDOW_AXES - SIDES + i;
        p->sides[i] = (axis){.kernel = from->window.kernel[at],
                             .stride = from->window.stride[at],
                             .pad = from->window.pad[at],
                             .dilation = from->window.dilation[at]};
        if (!plan_axis(from->window.in[at], from->window.out[at], &p->sides[i]))
            return false;
    }
    p->phases = p->sides[0].stride * p->sides[1].stride;
    return p->sides[0].stride == p->sides[1].stride &&
           thaw_multiply(from->groups * from->group_out * p->phases, from->group_in, &weights) &&
           thaw_multiply(weights, p->sides[0].taps * p->sides[1].taps, &weights) && weights <= MOST_WEIGHTS;
}

/* --- the new nodes ------------------------------------------------------------------------------------------------ */

static thaw_status add_constant(thaw_graph *graph, const thaw_shape *shape, thaw_value **value)
{
    THAW_TRY(thaw_graph_add_value(graph, "", value));
    THAW_TRY(thaw_tensor_create(graph->context, THAW_FLOAT32, shape, &(*value)->constant));
    (*value)->dtype = THAW_FLOAT32;
    (*value)->shape = *shape;
    (*value)->shape_known = true;
    return THAW_OK;
}

/* One filter of the convolution, for one channel that it reads, from the weights of a pair of channels. */
static void turn_filter(const plan *p, int64_t phase, const float *from, float *to)
{
    const axis *h = &p->sides[0], *w = &p->sides[1];
    for (int64_t i = 0; i < h->taps; i++)
        for (int64_t j = 0; j < w->taps; j++) {
            const int64_t y = weight_of(h, phase / w->stride, i), x = weight_of(w, phase % w->stride, j);
            to[i * w->taps + j] = y < 0 || x < 0 ? 0 : from[y * w->kernel + x];
        }
}

/* From [groups * group_in, group_out, kernel..] to [groups * group_out * phases, group_in, taps..]. */
static thaw_status make_weights(thaw_graph *graph, const plan *p, const thaw_tensor *old, thaw_value **value)
{
    const thaw_conv_transpose *t = p->from;
    const int64_t taps = p->sides[0].taps * p->sides[1].taps, kernel = p->sides[0].kernel * p->sides[1].kernel;
    const thaw_shape shape = {4,
                              {t->groups * t->group_out * p->phases, t->group_in, p->sides[0].taps, p->sides[1].taps}};
    THAW_TRY(add_constant(graph, &shape, value));
    const float *from = old->data;
    float *to = (*value)->constant->data;
    for (int64_t filter = 0; filter < shape.dims[0]; filter++) {
        const int64_t channel = filter / p->phases, group = channel / t->group_out, out = channel % t->group_out;
        for (int64_t in = 0; in < t->group_in; in++, to += taps)
            turn_filter(p, filter % p->phases, from + ((group * t->group_in + in) * t->group_out + out) * kernel, to);
    }
    return THAW_OK;
}

static thaw_status make_bias(thaw_graph *graph, const plan *p, const thaw_tensor *old, thaw_value **value)
{
    const thaw_shape shape = {1, {p->from->groups * p->from->group_out * p->phases}};
    THAW_TRY(add_constant(graph, &shape, value));
    for (int64_t i = 0; i < shape.dims[0]; i++)
        ((float *)(*value)->constant->data)[i] = ((const float *)old->data)[i / p->phases];
    return THAW_OK;
}

static thaw_status start(thaw_node *node)
{
    THAW_TRY(node->op->attributes(node));
    return node->op->infer(node);
}

static thaw_status add_convolution(const thaw_node *old, const plan *p, thaw_value *y, thaw_node **node)
{
    thaw_graph *graph = old->graph;
    const thaw_value *bias = old->input_count > BIAS ? old->inputs[BIAS] : NULL;
    const axis *h = &p->sides[0], *w = &p->sides[1];
    thaw_value *value;
    THAW_TRY(thaw_graph_add_node(graph, thaw_op_find("Conv"), old->name, bias ? 3 : 2, 1, node));
    thaw_node_set_input(*node, X, old->inputs[X]);
    THAW_TRY(make_weights(graph, p, old->inputs[WEIGHTS]->constant, &value));
    thaw_node_set_input(*node, WEIGHTS, value);
    if (bias) {
        THAW_TRY(make_bias(graph, p, bias->constant, &value));
        thaw_node_set_input(*node, BIAS, value);
    }
    thaw_node_set_output_value(*node, 0, y);
    THAW_TRY(thaw_node_add_int(*node, "group", p->from->groups));
    THAW_TRY(thaw_node_add_ints(*node, "dilations", (const int64_t[]){h->dilation, w->dilation}, 2));
    THAW_TRY(thaw_node_add_ints(*node, "pads", (const int64_t[]){-h->first, -w->first, h->pad_end, w->pad_end}, 4));
    return start(*node);
}

static thaw_status add_layout(const thaw_node *old, const plan *p, thaw_value *deep, thaw_node **node)
{
    thaw_attribute *mode;
    THAW_TRY(thaw_graph_add_node(old->graph, thaw_op_find("DepthToSpace"), "", 1, 1, node));
    thaw_node_set_input(*node, 0, deep);
    thaw_node_set_output_value(*node, 0, old->outputs[0]);
    THAW_TRY(thaw_node_add_int(*node, "blocksize", p->sides[0].stride));
    THAW_TRY(thaw_node_add_attribute(*node, "mode", &mode));
    mode->kind = THAW_ATTRIBUTE_STRING;
    THAW_TRY(thaw_copy_text(old->graph->context, "CRD", &mode->s));
    return start(*node);
}

/* The nodes appended since `count` take the place of node `at`, which goes to the end and is swept away. */
static void put_in_place(thaw_graph *graph, size_t at, size_t count)
{
    thaw_node *old = graph->nodes[at], *added[2];
    const size_t added_count = graph->node_count - count;
    memcpy(added, graph->nodes + count, added_count * sizeof *added);
    memmove(graph->nodes + at + added_count, graph->nodes + at + 1, (count - at - 1) * sizeof *added);
    memcpy(graph->nodes + at, added, added_count * sizeof *added);
    graph->nodes[graph->node_count - 1] = old;
    old->removed = true;
}

static thaw_status replace(thaw_graph *graph, size_t at, const plan *p)
{
    const thaw_node *old = graph->nodes[at];
    const size_t count = graph->node_count;
    thaw_value *y = old->outputs[0];
    thaw_node *convolution, *layout;
    if (p->phases > 1)
        THAW_TRY(thaw_graph_add_value(graph, "", &y));
    THAW_TRY(add_convolution(old, p, y, &convolution));
    if (p->phases > 1)
        THAW_TRY(add_layout(old, p, y, &layout));
    put_in_place(graph, at, count);
    return THAW_OK;
}

thaw_status thaw_graph_turn_transposed(thaw_graph *graph)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        plan p;
        if (thaw_node_is(graph->nodes[i], "ConvTranspose") && read_plan(graph->nodes[i], &p))
            THAW_TRY(replace(graph, i, &p));
    }
    thaw_graph_sweep(graph);
    return THAW_OK;
}
