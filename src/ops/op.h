/* What an operator is. Adding one: src/ops/x.c, cl/x.cl, tests/test_x.c and one line in op_list.h. */
#ifndef THAW_OPS_OP_H
#define THAW_OPS_OP_H

#include "base/memory.h"
#include "base/text.h"
#include "device/blas.h"
#include "device/kernel.h"
#include "tensor/tensor.h"

typedef struct thaw_graph thaw_graph;
typedef struct thaw_node thaw_node;

/* An edge of the graph: made by one node (or by none: an input or a weight), read by any number. */
typedef struct thaw_value {
    char *name;
    thaw_dtype dtype;
    thaw_shape shape;      /* as declared in the file (-1 where open) until infer; then as computed */
    bool shape_known;      /* the file, or infer, said something about the shape */
    thaw_tensor *constant; /* weights and folded values; NULL: only known at run time */
    thaw_node *producer;   /* NULL: input or weight */
    bool is_input;         /* of the graph, without a value in the file */
    bool trainable;        /* a parameter that training changes by its gradient */
    bool updated;          /* a running statistic that training moves: its BatchNormalization uses the batch's own */
    bool needs_gradient;   /* in a differentiable program: trainable, or computed from what is */
    /* Storage of [n, c, h, w]: 1 is row-major, b is [n][c/b][h][w][b], c padded to a multiple; THAW_BLOCK_ALL is
     * [n][h][w][c], one block of all channels and no padding. */
    int32_t block;
    struct thaw_value *whole; /* stored inside that value, its channels from first_channel on; NULL: by itself */
    int64_t first_channel;
    size_t index; /* place in the graph's values */
    size_t uses;  /* how many nodes and graph outputs read it, as of the last thaw_graph_count_uses() */
    /* In a program that was prepared for a device: */
    thaw_buffer *buffer;   /* float32, 1 or 0 for bools (or int64 where dtype says so), stored as `block` says; owned by
                            * the program */
    thaw_buffer *gradient; /* d loss / d value, float32, stored the same way; NULL where none is needed */
    thaw_node
        *gradient_begins; /* the reader whose backward is the first to write the gradient; NULL: all of them add */
} thaw_value;

/* An attribute as the file has it. */
typedef struct thaw_attribute {
    char *name;
    enum {
        THAW_ATTRIBUTE_INT,
        THAW_ATTRIBUTE_FLOAT,
        THAW_ATTRIBUTE_STRING,
        THAW_ATTRIBUTE_TENSOR,
        THAW_ATTRIBUTE_INTS,
        THAW_ATTRIBUTE_FLOATS,
        THAW_ATTRIBUTE_OTHER
    } kind;
    int64_t i;
    float f;
    char *s;
    int64_t *ints;
    float *floats;
    size_t count; /* of ints or floats */
    thaw_tensor *tensor;
} thaw_attribute;

/* What a node does to its result before it is stored; set by the fusion of the frozen part on operators that declare
 * THAW_OP_EPILOGUE: y = activation(x + residual). */
typedef enum thaw_activation {
    THAW_LINEAR,       /* x */
    THAW_RELU,         /* max(x, 0) */
    THAW_LEAKY_RELU,   /* x < 0 ? alpha * x : x */
    THAW_CLAMP,        /* min(max(x, alpha), beta) */
    THAW_SIGMOID,      /* 1 / (1 + exp(-x)) */
    THAW_HARD_SIGMOID, /* clamp(alpha * x + beta, 0, 1) */
    THAW_HARD_SWISH,   /* x * clamp(x / 6 + 1 / 2, 0, 1) */
    THAW_SILU,         /* x / (1 + exp(-x)) */
    THAW_ERF_GELU,     /* x * (1 + erf(x / sqrt 2)) / 2 */
    THAW_TANH_GELU     /* x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2 */
} thaw_activation;

