#include "conv_reference.h"
#include "test.h"

/* Products of transformed numbers lose more to rounding than the sums they stand for. */
#define TOLERANCE  5e-6
#define ALGORITHMS "winograd,winograd_fused"

static void test_channels(void)
{
    static const op_case cases[] = {
        {"pads=1,1,1,1", "2x4x5x5 c:1x4x3x3 c:1", 0, 0, NULL},
        {"pads=1,1,1,1", "1x5x6x5 c:3x5x3x3", 0, 0, NULL},
        {"pads=1,1,1,1", "1x8x4x4 c:17x8x3x3 c:17", 0, 0, NULL},
        {"pads=1,1,1,1", "1x17x7x7 c:16x17x3x3 c:16", 0, 0, NULL},
        {"pads=1,1,1,1", "2x31x9x8 c:33x31x3x3 c:33", 0, 0, NULL},
        {"pads=1,1,1,1", "1x64x13x13 c:64x64x3x3 c:64", 0, 0, NULL},
        {"pads=1,1,1,1", "1x128x5x4 c:9x128x3x3 c:9", 0, 0, NULL},
        {"pads=1,1,1,1", "2x129x5x6 c:17x129x3x3 c:17", 0, 0, NULL},
        {"pads=1,1,1,1", "1x256x6x3 c:33x256x3x3 c:33", 0, 0, NULL},
        {"pads=1,1,1,1", "1x257x3x3 c:15x257x3x3 c:15", 0, 0, NULL},
        {"pads=1,1,1,1", "3x257x7x7 c:47x257x3x3", 0, 0, NULL},
        {"pads=1,0,0,2", "2x64x9x33 c:130x64x3x3 c:130", 0, 0, NULL},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_images(void)
{
    static const op_case cases[] = {
        {"pads=1,1,1,1", "1x8x1x1 c:8x8x3x3 c:8", 0, 0, NULL},
        {"pads=1,1,1,1", "8x8x1x2 c:8x8x3x3 c:8", 0, 0, NULL},
        {"", "1x8x3x3 c:8x8x3x3 c:8", 0, 0, NULL},
        {"", "8x8x7x7 c:8x8x3x3", 0, 0, NULL},
        {"pads=2,2,2,2", "2x8x7x7 c:8x8x3x3 c:8", 0, 0, NULL},
        {"pads=1,1,1,1", "3x7x13x13 c:7x7x3x3 c:7", 0, 0, NULL},
        {"pads=1,1,1,1", "2x8x27x55 c:16x8x3x3 c:16", 0, 0, NULL},
        {"pads=1,0,0,2", "1x8x10x5 c:8x8x3x3 c:8", 0, 0, NULL},
        {"pads=0,7,9,0", "1x8x2x4 c:8x8x3x3 c:8", 0, 0, NULL},
        {"auto_pad=SAME_UPPER", "1x8x64x3 c:8x8x3x3 c:8", 0, 0, NULL},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

/* More transformed input than there is scratch memory for at once. */
static void test_many_tiles(void)
{
    static const op_case cases[] = {{"pads=1,1,1,1", "3x64x41x43 c:4x64x3x3 c:4", 0, 0, NULL}};
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

/* Transformed weights are shared by 8 and 5, by 4, by 7 groups of tiles, which are multiplied three or one at a time. */
static void test_shared_weights(void)
{
    static const op_case cases[] = {
        {"pads=1,1,1,1", "1x8x27x27 c:256x8x3x3 c:256", 0, 0, NULL},
        {"pads=1,1,1,1", "1x17x13x13 c:256x17x3x3 c:256", 0, 0, NULL},
        {"pads=1,1,1,1", "1x8x27x13 c:256x8x3x3 c:256", 0, 0, NULL},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

/* Steps and kernels of other sizes go another way, and must be right too. */
static void test_not_for_it(void)
{
    static const op_case cases[] = {
        {"pads=1,1,1,1 strides=2,1", "1x8x7x7 c:8x8x3x3 c:8", 0, 0, NULL},
        {"pads=2,2,2,2 dilations=2,2", "1x8x7x7 c:8x8x3x3 c:8", 0, 0, NULL},
        {"pads=1,1,1,1 group=2", "1x32x5x5 c:32x16x3x3 c:32", 0, 0, NULL},
        {"pads=1,0,1,0", "1x8x7x7 c:8x8x3x1 c:8", 0, 0, NULL},
        {"pads=2,2,2,2", "1x8x7x7 c:8x8x5x5 c:8", 0, 0, NULL},
        {"pads=1,1,1,1", "1x3x7x7 c:8x3x3x3 c:8", 0, 0, NULL},
    };
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

static void test_extreme_values(void)
{
    static const op_case cases[] = {{"pads=1,1,1,1", "1x8x6x7 c:8x8x3x3 c:8", 0, 0, "extreme"}};
    op_check_blocked("Conv", OP_CASES(cases), conv_reference, TOLERANCE, ALGORITHMS);
}

void suite_conv_winograd(void)
{
    static const test_entry tests[] = {
        {"any number of channels", test_channels},       {"images of many sizes and paddings", test_images},
        {"transformed piece by piece", test_many_tiles}, {"groups of tiles that share weights", test_shared_weights},
        {"what it is not for", test_not_for_it},         {"extreme values", test_extreme_values},
    };
    TEST_SUITE("conv_winograd", tests);
}
