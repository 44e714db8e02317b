#include "model/stages.h"
#include "model/head.h"
#include "model/program.h"
#include "model/roles.h"

#include <stdlib.h>
#include <string.h>

typedef struct numbering {
    const thaw_graph *graph;
    size_t head;      /* the classifier's node; node_count: none */
    size_t *crossing; /* [node_count + 1]: run-time values that lead from before a node to it or beyond */
    bool *begins;     /* [node_count]: a stage starts here */
    bool attends;     /* there is attention: what has four dimensions is no map unless a convolution or pool made it */
} numbering;

static bool is_any(const thaw_node *node, const char *const *types)
{
    for (; *types; types++)
        if (thaw_node_is(node, *types))
            return true;
    return false;
}

static bool makes_pixels(const thaw_node *node)
{
    static const char *const types[] = {"Conv", "MaxPool", "AveragePool", NULL};
    return is_any(node, types);
}

/* Pixels of the map that a node makes; 0 if it makes none. */
static int64_t map_area(const numbering *n, const thaw_node *node)
{
    const thaw_shape *shape = &node->outputs[0]->shape;
    const bool is_map = shape->rank == 4 && (!n->attends || makes_pixels(node));
    const int64_t area = is_map ? shape->dims[2] * shape->dims[3] : 0;
    return area > 1 ? area : 0;
}

static size_t find_head(const thaw_graph *graph)
{
    thaw_head head;
    if (thaw_head_find(graph, NULL, &head) != THAW_OK)
        return graph->node_count;
    size_t i = 0;
    while (i < graph->node_count && graph->nodes[i] != head.classifier)
        i++;
    return i;
}

/* A value made by node i (or an input, as if made by node -1) and last read by node u crosses the places i + 1 to u. */
static thaw_status count_crossings(numbering *n)
{
    const thaw_graph *graph = n->graph;
    size_t *first, *last;
    THAW_TRY(thaw_allocate(graph->context, 2 * graph->value_count, sizeof *first, &first));
    last = first + graph->value_count;
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        for (size_t j = 0; j < node->input_count; j++)
            if (node->inputs[j])
                last[node->inputs[j]->index] = i;
        for (size_t j = 0; j < node->output_count; j++)
            if (node->outputs[j])
                first[node->outputs[j]->index] = i + 1;
    }
    for (size_t v = 0; v < graph->value_count; v++)
        for (size_t place = first[v]; place <= last[v] && !graph->values[v]->constant; place++)
            n->crossing[place]++;
    free(first);
    return THAW_OK;
}

static bool is_convolution(const thaw_node *node)
{
    return thaw_node_is(node, "Conv");
}

/* Blocks as MobileNetV2 has them widen before they reduce: the place before the convolution that does, if one chain
 * leads from there and less than half as much crosses it. */
static size_t before_widening(const numbering *n, size_t place)
{
    size_t at = place;
    while (at > 0 && !is_convolution(n->graph->nodes[at - 1]))
        at--;
    if (at < 2 || n->crossing[at] != 1 || n->crossing[at - 1] != 1)
        return place;
    const thaw_value *narrow = n->graph->nodes[at - 1]->inputs[0], *wide = n->graph->nodes[at - 1]->outputs[0];
    return 2 * thaw_shape_size(&narrow->shape) < thaw_shape_size(&wide->shape) ? at - 1 : place;
}

/* ConvNeXt normalises what it is about to reduce, between Transposes: the place before these, if a norm is there. */
static size_t before_norm(const numbering *n, size_t place)
{
    static const char *const around[] = {"Transpose", "LayerNormalization", NULL};
    size_t at = place;
    bool norm = false;
    while (at > 0 && n->crossing[at - 1] == 1 && is_any(n->graph->nodes[at - 1], around))
        norm = thaw_node_is(n->graph->nodes[--at], "LayerNormalization") || norm;
    return norm ? at : place;
}

static void begin_map_stage(numbering *n, size_t node)
{
    size_t place = node;
    while (place > 0 && n->crossing[place] != 1)
        place--;
    if (place > 0 && is_convolution(n->graph->nodes[node]))
        place = before_norm(n, before_widening(n, place));
    n->begins[place] = true;
}

static bool has_weights(const thaw_node *node)
{
    static const char *const types[] = {"Conv", "Gemm", "MatMul", NULL};
    return is_any(node, types) && node->input_count > 1 && thaw_role_origin(node->inputs[1]);
}

/* --- attention ---------------------------------------------------------------------------------------------------- */

/* A Softmax of what a product of two run-time values became: scaled, masked, seen with other dimensions. */
static bool is_attention(const thaw_node *node)
{
    static const char *const between[] = {"Mul", "Div", "Add", "Where", "Reshape", "Cast", "Clip", NULL};
    static const char *const products[] = {"MatMul", "Einsum", NULL};
    if (!thaw_node_is(node, "Softmax"))
        return false;
    for (node = node->inputs[0]->producer; node && is_any(node, between);) {
        size_t i = 0;
        while (i < node->input_count && (!node->inputs[i] || !node->inputs[i]->producer))
            i++;
        node = i < node->input_count ? node->inputs[i]->producer : NULL;
    }
    return node && is_any(node, products) && !thaw_role_origin(node->inputs[0]) && !thaw_role_origin(node->inputs[1]);
}