typedef struct thaw_epilogue {
    thaw_activation activation;
    float alpha, beta;
    thaw_value *residual; /* of the output's shape, or NULL; also listed last in node->inputs */
} thaw_epilogue;

#define THAW_OP_VIEW        1u   /* output 0 is input 0 under another shape: storage is shared, forward is NULL */
#define THAW_OP_EPILOGUE    2u   /* honours node->epilogue */
#define THAW_OP_READS_SHAPE 4u   /* fold needs the inputs' shapes only, not their contents */
#define THAW_OP_HOST        8u   /* exists only as fold: refused where its inputs are not constant */
#define THAW_OP_ACTIVATION  16u  /* node->state is a thaw_activation_state: can become an epilogue */
#define THAW_OP_GELU        512u /* the same with a thaw_elementwise for its state */
/* What backward reads besides gradients and what the node keeps itself: the planner may give the memory of an
 * activation to others once no forward, and no such backward, is still to come. */
#define THAW_OP_BACKWARD_READS_INPUTS 32u  /* any input's buffer */
#define THAW_OP_BACKWARD_READS_OUTPUT 64u  /* output 0's buffer */
#define THAW_OP_BACKWARD_OUTPUTS      256u /* backward reads the gradients of all outputs, not only of the first */
#define THAW_OP_BACKWARD_OVERWRITES   128u /* backward asks thaw_node_overwrites(): no zeros need be there before it */

typedef struct thaw_op {
    const char *name;      /* file name: src/ops/<name>.c */
    const char *onnx_type; /* NULL: not importable */
    unsigned flags;        /* THAW_OP_* */
    /* Reads and checks attributes into node->state. Inputs' shapes are not known yet; constants may be (and those that
     * act as attributes are read in infer). THAW_ERR_MODEL, THAW_ERR_UNSUPPORTED. Runs once, also without a device. */
    thaw_status (*attributes)(thaw_node *node);
    /* From the inputs' shapes: dtype and shape of every output, node->scratch_bytes, node->flops. Also without a
     * device. THAW_ERR_SHAPE with the numbers. */
    thaw_status (*infer)(thaw_node *node);
    /* The storage that suits a device which likes `block` channels side by side: writes what the activations of rank 4
     * among the inputs must have into wanted[] (1 at first, current ones are in the values), returns what output 0 will
     * have. NULL: all row-major. Runs in fused programs, after infer. */
    int32_t (*layout)(thaw_node *node, int32_t block, int32_t *wanted);
    /* Computes every output's constant on the host. NULL: can't. Runs after infer, where all inputs are constant. */
    thaw_status (*fold)(thaw_node *node);
    /* Gets kernels, packs weights. Buffers exist already. NULL: nothing to do. */
    thaw_status (*prepare)(thaw_node *node);
    /* Queues the work: reads inputs' buffers, writes outputs' buffers. NULL: view, or host only. */
    thaw_status (*forward)(thaw_node *node);
    /* Queues: from output 0's gradient (and the buffers that the flags name), *adds* to the gradient of every input
     * that has one. NULL: can only be frozen. */
    thaw_status (*backward)(thaw_node *node);
    /* Which of its ways to compute was chosen, as THAW_ALGORITHM knows it: after prepare. NULL: there is only one. */
    const char *(*algorithm)(const thaw_node *node);
    /* Frees what node->state holds (not node->state itself). NULL: nothing. */
    void (*release)(thaw_node *node);
} thaw_op;

