/* The classifier at the end of a graph: where it is, and how it is replaced. */
#ifndef THAW_MODEL_HEAD_H
#define THAW_MODEL_HEAD_H

#include "model/graph.h"

typedef struct thaw_head {
    thaw_node *classifier; /* the last Gemm, MatMul or 1x1 Conv; NULL where the place was given by name */
    thaw_value *features;  /* what it reads, Dropout looked through */
    bool softmax;          /* a Softmax stands at the end */
} thaw_head;

/* Finds it, going up from the first output. `at` (a value's or node's name; NULL) overrides where features are taken.
 * THAW_ERR_MODEL if there is no classifier, THAW_ERR_USAGE if there is no such name. */
THAW_MUST_CHECK thaw_status thaw_head_find(const thaw_graph *graph, const char *at, thaw_head *head);

/* Is the first output made by a Softmax, views behind it looked through? */
bool thaw_head_ends_in_softmax(const thaw_graph *graph);

/* Does the graph end as a head of Thaw's does, so that it can be trained on as it is: a classifier, nothing behind it
 * that bends its scores but a Softmax at the very end, [n, classes] declared as its only output? */
bool thaw_head_fits(const thaw_graph *graph, size_t classes);

/* Puts GlobalAveragePool (for maps) -> Flatten -> Gemm [-> Softmax] in its place: weight [classes, features] uniform in
 * +-1/sqrt(features) from `seed` as PyTorch does it, bias 0, both marked trainable; every other value is not. Keeps the
 * name of the first output; other outputs go. */
THAW_MUST_CHECK thaw_status thaw_head_replace(thaw_graph *graph, size_t classes, const char *at, uint64_t seed);

#endif
