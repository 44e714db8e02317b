#include "op_harness.h"
#include "test.h"

#include <math.h>
#include <string.h>

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const thaw_shape *x = &node->inputs[0]->shape;
    const int64_t outer = x->dims[0], classes = x->dims[1], inner = thaw_shape_span(x, 2, x->rank);
    const char *reduction = thaw_node_string(node, "reduction", "mean");
    double total = 0, shares = 0;
    for (int64_t i = 0; i < outer * inner; i++) {
        const double *scores = inputs[0] + i / inner * classes * inner + i % inner;
        const int64_t label = (int64_t)inputs[1][i];
        const bool ignored = thaw_node_has(node, "ignore_index") && label == thaw_node_int(node, "ignore_index", 0);
        double sum = 0;
        for (int64_t c = 0; c < classes; c++)
            sum += exp(scores[c * inner]);
        for (int64_t c = 0; c < classes && node->output_count > 1; c++)
            outputs[1][scores - inputs[0] + c * inner] = scores[c * inner] - log(sum);
        const double weight = ignored ? 0 : node->input_count > 2 ? inputs[2][label] : 1;
        const double loss = ignored ? 0 : -weight * (scores[label * inner] - log(sum));
        total += loss;
        shares += weight;
        if (strcmp(reduction, "none") == 0)
            outputs[0][i] = loss;
    }
    if (strcmp(reduction, "none") != 0)
        outputs[0][0] = strcmp(reduction, "mean") == 0 ? total / shares : total;
}

static void test_forward(void)
{
    static const op_case cases[] = {
        {"", "3x7 i:0,6,2", 0, 0, NULL},
        {"reduction=sum", "3x7 i:0,6,2 c:7", 0, 0, "positive"},
        {"reduction=none", "2x5x3 i:0,1,2,4,3,0@2x3", 0, 2, NULL},
        {"ignore_index=-1", "2x5x3 i:0,1,-1,4,3,-1@2x3 c:5", 0, 2, "positive"},
        {"ignore_index=2 reduction=mean", "4x3 i:0,2,1,2", 0, 0, "wide"},
    };
    op_check("SoftmaxCrossEntropyLoss", OP_CASES(cases), reference, 2e-6, NULL);
}

static void test_refused(void)
{
    static const op_case models[] = {
        {"", "2x3 i:0,3", 0, 0, NULL}, {"", "2x3 i:0,-1", 0, 0, NULL}, {"reduction=most", "2x3 i:0,1", 0, 0, NULL}};
    static const op_case shapes[] = {{"", "2x3 i:0,1,2", 0, 0, NULL}, {"", "2x3 i:0,1 c:2", 0, 0, NULL}};
    static const op_case unsupported[] = {{"", "2x3 2", 0, 0, NULL}};
    op_check_refused("SoftmaxCrossEntropyLoss", OP_CASES(models), THAW_ERR_MODEL);
    op_check_refused("SoftmaxCrossEntropyLoss", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("SoftmaxCrossEntropyLoss", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
}

void suite_cross_entropy(void)
{
    static const test_entry tests[] = {{"forward", test_forward}, {"refused", test_refused}};
    TEST_SUITE("cross_entropy", tests);
}
