/* Runs one operator from a row of a case table and compares it with a naive reference in double precision. */
#ifndef THAW_TESTS_OP_HARNESS_H
#define THAW_TESTS_OP_HARNESS_H

#include "model/program.h"

/* A row. Attributes: "group=2 strides=2,1 alpha=0.5 auto_pad=SAME_UPPER": a number with a point is a float, with commas
 * (also at the end: "axes=1,") a list, other text a string, "value=i:1,2@2" a tensor written as inputs are. Inputs,
 * separated by blanks: "2x3x7x7" a run-time tensor of that shape ("s" a scalar), "c:4x3x3x3" the same as a constant,
 * "u:4" a constant that training updates (gradients are then checked in training), "i:1,2,-1" a constant int64 list
 * ("i:" an empty one), "b:1,0" a constant bool list, "f:0.5" a constant float scalar
 * ("f:1,2" a list), "-" left out. "@" and a shape behind a list reshape it: "i:3@s" a scalar, "i:1,2,3,4@2x2". */
typedef struct op_case {
    const char *attributes;
    const char *inputs;
    int64_t opset;      /* 0: 13 */
    size_t outputs;     /* 0: 1 */
    const char *values; /* how random inputs are drawn: NULL in [-2, 2); "positive" in [0.1, 2); "wide" in [-8, 8);
                           "extreme" mixes
                           +-1e30, -0 and tiny into run-time inputs, "nan" NaN and infinities */
} op_case;

/* What a reference gets: the finished node (shapes inferred; attributes readable through thaw_node_*), inputs as
 * doubles in row-major order (NULL where left out), and room for outputs (NULL where not asked for). */
typedef void (*op_reference)(const thaw_node *node, const double *const *inputs, double *const *outputs);

/* Runs every case of `type` on the test device: forward through a program of one node, compared to the reference within
 * `tolerance` of the largest magnitude of the output (0: bit-equal after rounding to float), twice with equal bits,
 * with NaN guard bands: buffers start as NaN. THAW_ALGORITHM's choices are each tried where `algorithms` lists them
 * ("im2col,direct", NULL: the default only). */
void op_check(const char *type, const op_case *cases, size_t count, op_reference reference, double tolerance,
              const char *algorithms);

/* The same in fused programs whose activations lie in blocks of 4, 8 and 16 channels (THAW_LAYOUT) where the operator
 * takes them. Weights must be constants ("c:"). Channels that only fill a block up must come out finite. Where
 * algorithms are listed, only those run. THAW_TEST_TINY: blocks of 4 only. */
void op_check_blocked(const char *type, const op_case *cases, size_t count, op_reference reference, double tolerance,
                      const char *algorithms);

/* The same with channels in another number side by side: 1, or THAW_BLOCK_ALL. */
void op_check_layout(const char *type, int32_t layout, const op_case *cases, size_t count, op_reference reference,
                     double tolerance, const char *algorithms);

/* The same as op_check_blocked(), NHWC included, for operators that take blocks where these come from others. */
void op_check_amid_blocks(const char *type, const op_case *cases, size_t count, op_reference reference,
                          double tolerance);

/* Forward in a differentiable program, and the gradients of every run-time input (constants stay frozen), against
 * central differences of the reference (step 1e-4 in double) on a random linear functional of output 0, accumulation
 * (running backward twice doubles nothing that should be zeroed, adding to a non-zero gradient adds) included. */
void op_check_gradient(const char *type, const op_case *cases, size_t count, op_reference reference, double tolerance);

/* The same in programs whose activations lie in blocks of 4, 8 and 16 channels where the operator takes them: run-time
 * inputs of rank 4 come from operators that do. What only fills a block up must neither become infinite nor count. */
void op_check_gradient_blocked(const char *type, const op_case *cases, size_t count, op_reference reference,
                               double tolerance);
/* The same by each of the algorithms, in row-major programs, and in blocks of 4, 8 and 16 channels (THAW_TEST_TINY: of
 * 4 only). */
void op_check_gradient_by(const char *type, const op_case *cases, size_t count, op_reference reference,
                          double tolerance, const char *algorithms);
void op_check_gradient_in_blocks(const char *type, const op_case *cases, size_t count, op_reference reference,
                                 double tolerance, const char *algorithms);

/* That infer or attributes refuse each case with `status`. */
void op_check_refused(const char *type, const op_case *cases, size_t count, thaw_status status);

/* The shared test context and device (THAW_DEVICE picks it); opened on first use, closed at the end. */
thaw_context *test_context(void);
thaw_device *test_device(void);

/* True when THAW_TEST_TINY is set: rows with more than `limit` elements in any input are skipped (Oclgrind is 10,000
 * times slower). */
bool test_tiny(void);

#define OP_CASES(cases) (cases), sizeof(cases) / sizeof((cases)[0])

#endif
