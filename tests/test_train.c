/* Schedules, metrics, loss, suggestions, standardisation. */
#include "op_harness.h"
#include "test.h"

#include "train/loss.h"
#include "train/metrics.h"
#include "train/schedule.h"
#include "train/standardise.h"
#include "train/suggest.h"

#include <math.h>
#include <stdlib.h>

static void schedules(void)
{
    static const struct {
        thaw_schedule_kind kind;
        size_t step, steps, warmup;
        double rate;
    } cases[] = {
        {THAW_SCHEDULE_CONSTANT, 0, 10, 0, 1.0},
        {THAW_SCHEDULE_CONSTANT, 9, 10, 0, 1.0},
        {THAW_SCHEDULE_CONSTANT, 0, 10, 4, 0.25},
        {THAW_SCHEDULE_CONSTANT, 3, 10, 4, 1.0},
        {THAW_SCHEDULE_COSINE, 0, 10, 0, 1.0},
        {THAW_SCHEDULE_COSINE, 5, 10, 0, 0.5},
        {THAW_SCHEDULE_COSINE, 9, 10, 0, 0.0244717418524232},
        {THAW_SCHEDULE_COSINE, 7, 12, 2, 0.5},
        {THAW_SCHEDULE_ONE_CYCLE, 0, 100, 0, 0.04},
        {THAW_SCHEDULE_ONE_CYCLE, 25, 100, 0, 1.0},
        {THAW_SCHEDULE_STEP, 0, 9, 0, 1.0},
        {THAW_SCHEDULE_STEP, 3, 9, 0, 0.1},
        {THAW_SCHEDULE_STEP, 8, 9, 0, 0.01},
        {THAW_SCHEDULE_COSINE, 0, 1, 5, 0.2}, /* a run shorter than its warm-up */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_DOUBLE_EQUAL(thaw_schedule_rate(cases[i].kind, cases[i].step, cases[i].steps, cases[i].warmup),
                               cases[i].rate, 1e-12);
    thaw_schedule_kind schedule;
    thaw_optimizer_kind optimizer;
    CU_ASSERT(thaw_schedule_named("one-cycle", &schedule) && schedule == THAW_SCHEDULE_ONE_CYCLE);
    CU_ASSERT(!thaw_schedule_named("cosin", &schedule));
    CU_ASSERT(thaw_optimizer_named("adamw", &optimizer) && optimizer == THAW_OPTIMIZER_ADAMW);
    CU_ASSERT(!thaw_optimizer_named("", &optimizer));
}

/* Wanted values: statsmodels' proportion_confint(method="wilson"). */
static void wilson(void)
{
    static const struct {
        size_t hits, count;
        double low, high;
    } cases[] = {
        {0, 0, 0.0, 1.0},
        {0, 10, 0.0, 0.277533},
        {10, 10, 0.722467, 1.0},
        {5, 10, 0.236593, 0.763407},
        {95, 100, 0.888250, 0.978457},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double low, high;
        thaw_wilson_interval(cases[i].hits, cases[i].count, &low, &high);
        CU_ASSERT_DOUBLE_EQUAL(low, cases[i].low, 1e-5);
        CU_ASSERT_DOUBLE_EQUAL(high, cases[i].high, 1e-5);
    }
}

static void macro_f1(void)
{
    static const int32_t truth[] = {0, 0, 0, 1, 1, 2}, predicted[] = {0, 0, 1, 1, 2, 2};
    static const size_t confusion[] = {2, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0};
    double f1, low, high;
    /* classes: F1 of 4/5, 2/4, 2/3; the fourth never occurs */
    CU_ASSERT_EQUAL(thaw_macro_f1(test_context(), truth, predicted, 6, 4, &f1, &low, &high), THAW_OK);
    CU_ASSERT_DOUBLE_EQUAL(f1, (0.8 + 0.5 + 2.0 / 3.0) / 3.0, 1e-12);
    CU_ASSERT(low < f1 && f1 < high && low >= 0.0 && high <= 1.0);
    thaw_class_score scores[4];
    thaw_class_scores(confusion, 4, scores);
    CU_ASSERT_EQUAL(scores[0].count, 3);
    CU_ASSERT_DOUBLE_EQUAL(scores[0].recall, 2.0 / 3.0, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(scores[2].precision, 0.5, 1e-12);
    CU_ASSERT(isnan(scores[3].recall) && isnan(scores[3].precision));
    CU_ASSERT_EQUAL(thaw_macro_f1(test_context(), truth, predicted, 0, 4, &f1, &low, &high), THAW_OK);
    CU_ASSERT(isnan(f1) && low == 0.0 && high == 1.0);
}

enum { ROWS = 5, CLASSES = 7 };

/* The loss of one row in double, as the formula in cl/loss.cl has it. */
static double reference_loss(const double *x, int32_t label, double smoothing)
{
    double sum = 0.0, loss = 0.0;
    for (int c = 0; c < CLASSES; c++)
        sum += exp(x[c]);
    for (int c = 0; c < CLASSES; c++)
        loss -= (smoothing / CLASSES + (c == label ? 1.0 - smoothing : 0.0)) * (x[c] - log(sum));
    return loss;
}

/* d (sum_i w_i loss_i / sum_i w_i) / d x by central differences. */
static double reference_gradient(const float *logits, int row, int c, int32_t label, double weight_share,
                                 double smoothing)
{
    const double step = 1e-5;
    double x[CLASSES];
    double ends[2];
    for (int side = 0; side < 2; side++) {
        for (int k = 0; k < CLASSES; k++)
            x[k] = logits[row * CLASSES + k];
        x[c] += side ? -step : step;
        ends[side] = reference_loss(x, label, smoothing);
    }
    return weight_share * (ends[0] - ends[1]) / (2 * step);
}

static void check_loss(double smoothing)
{
    static const int32_t labels[ROWS] = {0, 6, 3, 2, 5};
    static const float weights[ROWS] = {1.0f, 0.5f, 2.0f, 1.0f, 0.0f};
    float logits[ROWS * CLASSES], gradient[ROWS * CLASSES];
    double total = 0.0;
    for (int i = 0; i < ROWS * CLASSES; i++)
        logits[i] = (float)((i * 37 % 23) - 11) / 4.0f;
    thaw_loss *loss;
    thaw_buffer *device_logits, *device_gradient;
    CU_ASSERT_EQUAL_FATAL(thaw_loss_create(test_device(), ROWS, CLASSES, smoothing, &loss), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), sizeof logits, &device_logits), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), sizeof logits, &device_gradient), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_write(device_logits, 0, logits, sizeof logits), THAW_OK);
    for (size_t i = 0; i < ROWS; i++)
        thaw_loss_set_row(loss, i, labels[i], weights[i]);
    thaw_loss_sums sums = {0};
    CU_ASSERT_EQUAL(thaw_loss_run(loss, device_logits, device_gradient, ROWS - 1, &sums), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_read(device_gradient, 0, gradient, sizeof gradient), THAW_OK);
    size_t correct = 0;
    for (int row = 0; row < ROWS; row++) {
        double x[CLASSES];
        int best = 0;
        for (int c = 0; c < CLASSES; c++) {
            x[c] = logits[row * CLASSES + c];
            best = x[c] > x[best] ? c : best;
            CU_ASSERT_DOUBLE_EQUAL(gradient[row * CLASSES + c],
                                   reference_gradient(logits, row, c, labels[row], weights[row] / 4.5, smoothing),
                                   1e-6);
        }
        if (row < ROWS - 1) {
            total += reference_loss(x, labels[row], smoothing);
            correct += best == labels[row];
        }
    }
    CU_ASSERT_DOUBLE_EQUAL(sums.loss, total, 1e-5);
    CU_ASSERT_EQUAL(sums.correct, correct);
    CU_ASSERT_EQUAL(sums.count, ROWS - 1);
    thaw_buffer_destroy(&device_logits);
    thaw_buffer_destroy(&device_gradient);
    thaw_loss_destroy(&loss);
}

