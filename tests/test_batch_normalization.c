#include "op_trial.h"
#include "test.h"

#include <math.h>

#define GROUPS "plain" /* what devices do whose work-items are cheap */

enum { X, SCALE, SHIFT, MEAN, VARIANCE };

struct extent {
    int64_t n, channels, inner;
};

static struct extent extent_of(const thaw_node *node)
{
    const thaw_shape *x = &node->inputs[X]->shape;
    return (struct extent){x->dims[0], x->dims[1], thaw_shape_span(x, 2, x->rank)};
}

/* The batch's mean and population variance of one channel. */
static void moments(const double *x, struct extent extent, int64_t channel, double *mean, double *variance)
{
    const double count = (double)(extent.n * extent.inner);
    *mean = *variance = 0;
    for (int64_t n = 0; n < extent.n; n++)
        for (int64_t i = 0; i < extent.inner; i++)
            *mean += x[(n * extent.channels + channel) * extent.inner + i] / count;
    for (int64_t n = 0; n < extent.n; n++)
        for (int64_t i = 0; i < extent.inner; i++) {
            const double off = x[(n * extent.channels + channel) * extent.inner + i] - *mean;
            *variance += off * off / count;
        }
}

static void reference(const thaw_node *node, const double *const *inputs, double *const *outputs)
{
    const struct extent extent = extent_of(node);
    const double epsilon = (double)thaw_node_float(node, "epsilon", 1e-5f);
    const double momentum = (double)thaw_node_float(node, "momentum", 0.9f);
    for (int64_t channel = 0; channel < extent.channels; channel++) {
        double mean = inputs[MEAN][channel], variance = inputs[VARIANCE][channel];
        if (thaw_node_int(node, "training_mode", 0) || (node->graph->training && node->inputs[MEAN]->updated)) {
            moments(inputs[X], extent, channel, &mean, &variance);
            if (node->output_count > 1)
                outputs[1][channel] = inputs[MEAN][channel] * momentum + mean * (1 - momentum);
            if (node->output_count > 2)
                outputs[2][channel] = inputs[VARIANCE][channel] * momentum + variance * (1 - momentum);
        }
        for (int64_t n = 0; n < extent.n; n++)
            for (int64_t i = 0; i < extent.inner; i++) {
                const int64_t at = (n * extent.channels + channel) * extent.inner + i;
                outputs[0][at] =
                    (inputs[X][at] - mean) / sqrt(variance + epsilon) * inputs[SCALE][channel] + inputs[SHIFT][channel];
            }
    }
}

static void test_inference(void)
{
    static const op_case cases[] = {
        {"", "1x1x1x1 c:1 c:1 c:1 c:1", 0, 0, "positive"},
        {"", "2x7x5x3 c:7 c:7 c:7 c:7", 0, 0, "positive"},
        {"", "2x17x23x31 c:17 c:17 c:17 c:17", 0, 0, "positive"},
        {"", "2x17x5x3 17 c:17 c:17 c:17", 0, 0, "positive"},
        {"epsilon=0.01 momentum=0.5", "3x16x7 c:16 c:16 c:16 c:16", 9, 0, "positive"},
        {"epsilon=0.001", "17x33 c:33 c:33 c:33 c:33", 15, 0, "positive"},
        {"", "1x15x2x3x4 15 15 15 15", 14, 0, "positive"},
        {"spatial=1", "2x31x4x4 c:31 c:31 c:31 c:31", 7, 0, "positive"},
        {"is_test=1", "2x3x4 c:3 c:3 c:3 c:3", 6, 0, "positive"},
        {"training_mode=0", "2x64x2x2 c:64 c:64 c:64 c:64", 15, 0, "positive"},
        {"", "1x2x1x1x2 c:2 c:2 f:0,0 f:1e-30,1e30", 0, 0, "nan"},
        {"", "2x2x4x4 c:2 c:2 f:0,0 f:1,2", 0, 0, "nan"},
        {"", "2x2x4x4 c:2 c:2 f:1,-1 f:1,2", 0, 0, "extreme"},
        {"", "0x3x4 c:3 c:3 c:3 c:3", 0, 0, "positive"},
    };
    op_check("BatchNormalization", OP_CASES(cases), reference, 2e-6, GROUPS);
    op_check_amid_blocks("BatchNormalization", OP_CASES(cases), reference, 2e-6);
}

