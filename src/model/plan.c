/* Which value lives where on the device. */
#include "model/bind.h"
#include "model/segments.h"

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

/* Steps: node i runs forward at i; when again and backward, the schedule says. */
typedef struct planner {
    thaw_graph *graph;
    thaw_schedule schedule;
    thaw_value **root;        /* [value_count]: the value whose storage it shares, itself mostly */
    home *content, *gradient; /* [value_count], of roots */
    home *second;             /* [value_count], of roots: the content that is computed again */
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
    const bool is_mask = value->dtype == THAW_BOOL;
    return thaw_dtype_is_float(value->dtype) || is_mask ? sizeof(float) : thaw_dtype_bytes(value->dtype);
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
                p->uploaded[node->inputs[j]->index] = thaw_dtype_is_float(node->inputs[j]->constant->dtype) ||
                                                      node->inputs[j]->constant->dtype == THAW_BOOL;
    }
}

static bool runs_backward(const thaw_node *node)
{
    return node->op->backward && !is_view(node) && node->outputs[0]->needs_gradient;
}

/* Behind the forward pass, what is computed again is read there. */
static void use(const planner *p, const thaw_value *value, size_t step)
{
    const size_t root = p->root[value->index]->index;
    const bool again = step >= p->graph->node_count && step != SIZE_MAX && thaw_schedule_is_local(&p->schedule, root);
    home *where = again ? &p->second[root] : &p->content[root];
    if (where->last_use < step)
        where->last_use = step;
}

/* What the node reads in backward. */
static void find_backward_uses(const planner *p, size_t index)
{
    const thaw_node *node = p->graph->nodes[index];
    const size_t step = p->schedule.backward[index];
    const unsigned flags = runs_backward(node) ? node->op->flags : 0;
    const bool inputs = flags & THAW_OP_BACKWARD_READS_INPUTS && !node->passes_only;
    const bool outputs = flags & THAW_OP_BACKWARD_READS_OUTPUT || node->keeps_output;
    for (size_t i = 0; i < node->input_count && inputs; i++)
        if (node->inputs[i])
            use(p, node->inputs[i], step);
    for (size_t i = 0; i < node->output_count && outputs; i++)
        if (node->outputs[i])
            use(p, node->outputs[i], step);
}

/* What the node reads when it runs at `step`. */
static void find_forward_uses(const planner *p, size_t index, size_t step)
{
    const thaw_node *node = p->graph->nodes[index];
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i])
            use(p, node->inputs[i], step);
}

/* Which nodes must run again: those whose output somebody behind the forward pass reads, and nobody has kept. */
static void find_repeated(const planner *p)
{
    for (size_t i = p->graph->node_count; i-- > 0;) {
        const thaw_node *node = p->graph->nodes[i];
        bool repeated = false;
        for (size_t j = 0; j < node->output_count && !is_view(node); j++)
            repeated = repeated || (node->outputs[j] && p->second[p->root[node->outputs[j]->index]->index].last_use);
        p->schedule.repeated[i] = repeated;
        if (repeated)
            find_forward_uses(p, i, p->schedule.again[i]);
    }
}

static void find_roots(const planner *p)
{
    const thaw_graph *graph = p->graph;
    for (size_t i = 0; i < graph->value_count; i++)
        p->root[i] = graph->values[i]->whole ? graph->values[i]->whole : graph->values[i];
    for (size_t i = 0; i < graph->node_count; i++)
        if (is_view(graph->nodes[i]))
            p->root[graph->nodes[i]->outputs[0]->index] = p->root[graph->nodes[i]->inputs[0]->index];
}

