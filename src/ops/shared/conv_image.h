/* Convolutions of a row-major image of few channels into blocks of channels: cl/conv_image.cl. */
#ifndef THAW_OPS_SHARED_CONV_IMAGE_H
#define THAW_OPS_SHARED_CONV_IMAGE_H

#include "ops/shared/conv_variants.h"

/* How one is cut up. */
typedef struct thaw_conv_image_cut {
    int64_t block, blocks; /* channels in a block of the output; how many */
    int64_t stack, stacks; /* blocks that are computed together; the last stack may lack some */
    int64_t tile;          /* pixels of a row that are computed together */
    int64_t patch;         /* columns of the input that they read */
} thaw_conv_image_cut;

thaw_conv_image_cut thaw_conv_image_cut_up(const thaw_conv_geometry *geometry);

/* As in thaw_conv_variant. */
size_t thaw_conv_image_packed_bytes(const thaw_conv_geometry *geometry);
THAW_MUST_CHECK thaw_status thaw_conv_image_pack(const thaw_node *node, const thaw_conv *conv,
                                                 const thaw_buffer *weights);
/* Gets kernel `name`, built with `more` options too, and packs the bias. */
THAW_MUST_CHECK thaw_status thaw_conv_image_prepare(const thaw_node *node, thaw_conv *conv, const char *name,
                                                    const char *more);

/* The parameters that the kernels call GEOMETRY. */
#define THAW_CONV_IMAGE_GEOMETRY 11
void thaw_conv_image_arguments(const thaw_conv_geometry *geometry, thaw_argument arguments[THAW_CONV_IMAGE_GEOMETRY]);

#endif