static void losses(void)
{
    check_loss(0.0);
    check_loss(0.1);
}

/* Wanted: fastai's valley and steep on the same curves (tests/record_suggestions.py). */
static void suggestions(void)
{
    static const struct {
        size_t count;
        double bottom, valley, steepest; /* the curve's lowest place, as a share of its length */
    } cases[] = {
        {100, 0.7, 0.000170735265, 5.59081018e-05}, {100, 0.5, 2.20513074e-05, 2.65608778e-05},
        {137, 0.9, 0.00443668733, 0.00387467512},   {200, 0.2, 2.12145178e-06, 1.93389175e-06},
        {20, 0.6, 1.27427499e-05, 8.8586679e-05},   {6, 0.5, NAN, NAN},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        thaw_lr_point points[200];
        thaw_lr_find_result result = {.points = points, .count = cases[k].count, .valley = NAN, .steepest = NAN};
        for (size_t i = 0; i < result.count; i++) {
            const double x = (double)i / (double)(result.count - 1) - cases[k].bottom;
            points[i].rate = 1e-7 * pow(1e8, (double)i / (double)(result.count - 1));
            points[i].smoothed = 2.0 - 1.5 * exp(-8 * x * x) + (x > 0 ? 9 * x * x : 0) + 0.01 * sin(3.0 * (double)i);
        }
        CU_ASSERT_EQUAL(thaw_suggest(test_context(), &result), THAW_OK);
        CU_ASSERT(isnan(cases[k].valley) ? isnan(result.valley) : fabs(result.valley / cases[k].valley - 1) < 1e-6);
        CU_ASSERT(isnan(cases[k].steepest) ? isnan(result.steepest)
                                           : fabs(result.steepest / cases[k].steepest - 1) < 1e-6);
    }
}

