/* The block that MobileNets from the second on and EfficientNets are made of: widen, filter each channel by itself,
 * weigh the channels, narrow; around it a shortcut where shapes allow. */
#ifndef THAW_FORMAT_ARCHITECTURES_INVERTED_H
#define THAW_FORMAT_ARCHITECTURES_INVERTED_H

#include "format/architectures/architecture.h"

/* What the parts of a block are called. */
typedef enum thaw_inverted_names {
    THAW_INVERTED_CONV,  /* torchvision's MobileNetV2: "conv.0.0" */
    THAW_INVERTED_BLOCK, /* torchvision's MobileNetV3 and EfficientNet: "block.0.0" */
    THAW_INVERTED_TIMM   /* "conv_pw" */
} thaw_inverted_names;

typedef struct thaw_inverted {
    int64_t kernel, stride;
    int64_t expanded; /* no convolution widens to as many as there are */
    int64_t squeeze;  /* 0: channels are not weighed */
    int64_t out;
    thaw_nonlinearity nonlinearity, squeeze_nonlinearity, gate;
    float epsilon;
} thaw_inverted;

THAW_MUST_CHECK thaw_status thaw_build_inverted(thaw_builder *b, thaw_flow *x, const thaw_inverted *block,
                                                thaw_inverted_names names, const char *format, ...) THAW_PRINTF(5, 6);
/* conv, batch norm, nonlinearity. */
THAW_MUST_CHECK thaw_status thaw_build_conv_norm(thaw_builder *b, thaw_flow *x, const thaw_convolution *conv,
                                                 float epsilon, const char *conv_name, const char *norm_name);
/* The nearest multiple of 8 that is not more than a tenth below. */
int64_t thaw_round_channels(double channels);

#endif
