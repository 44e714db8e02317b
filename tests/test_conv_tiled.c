#include "conv_reference.h"
#include "test.h"

#define TOLERANCE  2e-6
#define ALGORITHMS "tiled"

static void test_channels(void)
{
    static const op_case cases[] = {
        {"", "1x17x9x9 c:64x17x1x1 c:64", 0, 0, NULL},
        {"pads=1,1,1,1 strides=2,1", "2x5x19x9 c:128x5x3x3", 0, 0, NULL},
        {"", "1x1x1x1 c:1x1x1x1 c:1", 0, 0, NULL},
        {"pads=1,1,1,1", "2x1x5x5 c:3x1x3x3 c:3", 0, 0, NULL},
        {"pads=1,1,1,1", "1x3x6x5 c:17x3x3x3", 0, 0, NULL},
        {"pads=1,1,1,1", "2x17x7x7 c:1x17x3x3 c:1", 0, 0, NULL},
        {"pads=1,1,1,1", "1x31x9x8 c:33x31x3x3 c:33", 0, 0, NULL},
        {"", "3x17x1x1 c:31x17x1x1 c:31", 0, 0, NULL},
        {"", "2x64x7x7 c:17x64x1x1 c:17", 0, 0, NULL},
        {"pads=1,1,1,1", "2x64x14x14 c:64x64x3x3 c:64", 0, 0, NULL},
        {"", "1x5x64x64 c:31x5x1x1 c:31", 0, 0, NULL},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_windows(void)
{
    static const op_case cases[] = {
        {"strides=2,2", "2x16x7x7 c:33x16x1x1 c:33", 0, 0, NULL},
        {"strides=2,2 pads=1,1,1,1", "2x16x9x10 c:16x16x3x3 c:16", 0, 0, NULL},
        {"strides=1,3 pads=0,1,2,0", "1x9x8x11 c:7x9x3x2", 0, 0, NULL},
        {"strides=3,1 pads=2,2,2,2", "1x8x13x6 c:8x8x5x5 c:8", 0, 0, NULL},
        {"pads=2,2,2,2", "1x17x1x1 c:8x17x5x5 c:8", 0, 0, NULL},
        {"strides=2,2 pads=3,3,3,3", "1x8x31x33 c:16x8x7x7 c:16", 0, 0, NULL},
        {"dilations=2,3 pads=2,3,2,3", "2x8x11x13 c:9x8x3x3", 0, 0, NULL},
        {"dilations=4,4 pads=4,4,4,4", "1x8x3x3 c:8x8x3x3 c:8", 0, 0, NULL},
        {"pads=1,0,0,1", "1x7x3x3 c:7x7x1x1 c:7", 0, 0, NULL},
        {"pads=4,4,4,4", "1x5x2x2 c:4x5x3x3", 0, 0, NULL},
        {"auto_pad=SAME_UPPER strides=2,2", "1x8x8x7 c:8x8x4x3 c:8", 0, 0, NULL},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

/* Those of fewer channels per group than a block has go another way, and must be right too. */
static void test_groups(void)
{
    static const op_case cases[] = {
        {"group=2 pads=1,1,1,1", "2x32x5x6 c:32x16x3x3 c:32", 0, 0, NULL},
        {"group=2", "1x32x4x4 c:96x16x1x1 c:96", 0, 0, NULL},
        {"group=3 strides=2,2 pads=1,1,1,1", "1x48x7x7 c:24x16x3x3 c:24", 0, 0, NULL},
        {"group=4", "1x16x3x3 c:32x4x3x3 c:32", 0, 0, NULL},
        {"group=2", "1x6x5x5 c:4x3x3x3", 0, 0, NULL},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

/* An image of few channels is read row-major. */
static void test_images(void)
{
    static const op_case cases[] = {
        {"strides=2,2 pads=3,3,3,3", "1x3x31x33 c:16x3x7x7 c:16", 0, 0, NULL},
        {"strides=2,2 pads=1,1,1,1", "2x3x17x16 c:24x3x3x3 c:24", 0, 0, NULL},
        {"strides=2,2", "2x3x15x19 c:9x3x3x3", 0, 0, NULL},
        {"strides=4,4 pads=2,2,2,2", "1x3x41x37 c:8x3x11x11 c:8", 0, 0, NULL},
        {"pads=2,2,2,2", "3x1x10x9 c:6x1x5x5 c:6", 0, 0, NULL},
        {"pads=1,1,1,1 dilations=1,2", "1x4x6x29 c:17x4x3x3", 0, 0, NULL},
        {"", "1x2x3x3 c:5x2x3x3", 0, 0, NULL},
        {"pads=4,4,4,4", "1x3x2x2 c:8x3x3x3", 0, 0, NULL},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_odd_numbers(void)
{
    static const op_case cases[] = {
        {"pads=1,1,1,1", "1x8x6x7 c:8x8x3x3 c:8", 0, 0, "extreme"},
        {"pads=1,1,1,1", "1x8x6x7 c:16x8x3x3 c:16", 0, 0, "nan"},
        {"pads=1,1,1,1", "1x3x9x9 c:8x3x3x3 c:8", 0, 0, "nan"},
        {"", "2x8x9x9 c:15x8x1x1", 0, 0, "nan"},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

void suite_conv_tiled(void)
{
    static const test_entry tests[] = {
        {"any number of channels", test_channels},
        {"strides, dilations, paddings", test_windows},
        {"groups", test_groups},
        {"images of few channels", test_images},
        {"extreme values and NaN", test_odd_numbers},
    };
    TEST_SUITE("conv_tiled", tests);
}
