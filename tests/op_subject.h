/* From a row of a case table to a graph of one node and the numbers it is to run on. */
#ifndef THAW_TESTS_OP_SUBJECT_H
#define THAW_TESTS_OP_SUBJECT_H

#include "op_harness.h"

#define OP_MOST_INPUTS 8

typedef struct op_subject {
    thaw_graph *graph;
    thaw_node *node;                      /* the graph's only one, or the last behind pools */
    thaw_tensor *tensors[OP_MOST_INPUTS]; /* what each input holds; NULL where left out */
    bool at_run_time[OP_MOST_INPUTS];     /* an input of the graph; otherwise constant */
} op_subject;

/* Builds the row's graph, with random contents drawn from `seed`; op_subject_free() also after a failure. Fails as
 * thaw_graph_finish() does; a row that can't be read ends the program. */
thaw_status op_subject_build(const char *type, const op_case *row, uint64_t seed, op_subject *subject);
/* The same, but inputs [n, c, h, w] pass through MaxPools first that change nothing and take blocks of channels. */
thaw_status op_subject_build_pooled(const char *type, const op_case *row, uint64_t seed, op_subject *subject);
void op_subject_free(op_subject *subject);

/* Adds attributes written as in op_case. */
void op_subject_attributes(thaw_node *node, const char *text);

/* The most elements that any input of the row has. */
int64_t op_case_elements(const op_case *row);

#endif
