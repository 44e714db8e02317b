#include "ops/shared/weights.h"

#include <math.h>
#include <stdlib.h>

#include "base/context.h"

/* A panel is filled up with zeros: with fewer columns than these most of it would be. */
#define FEWEST_COLUMNS 4

#define LARGEST_HALF 65504.0f

bool thaw_weights_fit(const thaw_node *node, size_t index, int64_t n, int64_t k)
{
    const thaw_value *weights = node->inputs[index];
    return thaw_device_width(thaw_node_device(node)) > 1 && weights->constant && !weights->trainable &&
           !node->inputs[0]->constant && n >= FEWEST_COLUMNS && k > 0;
}

/* Infinity and NaN are the same in both. */
static bool fits_half(const thaw_tensor *tensor)
{
    const float *weights = tensor->data;
    for (int64_t i = 0; i < tensor->count; i++)
        if (isfinite(weights[i]) && fabsf(weights[i]) > LARGEST_HALF)
            return false;
    return true;
}

bool thaw_weights_halve(const thaw_node *node, size_t index)
{
    thaw_tensor *tensor;
    if (node->graph->frozen_precision != THAW_PRECISION_FP16)
        return false;
    if (thaw_tensor_to_float32(thaw_node_context(node), node->inputs[index]->constant, &tensor) != THAW_OK)
        return true; /* there is no memory to store them either: prepare tells */
    const bool fits = fits_half(tensor);
    thaw_tensor_release(&tensor);
    return fits;
}

void thaw_weights_warn(const thaw_node *node)
{
    if (node->graph->frozen_precision == THAW_PRECISION_FP16 && !node->halves_weights)
        thaw_log(thaw_node_context(node), THAW_LOG_WARNING,
                 "%s: a weight beyond %.0f: weights stay fp32, which takes twice the memory", node->name,
                 (double)LARGEST_HALF);
}

thaw_precision thaw_weights_precision(const thaw_node *node)
{
    return node->halves_weights ? THAW_PRECISION_FP16 : THAW_PRECISION_FP32;
}

thaw_status thaw_weights_pack(thaw_node *node, bool transposed, int64_t n, int64_t k, thaw_buffer **panels)
{
    thaw_tensor *tensor;
    *panels = NULL;
    THAW_TRY(thaw_tensor_to_float32(thaw_node_context(node), node->inputs[1]->constant, &tensor));
    node->halves_weights = thaw_weights_halve(node, 1);
    thaw_weights_warn(node);
    const thaw_status status =
        thaw_gemm_pack(thaw_node_device(node), tensor->data, transposed, n, k, thaw_weights_precision(node), panels);
    thaw_tensor_release(&tensor);
    return status;
}

thaw_status thaw_weights_upload(const thaw_node *node, const thaw_value *value, thaw_buffer **buffer)
{
    thaw_tensor *tensor;
    *buffer = NULL;
    THAW_TRY(thaw_tensor_to_float32(thaw_node_context(node), value->constant, &tensor));
    thaw_status status = thaw_buffer_create(thaw_node_device(node), tensor->bytes, buffer);
    if (status == THAW_OK)
        status = thaw_buffer_write(*buffer, 0, tensor->data, tensor->bytes);
    thaw_tensor_release(&tensor);
    return status;
}

thaw_status thaw_weights_upload_padded(const thaw_node *node, const thaw_value *value, int64_t count,
                                       thaw_buffer **buffer)
{
    const size_t bytes = (size_t)count * sizeof(float);
    float *padded;
    THAW_TRY(thaw_allocate(thaw_node_context(node), (size_t)count, sizeof *padded, &padded));
    for (int64_t i = 0; value && value->constant && i < value->constant->count; i++)
        padded[i] = (float)thaw_tensor_get(value->constant, i);
    thaw_status status = thaw_buffer_create(thaw_node_device(node), bytes, buffer);
    if (status == THAW_OK)
        status = thaw_buffer_write(*buffer, 0, padded, bytes);
    free(padded);
    return status;
}
