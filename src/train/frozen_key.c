#include "train/frozen_key.h"
#include "device/tuning.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT 1 /* changes with the code that makes the same graph give other bits, or orders rows otherwise */

static thaw_hash extend_text(thaw_hash hash, const char *text)
{
    return thaw_hash_extend(hash, text, strlen(text));
}

static thaw_hash extend_number(thaw_hash hash, int64_t number)
{
    return thaw_hash_extend(hash, &number, sizeof number);
}

static thaw_hash extend_tensor(thaw_hash hash, const thaw_tensor *tensor)
{
    hash = extend_number(hash, tensor->dtype);
    hash = thaw_hash_extend(hash, tensor->shape.dims, (size_t)tensor->shape.rank * sizeof *tensor->shape.dims);
    return thaw_hash_extend(hash, tensor->data, tensor->bytes);
}

static thaw_hash extend_attribute(thaw_hash hash, const thaw_attribute *a)
{
    hash = extend_text(hash, a->name);
    hash = extend_number(hash, (int64_t)a->kind);
    switch (a->kind) {
    case THAW_ATTRIBUTE_INT:
        return extend_number(hash, a->i);
    case THAW_ATTRIBUTE_FLOAT:
        return thaw_hash_extend(hash, &a->f, sizeof a->f);
    case THAW_ATTRIBUTE_STRING:
        return extend_text(hash, a->s ? a->s : "");
    case THAW_ATTRIBUTE_TENSOR:
        return a->tensor ? extend_tensor(hash, a->tensor) : hash;
    case THAW_ATTRIBUTE_INTS:
        return thaw_hash_extend(hash, a->ints, a->count * sizeof *a->ints);
    case THAW_ATTRIBUTE_FLOATS:
        return thaw_hash_extend(hash, a->floats, a->count * sizeof *a->floats);
    default:
        return hash;
    }
}

/* A value by what it is, never by its name: a weight by its bits, others by their place among the results. */
static thaw_hash extend_value(thaw_hash hash, const thaw_value *value, const int64_t *places)
{
    if (!value)
        return extend_number(hash, -1);
    return value->constant ? extend_tensor(hash, value->constant) : extend_number(hash, places[value->index]);
}

/* `places` is [value_count], zeroed: the inputs come first, then what nodes make, in running order. */
static thaw_hash hash_graph(const thaw_graph *graph, int64_t *places)
{
    thaw_hash hash = extend_number((thaw_hash){0, 0}, graph->opset);
    int64_t next = 1;
    for (size_t i = 0; i < graph->input_count; i++) {
        const thaw_value *input = graph->inputs[i];
        places[input->index] = next++;
        hash = extend_number(hash, input->dtype);
        hash = thaw_hash_extend(hash, input->shape.dims, (size_t)input->shape.rank * sizeof *input->shape.dims);
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        const thaw_node *node = graph->nodes[i];
        hash = extend_text(hash, node->op->onnx_type ? node->op->onnx_type : node->op->name);
        for (size_t j = 0; j < node->attribute_count; j++)
            hash = extend_attribute(hash, &node->attributes[j]);
        for (size_t j = 0; j < node->input_count; j++)
            hash = extend_value(hash, node->inputs[j], places);
        for (size_t j = 0; j < node->output_count; j++)
            if (node->outputs[j])
                places[node->outputs[j]->index] = next++;
            else
                hash = extend_number(hash, -(int64_t)j - 1);
    }
    for (size_t i = 0; i < graph->output_count; i++)
        hash = extend_value(hash, graph->outputs[i], places);
    return hash;
}

static thaw_hash extend_preprocess(thaw_hash hash, const thaw_preprocess *p)
{
    const int64_t numbers[] = {p->width, p->height, p->resize, p->interpolation, p->bgr};
    hash = thaw_hash_extend(hash, numbers, sizeof numbers);
    hash = thaw_hash_extend(hash, &p->scale, sizeof p->scale);
    hash = thaw_hash_extend(hash, p->mean, sizeof p->mean);
    return thaw_hash_extend(hash, p->std, sizeof p->std);
}

/* What the environment says, where it forces a storage or an algorithm. */
static thaw_hash extend_environment(thaw_hash hash)
{
    static const char *const variables[] = {"THAW_LAYOUT", "THAW_ALGORITHM", "THAW_TUNING"};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *text = getenv(variables[i]);
        hash = extend_text(hash, text ? text : "");
    }
    return hash;
}

thaw_status thaw_frozen_key(const thaw_device *device, const thaw_frozen_key_options *o, thaw_hash *key, bool *known)
{
    thaw_graph *part;
    int64_t *places;
    *known = thaw_device_identity_known(device);
    THAW_TRY(thaw_graph_extract(o->graph, NULL, 0, o->outputs, o->output_count, &part));
    const thaw_status status = thaw_allocate(o->graph->context, part->value_count, sizeof *places, &places);
    if (status == THAW_OK) {
        const thaw_hash device_hash = thaw_device_identity(device);
        const int64_t numbers[] = {FORMAT, o->frozen_precision, (int64_t)o->batch};
        thaw_hash hash = hash_graph(part, places);
        hash = extend_preprocess(hash, &o->preprocess);
        hash = thaw_hash_extend(hash, &device_hash, sizeof device_hash);
        hash = thaw_hash_extend(hash, numbers, sizeof numbers);
        *key = extend_environment(hash);
        free(places);
    }
    thaw_graph_destroy(&part);
    return status;
}
