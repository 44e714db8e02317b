#include "conv_reference.h"
#include "test.h"

#define TOLERANCE  1e-5
#define ALGORITHMS "depthwise,implicit_nchw,pointwise,im2col,direct"

static const op_case channels[] = {
    {"", "1x1x1x1 1x1x1x1 1", 0, 0, NULL},
    {"pads=1,1,1,1", "2x7x5x6 3x7x3x3 3", 0, 0, NULL},
    {"pads=1,1,1,1", "1x16x4x5 17x16x3x3", 0, 0, NULL},
    {"", "2x5x5x5 4x5x3x3 4", 0, 0, NULL},
    {"pads=2,2,2,2", "1x3x6x7 5x3x5x5 5", 0, 0, NULL},
    {"", "3x7x3x2 1x7x1x1 1", 0, 0, NULL},
    {"", "2x15x4x4 17x15x1x1", 0, 0, NULL},
    {"dilations=3,2", "2x4x4x4 33x4x1x1", 0, 0, NULL},
};

static const op_case windows[] = {
    {"strides=2,2", "2x6x7x7 5x6x1x1 5", 0, 0, NULL},
    {"strides=2,2 pads=1,1,1,1", "2x5x7x8 6x5x3x3 6", 0, 0, NULL},
    {"strides=2,2 pads=3,3,3,3", "1x3x13x11 4x3x7x7 4", 0, 0, NULL},
    {"strides=1,3 pads=0,1,2,0", "1x4x6x9 5x4x3x2", 0, 0, NULL},
    {"strides=3,1 pads=2,2,2,2", "1x4x10x6 4x4x5x5 4", 0, 0, NULL},
    {"strides=3,3", "1x3x8x8 2x3x2x2 2", 0, 0, NULL},
    {"strides=2,2 dilations=2,3 pads=2,3,2,3", "2x4x9x10 3x4x3x3", 0, 0, NULL},
    {"dilations=2,3", "1x2x9x11 3x2x3x3 3", 0, 0, NULL},
    {"dilations=4,4 pads=4,4,4,4", "1x4x3x3 4x4x3x3 4", 0, 0, NULL},
    {"pads=1,0,0,1", "1x7x3x3 7x7x1x1 7", 0, 0, NULL},
    {"pads=1,0,2,3", "1x4x5x4 3x4x3x3 3", 0, 0, NULL},
    {"pads=4,4,4,4", "1x5x2x2 4x5x3x3", 0, 0, NULL},
    {"auto_pad=SAME_UPPER strides=2,2", "1x4x8x7 5x4x4x3 5", 0, 0, NULL},
    {"auto_pad=SAME_LOWER", "1x3x6x5 4x3x2x4", 0, 0, NULL},
};

static const op_case groups[] = {
    {"group=7 pads=1,1,1,1", "2x7x5x7 7x1x3x3 7", 0, 0, NULL},
    {"group=16 pads=1,1,1,1 strides=2,2", "2x16x9x8 16x1x3x3 16", 0, 0, NULL},
    {"group=15 pads=0,0,1,1 strides=2,2", "1x15x8x8 15x1x3x3", 0, 0, NULL},
    {"group=5 pads=2,2,2,2", "2x5x6x6 15x1x5x5 15", 0, 0, NULL},
    {"group=3 dilations=2,3 pads=2,3,2,3", "1x3x9x10 6x1x3x3 6", 0, 0, NULL},
    {"group=4 pads=3,3,3,3", "1x4x2x2 4x1x3x3", 0, 0, NULL},
    {"group=3", "2x9x5x6 6x3x2x3 6", 0, 0, NULL},
    {"group=2 pads=1,1,1,1 strides=1,2", "1x6x5x5 4x3x3x3 4", 0, 0, NULL},
    {"group=2", "1x8x3x3 6x4x1x1 6", 0, 0, NULL},
};

static const op_case ranks[] = {
    {"", "2x3x10 5x3x3 5", 0, 0, NULL},
    {"pads=1,2 strides=2, dilations=2,", "1x4x15 7x4x4", 0, 0, NULL},
    {"group=2 pads=1,1", "2x2x9 4x1x3 4", 0, 0, NULL},
    {"", "1x2x4x5x6 3x2x2x3x4 3", 0, 0, NULL},
    {"strides=2,1,3 pads=1,0,2,0,1,1 dilations=1,2,1", "2x2x5x6x7 3x2x3x2x3", 0, 0, NULL},
    {"", "1x3x2x2x2 4x3x1x1x1 4", 0, 0, NULL},
};

