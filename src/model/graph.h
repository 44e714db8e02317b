/* Building and changing graphs. The model holds one exactly as it stands in its file; programs hold derived ones that
 * they rewrite freely. */
#ifndef THAW_MODEL_GRAPH_H
#define THAW_MODEL_GRAPH_H

#include "ops/op.h"

THAW_MUST_CHECK thaw_status thaw_graph_create(thaw_context *context, thaw_graph **graph);
void thaw_graph_destroy(thaw_graph **graph);

/* Adds a value; the name is copied and must be new ("" makes one). The graph owns it. */
THAW_MUST_CHECK thaw_status thaw_graph_add_value(thaw_graph *graph, const char *name, thaw_value **value);
/* The value of that name, or NULL. */
thaw_value *thaw_graph_find_value(const thaw_graph *graph, const char *name);
/* The node of that name, or NULL. */
thaw_node *thaw_graph_find_node(const thaw_graph *graph, const char *name);
/* Appends a node of `op` with room for inputs and outputs (all NULL at first). "" makes a name. */
THAW_MUST_CHECK thaw_status thaw_graph_add_node(thaw_graph *graph, const thaw_op *op, const char *name,
                                                size_t input_count, size_t output_count, thaw_node **node);
/* Connects; output `index` of `node` becomes the producer of `value`. */
void thaw_node_set_input(thaw_node *node, size_t index, thaw_value *value);
void thaw_node_set_output_value(thaw_node *node, size_t index, thaw_value *value);
/* Adds an empty attribute of that name for the caller to fill (pointers in it are freed by the graph). */
THAW_MUST_CHECK thaw_status thaw_node_add_attribute(thaw_node *node, const char *name, thaw_attribute **attribute);
THAW_MUST_CHECK thaw_status thaw_node_add_int(thaw_node *node, const char *name, int64_t i);
THAW_MUST_CHECK thaw_status thaw_node_add_ints(thaw_node *node, const char *name, const int64_t *ints, size_t count);

/* Marks as inputs and outputs. */
THAW_MUST_CHECK thaw_status thaw_graph_add_input(thaw_graph *graph, thaw_value *value);
THAW_MUST_CHECK thaw_status thaw_graph_add_output(thaw_graph *graph, thaw_value *value);

/* To be called once everything is in place: checks that every value read is an input, a constant or made by a node
 * further up (ONNX demands this order), and reads every node's attributes. THAW_ERR_MODEL with the name, and whatever
 * the operators refuse. */
THAW_MUST_CHECK thaw_status thaw_graph_finish(thaw_graph *graph);

/* Sets every value's `uses`: how many nodes and graph outputs read it. */
void thaw_graph_count_uses(thaw_graph *graph);
/* Is there a node (NULL: no), not removed, and of that type in ONNX? */
bool thaw_node_is(const thaw_node *node, const char *onnx_type);
/* The one node that reads `value`, as uses were counted; NULL where there are more, or the graph's output is it. */
thaw_node *thaw_graph_sole_reader(const thaw_graph *graph, const thaw_value *value);
/* Is there a value (NULL: no), a constant of floating-point numbers, that nothing changes? */
bool thaw_value_is_fixed(const thaw_value *value);
/* Activations [n, c, h, w], known at run time only, with at least one element and less than 2^31 in an image? */
bool thaw_value_is_image(const thaw_value *value);
/* A Transpose with dimension perm[i] of its input as dimension i, i < rank? */
bool thaw_transpose_is(const thaw_node *node, const int64_t *perm, size_t rank);

/* Where among the graph's nodes it stands. */
size_t thaw_graph_position(const thaw_graph *graph, const thaw_node *node);
/* The node that was added last gets the place of `old`, which is removed. */
void thaw_graph_replace(thaw_graph *graph, thaw_node *old);
/* Lets whoever reads `from` read `to` instead, graph outputs included. */
void thaw_graph_redirect(thaw_graph *graph, const thaw_value *from, thaw_value *to);
/* Marks nodes as removed whose outputs nobody reads, back to front, then frees removed nodes and values that are
 * neither read nor written any more. Inputs and outputs of the graph stay. */
void thaw_graph_sweep(thaw_graph *graph);

/* The value of that name, or the first output of the node of that name. THAW_ERR_USAGE with near names. */
THAW_MUST_CHECK thaw_status thaw_graph_resolve(const thaw_graph *graph, const char *name, thaw_value **value);

/* A new graph with what is needed to compute `outputs` from `inputs` (names; NULL: the graph's own). Constants are
 * shared, attributes and trainable flags copied; a value listed in `inputs` becomes an input whatever made it.
 * THAW_ERR_USAGE for a name that does not exist, with near ones. */
THAW_MUST_CHECK thaw_status thaw_graph_extract(const thaw_graph *source, const char *const *inputs, size_t input_count,
                                               const char *const *outputs, size_t output_count, thaw_graph **graph);

#endif
