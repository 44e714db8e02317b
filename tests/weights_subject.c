#include "weights_subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

/* A tensor of numbers around `centre`. */
static void add(weights_subject *s, thaw_shape shape, float centre, const char *layer, const char *part)
{
    const size_t elements = (size_t)thaw_shape_size(&shape);
    thaw_random random = {s->count + 1};
    if (s->count == SUBJECT_MOST_TENSORS || s->used + elements > SUBJECT_MOST_NUMBERS)
        abort();
    snprintf(s->names[s->count], SUBJECT_NAME_BYTES, "%s.%s", layer, part);
    for (size_t i = 0; i < elements; i++)
        s->numbers[s->used + i] = centre + (float)thaw_random_uniform(&random) - 0.5f;
    s->tensors[s->count] =
        (thaw_safetensor){s->names[s->count], THAW_FLOAT32, shape, s->numbers + s->used, 4 * elements};
    s->used += elements;
    s->count++;
}

static void add_norm(weights_subject *s, int64_t channels, const char *layer)
{
    const thaw_shape shape = {1, {channels}};
    add(s, shape, 1, layer, "weight");
    add(s, shape, 0, layer, "bias");
    add(s, shape, 0, layer, "running_mean");
    add(s, shape, 1, layer, "running_var");
}

void weights_subject_make(weights_subject *s)
{
    static const int64_t outs[SUBJECT_LAYERS] = {2, 4, 4, 8, 8, 16, 16, 16, 16, 16, 16, 32, 32};
    static const int stages[SUBJECT_LAYERS] = {0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4},
                     places[SUBJECT_LAYERS] = {0, 0, 1, 0, 1, 0, 1, 2, 3, 4, 5, 0, 1};
    memset(s, 0, sizeof *s);
    add(s, (thaw_shape){4, {1, 3, 3, 3}}, 0, "conv_stem", "weight");
    add_norm(s, 1, "bn1");
    for (int i = 0, in = 1; i < SUBJECT_LAYERS; in = (int)outs[i++]) {
        char block[32], layer[SUBJECT_NAME_BYTES];
        snprintf(block, sizeof block, "blocks.%d.%d", stages[i], places[i]);
        snprintf(layer, sizeof layer, "%s.conv_dw", block);
        add(s, (thaw_shape){4, {in, 1, 3, 3}}, 0, layer, "weight");
        snprintf(layer, sizeof layer, "%s.bn1", block);
        add_norm(s, in, layer);
        snprintf(layer, sizeof layer, "%s.conv_pw", block);
        add(s, (thaw_shape){4, {outs[i], in, 1, 1}}, 0, layer, "weight");
        snprintf(layer, sizeof layer, "%s.bn2", block);
        add_norm(s, outs[i], layer);
    }
    add(s, (thaw_shape){2, {SUBJECT_CLASSES, SUBJECT_WIDTH}}, 0, "classifier", "weight");
    add(s, (thaw_shape){1, {SUBJECT_CLASSES}}, 0, "classifier", "bias");
}
