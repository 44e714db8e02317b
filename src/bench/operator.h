/* One operator as a program of its own, through the same steps as a whole model: layout, algorithm, packing. */
#ifndef THAW_BENCH_OPERATOR_H
#define THAW_BENCH_OPERATOR_H

#include "bench/bench.h"
#include "bench/compare.h"
#include "model/program.h"

enum { THAW_BENCH_CONSTANTS = 4, THAW_BENCH_ATTRIBUTES = 4 };

typedef enum thaw_bench_pass {
    THAW_BENCH_FORWARD,
    THAW_BENCH_BACKWARD_DATA,
    THAW_BENCH_BACKWARD_WEIGHTS
} thaw_bench_pass;

typedef struct thaw_bench_attribute {
    const char *name; /* NULL behind the last */
    int64_t ints[4];
    size_t count; /* 0: a number and no list, ints[0] */
} thaw_bench_attribute;

typedef struct thaw_bench_operator_options {
    const char *type; /* in ONNX */
    thaw_bench_pass pass;
    thaw_shape x;
    thaw_shape constants[THAW_BENCH_CONSTANTS]; /* further inputs */
    size_t constant_count;
    double low, high; /* between which constants are drawn */
    thaw_bench_attribute attributes[THAW_BENCH_ATTRIBUTES];
    bool amid_blocks; /* it takes blocks of channels only from what makes them: a MaxPool of 1 x 1 stands before it */
} thaw_bench_operator_options;

typedef struct thaw_bench_operator {
    thaw_bench_operator_options options; /* from here to `details` the caller's */
    thaw_bench_reference reference;      /* `user` is the operator */
    int64_t (*products)(const void *);   /* that the reference computes for an element */
    const void *details;
    thaw_bench *bench;
    thaw_graph *graph;
    thaw_program *program;
    thaw_node *node;                        /* the program's */
    float *x;                               /* row-major, as what follows */
    float *constants[THAW_BENCH_CONSTANTS]; /* [options.constant_count] */
    float *dy;                              /* the output's gradient; NULL for forward */
    thaw_shape y;
} thaw_bench_operator;

/* Draws the inputs and makes the program; what verifies, runs and closes it goes into the subject: the node alone is
 * run, the program is verified. `reference` takes the operator, as `products` does. */
THAW_MUST_CHECK thaw_status thaw_bench_operator_open(thaw_bench *bench, const thaw_bench_operator *wanted,
                                                     thaw_bench_subject *subject);

#endif
