/* Row-major convolutions as GPUs run them in training, also where there is only a CPU: cl/conv_nchw.cl. */
#include "conv_reference.h"
#include "test.h"

#define TOLERANCE 1e-5
#define ALGORITHM "implicit_nchw"

static void forward(void)
{
    static const op_case cases[] = {
        {"", "1x1x1x1 1x1x1x1 1", 0, 0, NULL},
        {"", "2x15x4x4 17x15x1x1", 0, 0, NULL},
        {"pads=1,1,1,1", "2x7x5x6 3x7x3x3 3", 0, 0, NULL},
        {"pads=1,1,1,1", "1x16x4x5 c:17x16x3x3", 0, 0, NULL},
        {"strides=2,2 pads=3,3,3,3", "1x3x13x11 c:4x3x7x7 c:4", 0, 0, NULL},
        {"strides=1,3 pads=0,1,2,0", "1x4x6x9 5x4x3x2", 0, 0, NULL},
        {"strides=2,2 dilations=2,3 pads=2,3,2,3", "2x4x9x10 3x4x3x3", 0, 0, NULL},
        {"group=2 pads=1,1,1,1 strides=1,2", "1x6x5x5 4x3x3x3 4", 0, 0, NULL},
        {"auto_pad=SAME_UPPER strides=2,2", "1x4x8x7 5x4x4x3 5", 0, 0, NULL},
        {"pads=1,2 strides=2, dilations=2,", "1x4x15 7x4x4", 0, 0, NULL},
        {"pads=1,1,1,1", "3x9x12x12 70x9x3x3 70", 0, 0, NULL},
        {"pads=1,1,1,1", "2x32x5x6 9x32x3x3 9", 0, 0, NULL},
        {"pads=1,1,1,1 strides=2,2 group=2", "1x32x7x7 10x16x3x3 10", 0, 0, NULL},
        {"", "2x40x9x8 129x40x1x1", 0, 0, NULL},
    };
    op_check_layout("Conv", 1, OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHM);
}

/* Several tiles, weights whose gradient is summed up in parts, and channels in whole runs. */
static void gradients(void)
{
    static const op_case cases[] = {
        {"pads=1,1,1,1", "3x5x16x17 6x5x3x3 6", 0, 0, NULL},
        {"strides=2,2 pads=1,1,1,1", "2x3x18x18 35x3x3x3", 0, 0, NULL},
        {"strides=2,2", "2x67x6x7 c:5x67x1x1 5", 0, 0, NULL},
        {"", "2x5x8x8 66x5x1x1 66", 0, 0, NULL},
        {"group=2 pads=2,2,2,2", "2x4x9x9 6x2x5x5", 0, 0, NULL},
        {"pads=1,1,1,1", "2x3x5x5 32x3x3x3", 0, 0, NULL},
        {"pads=1,1,1,1 strides=2,2", "2x3x7x6 16x3x3x3 16", 0, 0, NULL},
        {"strides=2,2", "2x5x5x4 16x5x1x1", 0, 0, NULL},
        {"pads=1,2,2,1 strides=3,2 dilations=1,2", "1x3x8x9 16x3x3x3 16", 0, 0, NULL},
        {"strides=3,3", "2x3x1x7 16x3x1x2", 0, 0, NULL},
        {"pads=1,1,1,1", "2x64x3x4 5x64x3x3", 0, 0, NULL},
        {"pads=1,1,1,1", "1x128x3x2 3x128x1x3", 0, 0, NULL},
        {"", "3x64x2x3 33x64x1x1 33", 0, 0, NULL},
    };
    op_check_gradient_by("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHM);
}

/* Forward as well. */
static void depthwise(void)
{
    static const op_case cases[] = {
        {"group=7 pads=1,1,1,1", "2x7x5x7 7x1x3x3 7", 0, 0, NULL},
        {"group=16 pads=1,1,1,1 strides=2,2", "3x16x9x8 16x1x3x3 16", 0, 0, NULL},
        {"group=5 pads=2,2,2,2 strides=2,1", "2x5x6x6 5x1x5x5", 0, 0, NULL},
        {"group=3 dilations=2,3 pads=2,3,2,3", "1x3x9x10 3x1x3x3 3", 0, 0, NULL},
        {"group=2 pads=0,1,1,0 strides=3,3", "1x2x14x13 2x1x2x3", 0, 0, NULL},
        {"group=4 pads=3,3,3,3", "1x4x2x2 4x1x3x3", 0, 0, NULL},
        {"group=2 pads=1,1", "2x2x9 2x1x3 2", 0, 0, NULL},
        {"group=3", "1x3x1x1 3x1x1x1 3", 0, 0, NULL},
    };
    op_check_layout("Conv", 1, OP_CASES(cases), conv_reference, TOLERANCE, "depthwise_nchw");
    op_check_gradient_by("Conv", OP_CASES(cases), conv_reference, TOLERANCE, "depthwise_nchw");
}

void suite_conv_nchw(void)
{
    static const test_entry tests[] = {{"forward", forward}, {"gradients", gradients}, {"depthwise", depthwise}};
    TEST_SUITE("conv_nchw", tests);
}
