/* Matrix products, ours and CLBlast's, against double precision. */
#include "device/blas.h"
#include "base/random.h"
#include "device_trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PAD                 3 /* between rows */
#define OFFSET              5 /* before the first element */
#define ROOM(rows, columns) (OFFSET + (rows) * ((columns) + PAD) + PAD)
#define MOST_ROOM           ROOM(300, 513)
#define UNUSED              (-7.25f) /* around C: must be left alone */

/* A matrix in host memory, `room` elements of each; everything around its elements is NaN (A, B) or UNUSED (C). */
static float host_a[MOST_ROOM], host_b[MOST_ROOM], host_c[MOST_ROOM], got[MOST_ROOM];
static int room;
static thaw_buffer *a, *b, *c;

typedef struct product {
    bool transpose_a, transpose_b;
    int m, n, k;
    float alpha, beta;
} product;

static void make(float *matrix, float around, int rows, int columns, bool as_nan, thaw_random *random)
{
    for (int i = 0; i < room; i++)
        matrix[i] = around;
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++)
            matrix[OFFSET + row * (columns + PAD) + column] =
                as_nan ? NAN : (float)(thaw_random_uniform(random) * 4 - 2);
}

static double element(const float *matrix, int columns, bool transposed, int row, int column)
{
    return matrix[OFFSET + (transposed ? column * (columns + PAD) + row : row * (columns + PAD) + column)];
}

/* Compares element (row, column) with the sum in double; the error may be a few roundings of the magnitudes added. */
static bool element_agrees(const product *p, int row, int column)
{
    const int at = OFFSET + row * (p->n + PAD) + column;
    double sum = 0, magnitude = 0;
    for (int i = 0; i < p->k; i++) {
        const double term = element(host_a, p->transpose_a ? p->m : p->k, p->transpose_a, row, i) *
                            element(host_b, p->transpose_b ? p->k : p->n, p->transpose_b, i, column);
        sum += term;
        magnitude += fabs(term);
    }
    const double old = p->beta == 0 ? 0 : p->beta * (double)host_c[at];
    return fabs(got[at] - (p->alpha * sum + old)) <= 2e-6 * (fabs(p->alpha * magnitude) + fabs(old)) + 1e-30;
}

static bool agrees(const product *p)
{
    for (int i = 0; i < room; i++) {
        const int row = (i - OFFSET) / (p->n + PAD), column = (i - OFFSET) % (p->n + PAD);
        const bool inside = i >= OFFSET && row < p->m && column < p->n;
        if (inside ? !element_agrees(p, row, column) : got[i] != UNUSED)
            return false;
    }
    return true;
}

static bool check(const product *p, thaw_random *random)
{
    const int a_columns = p->transpose_a ? p->m : p->k, b_columns = p->transpose_b ? p->k : p->n;
    make(host_a, NAN, p->transpose_a ? p->k : p->m, a_columns, false, random);
    make(host_b, NAN, p->transpose_b ? p->n : p->k, b_columns, false, random);
    make(host_c, UNUSED, p->m, p->n, p->beta == 0, random); /* beta 0 never reads C */
    const thaw_gemm gemm = {
        p->transpose_a,  p->transpose_b,  p->m,      p->n, p->k, p->alpha, p->beta, a, b, c, OFFSET, OFFSET, OFFSET,
        a_columns + PAD, b_columns + PAD, p->n + PAD};
    CU_ASSERT_EQUAL(thaw_buffer_write(a, 0, host_a, (size_t)room * sizeof(float)), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_write(b, 0, host_b, (size_t)room * sizeof(float)), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_write(c, 0, host_c, (size_t)room * sizeof(float)), THAW_OK);
    CU_ASSERT_EQUAL(thaw_gemm_run(test_device(), &gemm), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_read(c, 0, got, (size_t)room * sizeof(float)), THAW_OK);
    if (agrees(p))
        return true;
    CU_FAIL("a product is wrong");
    printf("  %d x %d x %d, transposed %d %d, alpha %g, beta %g\n", p->m, p->n, p->k, p->transpose_a, p->transpose_b,
           (double)p->alpha, (double)p->beta);
    return false;
}

/* All of m, n, k from `sizes`, all four transpositions, alpha and beta in turn, until one is wrong. */
static void check_all(const char *algorithm, const int *sizes, int size_count)
{
    static const float scales[][2] = {{1, 0}, {1, 1}, {-0.5f, 0}, {2, -0.25f}, {0, 2}};
    thaw_random random = {1};
    int turn = 0;
    bool right = true;
    environment_set("THAW_ALGORITHM", algorithm);
    for (int i = 0; i < size_count * size_count * size_count * 4 && right; i++) {
        const float *scale = scales[turn++ % 5];
        const product p = {i & 1,
                           i & 2,
                           sizes[i / 4 % size_count],
                           sizes[i / 4 / size_count % size_count],
                           sizes[i / 4 / size_count / size_count],
                           scale[0],
                           scale[1]};
        right = check(&p, &random);
    }
    environment_restore();
}