static void test_training(void)
{
    static const op_case cases[] = {
        {"training_mode=1", "2x3x4x5 c:3 c:3 c:3 c:3", 15, 3, NULL},
        {"training_mode=1 epsilon=0.01 momentum=0.25", "3x7x31 7 7 7 7", 14, 3, NULL},
        {"training_mode=1", "33x16 c:16 c:16 c:16 c:16", 15, 2, NULL},
        {"training_mode=1", "2x17x15x7 c:17 c:17 c:17 c:17", 15, 1, NULL},
        {"training_mode=1", "1x1x3 1 1 c:1 c:1", 15, 3, NULL},
        {"training_mode=1", "5x1 1 1 c:1 c:1", 15, 3, NULL},
        {"training_mode=1", "1x2x31x36 2 2 c:2 c:2", 15, 3, NULL},
        {"training_mode=1", "2x2x33x47 2 2 c:2 c:2", 15, 3, "wide"},
        {"training_mode=1", "7x1x37x11x4 1 1 c:1 c:1", 15, 3, NULL},
        {"training_mode=1", "1x1x17x31 1 1 c:1 c:1", 15, 3, NULL},
        {"training_mode=1", "601x3 3 3 c:3 c:3", 15, 3, NULL},
        {"training_mode=1", "3x5x1033 5 5 c:5 c:5", 15, 3, "positive"},
        {"training_mode=1", "2x67x32x32 67 67 c:67 c:67", 15, 3, NULL},
    };
    op_check("BatchNormalization", OP_CASES(cases), reference, 5e-6, GROUPS);
}

/* With statistics that stay, of parameters that do or do not; with the batch's, by the file's wish or in training. */
static void test_gradient(void)
{
    static const op_case cases[] = {
        {"", "1x1x1x1 1 1 c:1 c:1", 0, 0, "positive"},
        {"", "2x7x5x3 c:7 c:7 c:7 c:7", 0, 0, "positive"},
        {"", "2x17x3x5 17 17 c:17 c:17", 0, 0, "positive"},
        {"", "2x3x3x5 3 c:3 c:3 c:3", 0, 0, "positive"},
        {"", "2x3x3x5 c:3 3 c:3 c:3", 0, 0, "positive"},
        {"", "c:2x3x3x5 3 3 c:3 c:3", 0, 0, "positive"},
        {"epsilon=0.01", "33x4 4 4 c:4 c:4", 15, 0, "positive"},
        {"", "0x3x4 3 3 c:3 c:3", 0, 0, "positive"},
        {"training_mode=1", "2x3x4x5 3 3 c:3 c:3", 15, 3, "positive"},
        {"", "2x3x4x5 3 3 u:3 u:3", 15, 0, "positive"},
        {"", "3x17x1x3 17 17 u:17 u:17", 0, 0, "positive"},
        {"epsilon=0.01", "7x5x3 c:5 c:5 u:5 u:5", 9, 0, "positive"},
        {"", "33x4 4 4 u:4 u:4", 14, 0, "wide"},
        {"", "c:2x3x4x5 3 3 u:3 u:3", 15, 0, "positive"},
    };
    static const op_case blocks[] = {
        {"", "2x7x5x3 c:7 c:7 c:7 c:7", 0, 0, "positive"},
        {"", "2x17x3x5 17 17 c:17 c:17", 0, 0, "positive"},
        {"", "2x3x3x5 3 c:3 c:3 c:3", 0, 0, "positive"},
        {"", "2x3x4x5 3 3 u:3 u:3", 0, 0, "positive"},
        {"", "3x17x1x3 17 17 u:17 u:17", 0, 0, "positive"},
        {"epsilon=0.01", "2x16x3x3 c:16 c:16 u:16 u:16", 0, 0, "wide"},
        {"", "1x1x31x33 1 1 u:1 u:1", 0, 0, NULL},
    };
    static const op_case groups[] = {
        {"", "1x1x33x16 1 1 u:1 u:1", 0, 0, NULL},     {"", "1x1x17x31 1 1 u:1 u:1", 0, 0, NULL},
        {"", "1x1x37x31 1 1 u:1 u:1", 0, 0, NULL},     {"", "3x2x17x20 2 2 u:2 u:2", 0, 0, NULL},
        {"", "5x3x7x7 3 3 c:3 c:3", 0, 0, "positive"},
    };
    op_check_gradient("BatchNormalization", OP_CASES(cases), reference, 2e-5);
    op_check_gradient_by("BatchNormalization", OP_CASES(cases), reference, 2e-5, GROUPS);
    op_check_gradient_by("BatchNormalization", OP_CASES(groups), reference, 5e-5, GROUPS);
    op_check_gradient_blocked("BatchNormalization", OP_CASES(blocks), reference, 2e-5);
}

/* What a step of training leaves in one of the running statistics, buffer `index`. */
static void check_running(const op_trial *trial, size_t index, double momentum)
{
    const thaw_node *node = trial->subject.node;
    const struct extent extent = extent_of(node);
    const double count = (double)(extent.n * extent.inner);
    float running[64];
    test_must(thaw_buffer_read(trial_node(trial)->inputs[index]->buffer, 0, running,
                               (size_t)extent.channels * sizeof *running));
    for (int64_t channel = 0; channel < extent.channels; channel++) {
        double mean, variance;
        moments(trial->inputs[X], extent, channel, &mean, &variance);
        const double batch = index == MEAN ? mean : variance * count / (count - 1);
        const double wanted = trial->inputs[index][channel] * momentum + batch * (1 - momentum);
        CU_ASSERT_DOUBLE_EQUAL((double)running[channel], wanted, 1e-5 * fabs(wanted) + 1e-6);
    }
}

