#include "ops/shared/resize_passes.h"

/* The tensor with its first `done` axes resized, of `shape` before. */
static thaw_shape resized(const thaw_resize_state *resize, thaw_shape shape, int32_t done)
{
    for (int32_t i = 0; i < done; i++)
        shape.dims[resize->axes[i].axis] = resize->axes[i].out;
    return shape;
}

/* Elements of all that lies between the first passes: `done` of them are over. */
static int64_t elements_between(const thaw_resize_state *resize, const thaw_shape *shape, int32_t done)
{
    int64_t elements = 0;
    for (int32_t i = 1; i < done; i++) {
        const thaw_shape between = resized(resize, *shape, i);
        elements += thaw_shape_size(&between);
    }
    return elements;
}

static size_t bytes_between(const thaw_resize_state *resize, const thaw_shape *shape)
{
    return (size_t)elements_between(resize, shape, resize->count) * sizeof(float);
}

void thaw_resize_add_axis(thaw_resize_state *resize, const thaw_resized_axis *axis)
{
    const bool crops = resize->resizing.coordinates == THAW_CROP_AND_RESIZE;
    const bool stays =
        axis->in == axis->out && axis->scale == 1 && (!crops || (axis->region[0] == 0 && axis->region[1] == 1));
    if (!stays)
        resize->axes[resize->count++] = *axis;
}

/* Where nothing changes, one pass copies. */
thaw_status thaw_resize_infer_output(thaw_node *node)
{
    thaw_resize_state *resize = node->state;
    const thaw_value *x = node->inputs[0];
    node->flops = 0;
    if (resize->count == 0)
        resize->axes[resize->count++] =
            (thaw_resized_axis){.in = x->shape.dims[0], .out = x->shape.dims[0], .scale = 1, .region = {0, 1}};
    for (int32_t done = 1; done <= resize->count; done++) {
        const thaw_shape y = resized(resize, x->shape, done);
        THAW_TRY(thaw_node_set_output(node, 0, x->dtype, &y)); /* checks the size of each */
        node->flops += 4 * thaw_shape_size(&y);
    }
    node->scratch_bytes = bytes_between(resize, &x->shape);
    return THAW_OK;
}

int32_t thaw_resize_layout(thaw_node *node, int32_t block, int32_t *wanted)
{
    const thaw_resize_state *resize = node->state;
    const thaw_value *x = node->inputs[0];
    (void)block;
    for (int32_t i = 0; i < resize->count; i++)
        if (x->shape.rank != 4 || resize->axes[i].axis < 2)
            return 1;
    wanted[0] = x->block;
    thaw_shape stored = thaw_value_stored(x);
    node->scratch_bytes = bytes_between(resize, &stored);
    return x->block;
}

static thaw_status upload(thaw_device *device, const void *list, int64_t count, thaw_buffer **buffer)
{
    thaw_buffer_destroy(buffer);
    if (!list)
        return THAW_OK;
    THAW_TRY(thaw_buffer_create(device, ((size_t)count + 1) * sizeof(float), buffer)); /* never empty */
    return count ? thaw_buffer_write(*buffer, 0, list, (size_t)count * sizeof(float)) : THAW_OK;
}

static thaw_status prepare_pass(thaw_device *device, const thaw_taps *taps, bool accumulate, thaw_resize_pass *pass)
{
    THAW_TRY(upload(device, taps->begin, taps->places + 1, &pass->begin));
    THAW_TRY(upload(device, taps->index, taps->count, &pass->index));
    THAW_TRY(upload(device, taps->weight, taps->count, &pass->weight));
    THAW_TRY(upload(device, taps->constant, taps->places, &pass->constant));
    return thaw_kernel_get(device, "resize", "resize", accumulate ? "-DACCUMULATE" : "", &pass->kernel);
}

/* Only the last pass back has something to add to. */
static thaw_status prepare_axis(const thaw_node *node, thaw_resize_state *resize, int32_t i)
{
    thaw_device *device = thaw_node_device(node);
    thaw_taps taps, reversed = {0};
    thaw_status status = thaw_taps_make(thaw_node_context(node), &resize->resizing, &resize->axes[i], &taps);
    if (status == THAW_OK)
        status = prepare_pass(device, &taps, false, &resize->forward[i]);
    if (status == THAW_OK && node->inputs[0]->gradient)
        status = thaw_taps_reverse(thaw_node_context(node), &taps, resize->axes[i].in, &reversed);
    if (status == THAW_OK && node->inputs[0]->gradient)
        status = prepare_pass(device, &reversed, i == 0, &resize->backward[i]);
    thaw_taps_free(&taps);
    thaw_taps_free(&reversed);
    return status;
}