static void find_lifetimes(const planner *p)
{
    const thaw_graph *graph = p->graph;
    for (size_t i = 0; i < graph->value_count; i++) {
        p->content[i] = p->gradient[i] = p->second[i] = (home){.slot = NO_SLOT};
        graph->values[i]->gradient_begins = NULL;
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        find_forward_uses(p, i, i);
        find_backward_uses(p, i);
    }
    find_repeated(p);
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

/* Where node `index` puts what it computes once more. */
static thaw_status place_second(planner *p, size_t index)
{
    const thaw_node *node = p->graph->nodes[index];
    for (size_t i = 0; i < node->output_count && p->schedule.repeated[index]; i++) {
        const thaw_value *root = node->outputs[i] ? p->root[node->outputs[i]->index] : NULL;
        if (root && thaw_schedule_is_local(&p->schedule, root->index))
            THAW_TRY(place(p, &p->second[root->index], value_bytes(root), p->schedule.again[index]));
    }
    return THAW_OK;
}

/* Does node `index` read the value as its residual only, and is it the last one to read it? */
static bool may_overwrite(const planner *p, size_t index, const thaw_value *value)
{
    const thaw_node *node = p->graph->nodes[index];
    const home *where = &p->content[value->index];
    size_t uses = 0;
    for (size_t i = 0; i < node->input_count; i++)
        uses += node->inputs[i] && p->root[node->inputs[i]->index] == value;
    return uses == 1 && value->producer && where->slot != NO_SLOT && where->last_use == index;
}

/* Puts a sum where its residual lies: one tensor less, to store and to read. */
static void place_on_residual(const planner *p, size_t index)
{
    const thaw_node *node = p->graph->nodes[index];
    const thaw_value *residual = node->epilogue.residual, *sum = node->outputs[0];
    if (p->keep || !node->adds_in_place || !residual || p->root[residual->index] != residual ||
        p->root[sum->index] != sum || value_bytes(sum) != value_bytes(residual) || !may_overwrite(p, index, residual))
        return;
    home *where = &p->content[sum->index];
    where->slot = p->content[residual->index].slot;
    p->slots[where->slot].free_from = where->last_use == SIZE_MAX ? SIZE_MAX : where->last_use + 1;
}

static thaw_status place_contents(planner *p)
{
    const thaw_graph *graph = p->graph;
    for (size_t i = 0; i < graph->input_count; i++)
        THAW_TRY(place_content(p, graph->inputs[i], 0));
    for (size_t i = 0; i < graph->node_count; i++) {
        place_on_residual(p, i);
        for (size_t j = 0; j < graph->nodes[i]->output_count; j++)
            if (graph->nodes[i]->outputs[j])
                THAW_TRY(place_content(p, graph->nodes[i]->outputs[j], i));
    }
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
    home *where = &p->gradient[root->index];
    if (!root->needs_gradient || root->gradient_begins || is_output(p, root))
        return THAW_OK;
    root->gradient_begins = p->graph->nodes[index];
    if (where->last_use == SIZE_MAX)
        return THAW_OK;
    where->last_use = p->schedule.backward[index_of(p->graph, root->producer)];
    return place(p, where, value_bytes(root), p->schedule.backward[index]);
}

static thaw_status place_gradients(planner *p, size_t index)
{
    const thaw_node *node = p->graph->nodes[index];
    for (size_t i = 0; i < node->input_count && runs_backward(node); i++)
        if (node->inputs[i])
            THAW_TRY(place_gradient(p, p->root[node->inputs[i]->index], index));
    return THAW_OK;
}

/* In the order of steps: what runs again in a segment, then its backward. */
static thaw_status place_backward(planner *p)
{
    const thaw_schedule *schedule = &p->schedule;
    find_own_gradients(p);
    for (size_t s = schedule->count; s-- > 0;) {
        for (size_t i = schedule->first[s]; i < schedule->first[s + 1]; i++)
            THAW_TRY(place_second(p, i));
        for (size_t i = schedule->first[s + 1]; i-- > schedule->first[s];)
            THAW_TRY(place_gradients(p, i));
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

/* Hands the schedule over to the program, with the memory of what is computed again. */
static thaw_status allocate_repeated(thaw_program *program, planner *p)
{
    const thaw_graph *graph = program->graph;
    thaw_schedule *schedule = &program->schedule;
    *schedule = p->schedule;
    p->schedule = (thaw_schedule){0};
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof(thaw_buffer *), &schedule->buffers));
    for (size_t i = 0; i < graph->value_count; i++) {
        const size_t index = p->second[p->root[i]->index].slot;
        schedule->buffers[i] = index == NO_SLOT ? NULL : p->slots[index].buffer;
        schedule->segment[i] = schedule->segment[p->root[i]->index];
    }
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

/* All values with `count` segments, as if there were no memory yet. */
static thaw_status lay_out(planner *p, size_t count)
{
    p->slot_count = 0;
    THAW_TRY(thaw_schedule_fill(&p->schedule, p->graph, p->root, count));
    find_lifetimes(p);
    THAW_TRY(place_contents(p));
    return place_backward(p);
}

static size_t slot_bytes(const planner *p)
{
    size_t bytes = 0;
    for (size_t i = 0; i < p->slot_count; i++)
        bytes += p->slots[i].bytes;
    return bytes;
}

/* The number of segments that takes least memory. */
static thaw_status lay_out_best(planner *p, bool recompute)
{
    enum { MOST_SEGMENTS = 24 };
    size_t best = 1, least = SIZE_MAX;
    for (size_t count = 1; recompute && count <= MOST_SEGMENTS && count <= p->graph->node_count; count++) {
        THAW_TRY(lay_out(p, count));
        const size_t bytes = slot_bytes(p);
        best = bytes < least ? count : best;
        least = bytes < least ? bytes : least;
    }
    return lay_out(p, best);
}

static thaw_status plan_with(thaw_program *program, planner *p, bool recompute)
{
    thaw_graph *graph = program->graph;
    THAW_TRY(check_differentiable(graph));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->root, &p->root));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->content, &p->content));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->second, &p->second));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->gradient, &p->gradient));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->uploaded, &p->uploaded));
    find_roots(p);
    find_weights(p);
    THAW_TRY(lay_out_best(p, recompute));
    THAW_TRY(allocate(program, p));
    THAW_TRY(allocate_gradients(program, p));
    THAW_TRY(allocate_repeated(program, p));
    return allocate_scratch(program);
}

thaw_status thaw_program_plan(thaw_program *program, bool keep, bool recompute)
{
    planner p = {.graph = program->graph, .keep = keep};
    const thaw_status status = plan_with(program, &p, recompute && !keep);
    thaw_schedule_free(&p.schedule);
    free(p.root);
    free(p.content);
    free(p.second);
    free(p.gradient);
    free(p.uploaded);
    free(p.slots);
    return status;
}