/* Only one of the three gradients, or two. */
static const op_case partly[] = {
    {"pads=1,1,1,1", "2x4x5x5 c:6x4x3x3 c:6", 0, 0, NULL},
    {"pads=1,1,1,1", "c:2x4x5x5 6x4x3x3 c:6", 0, 0, NULL},
    {"pads=1,1,1,1", "c:2x4x5x5 c:6x4x3x3 6", 0, 0, NULL},
    {"pads=1,1,1,1 strides=2,2", "2x4x5x5 c:6x4x3x3 6", 0, 0, NULL},
    {"group=4 pads=1,1,1,1", "2x4x5x5 c:4x1x3x3 4", 0, 0, NULL},
};

static void test_channels(void)
{
    op_check_gradient_by("Conv", OP_CASES(channels), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_windows(void)
{
    op_check_gradient_by("Conv", OP_CASES(windows), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_groups(void)
{
    op_check_gradient_by("Conv", OP_CASES(groups), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_other_ranks(void)
{
    op_check_gradient_by("Conv", OP_CASES(ranks), conv_reference, TOLERANCE, ALGORITHMS);
}

/* The bias by work-groups, as on devices whose work-items are cheap. */
static void test_bias_by_groups(void)
{
    static const op_case rows[] = {
        {"", "1x1x1x1 1x1x1x1 1", 0, 0, NULL},       {"", "3x2x5x7 3x2x1x1 3", 0, 0, NULL},
        {"", "67x1x1x1 2x1x1x1 2", 0, 0, NULL},      {"", "c:1x1x19x31 c:1x1x1x1 1", 0, 0, NULL},
        {"", "c:5x1x17x29 c:2x1x1x1 2", 0, 0, NULL},
    };
    op_check_gradient_by("Conv", OP_CASES(rows), conv_reference, TOLERANCE, "plain");
}

static void test_partly(void)
{
    op_check_gradient_by("Conv", OP_CASES(partly), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_blocks(void)
{
    /* Three blocks of output channels at a time, several runs of input channels, images that are cut or can't be. */
    static const op_case stacks[] = {
        {"pads=1,1,1,1", "1x5x3x4 41x5x3x3", 0, 0, NULL},
        {"", "2x40x3x4 33x40x1x1", 0, 0, NULL},
        {"group=2", "1x96x2x3 96x48x1x1", 0, 0, NULL},
        {"", "1x9x15x14 17x9x1x1 17", 0, 0, NULL},
        {"", "2x3x1x211 5x3x1x1", 0, 0, NULL},
    };
    op_check_gradient_in_blocks("Conv", OP_CASES(channels), conv_reference, TOLERANCE, "tiled,winograd,gather");
    op_check_gradient_in_blocks("Conv", OP_CASES(partly), conv_reference, TOLERANCE, "tiled");
    op_check_gradient_in_blocks("Conv", OP_CASES(stacks), conv_reference, TOLERANCE, "tiled");
}

static void test_windows_in_blocks(void)
{
    op_check_gradient_in_blocks("Conv", OP_CASES(windows), conv_reference, TOLERANCE, "tiled,gather");
}

/* Those of fewer channels per group than a block has are left to row-major storage, and other ranks. */
static void test_groups_in_blocks(void)
{
    static const op_case whole[] = {
        {"group=2 pads=1,1,1,1", "1x32x4x3 32x16x3x3 32", 0, 0, NULL},
        {"group=3 strides=2,2 pads=1,1,1,1", "1x48x5x5 48x16x1x1 48", 0, 0, NULL},
    };
    op_check_gradient_in_blocks("Conv", OP_CASES(groups), conv_reference, TOLERANCE, "tiled,gather_depthwise");
    op_check_gradient_in_blocks("Conv", OP_CASES(whole), conv_reference, TOLERANCE, "tiled,gather");
    op_check_gradient_in_blocks("Conv", OP_CASES(ranks), conv_reference, TOLERANCE, "tiled");
}

void suite_conv_backward(void)
{
    static const test_entry tests[] = {
        {"any number of channels", test_channels},
        {"strides, dilations, paddings", test_windows},
        {"depthwise and grouped", test_groups},
        {"one and three spatial dimensions", test_other_ranks},
        {"the bias by work-groups", test_bias_by_groups},
        {"some inputs frozen", test_partly},
        {"blocks of channels", test_blocks},
        {"strides, dilations, paddings in blocks", test_windows_in_blocks},
        {"depthwise and grouped in blocks", test_groups_in_blocks},
    };
    TEST_SUITE("conv_backward", tests);
}
