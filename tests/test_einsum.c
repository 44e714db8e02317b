#include "op_movement.h"
#include "test.h"

#include <string.h>

enum { LABELS = 128 };

/* The terms of an equation as lists of letters; "..." of `extra` dimensions are the letters 1, 2, .. */
static const char *read_term(const char *at, int extra, char *letters)
{
    for (; *at && *at != ',' && *at != '-'; at++) {
        if (*at == '.') {
            for (int i = extra; i > 0; i--)
                *letters++ = (char)i;
            at += 2;
        } else if (*at != ' ') {
            *letters++ = *at;
        }
    }
    *letters = 0;
    return *at == ',' ? at + 1 : *at ? at + 2 : at;
}

static int64_t place_of(const thaw_shape *shape, const char *letters, const int64_t places[LABELS])
{
    int64_t own[THAW_MAX_RANK];
    for (int32_t d = 0; d < shape->rank; d++)
        own[d] = places[(int)letters[d]];
    return op_ravel(shape, own);
}

/* Over every place of every letter. The equations of the table all say what comes out. */
static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const bool product = node->input_count == 2;
    const thaw_shape *shapes[] = {&node->inputs[0]->shape, product ? &node->inputs[1]->shape : NULL,
                                  &node->outputs[0]->shape};
    const char *at = thaw_node_string(node, "equation", ""), *dots = strstr(at, "...");
    char terms[3][32] = {{0}};
    int64_t extent[LABELS] = {0}, places[LABELS] = {0}, total = 1;
    const int extra = dots ? shapes[0]->rank - 2 : 0; /* as in the table */
    at = read_term(at, extra, terms[0]);
    if (product)
        at = read_term(at, extra, terms[1]);
    read_term(at, extra, terms[2]);
    for (int t = 0; t < (product ? 2 : 1); t++)
        for (int32_t d = 0; d < shapes[t]->rank; d++)
            extent[(int)terms[t][d]] = shapes[t]->dims[d];
    for (int label = 0; label < LABELS; label++)
        total *= extent[label] ? extent[label] : 1;
    memset(outputs[0], 0, (size_t)thaw_shape_size(shapes[2]) * sizeof(double));
    if (thaw_shape_size(shapes[2]) == 0)
        return;
    for (int64_t i = 0; i < total; i++) {
        int64_t rest = i;
        for (int label = 0; label < LABELS; label++)
            if (extent[label]) {
                places[label] = rest % extent[label];
                rest /= extent[label];
            }
        outputs[0][place_of(shapes[2], terms[2], places)] +=
            inputs[0][place_of(shapes[0], terms[0], places)] *
            (product ? inputs[1][place_of(shapes[1], terms[1], places)] : 1);
    }
}

static const op_case cases[] = {
    {"equation=ij,jk->ik", "7x15 15x3", 0, 0, NULL},
    {"equation=bij,bjk->bik", "2x7x5 2x5x17", 0, 0, NULL},
    {"equation=bhid,bhjd->bhij", "2x3x7x5 2x3x9x5", 0, 0, NULL},
    {"equation=bhij,bhjd->bihd", "2x3x7x9 2x3x9x5", 0, 0, NULL},
    {"equation=ij,kj->ki", "7x15 3x15", 0, 0, NULL},
    {"equation=bij,jk->kbi", "2x7x5 5x3", 0, 0, NULL},
    {"equation=i,j->ij", "7 16", 0, 0, NULL},
    {"equation=dbhi,jhbd->hdjib", "5x2x3x7 4x3x2x5", 0, 0, NULL}, /* several batch axes, all turned */
    {"equation=abcd,bdef->efac", "2x3x4x5 3x5x2x7", 0, 0, NULL},  /* two are summed over */
    {"equation=biij,bjk->bki", "2x4x4x3 2x3x5", 0, 0, NULL},      /* a diagonal */
    {"equation=i,i->", "33 33", 0, 0, NULL},
    {"equation=ij,ij->ij", "3x7 3x7", 0, 0, NULL},
    {"equation=...ij,...jk->...ik", "2x3x4x5 2x3x5x7", 0, 0, NULL},
    {"equation=ijk->kij", "2x3x5", 0, 0, NULL},
    {"equation=ii->i", "7x7", 0, 0, NULL},
    {"equation=ij,jk->ik", "c:7x15 15x3", 0, 0, NULL},
    {"equation=ij,jk->ik", "0x5 5x3", 0, 0, NULL},
};

static void test_forward(void)
{
    static const op_case large[] = {{"equation=bij,bjk->bik", "2x31x33 2x33x65", 0, 0, NULL}};
    op_check("Einsum", OP_CASES(cases), reference, 1e-6, NULL);
    op_check("Einsum", OP_CASES(large), reference, 1e-6, NULL);
}

static void test_gradient(void)
{
    op_check_gradient("Einsum", OP_CASES(cases), reference, 1e-4);
}

/* Without "->": letters that come once, by the alphabet. */
static void test_implied(void)
{
    static const op_case row = {"equation=bj,ab", "5x3 2x5", 0, 0, NULL};
    op_subject subject;
    CU_ASSERT_EQUAL_FATAL(op_subject_build("Einsum", &row, 1, &subject), THAW_OK);
    CU_ASSERT_EQUAL(subject.node->op->infer(subject.node), THAW_OK);
    CU_ASSERT_EQUAL(subject.node->outputs[0]->shape.rank, 2);
    CU_ASSERT_EQUAL(subject.node->outputs[0]->shape.dims[0], 2);
    CU_ASSERT_EQUAL(subject.node->outputs[0]->shape.dims[1], 3);
    op_subject_free(&subject);
}

static void test_refused(void)
{
    static const op_case models[] = {
        {"equation=ij,jk->il", "7x15 15x3", 0, 0, NULL},  {"equation=ij->ji", "7x15 15x3", 0, 0, NULL},
        {"equation=ijk,jk->ik", "7x15 15x3", 0, 0, NULL}, {"equation=ij,jk->ikk", "7x15 15x3", 0, 0, NULL},
        {"equation=i1->i", "7x15", 0, 0, NULL},           {"", "7x15", 0, 0, NULL}};
    static const op_case shapes[] = {{"equation=ij,jk->ik", "7x15 14x3", 0, 0, NULL}};
    static const op_case unsupported[] = {{"equation=ij->i", "7x15", 0, 0, NULL},
                                          {"equation=ij,jk->k", "7x15 15x3", 0, 0, NULL},
                                          {"equation=i,i,i->i", "7 7 7", 0, 0, NULL}};
    op_check_refused("Einsum", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("Einsum", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("Einsum", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
}

void suite_einsum(void)
{
    static const test_entry tests[] = {{"forward", test_forward},
                                       {"gradients", test_gradient},
                                       {"implied results", test_implied},
                                       {"refused", test_refused}};
    TEST_SUITE("einsum", tests);
}