static bool is_empty(const thaw_node *node)
{
    return thaw_shape_size(&node->outputs[0]->shape) == 0 || thaw_shape_size(&node->inputs[0]->shape) == 0;
}

thaw_status thaw_resize_prepare(thaw_node *node)
{
    thaw_resize_state *resize = node->state;
    for (int32_t i = 0; i < resize->count && !is_empty(node); i++)
        THAW_TRY(prepare_axis(node, resize, i));
    return THAW_OK;
}

/* What a pass reads or writes. */
typedef struct place {
    thaw_buffer *buffer;
    int64_t offset;
} place;

/* Axis `i`, of a tensor that has `shape` before that pass, forward; `in` and `out` elements along it this way. */
static thaw_status run_pass(const thaw_resize_state *resize, const thaw_resize_pass *pass, const thaw_shape *shape,
                            int32_t i, int64_t in, int64_t out, place from, place to)
{
    const int32_t axis = resize->axes[i].axis;
    const int64_t outer = thaw_shape_span(shape, 0, axis), inner = thaw_shape_span(shape, axis + 1, shape->rank);
    return thaw_kernel_launch(pass->kernel, THAW_RANGE_2(out * inner, outer), THAW_BUFFER(to.buffer),
                              THAW_BUFFER(from.buffer), THAW_BUFFER(pass->begin), THAW_BUFFER(pass->index),
                              THAW_BUFFER(pass->weight), THAW_BUFFER(pass->constant), THAW_LONG(to.offset),
                              THAW_LONG(from.offset), THAW_LONG(in), THAW_LONG(inner));
}

/* Where the tensor lies when `done` passes are over. */
static place place_after(const thaw_resize_state *resize, const thaw_shape *stored, int32_t done, const place ends[2],
                         thaw_buffer *between)
{
    if (done == 0 || done == resize->count)
        return ends[done != 0];
    return (place){between, elements_between(resize, stored, done)};
}

thaw_status thaw_resize_forward(thaw_node *node)
{
    const thaw_resize_state *resize = node->state;
    const thaw_shape stored = thaw_value_stored(node->inputs[0]);
    const place ends[2] = {{node->inputs[0]->buffer, 0}, {node->outputs[0]->buffer, 0}};
    for (int32_t i = 0; i < resize->count && !is_empty(node); i++) {
        const thaw_shape shape = resized(resize, stored, i);
        THAW_TRY(run_pass(resize, &resize->forward[i], &shape, i, resize->axes[i].in, resize->axes[i].out,
                          place_after(resize, &stored, i, ends, thaw_node_scratch(node)),
                          place_after(resize, &stored, i + 1, ends, thaw_node_scratch(node))));
    }
    return THAW_OK;
}

static thaw_status run_backward(const thaw_node *node, thaw_buffer *between)
{
    const thaw_resize_state *resize = node->state;
    const thaw_shape stored = thaw_value_stored(node->inputs[0]);
    const place ends[2] = {{node->inputs[0]->gradient, 0}, {node->outputs[0]->gradient, 0}};
    for (int32_t i = resize->count; i-- > 0;) {
        const thaw_shape shape = resized(resize, stored, i);
        THAW_TRY(run_pass(resize, &resize->backward[i], &shape, i, resize->axes[i].out, resize->axes[i].in,
                          place_after(resize, &stored, i + 1, ends, between),
                          place_after(resize, &stored, i, ends, between)));
    }
    return THAW_OK;
}

thaw_status thaw_resize_backward(thaw_node *node)
{
    const thaw_resize_state *resize = node->state;
    const thaw_shape stored = thaw_value_stored(node->inputs[0]);
    thaw_buffer *between = NULL;
    if (is_empty(node) || !node->inputs[0]->gradient)
        return THAW_OK;
    if (resize->count > 1)
        THAW_TRY(thaw_buffer_create(thaw_node_device(node), bytes_between(resize, &stored), &between));
    const thaw_status status = run_backward(node, between);
    thaw_buffer_destroy(&between);
    return status;
}

void thaw_resize_release(thaw_node *node)
{
    thaw_resize_state *resize = node->state;
    for (int32_t i = 0; i < 2 * THAW_MAX_RANK; i++) {
        thaw_resize_pass *pass = i < THAW_MAX_RANK ? &resize->forward[i] : &resize->backward[i - THAW_MAX_RANK];
        thaw_buffer_destroy(&pass->begin);
        thaw_buffer_destroy(&pass->index);
        thaw_buffer_destroy(&pass->weight);
        thaw_buffer_destroy(&pass->constant);
    }
}
