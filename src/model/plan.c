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

typedef struct planner {
    thaw_graph *graph;
    thaw_value **root;  /* [value_count]: the value whose storage it shares, itself mostly */
    size_t *last_use;   /* [value_count], of roots: the step of the last reader; SIZE_MAX for graph outputs */
    size_t *slot_index; /* [value_count], of roots */
    bool *uploaded;     /* [value_count]: a constant that needs a buffer */
    slot *slots;
    size_t slot_count, slot_capacity;
    bool reuse;
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

static void find_lifetimes(planner *p)
{
    const thaw_graph *graph = p->graph;
    for (size_t i = 0; i < graph->value_count; i++) {
        p->root[i] = graph->values[i]->whole ? graph->values[i]->whole : graph->values[i];
        p->slot_index[i] = NO_SLOT;
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        for (size_t j = 0; j < node->input_count; j++)
            if (node->inputs[j])
                p->last_use[p->root[node->inputs[j]->index]->index] = i;
        if (is_view(node))
            p->root[node->outputs[0]->index] = p->root[node->inputs[0]->index];
    }
    for (size_t i = 0; i < graph->output_count; i++)
        p->last_use[p->root[graph->outputs[i]->index]->index] = SIZE_MAX;
}

/* The free slot that wastes least; one that is too small grows, since nothing is allocated yet. */
static size_t find_slot(const planner *p, size_t bytes, size_t step)
{
    size_t best = NO_SLOT;
    for (size_t i = 0; i < p->slot_count && p->reuse; i++) {
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

static thaw_status place(planner *p, const thaw_value *value, size_t step)
{
    if (p->slot_index[value->index] != NO_SLOT)
        return THAW_OK;
    const size_t bytes = value_bytes(value);
    size_t index = find_slot(p, bytes, step);
    if (index == NO_SLOT) {
        THAW_TRY(thaw_reserve(p->graph->context, &p->slots, &p->slot_capacity, p->slot_count + 1, sizeof *p->slots));
        index = p->slot_count++;
        p->slots[index] = (slot){0};
    }
    if (p->slots[index].bytes < bytes)
        p->slots[index].bytes = bytes;
    const size_t last = p->last_use[value->index];
    p->slots[index].free_from = last == SIZE_MAX ? SIZE_MAX : (last > step ? last : step) + 1;
    p->slot_index[value->index] = index;
    return THAW_OK;
}

static thaw_status place_all(planner *p)
{
    const thaw_graph *graph = p->graph;
    for (size_t i = 0; i < graph->input_count; i++)
        if (!graph->inputs[i]->constant)
            THAW_TRY(place(p, p->root[graph->inputs[i]->index], 0));
    for (size_t i = 0; i < graph->node_count; i++)
        for (size_t j = 0; j < graph->nodes[i]->output_count; j++) {
            const thaw_value *value = graph->nodes[i]->outputs[j];
            if (value && !value->constant)
                THAW_TRY(place(p, p->root[value->index], i));
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
        const size_t index = p->slot_index[p->root[i]->index];
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

/* Does the loss depend on a trained parameter through this node? */
static bool needs_gradient(const thaw_node *node)
{
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i] && node->inputs[i]->gradient)
            return true;
    return false;
}

/* Gradients for trainable parameters and for all that depends on them; nothing else. */
static thaw_status allocate_gradients(thaw_program *program, const planner *p)
{
    thaw_graph *graph = program->graph;
    for (size_t i = 0; i < graph->value_count; i++)
        if (graph->values[i]->trainable)
            THAW_TRY(own_buffer(program, value_bytes(graph->values[i]), &graph->values[i]->gradient));
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        if (!needs_gradient(node))
            continue;
        if (!node->op->backward && !is_view(node))
            return thaw_node_fail(node, THAW_ERR_UNSUPPORTED, "can't be trained through yet");
        thaw_value *output = node->outputs[0];
        if (is_view(node))
            output->gradient = p->root[output->index]->gradient;
        else
            THAW_TRY(own_buffer(program, value_bytes(output), &output->gradient));
    }
    return THAW_OK;
}

static thaw_status plan_with(thaw_program *program, planner *p, bool differentiable)
{
    thaw_graph *graph = program->graph;
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->root, &p->root));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->last_use, &p->last_use));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->slot_index, &p->slot_index));
    THAW_TRY(thaw_allocate(graph->context, graph->value_count, sizeof *p->uploaded, &p->uploaded));
    find_lifetimes(p);
    find_weights(p);
    THAW_TRY(place_all(p));
    THAW_TRY(allocate(program, p));
    if (differentiable)
        THAW_TRY(allocate_gradients(program, p));
    for (size_t i = 0; i < graph->node_count; i++)
        if (graph->nodes[i]->scratch_bytes > program->scratch_bytes)
            program->scratch_bytes = graph->nodes[i]->scratch_bytes;
    return program->scratch_bytes ? own_buffer(program, program->scratch_bytes, &graph->scratch) : THAW_OK;
}

thaw_status thaw_program_plan(thaw_program *program, bool differentiable)
{
    planner p = {.graph = program->graph, .reuse = !differentiable};
    const thaw_status status = plan_with(program, &p, differentiable);
    free(p.root);
    free(p.last_use);
    free(p.slot_index);
    free(p.uploaded);
    free(p.slots);
    return status;
}
