/* The graph: nodes in running order over values. The model holds one exactly as it stands in its file; programs hold
 * derived ones that they rewrite freely. */
#ifndef THAW_MODEL_GRAPH_H
#define THAW_MODEL_GRAPH_H

#include "ops/op.h"

struct thaw_graph {
    thaw_context *context;
    thaw_value **values; /* [value_count], owned */
    size_t value_count, value_capacity;
    thaw_node **nodes; /* [node_count], owned, every node behind those that make its inputs */
    size_t node_count, node_capacity;
    thaw_value **inputs; /* [input_count], borrowed: inputs without a value in the file */
    size_t input_count, input_capacity;
    thaw_value **outputs; /* [output_count], borrowed */
    size_t output_count, output_capacity;
    int64_t opset;        /* of the default domain */
    int64_t file_batch;   /* first dimension of the first input in the file; 0: open */
    int64_t batch;        /* what a program runs with; 0 in the model's own graph */
    thaw_device *device;  /* NULL in the model's own graph */
    thaw_buffer *scratch; /* owned by the program */
};

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

/* Puts nodes into running order (stable), and checks that nothing is read before it is made, made twice, or made in a
 * circle. THAW_ERR_MODEL with the name. Runs every operator's `attributes` too. */
THAW_MUST_CHECK thaw_status thaw_graph_finish(thaw_graph *graph);

/* How many nodes and graph outputs read the value. */
size_t thaw_graph_uses(const thaw_graph *graph, const thaw_value *value);
/* Takes nodes [removed by setting op to NULL] out of the list and frees them. */
void thaw_graph_compact(thaw_graph *graph);

#endif