struct thaw_node {
    const thaw_op *op;
    thaw_graph *graph;
    char *name;                 /* never empty: made from the type and a number where the file has none */
    thaw_attribute *attributes; /* [attribute_count] */
    size_t attribute_count;
    thaw_value **inputs; /* [input_count]; NULL where an optional input is left out */
    size_t input_count;
    thaw_value **outputs; /* [output_count]; NULL where nobody asked for it */
    size_t output_count;
    void *state;          /* the operator's own, from thaw_allocate(), freed by the graph */
    size_t scratch_bytes; /* device memory needed during forward and backward, set by infer */
    size_t packed_bytes;  /* the same, for weights that are packed again each time */
    bool keeps_output;    /* set by the fusion: backward reads output 0's buffer, whatever the flags say */
    bool passes_only; /* set by infer: backward reads no input, whatever the flags say: it only passes gradients on */
    int64_t flops;    /* set by infer; a multiply and an add are two */
    thaw_epilogue epilogue;
    /* Set in frozen programs with blocks, on Conv (and ConvExpand, for sums) alone: input 3 are factors [n, channels,
     * 1, 1], by which input 0 is multiplied first; output 1 is [n, parts, channels up to a whole block], to be added up
     * over parts and pixels. */
    bool scaled, sums;
    bool halves_weights; /* set by layout or prepare: input 1 (ConvExpand: 3 too) is stored as 16-bit floats */
    bool packs_weights;  /* set by layout: prepare reads constant inputs on the host, they need no buffers */
    bool slices;         /* set by layout: output 0 goes wherever thaw_value_place() says */
    bool adds_in_place;  /* set by layout: output 0 may overwrite the residual */
    bool removed;        /* to be freed by the next thaw_graph_sweep() */
    size_t source;       /* 1 + its place among the nodes of the model file; 0: not from there */
};

/* Nodes in running order over values. See model/graph.h for what can be done with one. */
struct thaw_graph {
    thaw_context *context;
    thaw_value **values; /* [value_count], owned */
    size_t value_count, value_capacity;
    void *names;       /* search tree over the values' names, private to model/graph.c */
    thaw_node **nodes; /* [node_count], owned, every node behind those that make its inputs */
    size_t node_count, node_capacity;
    thaw_value **inputs; /* [input_count], borrowed: inputs without a value in the file */
    size_t input_count, input_capacity;
    thaw_value **outputs; /* [output_count], borrowed */
    size_t output_count, output_capacity;
    int64_t opset;                   /* of the default domain */
    int64_t file_batch;              /* first dimension of the first input in the file; 0: open */
    int64_t batch;                   /* what a program runs with; 0 in the model's own graph */
    thaw_device *device;             /* NULL in the model's own graph */
    thaw_precision frozen_precision; /* how operators should store constants that they pack */
    thaw_buffer *scratch;            /* owned by the program */
    thaw_buffer *packed;             /* the same, for node->packed_bytes */
    /* The next forward of a differentiable program is a step of training, number `step` (from 1) of a run with this
     * seed: Dropout drops, a BatchNormalization with `updated` statistics uses the batch's. Otherwise both are as at
     * inference. */
    bool training;
    uint64_t seed, step;
    bool again; /* that forward runs for the second time, for its outputs only: statistics are what they are */
};

/* Facts that operators may ask of their surroundings. */
thaw_context *thaw_node_context(const thaw_node *node);
thaw_device *thaw_node_device(const thaw_node *node); /* NULL before a program is prepared */
int64_t thaw_node_opset(const thaw_node *node);       /* version of the default ONNX domain in the file */
thaw_buffer *thaw_node_scratch(
    const thaw_node *node); /* at least node->scratch_bytes; shared by all nodes, valid during forward and backward */
/* The batch in the file (0: open) and the one the program runs with: for a Reshape whose target has the first written
 * into it. */
int64_t thaw_node_file_batch(const thaw_node *node);
int64_t thaw_node_batch(const thaw_node *node);

/* How many of `channels` lie side by side in that storage: at least 1. */
int64_t thaw_block_lanes(int32_t block, int64_t channels);

/* The shape in which a value lies in its buffer, row-major: [n, c/b, h, w, b] for blocks of b > 1. */
thaw_shape thaw_value_stored(const thaw_value *value);

