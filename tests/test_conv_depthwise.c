/* Depthwise convolutions in blocks of channels. */
#include "conv_reference.h"
#include "test.h"

#define TOLERANCE  2e-6
#define ALGORITHMS "depthwise_blocked"

static void test_sizes(void)
{
    static const op_case cases[] = {
        {"", "1x1x1x1 c:1x1x1x1 c:1", 0, 0, NULL},
        {"group=3 pads=1,1,1,1", "2x3x5x5 c:3x1x3x3 c:3", 0, 0, NULL},
        {"group=17 pads=1,1,1,1", "2x17x7x7 c:17x1x3x3 c:17", 0, 0, NULL},
        {"group=16 pads=1,1,1,1", "1x16x14x15 c:16x1x3x3", 0, 0, NULL},
        {"group=31 pads=2,2,2,2", "1x31x9x29 c:31x1x5x5 c:31", 0, 0, NULL},
        {"group=64 pads=2,2,2,2", "2x64x3x2 c:64x1x5x5 c:64", 0, 0, NULL},
        {"group=8", "3x8x1x1 c:8x1x1x1 c:8", 0, 0, NULL},
        {"group=5 pads=1,1,1,1", "1x5x64x64 c:5x1x3x3 c:5", 0, 0, NULL},
        {"group=4 pads=4,4,4,4", "1x4x9x40 c:4x1x9x9 c:4", 0, 0, NULL},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_windows(void)
{
    static const op_case cases[] = {
        {"group=16 strides=2,2 pads=1,1,1,1", "2x16x15x14 c:16x1x3x3 c:16", 0, 0, NULL},
        {"group=17 strides=2,2 pads=2,2,2,2", "1x17x30x31 c:17x1x5x5 c:17", 0, 0, NULL},
        {"group=8 strides=2,2", "1x8x32x33 c:8x1x2x2 c:8", 0, 0, NULL},
        {"group=8 strides=3,1 pads=2,1,0,2", "1x8x13x16 c:8x1x5x3", 0, 0, NULL},
        {"group=8 strides=5,5", "1x8x21x53 c:8x1x3x3 c:8", 0, 0, NULL},
        {"group=8 strides=3,2", "1x8x9x30 c:8x1x1x3 c:8", 0, 0, NULL},
        {"group=9 dilations=2,3 pads=2,3,2,3", "2x9x11x23 c:9x1x3x3 c:9", 0, 0, NULL},
        {"group=8 dilations=4,4 pads=4,4,4,4", "1x8x3x3 c:8x1x3x3 c:8", 0, 0, NULL},
        {"group=7 pads=1,0,0,1", "1x7x3x3 c:7x1x1x1 c:7", 0, 0, NULL},
        {"group=8 auto_pad=SAME_UPPER strides=2,2", "1x8x8x7 c:8x1x4x5 c:8", 0, 0, NULL},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

/* Several outputs for a channel go another way, and must be right too. */
static void test_multiplied(void)
{
    static const op_case cases[] = {
        {"group=8 pads=1,1,1,1", "2x8x5x6 c:16x1x3x3 c:16", 0, 0, NULL},
        {"group=3", "1x3x5x6 c:9x1x3x3", 0, 0, NULL},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_odd_numbers(void)
{
    static const op_case cases[] = {
        {"group=8 pads=1,1,1,1", "1x8x6x17 c:8x1x3x3 c:8", 0, 0, "extreme"},
        {"group=9 pads=2,2,2,2", "1x9x6x7 c:9x1x5x5 c:9", 0, 0, "nan"},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

void suite_conv_depthwise(void)
{
    static const test_entry tests[] = {
        {"any number of channels, any size", test_sizes},
        {"strides, dilations, paddings", test_windows},
        {"several outputs for a channel", test_multiplied},
        {"extreme values and NaN", test_odd_numbers},
    };
    TEST_SUITE("conv_depthwise", tests);
}
