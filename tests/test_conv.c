#include "conv_reference.h"
#include "test.h"

#include <string.h>

#define TOLERANCE  2e-6
#define ALGORITHMS "depthwise,pointwise,im2col,direct,plain"

static void test_sizes(void)
{
    static const op_case cases[] = {
        {"", "1x1x1x1 c:1x1x1x1 c:1", 0, 0, NULL},
        {"pads=1,1,1,1", "2x7x7x7 c:15x7x3x3 c:15", 0, 0, NULL},
        {"pads=1,1,1,1", "1x16x5x15 c:17x16x3x3", 0, 0, NULL},
        {"", "2x17x9x9 c:16x17x3x3 c:16", 0, 0, NULL},
        {"pads=2,2,2,2", "1x31x6x7 c:33x31x5x5 c:33", 0, 0, NULL},
        {"pads=1,1,1,1 strides=2,2", "1x33x17x15 c:31x33x3x3 c:31", 0, 0, NULL},
        {"pads=1,1,1,1", "1x64x8x8 c:64x64x3x3 c:64", 0, 0, NULL},
        {"pads=3,3,3,3 strides=2,2 kernel_shape=7,7", "1x3x31x33 c:16x3x7x7 c:16", 0, 0, NULL},
        {"", "1x3x4x4 6x3x2x2 6", 0, 0, NULL},
    };
    op_check("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_pointwise(void)
{
    static const op_case cases[] = {
        {"kernel_shape=1,1", "1x1x1x1 c:7x1x1x1", 0, 0, NULL}, {"", "3x7x5x3 c:1x7x1x1 c:1", 0, 0, NULL},
        {"", "2x16x7x7 c:64x16x1x1 c:64", 0, 0, NULL},         {"", "1x33x1x1 c:31x33x1x1 c:31", 0, 0, NULL},
        {"dilations=3,2", "2x15x4x4 c:17x15x1x1", 0, 0, NULL}, {"strides=2,2", "2x16x7x7 c:33x16x1x1 c:33", 0, 0, NULL},
        {"pads=1,0,0,1", "1x7x3x3 c:7x7x1x1 c:7", 0, 0, NULL}, {"group=2", "1x8x3x3 c:6x4x1x1 c:6", 0, 0, NULL},
    };
    op_check("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_depthwise_and_groups(void)
{
    static const op_case cases[] = {
        {"group=7 pads=1,1,1,1", "2x7x9x7 c:7x1x3x3 c:7", 0, 0, NULL},
        {"group=16 pads=1,1,1,1 strides=2,2", "1x16x9x8 c:16x1x3x3 c:16", 0, 0, NULL},
        {"group=15 pads=0,0,1,1 strides=2,2", "1x15x8x8 c:15x1x3x3", 0, 0, NULL},
        {"group=5 pads=2,2,2,2", "2x5x6x6 c:15x1x5x5 c:15", 0, 0, NULL},
        {"group=3 dilations=2,3 pads=2,3,2,3", "1x3x9x10 c:6x1x3x3 c:6", 0, 0, NULL},
        {"group=4 pads=3,3,3,3", "1x4x2x2 c:4x1x3x3", 0, 0, NULL},
        {"group=3", "2x9x5x6 c:6x3x2x3 c:6", 0, 0, NULL},
        {"group=2 pads=1,1,1,1 strides=1,2", "1x34x5x5 c:62x17x3x3 c:62", 0, 0, NULL},
        {"group=2 pads=1,1", "2x2x9 c:4x1x3 c:4", 0, 0, NULL},
        {"group=2", "1x2x3x4x5 c:2x1x2x2x2 c:2", 0, 0, NULL},
    };
    op_check("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_windows(void)
{
    static const op_case cases[] = {
        {"auto_pad=SAME_UPPER", "1x3x6x5 c:4x3x2x4", 0, 0, NULL},
        {"auto_pad=SAME_LOWER", "1x3x6x5 c:4x3x2x4", 0, 0, NULL},
        {"auto_pad=SAME_UPPER strides=2,3", "1x3x8x8 c:4x3x3x3 c:4", 0, 0, NULL},
        {"auto_pad=SAME_LOWER strides=2,3 dilations=2,1", "2x3x8x7 c:4x3x3x2", 0, 0, NULL},
        {"auto_pad=SAME_UPPER strides=3,3", "1x2x7x7 c:2x2x1x1", 0, 0, NULL},
        {"auto_pad=VALID pads=1,1,1,1", "1x3x6x5 c:4x3x3x3", 0, 0, NULL},
        {"pads=1,0,2,3", "1x2x5x4 c:3x2x3x3 c:3", 0, 0, NULL},
        {"pads=0,2,0,0 strides=2,1", "1x2x7x5 c:3x2x2x4", 0, 0, NULL},
        {"dilations=2,3", "1x2x9x11 c:3x2x3x3 c:3", 0, 0, NULL},
        {"dilations=3,1 strides=2,2 pads=3,1,2,1", "2x3x9x8 c:5x3x3x4 c:5", 0, 0, NULL},
        {"", "1x2x3x3 c:5x2x3x3 c:5", 0, 0, NULL},
        {"pads=4,4,4,4", "1x1x1x1 c:1x1x3x3", 0, 0, NULL},
    };
    op_check("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_other_ranks(void)
{
    static const op_case cases[] = {
        {"", "2x3x10 c:5x3x3 c:5", 0, 0, NULL},
        {"pads=1,2 strides=2, dilations=2,", "1x4x15 c:7x4x4", 0, 0, NULL},
        {"auto_pad=SAME_LOWER", "1x2x7 c:3x2x4", 0, 0, NULL},
        {"", "2x3x31 c:4x3x1 c:4", 0, 0, NULL},
        {"", "1x2x4x5x6 c:3x2x2x3x4 c:3", 0, 0, NULL},
        {"strides=2,1,3 pads=1,0,2,0,1,1 dilations=1,2,1", "2x2x5x6x7 c:3x2x3x2x3", 0, 0, NULL},
        {"", "1x3x2x2x2 c:4x3x1x1x1 c:4", 0, 0, NULL},
    };
    op_check("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_hard_values(void)
{
    static const op_case cases[] = {
        {"pads=1,1,1,1", "1x3x9x9 c:5x3x3x3 c:5", 0, 0, "extreme"},
        {"pads=1,1,1,1", "1x3x9x9 c:5x3x3x3 c:5", 0, 0, "nan"},
        {"", "2x7x9x9 c:15x7x1x1", 0, 0, "nan"},
        {"group=7 pads=1,1,1,1", "1x7x9x9 c:7x1x3x3 c:7", 0, 0, "nan"},
        {"group=7 pads=1,1,1,1", "1x7x9x9 c:7x1x3x3 c:7", 0, 0, "extreme"},
    };
    op_check("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

/* More columns than fit the scratch memory at once: 16 MiB / (64 * 9 * 90 * 4 bytes) is 80 of 90 rows. */
static void test_many_pixels(void)
{
    static const op_case cases[] = {{"pads=1,1,1,1", "1x64x90x90 c:1x64x3x3 c:1", 0, 0, NULL}};
    op_check("Conv", OP_CASES(cases), conv_reference, TOLERANCE, "im2col");
}

static void test_refused(void)
{
    static const op_case shapes[] = {
        {"", "1x3x5x5 c:4x2x3x3", 0, 0, NULL},
        {"", "1x3x5x5 c:4x3x3", 0, 0, NULL},
        {"", "3x5 c:4x3", 0, 0, NULL},
        {"", "1x3x2x2x2x2 c:4x3x1x1x1x1", 0, 0, NULL},
        {"", "1x3x2x5 c:4x3x3x3", 0, 0, NULL},
        {"dilations=2,2", "1x3x4x4 c:4x3x3x3", 0, 0, NULL},
        {"dilations=2147483647,1", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"", "0x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"", "1x3x5x0 c:4x3x3x3", 0, 0, NULL},
        {"", "1x3x5x5 c:4x3x3x3 c:3", 0, 0, NULL},
        {"", "1x3x5x5 c:4x3x3x3 c:4x1", 0, 0, NULL},
        {"group=2", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"group=2", "1x4x5x5 c:3x2x3x3", 0, 0, NULL},
        {"kernel_shape=3,2", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"strides=1,", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"pads=1,1", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
    };
    static const op_case sizes[] = {
        {"group=0", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"group=-3", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"strides=0,1", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"dilations=1,-1", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"pads=-1,0,0,0", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"pads=2147483647,0,0,0", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"pads=65536,65536,0,0", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"strides=9223372036854775807,1", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
    };
    static const op_case files[] = {
        {"auto_pad=SOME", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"", "1x3x5x5", 0, 0, NULL},
        {"", "1x3x5x5 -", 0, 0, NULL},
        {"", "1x3x5x5 c:4x3x3x3 c:4 c:4", 0, 0, NULL},
    };
    static const op_case unsupported[] = {
        {"padding=1", "1x3x5x5 c:4x3x3x3", 0, 0, NULL},
        {"", "1x3x5x5 i:1,2,3", 0, 0, NULL},
    };
    op_check_refused("Conv", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Conv", OP_CASES(sizes), THAW_ERR_SIZE);
    op_check_refused("Conv", OP_CASES(files), THAW_ERR_MODEL);
    op_check_refused("Conv", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
}

void suite_conv(void)
{
    static const test_entry tests[] = {
        {"channels, images and kernels of many sizes", test_sizes},
        {"1x1 kernels", test_pointwise},
        {"depthwise and grouped", test_depthwise_and_groups},
        {"strides, dilations, paddings", test_windows},
        {"one and three spatial dimensions", test_other_ranks},
        {"extreme values and NaN", test_hard_values},
        {"columns in several pieces", test_many_pixels},
        {"what does not fit is refused", test_refused},
    };
    TEST_SUITE("conv", tests);
}