/* A layer trained on standardised features and folded gives on raw ones what it gave on standardised ones; unfolded, it
 * is what it was. */
static void standardisation(void)
{
    enum { COUNT = 9, WIDTH = 4, OUTPUTS = 3 };
    float rows[COUNT * WIDTH], raw[COUNT * WIDTH];
    bool used[COUNT];
    for (int i = 0; i < COUNT; i++) {
        used[i] = i != 4;
        for (int f = 0; f < WIDTH; f++)
            raw[i * WIDTH + f] = rows[i * WIDTH + f] =
                f == 2 ? 7.0f : (float)(i * (f + 3) % 11) * 10.0f + (float)f * 100.0f;
    }
    size_t index[COUNT];
    thaw_feature_table table = {rows, index, COUNT, COUNT, WIDTH, {1, {WIDTH}}};
    thaw_standardisation s;
    CU_ASSERT_EQUAL_FATAL(thaw_standardisation_measure(test_context(), &table, used, &s), THAW_OK);
    CU_ASSERT_EQUAL(s.inverse[2], 0.0); /* constant */
    thaw_standardisation_apply(&s, &table);
    for (int f = 0; f < WIDTH; f++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < COUNT; i++) {
            sum += used[i] ? rows[i * WIDTH + f] : 0.0;
            squares += used[i] ? (double)rows[i * WIDTH + f] * rows[i * WIDTH + f] : 0.0;
        }
        CU_ASSERT_DOUBLE_EQUAL(sum, 0.0, 1e-5);
        CU_ASSERT_DOUBLE_EQUAL(squares, f == 2 ? 0.0 : COUNT - 1, 1e-4);
    }
    float weight[OUTPUTS * WIDTH], bias[OUTPUTS] = {0.5f, -1.0f, 2.0f}, folded[OUTPUTS * WIDTH], folded_bias[OUTPUTS];
    for (int i = 0; i < OUTPUTS * WIDTH; i++)
        folded[i] = weight[i] = (float)(i * 5 % 7) - 3.0f;
    for (int k = 0; k < OUTPUTS; k++)
        folded_bias[k] = bias[k];
    thaw_standardisation_fold(&s, folded, folded_bias, OUTPUTS);
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < OUTPUTS; k++) {
            double a = bias[k], b = folded_bias[k];
            for (int f = 0; f < WIDTH; f++) {
                a += (double)weight[k * WIDTH + f] * rows[i * WIDTH + f];
                b += (double)folded[k * WIDTH + f] * raw[i * WIDTH + f];
            }
            CU_ASSERT_DOUBLE_EQUAL(a, b, 1e-4);
        }
    thaw_standardisation_unfold(&s, folded, folded_bias, OUTPUTS);
    for (int i = 0; i < OUTPUTS * WIDTH; i++)
        CU_ASSERT_DOUBLE_EQUAL(folded[i], i % WIDTH == 2 ? 0.0f : weight[i], 1e-5);
    for (int k = 0; k < OUTPUTS; k++)
        CU_ASSERT_DOUBLE_EQUAL(folded_bias[k], bias[k], 1e-4);
    thaw_standardisation_free(&s);
}

void suite_train(void)
{
    static const test_entry tests[] = {
        {"schedules", schedules},  {"Wilson's interval", wilson},    {"macro-F1", macro_f1},
        {"cross-entropy", losses}, {"suggested rates", suggestions}, {"standardised features", standardisation},
    };
    TEST_SUITE("train", tests);
}
