#include "model/segments.h"

#include <stdlib.h>

#define NO_SEGMENT   SIZE_MAX
#define SEARCH_SHARE 3 /* a cut may move by 1 / so much of a segment to where less crosses */

/* Bytes at the places where a cut may be: before node i, [node_count + 1]. */
typedef struct cuts {
    double *before;   /* of what nodes in front make */
    double *crossing; /* of what is made in front and read behind */
} cuts;

static double bytes_of(const thaw_value *value)
{
    const thaw_shape stored = thaw_value_stored(value);
    return (double)thaw_shape_size(&stored) * sizeof(float);
}

/* The first and the last node that a root is touched by; one that nobody makes here, or that must last, has none. */
typedef struct span {
    size_t first, last;
} span;

static void touch(span *spans, thaw_value *const *root, const thaw_value *value, size_t node)
{
    span *s = value ? &spans[root[value->index]->index] : NULL;
    if (s && s->first > node)
        s->first = node;
    if (s && s->last < node)
        s->last = node;
}

static void find_spans(const thaw_graph *graph, thaw_value *const *root, span *spans)
{
    for (size_t i = 0; i < graph->value_count; i++)
        spans[i] = (span){SIZE_MAX, 0};
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        for (size_t j = 0; j < node->input_count; j++)
            touch(spans, root, node->inputs[j], i);
        for (size_t j = 0; j < node->output_count; j++)
            touch(spans, root, node->outputs[j], i);
    }
    for (size_t i = 0; i < graph->value_count; i++)
        if (graph->values[i]->constant || !graph->values[i]->producer)
            spans[root[i]->index] = (span){SIZE_MAX, 0};
    for (size_t i = 0; i < graph->output_count; i++)
        spans[root[graph->outputs[i]->index]->index] = (span){SIZE_MAX, 0};
}

static void weigh(const thaw_graph *graph, const span *spans, const cuts *c)
{
    for (size_t i = 0; i < graph->value_count; i++) {
        const span s = spans[i];
        const double bytes = s.first == SIZE_MAX ? 0 : bytes_of(graph->values[i]);
        for (size_t place = s.first; bytes > 0 && place < graph->node_count; place++) {
            c->before[place + 1] += bytes;
            c->crossing[place + 1] += place < s.last ? bytes : 0;
        }
    }
}

/* Where least crosses, among the places behind `from` that are near the one with `wanted` bytes in front of it. */
static size_t find_place(const thaw_graph *graph, const cuts *c, size_t from, double wanted, double reach)
{
    size_t best = graph->node_count;
    for (size_t place = from + 1; place < graph->node_count; place++) {
        const bool near = c->before[place] >= wanted - reach && c->before[place] <= wanted + reach;
        if (near && (best == graph->node_count || c->crossing[place] < c->crossing[best]))
            best = place;
    }
    return best;
}

static void cut(thaw_schedule *schedule, const thaw_graph *graph, const cuts *c, size_t count)
{
    const double all = c->before[graph->node_count], share = all / (double)count;
    schedule->count = 0;
    schedule->first[0] = 0;
    for (size_t s = 1; s < count; s++) {
        const size_t from = schedule->first[schedule->count];
        const size_t place = find_place(graph, c, from, share * (double)s, share / SEARCH_SHARE);
        if (place < graph->node_count)
            schedule->first[++schedule->count] = place;
    }
    schedule->first[++schedule->count] = graph->node_count;
}

static void number_steps(const thaw_schedule *schedule, size_t node_count)
{
    size_t step = node_count;
    for (size_t s = schedule->count; s-- > 0;) {
        for (size_t i = schedule->first[s]; i < schedule->first[s + 1]; i++)
            schedule->again[i] = s + 1 < schedule->count ? step++ : i;
        for (size_t i = schedule->first[s + 1]; i-- > schedule->first[s];)
            schedule->backward[i] = step++;
    }
}

static void find_locals(const thaw_schedule *schedule, const thaw_graph *graph, const span *spans)
{
    for (size_t i = 0; i < graph->value_count; i++) {
        schedule->segment[i] = NO_SEGMENT;
        for (size_t s = 0; s + 1 < schedule->count; s++)
            if (spans[i].first != SIZE_MAX && spans[i].first >= schedule->first[s] &&
                spans[i].last < schedule->first[s + 1])
                schedule->segment[i] = s;
    }
}

static thaw_status allocate(thaw_schedule *schedule, const thaw_graph *graph, size_t count)
{
    thaw_schedule_free(schedule);
    THAW_TRY(thaw_allocate(graph->context, count + 1, sizeof(size_t), &schedule->first));
    THAW_TRY(thaw_allocate(graph->context, graph->node_count, sizeof(size_t), &schedule->again));
    THAW_TRY(thaw_allocate(graph->context, graph->node_count, sizeof(size_t), &schedule->backward));
    THAW_TRY(thaw_allocate(graph->context, graph->node_count, sizeof(bool), &schedule->repeated));
    return thaw_allocate(graph->context, graph->value_count, sizeof(size_t), &schedule->segment);
}

thaw_status thaw_schedule_fill(thaw_schedule *schedule, const thaw_graph *graph, thaw_value *const *root, size_t count)
{
    const size_t places = graph->node_count + 1;
    span *spans = NULL;
    cuts c = {0};
    thaw_status status = allocate(schedule, graph, count);
    if (status == THAW_OK)
        status = thaw_allocate(graph->context, graph->value_count, sizeof *spans, &spans);
    if (status == THAW_OK)
        status = thaw_allocate(graph->context, places, sizeof(double), &c.before);
    if (status == THAW_OK)
        status = thaw_allocate(graph->context, places, sizeof(double), &c.crossing);
    if (status == THAW_OK) {
        find_spans(graph, root, spans);
        weigh(graph, spans, &c);
        cut(schedule, graph, &c, count);
        number_steps(schedule, graph->node_count);
        find_locals(schedule, graph, spans);
    }
    free(spans);
    free(c.before);
    free(c.crossing);
    return status;
}

void thaw_schedule_free(thaw_schedule *schedule)
{
    free(schedule->first);
    free(schedule->again);
    free(schedule->backward);
    free(schedule->repeated);
    free(schedule->segment);
    free(schedule->buffers);
    *schedule = (thaw_schedule){0};
}