/* Row-major, the same by work-groups, in blocks. */
static const op_trial storages[] = {
    {.type = "BatchNormalization"},
    {.type = "BatchNormalization", .algorithm = GROUPS},
    {.type = "BatchNormalization", .layout = 4, .pooled = true},
};

#define STORAGES (sizeof storages / sizeof *storages)

/* A step moves them as in PyTorch (by the unbiased variance), and leaves them alone where it is none. */
static void test_running(void)
{
    static const op_case row = {"momentum=0.75", "3x17x5x7 c:17 c:17 u:17 u:17", 15, 0, "positive"};
    for (size_t i = 0; i < STORAGES; i++)
        for (int training = 0; training < 2; training++) {
            op_trial trial = storages[i];
            trial.row = &row;
            thaw_tensor *results[OP_MOST_OUTPUTS] = {0};
            if (trial_begin(&trial, 1, true)) {
                trial.subject.graph->training = trial.program->graph->training = training;
                trial_forward(&trial, results);
                check_running(&trial, MEAN, training ? 0.75 : 1);
                check_running(&trial, VARIANCE, training ? 0.75 : 1);
                trial_reference(&trial, reference, trial.wanted);
                trial_compare(&trial, "output", 0, &trial.subject.node->outputs[0]->shape, results[0], trial.wanted[0],
                              1e-5);
            }
            thaw_tensor_release(&results[0]);
            trial_end(&trial);
        }
}

/* A mean far from 0 must not take the variance's digits. */
static void test_offset(void)
{
    static const op_case row = {"", "2x4x23x29 c:4 c:4 u:4 u:4", 15, 0, NULL};
    for (size_t i = 0; i < STORAGES; i++) {
        op_trial trial = storages[i];
        trial.row = &row;
        thaw_tensor *results[OP_MOST_OUTPUTS] = {0};
        if (trial_begin(&trial, 1, true)) {
            for (int64_t j = 0; j < trial.subject.tensors[X]->count; j++) {
                thaw_tensor_set(trial.subject.tensors[X], j, trial.inputs[X][j] + 1000);
                trial.inputs[X][j] = thaw_tensor_get(trial.subject.tensors[X], j);
            }
            trial_forward(&trial, results);
            trial_reference(&trial, reference, trial.wanted);
            trial_compare(&trial, "output", 0, &trial.subject.node->outputs[0]->shape, results[0], trial.wanted[0],
                          1e-3);
        }
        thaw_tensor_release(&results[0]);
        trial_end(&trial);
    }
}

static void test_refused(void)
{
    static const op_case shapes[] = {
        {"", "4 c:4 c:4 c:4 c:4", 0, 0, NULL},
        {"", "2x3x4 c:4 c:3 c:3 c:3", 0, 0, NULL},
        {"", "2x3x4 c:3 c:3 c:3 c:1", 0, 0, NULL},
        {"", "2x3x4 c:3x1 c:3 c:3 c:3", 0, 0, NULL},
        {"training_mode=1", "0x3x4 c:3 c:3 c:3 c:3", 15, 3, NULL},
    };
    static const op_case unsupported[] = {
        {"spatial=0", "2x3x4 c:3 c:3 c:3 c:3", 7, 0, NULL}, {"is_test=0", "2x3x4 c:3 c:3 c:3 c:3", 6, 0, NULL},
        {"", "2x3x4 c:3 c:3 c:3 c:3", 9, 5, NULL},          {"", "2x3x4 c:3 c:3 c:3 c:3", 15, 3, NULL},
        {"spatial=1", "2x3x4 c:3 c:3 c:3 c:3", 9, 0, NULL}, {"training_mode=1", "2x3x4 c:3 c:3 c:3 c:3", 13, 3, NULL},
    };
    static const op_case files[] = {
        {"", "2x3x4 c:3 c:3 c:3", 0, 0, NULL},
        {"", "2x3x4 c:3 - c:3 c:3", 0, 0, NULL},
        {"", "2x3x4 c:3 c:3 c:3 c:3", 15, 4, NULL},
    };
    op_check_refused("BatchNormalization", OP_CASES(shapes), THAW_ERR_SHAPE);
    op_check_refused("BatchNormalization", OP_CASES(unsupported), THAW_ERR_UNSUPPORTED);
    op_check_refused("BatchNormalization", OP_CASES(files), THAW_ERR_MODEL);
}

void suite_batch_normalization(void)
{
    static const test_entry tests[] = {
        {"with given statistics", test_inference},
        {"with the batch's statistics", test_training},
        {"gradients", test_gradient},
        {"running statistics", test_running},
        {"a mean far from 0", test_offset},
        {"what does not fit is refused", test_refused},
    };
    TEST_SUITE("batch_normalization", tests);
}
