/* One row of a case table on its way: graph, program, reference, comparison. */
#ifndef THAW_TESTS_OP_TRIAL_H
#define THAW_TESTS_OP_TRIAL_H

#include "op_subject.h"

#define OP_MOST_OUTPUTS 8
#define OP_MOST_GUARDS  16

/* A value that nodes write, with a buffer of our own for a while. */
typedef struct op_guard {
    thaw_value *value;
    thaw_buffer *own, *kept; /* with room behind it, and the program's */
} op_guard;

typedef struct op_trial {
    const char *type;
    const op_case *row;
    const char *algorithm; /* NULL: the operator's choice */
    int32_t layout; /* channels in a block (or THAW_BLOCK_ALL), in a fused or differentiable program; 0: row-major, not
                       fused */
    bool pooled;    /* op_subject_build_pooled() */
    op_subject subject;
    thaw_program *program;
    op_guard guards[OP_MOST_GUARDS];
    size_t guard_count;
    double *inputs[OP_MOST_INPUTS];
    double *wanted[OP_MOST_OUTPUTS];
} op_trial;

/* A failed assertion that says which row failed, and why. */
void trial_fail(const op_trial *trial, const char *format, ...) THAW_PRINTF(2, 3);
/* Passes as an assertion, so that the summary counts what was compared, or fails with the context's reason. */
bool trial_succeeded(const op_trial *trial, thaw_status status, const char *what);

/* THAW_ALGORITHM in the environment; NULL unsets it. */
void trial_force_algorithm(const char *name);
/* THAW_LAYOUT in the environment; 0 unsets it. */
void trial_force_layout(int32_t block);

/* Builds the row of the trial (type, row, algorithm and layout are set, the rest is zero), a program of it, and room
 * for its reference; trial_end() also where it gives false. */
bool trial_begin(op_trial *trial, uint64_t seed, bool differentiable);
void trial_end(op_trial *trial);
/* The row's node in the program; NULL where it was folded away. */
thaw_node *trial_node(const op_trial *trial);

/* Runs the program with everything that is written, and scratch, full of NaN before; results[output_count], each
 * released by the caller. */
bool trial_forward(op_trial *trial, thaw_tensor **results);
void trial_reference(const op_trial *trial, op_reference reference, double *const *outputs);

/* The largest finite magnitude. */
double trial_largest(const double *values, int64_t count);
/* Fails, naming the first few places, unless shape and all elements agree within `slack`; NaN agrees with NaN only. */
void trial_compare(const op_trial *trial, const char *what, size_t index, const thaw_shape *shape,
                   const thaw_tensor *got, const double *wanted, double slack);

/* For set-up that can't go wrong: ends the program where it does. */
void test_must(thaw_status status);
void *test_allocate(int64_t count, size_t size);

#endif