/* Where image i of [n, c, ...] begins in the value's buffer: at offset + i * stride elements. */
void thaw_value_place(const thaw_value *value, int64_t *offset, int64_t *stride);
/* Elements from one pixel to the next there. */
int64_t thaw_value_pixel(const thaw_value *value);

/* Whether backward is the first to write the gradient of input `index`: what is there has no meaning, and is to be
 * replaced where it would be added to. Operators that never ask find zeros there. */
bool thaw_node_overwrites(const thaw_node *node, size_t index);
/* For an operator that asks but has nothing to write there, or not everything: queues zeros where nothing is yet. */
THAW_MUST_CHECK thaw_status thaw_node_clear_gradient(const thaw_node *node, size_t index);

/* Fails with "Type 'name': ..." put before the reason. */
thaw_status thaw_node_fail(const thaw_node *node, thaw_status status, const char *format, ...) THAW_PRINTF(3, 4);

/* Fails unless every attribute's name is in the comma-separated list: an attribute that we don't know might change
 * numbers. */
THAW_MUST_CHECK thaw_status thaw_node_known_attributes(const thaw_node *node, const char *names);
/* Fails unless the node has between these counts of inputs (the first `least` of them present) and outputs (the first
 * present). */
THAW_MUST_CHECK thaw_status thaw_node_arity(const thaw_node *node, size_t least, size_t most_inputs,
                                            size_t most_outputs);
bool thaw_node_has(const thaw_node *node, const char *name);
/* The attribute, or the default where it is absent. A wrong kind counts as absent for has() too; known_attributes() has
 * refused nothing by kind. */
int64_t thaw_node_int(const thaw_node *node, const char *name, int64_t otherwise);
float thaw_node_float(const thaw_node *node, const char *name, float otherwise);
const char *thaw_node_string(const thaw_node *node, const char *name, const char *otherwise);
/* NULL and *count 0 where absent. Lives as long as the node. */
const int64_t *thaw_node_ints(const thaw_node *node, const char *name, size_t *count);
const float *thaw_node_floats(const thaw_node *node, const char *name, size_t *count);
thaw_tensor *thaw_node_tensor(const thaw_node *node, const char *name); /* borrowed, or NULL */

/* Input `index`, or NULL where it is absent. */
thaw_value *thaw_node_input(const thaw_node *node, size_t index);
/* Output `index`, or NULL where nobody reads it. */
thaw_value *thaw_node_output(const thaw_node *node, size_t index);
/* Input `index` as a list of integers: a constant of rank 0 or 1. THAW_ERR_UNSUPPORTED if it is not constant. *count -1
 * where absent. */
THAW_MUST_CHECK thaw_status thaw_node_constant_ints(const thaw_node *node, size_t index, int64_t values[THAW_MAX_RANK],
                                                    int32_t *count);
/* axis + rank for a negative axis; THAW_ERR_SHAPE if it is not in [-rank, rank). */
THAW_MUST_CHECK thaw_status thaw_node_axis(const thaw_node *node, int64_t axis, int32_t rank, int32_t *out);
/* Sets dtype and shape of output `index` (if anybody reads it), after checking that its size fits. */
THAW_MUST_CHECK thaw_status thaw_node_set_output(thaw_node *node, size_t index, thaw_dtype dtype,
                                                 const thaw_shape *shape);
/* Fails unless the inputs that are present are floating types: what kernels compute. */
THAW_MUST_CHECK thaw_status thaw_node_float_inputs(const thaw_node *node);
/* Creates output `index`'s constant as dtype and shape say, for fold to fill. *tensor is borrowed. THAW_ERR_SIZE beyond
 * 2 GiB. */
THAW_MUST_CHECK thaw_status thaw_node_fold_output(thaw_node *node, size_t index, thaw_tensor **tensor);

/* The registry, in the order of op_list.h. */
const thaw_op *thaw_op_find(const char *onnx_type);
extern const thaw_op *const thaw_ops[];
extern const size_t thaw_op_count;

#endif
