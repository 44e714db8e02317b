/* Which value lives where on the device. */
#include "model/bind.h"

#include <assert.h>
#include <stdlib.h>

/* A piece of device memory that several values use, one after the other. */
typedef struct slot {
    size_t bytes;
    size_t free_from; /* step from which nobody needs its content */
    thaw_buffer *buffer;
} slot;

/* Where a value's content lies, or its gradient. */
typedef struct home {
    size_t last_use; /* the step of the last reader; SIZE_MAX: it stays */
    size_t slot;
} home;

/* Steps: node i of N runs forward at i, and backward at 2 N - 1 - i. */
typedef struct planner {
    thaw_graph *graph;
    thaw_value **root;        /* [value_count]: the value whose storage it shares, itself mostly */
    home *content, *gradient; /* [value_count], of roots */
    bool *uploaded;           /* [value_count]: a constant that needs a buffer */
    slot *slots;
    size_t slot_count, slot_capacity;
    bool keep;
} planner;

#define NO_SLOT SIZE_MAX

static bool is_view(const thaw_node *node)
{
    return (node->op->flags & THAW_OP_VIEW) != 0;
}

static size_t element_bytes(const thaw_value *value)
{
    return thaw_dtype_is_float(value->dtype) ? sizeof(float) : thaw_dtype_bytes(value->dtype);
}

static size_t value_bytes(const thaw_value *value)
{
    const thaw_shape stored = thaw_value_stored(value);
    return (size_t)thaw_shape_size(&stored) * element_bytes(value);
}

/* Which constants do kernels read as they stand? */
static void find_weights(planner *p)
{
    for (size_t i = 0; i < p->graph->node_count; i++) {
        const thaw_node *node = p->graph->nodes[i];
        for (size_t j = 0; j < node->input_count && !node->packs_weights; j++)
            if (node->inputs[j] && node->inputs[j]->constant)
                p->uploaded[node->inputs[j]->index] = thaw_dtype_is_float(node->inputs[j]->constant->dtype);
    }
}

static bool runs_backward(const thaw_node *node)
{
    return node->op->backward && !is_view(node) && node->outputs[0]->needs_gradient;
}

static void use(const planner *p, const thaw_value *value, size_t step)
{
    home *where = &p->content[p->root[value->index]->index];
    if (where->last_use < step)
        where->last_use = step;
}

/* What the node reads, forward and backward. */
static void find_uses(const planner *p, size_t index)
{
    const thaw_node *node = p->graph->nodes[index];
    const size_t backward = 2 * p->graph->node_count - 1 - index;
    const unsigned flags = runs_backward(node) ? node->op->flags : 0;
    const bool kept = flags & THAW_OP_BACKWARD_READS_INPUTS && !node->passes_only;
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i])
            use(p, node->inputs[i], kept ? backward : index);
    const bool output_kept = flags & THAW_OP_BACKWARD_READS_OUTPUT || node->keeps_output;
    for (size_t i = 0; i < node->output_count && output_kept; i++)
        if (node->outputs[i])
            use(p, node->outputs[i], backward);
}

static void find_lifetimes(planner *p)
{
    const thaw_graph *graph = p->graph;
    for (size_t i = 0; i < graph->value_count; i++) {
        p->root[i] = graph->values[i]->whole ? graph->values[i]->whole : graph->values[i];
        p->content[i] = p->gradient[i] = (home){.slot = NO_SLOT};
    }
    for (size_t i = 0; i < graph->node_count; i++)
        if (is_view(graph->nodes[i]))
            p->root[graph->nodes[i]->outputs[0]->index] = p->root[graph->nodes[i]->inputs[0]->index];
    for (size_t i = 0; i < graph->node_count; i++)
        find_uses(p, i);
    for (size_t i = 0; i < graph->value_count; i++)
        if (graph->values[i]->trainable)
            use(p, graph->values[i], SIZE_MAX);
    for (size_t i = 0; i < graph->output_count; i++)
        use(p, graph->outputs[i], SIZE_MAX);
}