static void create_buffers(size_t bytes)
{
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), bytes, &a), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), bytes, &b), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), bytes, &c), THAW_OK);
}

static void destroy_buffers(void)
{
    thaw_buffer_destroy(&a);
    thaw_buffer_destroy(&b);
    thaw_buffer_destroy(&c);
}

static void create_room(int elements)
{
    room = elements;
    create_buffers((size_t)room * sizeof(float));
}

static void check_sizes(const char *algorithm)
{
    static const int sizes[] = {1, 7, 15, 16, 17, 31, 33, 64, 100}, tiny_sizes[] = {1, 7, 9};
    create_room(ROOM(100, 100));
    if (test_tiny())
        check_all(algorithm, tiny_sizes, 3);
    else
        check_all(algorithm, sizes, 9);
    destroy_buffers();
}

static void plain_products_agree(void)
{
    check_sizes("plain");
}

static void packed_products_agree(void)
{
    check_sizes("packed");
}

static void products_of_rows_agree(void)
{
    check_sizes("dot");
}

/* On a device where CLBlast does not run this is our kernel again. */
static void clblast_products_agree(void)
{
    static const int sizes[] = {1, 17, 33, 64}, tiny_sizes[] = {1, 7};
    create_room(ROOM(64, 64));
    if (test_tiny())
        check_all("clblast", tiny_sizes, 2);
    else
        check_all("clblast", sizes, 4);
    destroy_buffers();
}

/* More than one block along each dimension, and the choice that Thaw makes itself. */
static void large_products_agree(void)
{
    static const char *const algorithms[] = {NULL, "plain", "packed", "dot"};
    static const product products[] = {
        {false, false, 127, 255, 129, 1, 0},   {true, true, 300, 513, 257, -0.5f, 2}, {false, true, 33, 17, 2100, 1, 1},
        {true, false, 17, 33, 2100, 0.25f, 0}, {false, false, 4100, 9, 5, 1, -1},     {true, true, 9, 4100, 5, 1, 0},
        {false, false, 130, 40, 1100, 1, 0},   {true, true, 60, 70, 1100, 1, 0.5f},
    };
    thaw_random random = {2};
    if (test_tiny())
        return;
    create_room(MOST_ROOM);
    for (int i = 0; i < 4; i++) {
        environment_set("THAW_ALGORITHM", algorithms[i]);
        for (size_t j = 0; j < sizeof products / sizeof *products; j++)
            CU_ASSERT(check(&products[j], &random));
        environment_restore();
    }
    destroy_buffers();
}

/* Tiles for every width of vectors, on a device that may have another. */
static void products_agree_for_every_width(void)
{
    static const char *const widths[] = {"4", "8", "16"};
    static const product products[] = {
        {false, true, 31, 100, 33, 1, 0}, {true, false, 33, 31, 100, 2, 1}, {false, false, 100, 47, 150, 1, 0}};
    thaw_random random = {3};
    create_room(ROOM(150, 150));
    for (int i = 0; i < 6; i++) {
        environment_set("THAW_ALGORITHM", i < 3 ? "packed" : "dot");
        environment_set("THAW_LAYOUT", widths[i % 3]);
        for (int j = 0; j < (test_tiny() ? 1 : 3); j++)
            CU_ASSERT(check(&products[j], &random));
        environment_restore();
    }
    destroy_buffers();
}

