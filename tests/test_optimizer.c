/* Update rules against torch.optim, clipping, accumulation, moving averages. */
#include "op_harness.h"
#include "test.h"

#include "train/average.h"
#include "train/optimizer.h"

#include <math.h>
#include <string.h>

#include "recorded_optimizers.h"

enum { PARAMETERS = 2 };
static const int64_t sizes[PARAMETERS] = {6, 3}; /* a weight and a bias */

/* Parameters without a program: values with buffers. */
typedef struct subject {
    thaw_value values[PARAMETERS];
    thaw_parameter items[PARAMETERS];
    thaw_parameters parameters;
} subject;

static void write(thaw_buffer *buffer, const float *numbers, int64_t count)
{
    CU_ASSERT_EQUAL(thaw_buffer_write(buffer, 0, numbers, (size_t)count * sizeof *numbers), THAW_OK);
}

static void open_subject(subject *s, double factor)
{
    *s = (subject){.parameters = {s->items, PARAMETERS}};
    for (int i = 0; i < PARAMETERS; i++) {
        float start[6];
        for (int k = 0; k < 6; k++)
            start[k] = 0.5f - 0.25f * (float)k;
        const size_t bytes = (size_t)sizes[i] * sizeof(float);
        CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), bytes, &s->values[i].buffer), THAW_OK);
        CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), bytes, &s->values[i].gradient), THAW_OK);
        write(s->values[i].buffer, start, sizes[i]);
        s->items[i] = (thaw_parameter){.value = &s->values[i],
                                       .count = sizes[i],
                                       .trainable = true,
                                       .decays = i == 0,
                                       .rate_factor = i == 0 ? factor : 1.0};
    }
}

static void close_subject(subject *s)
{
    for (int i = 0; i < PARAMETERS; i++) {
        thaw_buffer_destroy(&s->values[i].buffer);
        thaw_buffer_destroy(&s->values[i].gradient);
    }
}

static void set_gradients(subject *s, const float *gradient, float factor)
{
    float scaled[RECORDED_WIDTH];
    for (int i = 0; i < RECORDED_WIDTH; i++)
        scaled[i] = gradient[i] * factor;
    write(s->values[0].gradient, scaled, sizes[0]);
    write(s->values[1].gradient, scaled + sizes[0], sizes[1]);
}

static void read_weights(const subject *s, float weights[RECORDED_WIDTH])
{
    CU_ASSERT_EQUAL(thaw_buffer_read(s->values[0].buffer, 0, weights, 6 * sizeof(float)), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_read(s->values[1].buffer, 0, weights + 6, 3 * sizeof(float)), THAW_OK);
}

static thaw_optimizer *open_rule(const subject *s, size_t row, bool accumulates)
{
    thaw_optimizer *optimizer;
    const thaw_optimizer_options options = {.kind = recorded_runs[row].kind,
                                            .momentum = recorded_runs[row].momentum,
                                            .nesterov = recorded_runs[row].nesterov,
                                            .weight_decay = recorded_runs[row].decay,
                                            .clip_norm = recorded_runs[row].clip,
                                            .accumulates = accumulates};
    CU_ASSERT_EQUAL_FATAL(thaw_optimizer_create(test_device(), &s->parameters, &options, &optimizer), THAW_OK);
    return optimizer;
}

static void compare(const subject *s, size_t row)
{
    float weights[RECORDED_WIDTH];
    read_weights(s, weights);
    for (int i = 0; i < RECORDED_WIDTH; i++)
        CU_ASSERT_DOUBLE_EQUAL(weights[i], recorded_runs[row].wanted[i], 4e-7 * (1 + fabs((double)weights[i])));
}

static void recorded(void)
{
    for (size_t row = 0; row < sizeof recorded_runs / sizeof recorded_runs[0]; row++) {
        subject s;
        open_subject(&s, recorded_runs[row].factor);
        thaw_optimizer *optimizer = open_rule(&s, row, false);
        for (int step = 0; step < RECORDED_STEPS; step++) {
            set_gradients(&s, recorded_gradients[step], 1);
            CU_ASSERT_EQUAL(thaw_optimizer_step(optimizer, recorded_rate), THAW_OK);
        }
        compare(&s, row);
        CU_ASSERT_EQUAL(thaw_optimizer_steps(optimizer), RECORDED_STEPS);
        thaw_optimizer_destroy(&optimizer);
        close_subject(&s);
    }
}

