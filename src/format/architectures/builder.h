/* Layers as a page of text: each call appends what a layer is in ONNX to the graph and moves the flow behind it.
 *
 * Parameters are looked up in the weights by name and must have the shape that the layer gives them. A builder without
 * a graph only looks them up: that is how an architecture is compared with a file. Names are printf formats. */
#ifndef THAW_FORMAT_ARCHITECTURES_BUILDER_H
#define THAW_FORMAT_ARCHITECTURES_BUILDER_H

#include "base/random.h"
#include "base/text.h"
#include "format/weights.h"
#include "model/graph.h"

#define THAW_BUILT_OPSET   20   /* has LayerNormalization and Gelu */
#define THAW_BUILT_CLASSES 1000 /* where the file has no head that would tell */

#define THAW_HEAD_BYTES 64

typedef struct thaw_builder {
    thaw_context *context;
    thaw_graph *graph;           /* NULL: nothing is built */
    const thaw_weights *weights; /* borrowed */
    bool *used;                  /* [weights->count] */
    bool invents;                /* parameters are made up, from `random`, whatever the weights have */
    thaw_random random;
    bool telling; /* what is wrong is written down, not only counted */
    thaw_text missing, misshaped;
    size_t found_count, missing_count, misshaped_count;
    int64_t height, width;      /* of the images; -1: any */
    char head[THAW_HEAD_BYTES]; /* what the last linear layer is called; "" where there is none */
} thaw_builder;

/* Where the next layer goes on. */
typedef struct thaw_flow {
    thaw_value *value; /* NULL where nothing is built */
    int64_t channels;
} thaw_flow;

/* What is left out is 0, and groups 1. */
typedef struct thaw_convolution {
    int64_t out, size, stride, pad, groups;
    bool bias;
    bool pad_end; /* only at the right and the bottom: TensorFlow's SAME for a stride of 2 on even sizes */
} thaw_convolution;

typedef enum thaw_nonlinearity {
    THAW_BUILD_RELU,
    THAW_BUILD_RELU6,
    THAW_BUILD_SILU,
    THAW_BUILD_HARD_SWISH,
    THAW_BUILD_GELU,
    THAW_BUILD_SIGMOID,
    THAW_BUILD_HARD_SIGMOID
} thaw_nonlinearity;

/* --- parameters --------------------------------------------------------------------------------------------------- */

/* Dimension `index` of a tensor in the file; `otherwise` where there is no such tensor, or dimension. */
int64_t thaw_builder_dimension(const thaw_builder *b, const char *name, int32_t index, int64_t otherwise);
/* The tensor of that name and shape as a constant of the graph; *value is NULL where nothing is built. */
THAW_MUST_CHECK thaw_status thaw_builder_parameter(thaw_builder *b, const thaw_shape *shape, thaw_value **value,
                                                   const char *format, ...) THAW_PRINTF(4, 5);
/* Constants that are no parameters: the same ones are made once. */
THAW_MUST_CHECK thaw_status thaw_builder_ints(thaw_builder *b, const int64_t *ints, size_t count, thaw_value **value);
THAW_MUST_CHECK thaw_status thaw_builder_number(thaw_builder *b, float number, thaw_value **value);

/* --- layers ------------------------------------------------------------------------------------------------------- */

/* y = conv(x), with "<name>.weight" [out, channels / groups, size, size] and "<name>.bias" [out]. */
THAW_MUST_CHECK thaw_status thaw_build_conv(thaw_builder *b, thaw_flow *x, const thaw_convolution *conv,
                                            const char *format, ...) THAW_PRINTF(4, 5);
/* "<name>.weight", ".bias", ".running_mean", ".running_var". */
THAW_MUST_CHECK thaw_status thaw_build_batch_norm(thaw_builder *b, thaw_flow *x, float epsilon, const char *format, ...)
    THAW_PRINTF(4, 5);
/* Over the last axis, "<name>.weight" and ".bias". */
THAW_MUST_CHECK thaw_status thaw_build_layer_norm(thaw_builder *b, thaw_flow *x, float epsilon, const char *format, ...)
    THAW_PRINTF(4, 5);
/* The same over the channels of [n, c, h, w]. */
THAW_MUST_CHECK thaw_status thaw_build_map_norm(thaw_builder *b, thaw_flow *x, float epsilon, const char *format, ...)
    THAW_PRINTF(4, 5);
/* [n, channels] -> [n, out], "<name>.weight" [out, channels] and ".bias". */
THAW_MUST_CHECK thaw_status thaw_build_linear(thaw_builder *b, thaw_flow *x, int64_t out, const char *format, ...)
    THAW_PRINTF(4, 5);
/* The same with as many outputs as "<name>.weight" has rows. */
THAW_MUST_CHECK thaw_status thaw_build_classifier(thaw_builder *b, thaw_flow *x, const char *format, ...)
    THAW_PRINTF(3, 4);
/* [.., channels] -> [.., out]; `format` ends with what stands before "weight" and "bias": "mlp.fc1." */
THAW_MUST_CHECK thaw_status thaw_build_product(thaw_builder *b, thaw_flow *x, int64_t out, const char *format, ...)
    THAW_PRINTF(4, 5);

THAW_MUST_CHECK thaw_status thaw_build_nonlinearity(thaw_builder *b, thaw_flow *x, thaw_nonlinearity kind);
THAW_MUST_CHECK thaw_status thaw_build_max_pool(thaw_builder *b, thaw_flow *x, int64_t size, int64_t stride,
                                                int64_t pad, bool ceil);
THAW_MUST_CHECK thaw_status thaw_build_average_pool(thaw_builder *b, thaw_flow *x, int64_t size);
/* [n, c, h, w] -> [n, c, 1, 1] */
THAW_MUST_CHECK thaw_status thaw_build_global_pool(thaw_builder *b, thaw_flow *x);
/* [n, ...] -> [n, channels], with what the channels are by then */
THAW_MUST_CHECK thaw_status thaw_build_flatten(thaw_builder *b, thaw_flow *x, int64_t channels);
THAW_MUST_CHECK thaw_status thaw_build_transpose(thaw_builder *b, thaw_flow *x, const int64_t *order, size_t rank);
/* 0 keeps a dimension, -1 takes what is left. */
THAW_MUST_CHECK thaw_status thaw_build_reshape(thaw_builder *b, thaw_flow *x, const int64_t *dims, size_t rank);

/* x = type(x, other): "Add", "Mul" or "MatMul". */
THAW_MUST_CHECK thaw_status thaw_build_binary(thaw_builder *b, thaw_flow *x, const char *type, thaw_value *other,
                                              const char *format, ...) THAW_PRINTF(5, 6);
/* Appends y's channels to x's. */
THAW_MUST_CHECK thaw_status thaw_build_concat(thaw_builder *b, thaw_flow *x, const thaw_flow *y, const char *format,
                                              ...) THAW_PRINTF(4, 5);
/* A node of type `type` with these inputs (NULL at the end is left out) and one output, which gets its name. *node is
 * NULL where nothing is built. */
THAW_MUST_CHECK thaw_status thaw_build_node(thaw_builder *b, const char *type, const char *name,
                                            thaw_value *const *inputs, size_t input_count, thaw_node **node,
                                            thaw_flow *x);

#endif