/* The free slot that wastes least; one that is too small grows, since nothing is allocated yet. */
static size_t find_slot(const planner *p, size_t bytes, size_t step)
{
    size_t best = NO_SLOT;
    for (size_t i = 0; i < p->slot_count && !p->keep; i++) {
        if (p->slots[i].free_from > step)
            continue;
        const size_t size = p->slots[i].bytes;
        const size_t best_size = best == NO_SLOT ? 0 : p->slots[best].bytes;
        const bool fits = size >= bytes, best_fits = best_size >= bytes;
        if (best == NO_SLOT || (fits && (!best_fits || size < best_size)) || (!fits && !best_fits && size > best_size))
            best = i;
    }
    return best;
}

/* From `step` on, unless it is there already. */
static thaw_status place(planner *p, home *where, size_t bytes, size_t step)
{
    if (where->slot != NO_SLOT)
        return THAW_OK;
    size_t index = find_slot(p, bytes, step);
    if (index == NO_SLOT) {
        THAW_TRY(thaw_reserve(p->graph->context, &p->slots, &p->slot_capacity, p->slot_count + 1, sizeof *p->slots));
        index = p->slot_count++;
        p->slots[index] = (slot){0};
    }
    if (p->slots[index].bytes < bytes)
        p->slots[index].bytes = bytes;
    const size_t last = where->last_use;
    p->slots[index].free_from = last == SIZE_MAX ? SIZE_MAX : (last > step ? last : step) + 1;
    where->slot = index;
    return THAW_OK;
}

static thaw_status place_content(planner *p, const thaw_value *value, size_t step)
{
    const thaw_value *root = p->root[value->index];
    return root->constant ? THAW_OK : place(p, &p->content[root->index], value_bytes(root), step);
}

static thaw_status place_contents(planner *p)
{
    const thaw_graph *graph = p->graph;
    for (size_t i = 0; i < graph->input_count; i++)
        THAW_TRY(place_content(p, graph->inputs[i], 0));
    for (size_t i = 0; i < graph->node_count; i++)
        for (size_t j = 0; j < graph->nodes[i]->output_count; j++)
            if (graph->nodes[i]->outputs[j])
                THAW_TRY(place_content(p, graph->nodes[i]->outputs[j], i));
    return THAW_OK;
}

/* A graph output's gradient is the caller's, a parameter's the optimizer's: neither is shared. */
static void find_own_gradients(const planner *p)
{
    const thaw_graph *graph = p->graph;
    for (size_t i = 0; i < graph->value_count; i++)
        if (graph->values[i]->trainable)
            p->gradient[p->root[i]->index].last_use = SIZE_MAX;
    for (size_t i = 0; i < graph->output_count; i++)
        p->gradient[p->root[graph->outputs[i]->index]->index].last_use = SIZE_MAX;
}

static bool is_output(const planner *p, const thaw_value *root)
{
    for (size_t i = 0; i < p->graph->output_count; i++)
        if (p->root[p->graph->outputs[i]->index] == root)
            return true;
    return false;
}

static size_t index_of(const thaw_graph *graph, const thaw_node *node)
{
    size_t index = 0;
    while (index < graph->node_count && graph->nodes[index] != node)
        index++;
    return index;
}

/* Where node `index` is the first whose backward writes the gradient, this is where its life begins; it ends with its
 * producer's backward. */
static thaw_status place_gradient(planner *p, thaw_value *root, size_t index)
{
    const size_t last = 2 * p->graph->node_count - 1;
    home *where = &p->gradient[root->index];
    if (!root->needs_gradient || root->gradient_begins || is_output(p, root))
        return THAW_OK;
    root->gradient_begins = p->graph->nodes[index];
    if (where->last_use == SIZE_MAX)
        return THAW_OK;
    where->last_use = last - index_of(p->graph, root->producer);
    return place(p, where, value_bytes(root), last - index);
}

static thaw_status place_gradients(planner *p)
{
    const thaw_graph *graph = p->graph;
    find_own_gradients(p);
    for (size_t i = graph->node_count; i-- > 0;) {
        const thaw_node *node = graph->nodes[i];
        for (size_t j = 0; j < node->input_count && runs_backward(node); j++)
            if (node->inputs[j])
                THAW_TRY(place_gradient(p, p->root[node->inputs[j]->index], i));
    }
    return THAW_OK;
}

