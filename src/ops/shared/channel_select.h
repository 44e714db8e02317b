/* Channels picked out of activations as one operator: what the rewrite (model/shuffle.c) makes of channel shuffles. */
#ifndef THAW_OPS_SHARED_CHANNEL_SELECT_H
#define THAW_OPS_SHARED_CHANNEL_SELECT_H

#include "ops/op.h"

#define THAW_CHANNEL_SELECT_INPUTS 2 /* at most */

/* Inputs: one or two of [n, c, h, w], alike but for c, with at least one element and less than 2^31 in an image.
 * Attribute "channels": for each channel of the output [n, count, h, w], its number among the inputs' channels, those
 * of the second behind those of the first. No ONNX operator: not to be found by name. */
extern const thaw_op thaw_op_channel_select;

#endif