/* Two batches of weights 3 and 1 whose weighted mean is the gradient make the step that one batch would. */
static void accumulation(void)
{
    for (size_t row = 0; row < sizeof recorded_runs / sizeof recorded_runs[0]; row++) {
        subject s;
        open_subject(&s, recorded_runs[row].factor);
        thaw_optimizer *optimizer = open_rule(&s, row, true);
        for (int step = 0; step < RECORDED_STEPS; step++) {
            set_gradients(&s, recorded_gradients[step], 1.25f);
            CU_ASSERT_EQUAL(thaw_optimizer_add(optimizer, 3), THAW_OK);
            set_gradients(&s, recorded_gradients[step], 0.25f);
            CU_ASSERT_EQUAL(thaw_optimizer_add(optimizer, 1), THAW_OK);
            CU_ASSERT_EQUAL(thaw_optimizer_step(optimizer, recorded_rate), THAW_OK);
        }
        compare(&s, row);
        thaw_optimizer_destroy(&optimizer);
        close_subject(&s);
    }
}

/* Many numbers are scaled to the norm asked for, in every bit the same twice. */
static void clipping(void)
{
    enum { COUNT = 100003 };
    static float gradient[COUNT], moved[2][COUNT];
    double squares = 0;
    const int64_t count = test_tiny() ? 1003 : COUNT;
    const size_t bytes = (size_t)count * sizeof(float);
    for (int64_t i = 0; i < count; i++) {
        gradient[i] = (float)((i * 7919 % 1000) - 500) / 500.0f;
        squares += (double)gradient[i] * gradient[i];
    }
    for (int i = 0; i < 2; i++) {
        thaw_value value = {0};
        thaw_parameter item = {.value = &value, .count = count, .trainable = true, .rate_factor = 1};
        const thaw_parameters parameters = {&item, 1};
        const thaw_optimizer_options options = {.kind = THAW_OPTIMIZER_SGD, .clip_norm = 2};
        thaw_optimizer *optimizer;
        CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), bytes, &value.buffer), THAW_OK);
        CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), bytes, &value.gradient), THAW_OK);
        CU_ASSERT_EQUAL(thaw_buffer_fill(value.buffer, 0, 0, bytes), THAW_OK);
        write(value.gradient, gradient, count);
        CU_ASSERT_EQUAL_FATAL(thaw_optimizer_create(test_device(), &parameters, &options, &optimizer), THAW_OK);
        CU_ASSERT_EQUAL(thaw_optimizer_step(optimizer, 1), THAW_OK);
        CU_ASSERT_EQUAL(thaw_buffer_read(value.buffer, 0, moved[i], bytes), THAW_OK);
        thaw_optimizer_destroy(&optimizer);
        thaw_buffer_destroy(&value.buffer);
        thaw_buffer_destroy(&value.gradient);
    }
    for (int64_t i = 0; i < count; i++)
        CU_ASSERT_DOUBLE_EQUAL(moved[0][i], -2 * gradient[i] / sqrt(squares), 1e-6);
    CU_ASSERT(memcmp(moved[0], moved[1], bytes) == 0);
}

static void average(void)
{
    subject s;
    thaw_average *average;
    float weights[RECORDED_WIDTH], moved[6];
    open_subject(&s, 1);
    CU_ASSERT_EQUAL_FATAL(thaw_average_create(test_device(), &s.parameters, 0.5, &average), THAW_OK);
    read_weights(&s, weights);
    double expected[6];
    for (int i = 0; i < 6; i++)
        expected[i] = weights[i];
    for (uint64_t t = 1; t <= 20; t++) {
        for (int i = 0; i < 6; i++) {
            const double early = (1.0 + (double)t) / (10.0 + (double)t), decay = early < 0.5 ? early : 0.5;
            moved[i] = (float)(i + (int)t);
            expected[i] = decay * expected[i] + (1 - decay) * moved[i];
        }
        write(s.values[0].buffer, moved, 6);
        CU_ASSERT_EQUAL(thaw_average_update(average, t), THAW_OK);
    }
    CU_ASSERT_EQUAL(thaw_average_exchange(average), THAW_OK);
    read_weights(&s, weights);
    for (int i = 0; i < 6; i++)
        CU_ASSERT_DOUBLE_EQUAL(weights[i], expected[i], 1e-5 * (1 + fabs(expected[i])));
    CU_ASSERT_EQUAL(thaw_average_exchange(average), THAW_OK);
    read_weights(&s, weights);
    CU_ASSERT(memcmp(weights, moved, sizeof moved) == 0);
    thaw_average_destroy(&average);
    close_subject(&s);
}

void suite_optimizer(void)
{
    static const test_entry tests[] = {{"as torch.optim", recorded},
                                       {"accumulation", accumulation},
                                       {"clipping", clipping},
                                       {"moving average", average}};
    TEST_SUITE("optimizer", tests);
}