/* The end of a block with a shortcut: a sum of two run-time values that alone leads on. */
static bool joins(const numbering *n, size_t node)
{
    const thaw_node *sum = n->graph->nodes[node];
    return thaw_node_is(sum, "Add") && n->crossing[node] > 1 && n->crossing[node + 1] == 1 &&
           !sum->inputs[0]->constant && !sum->inputs[1]->constant;
}

/* An encoder block begins behind the one before, so that what merges patches in between is its own; the first of them
 * where a single value leads into it, so that what makes tokens of the image is not. */
static void begin_block(numbering *n, size_t attention)
{
    size_t entry = attention;
    while (entry > 0 && n->crossing[entry] != 1)
        entry--;
    size_t place = entry;
    while (place > 0 && !joins(n, place - 1))
        place--;
    n->begins[place ? place : entry] = true;
}

/* Behind which layers are no part of blocks any more. */
static size_t begin_blocks(numbering *n)
{
    size_t tail = 0;
    for (size_t i = 0; i < n->head; i++) {
        if (is_attention(n->graph->nodes[i]))
            begin_block(n, i);
        if (joins(n, i))
            tail = i + 1;
    }
    return tail;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static size_t begin_map_stages(numbering *n)
{
    const thaw_graph *graph = n->graph;
    int64_t area = 0;
    size_t tail = 0;
    for (size_t i = 0; i < n->head; i++)
        if (map_area(n, graph->nodes[i]))
            tail = i + 1;
    for (size_t i = 0; i < tail; i++) {
        const int64_t now = map_area(n, graph->nodes[i]);
        if (now && area && now < area)
            begin_map_stage(n, i);
        if (now && (!area || now < area))
            area = now;
    }
    return tail;
}

static void find_beginnings(numbering *n)
{
    const thaw_graph *graph = n->graph;
    for (size_t i = 0; i < n->head; i++)
        n->attends = n->attends || is_attention(graph->nodes[i]);
    size_t tail = begin_map_stages(n);
    if (n->attends) {
        const size_t end = begin_blocks(n);
        tail = end > tail ? end : tail;
    }
    bool weights = false; /* what comes before the first of them is no stage of its own */
    for (size_t i = 0; i < n->head; i++) {
        n->begins[i] = n->begins[i] || (i >= tail && weights && has_weights(graph->nodes[i]));
        weights = weights || has_weights(graph->nodes[i]);
    }
    if (n->head < graph->node_count)
        n->begins[n->head] = true;
}

static thaw_status number(numbering *n, int32_t *stages)
{
    THAW_TRY(count_crossings(n));
    find_beginnings(n);
    int32_t stage = n->head < n->graph->node_count ? 0 : 1;
    for (size_t i = n->graph->node_count; i-- > 0;) {
        stages[i] = stage;
        stage += n->begins[i];
    }
    return THAW_OK;
}

thaw_status thaw_stages_number(const thaw_graph *graph, int32_t *stages)
{
    numbering n = {.graph = graph, .head = find_head(graph)};
    thaw_status status = thaw_allocate(graph->context, graph->node_count + 1, sizeof *n.crossing, &n.crossing);
    if (status == THAW_OK)
        status = thaw_allocate(graph->context, graph->node_count, sizeof *n.begins, &n.begins);
    if (status == THAW_OK)
        status = number(&n, stages);
    free(n.crossing);
    free(n.begins);
    return status;
}

/* From the nodes of the bound graph to those of its source: by what they make. */
static thaw_status carry_over(const thaw_graph *bound, const thaw_graph *source, int32_t *stages)
{
    int32_t *numbers, stage = 0;
    THAW_TRY(thaw_allocate(source->context, bound->node_count, sizeof *numbers, &numbers));
    const thaw_status status = thaw_stages_number(bound, numbers);
    size_t left = bound->node_count;
    for (size_t i = source->node_count; i-- > 0 && status == THAW_OK;) {
        if (left > 0 && strcmp(bound->nodes[left - 1]->outputs[0]->name, source->nodes[i]->outputs[0]->name) == 0)
            stage = numbers[--left];
        stages[i] = stage;
    }
    free(numbers);
    return status;
}

thaw_status thaw_graph_stages(const thaw_graph *graph, int32_t height, int32_t width, int32_t *stages)
{
    const thaw_program_options options = {.height = height, .width = width};
    thaw_program *program;
    THAW_TRY(thaw_program_create(graph, NULL, &options, &program));
    const thaw_status status = carry_over(program->graph, graph, stages);
    thaw_program_destroy(&program);
    return status;
}
