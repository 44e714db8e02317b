/* A convolution in double precision, one product after the other. */
#ifndef THAW_TESTS_CONV_REFERENCE_H
#define THAW_TESTS_CONV_REFERENCE_H

#include "op_harness.h"

/* An op_reference for Conv with 1 to 3 spatial dimensions. */
void conv_reference(const thaw_node *node, const double *const *inputs, double *const *outputs);

#endif