static void empty_products_scale_or_do_nothing(void)
{
    static const char *const algorithms[] = {"plain", "packed", "dot", "clblast"};
    const float before[6] = {1, 2, 3, 4, 5, 6}, undefined[6] = {NAN, NAN, NAN, NAN, NAN, NAN};
    create_room(ROOM(9, 9));
    for (int i = 0; i < 4; i++) {
        environment_set("THAW_ALGORITHM", algorithms[i]);
        thaw_gemm gemm = {.m = 2, .n = 3, .k = 0, .alpha = 1, .beta = 2, .c = c, .c_stride = 3};
        CU_ASSERT_EQUAL(thaw_buffer_write(c, 0, before, sizeof before), THAW_OK);
        CU_ASSERT_EQUAL(thaw_gemm_run(test_device(), &gemm), THAW_OK);
        CU_ASSERT_EQUAL(thaw_buffer_read(c, 0, got, sizeof before), THAW_OK);
        for (int e = 0; e < 6; e++)
            CU_ASSERT_EQUAL(got[e], 2 * before[e]);
        gemm.beta = 0;
        CU_ASSERT_EQUAL(thaw_buffer_write(c, 0, undefined, sizeof undefined), THAW_OK);
        CU_ASSERT_EQUAL(thaw_gemm_run(test_device(), &gemm), THAW_OK);
        CU_ASSERT_EQUAL(thaw_buffer_read(c, 0, got, sizeof before), THAW_OK);
        for (int e = 0; e < 6; e++)
            CU_ASSERT_EQUAL(got[e], 0);
        gemm = (thaw_gemm){.m = 0, .n = 3, .k = 4, .alpha = 1};
        CU_ASSERT_EQUAL(thaw_gemm_run(test_device(), &gemm), THAW_OK);
        gemm = (thaw_gemm){.m = 3, .n = 0, .k = 4, .alpha = 1};
        CU_ASSERT_EQUAL(thaw_gemm_run(test_device(), &gemm), THAW_OK);
        environment_restore();
    }
    destroy_buffers();
}

/* NaN in an operand comes out where it belongs, and nowhere else. The buffers end with the matrices: where the device
 * checks (Oclgrind), nothing outside is touched. */
static void not_a_number_stays_visible(void)
{
    static const char *const algorithms[] = {"plain", "packed", "dot", "clblast"};
    float ones[81];
    create_buffers(sizeof ones);
    for (int i = 0; i < 4; i++) {
        environment_set("THAW_ALGORITHM", algorithms[i]);
        for (int e = 0; e < 81; e++)
            ones[e] = 1;
        const thaw_gemm gemm = {
            .m = 9, .n = 9, .k = 9, .alpha = 1, .a = a, .b = b, .c = c, .a_stride = 9, .b_stride = 9, .c_stride = 9};
        CU_ASSERT_EQUAL(thaw_buffer_write(b, 0, ones, sizeof ones), THAW_OK);
        ones[8 * 9 + 3] = NAN;
        CU_ASSERT_EQUAL(thaw_buffer_write(a, 0, ones, sizeof ones), THAW_OK);
        CU_ASSERT_EQUAL(thaw_gemm_run(test_device(), &gemm), THAW_OK);
        CU_ASSERT_EQUAL(thaw_buffer_read(c, 0, got, sizeof ones), THAW_OK);
        for (int e = 0; e < 81; e++)
            CU_ASSERT(e / 9 == 8 ? isnan(got[e]) : got[e] == 9);
        environment_restore();
    }
    destroy_buffers();
}

static void products_outside_their_buffers_are_refused(void)
{
    static const thaw_gemm fitting = {.m = 3, .n = 4, .k = 5, .alpha = 1, .a_stride = 5, .b_stride = 4, .c_stride = 4};
    create_buffers(20 * sizeof(float)); /* what B takes */
    thaw_gemm row = fitting;
    for (int i = 0; i < 8; i++) {
        row = fitting;
        row.a = a, row.b = i == 6 ? NULL : b, row.c = c;
        row.a_offset = i == 0 ? 6 : i == 1 ? -1 : 0;
        row.b_offset = i == 2 ? 1 : i == 3 ? INT64_MAX : 0;
        row.c_stride = i == 4 ? 9 : i == 5 ? 3 : 4;
        row.a_stride = i == 7 ? INT64_MAX : 5;
        CU_ASSERT_EQUAL(thaw_gemm_run(test_device(), &row), THAW_ERR_SIZE);
    }
    CU_ASSERT_EQUAL(thaw_buffer_fill(a, 0, 0, 20 * sizeof(float)), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_fill(b, 0, 0, 20 * sizeof(float)), THAW_OK);
    row = fitting;
    row.a = a, row.b = b, row.c = c;
    row.a_offset = 5, row.c_offset = 8;
    CU_ASSERT_EQUAL(thaw_gemm_run(test_device(), &row), THAW_OK);
    destroy_buffers();
}

static const test_entry tests[] = {
    {"plain products agree", plain_products_agree},
    {"packed products agree", packed_products_agree},
    {"products of rows agree", products_of_rows_agree},
    {"products agree for every width", products_agree_for_every_width},
    {"large products agree", large_products_agree},
    {"CLBlast's products agree", clblast_products_agree},
    {"empty products scale or do nothing", empty_products_scale_or_do_nothing},
    {"products outside their buffers are refused", products_outside_their_buffers_are_refused},
    {"NaN stays visible", not_a_number_stays_visible},
};

void suite_blas(void)
{
    TEST_SUITE("blas", tests);
}
