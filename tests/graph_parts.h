/* Parts of graphs that tests put together by hand. Failures end the test. */
#ifndef THAW_TESTS_GRAPH_PARTS_H
#define THAW_TESTS_GRAPH_PARTS_H

#include "base/random.h"
#include "model/graph.h"

/* Numbers of this generator, from `low` to `high`. */
typedef struct graph_numbers {
    thaw_random random;
    double low, high;
    bool halves; /* constants are what 16-bit floats can hold */
} graph_numbers;

/* Of floats and that shape; of what a node makes where it is NULL. "" makes a name. */
thaw_value *graph_add_value(thaw_graph *graph, const char *name, const thaw_shape *shape);
/* Released by the caller. */
thaw_tensor *graph_random_tensor(graph_numbers *numbers, const thaw_shape *shape);
/* A constant of random numbers. */
thaw_value *graph_add_constant(thaw_graph *graph, graph_numbers *numbers, thaw_shape shape);
/* A node over `inputs`, with attributes as op_subject_attributes() reads them; the value that it makes. */
thaw_value *graph_add_node(thaw_graph *graph, const char *type, const char *attributes, thaw_value *const *inputs,
                           size_t count);
/* A constant list of int64. */
thaw_value *graph_add_integers(thaw_graph *graph, const int64_t *list, int64_t count);

#endif
