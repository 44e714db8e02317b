/* A LayerNormalization over the channels of images: what the rewrite (model/channels_last.c) makes of one whose image
 * has its channels last. */
#ifndef THAW_OPS_SHARED_CHANNEL_NORMALIZATION_H
#define THAW_OPS_SHARED_CHANNEL_NORMALIZATION_H

#include "ops/op.h"

/* Inputs: [n, c, h, w], with at least one element and less than 2^31 in an image; a constant scale [c]; a constant
 * shift [c], or none. Attribute "epsilon". No ONNX operator: not to be found by name. */
extern const thaw_op thaw_op_channel_normalization;

#endif