static thaw_status own_buffer(thaw_program *program, size_t bytes, thaw_buffer **buffer)
{
    THAW_TRY(thaw_reserve(program->graph->context, &program->buffers, &program->buffer_capacity,
                          program->buffer_count + 1, sizeof *program->buffers));
    THAW_TRY(thaw_buffer_create(program->graph->device, bytes ? bytes : sizeof(float), buffer));
    program->buffers[program->buffer_count++] = *buffer;
    return THAW_OK;
}

static thaw_status upload(thaw_program *program, thaw_value *value)
{
    thaw_tensor *tensor;
    THAW_TRY(thaw_tensor_to_float32(program->graph->context, value->constant, &tensor));
    thaw_status status = own_buffer(program, tensor->bytes, &value->buffer);
    if (status == THAW_OK && tensor->bytes)
        status = thaw_buffer_write(value->buffer, 0, tensor->data, tensor->bytes);
    program->weight_bytes += tensor->bytes;
    thaw_tensor_release(&tensor);
    return status;
}

static thaw_status allocate(thaw_program *program, planner *p)
{
    thaw_graph *graph = program->graph;
    for (size_t i = 0; i < p->slot_count; i++) {
        THAW_TRY(own_buffer(program, p->slots[i].bytes, &p->slots[i].buffer));
        program->activation_bytes += p->slots[i].bytes;
    }
    for (size_t i = 0; i < graph->value_count; i++) {
        thaw_value *value = graph->values[i];
        const size_t index = p->content[p->root[i]->index].slot;
        if (index != NO_SLOT)
            value->buffer = p->slots[index].buffer;
        else if (p->uploaded[i])
            THAW_TRY(upload(program, value));
    }
    for (size_t i = 0; i < graph->value_count; i++) /* views of constants */
        if (!graph->values[i]->buffer && p->root[i] != graph->values[i])
            graph->values[i]->buffer = p->root[i]->buffer;
    return THAW_OK;
}

static thaw_status allocate_gradients(thaw_program *program, const planner *p)
{
    thaw_graph *graph = program->graph;
    for (size_t i = 0; i < graph->value_count; i++) {
        thaw_value *value = graph->values[i];
        const size_t index = p->gradient[i].slot;
        if (!value->needs_gradient || p->root[i] != value)
            continue;
        if (index != NO_SLOT)
            value->gradient = p->slots[index].buffer;
        else
            THAW_TRY(own_buffer(program, value_bytes(value), &value->gradient));
    }
    for (size_t i = 0; i < graph->value_count; i++) {
        graph->values[i]->gradient = p->root[i]->gradient;
        graph->values[i]->gradient_begins = p->root[i]->gradient_begins;
    }
    return THAW_OK;
}

static thaw_status check_differentiable(const thaw_graph *graph)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        if (node->outputs[0]->needs_gradient && !node->op->backward && !is_view(node))
            return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "can't be trained through yet");
    }
    return THAW_OK;
}

/* Memory that nodes use while they run. */
static thaw_status allocate_scratch(thaw_program *program)
{
    thaw_graph *graph = program->graph;
    size_t packed_bytes = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        if (node->scratch_bytes > program->scratch_bytes)
            program->scratch_bytes = node->scratch_bytes;
        if (node->packed_bytes > packed_bytes)
            packed_bytes = node->packed_bytes;
    }
    if (program->scratch_bytes)
        THAW_TRY(own_buffer(program, program->scratch_bytes, &graph->scratch));
    program->scratch_bytes += packed_bytes;
    return packed_bytes ? own_buffer(program, packed_bytes, &graph->packed) : THAW_OK;
}

static thaw_status plan_with(thaw_program *program, planner *p)
{
    thaw_graph *graph = program->graph;
    THAW_TRY(check_differentiable(graph));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->root, &p->root));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->content, &p->content));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->gradient, &p->gradient));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->uploaded, &p->uploaded));
    find_lifetimes(p);
    find_weights(p);
    THAW_TRY(place_contents(p));
    THAW_TRY(place_gradients(p));
    THAW_TRY(allocate(program, p));
    THAW_TRY(allocate_gradients(program, p));
    return allocate_scratch(program);
}

thaw_status thaw_program_plan(thaw_program *program, bool keep)
{
    planner p = {.graph = program->graph, .keep = keep};
    const thaw_status status = plan_with(program, &p);
    free(p.root);
    free(p.content);
    free(p.gradient);
    free(p.uploaded);
    free(p.slots);
    return status;
}
