/* Losses, gradients and steps of torchvision's models against PyTorch: see tests/record_gradients.py, which made the
 * files in tests/gradients/. */
#include "device_trial.h"
#include "onnx_subject.h"
#include "op_harness.h"
#include "test.h"

#include "base/file.h"
#include "base/random.h"
#include "model/model.h"
#include "train/loss.h"
#include "train/optimizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As tests/record_gradients.py has them. */
enum { BATCH = 4, SIZE = 64, CLASSES = 10, STEPS = 20, SIGNS = 8, PIXELS = BATCH * 3 * SIZE * SIZE };
enum { SEED_WEIGHTS = 1, SEED_SIGNS = 3 };
static const double small = 1e-4; /* of the norm of all gradients: what is below is measured by that */
static const struct subject {
    const char *name;
    uint64_t seed;   /* of the images: no activation lies so near to a kink that rounding decides on its side */
    double bias;     /* the middle of the biases */
    double rates[2]; /* of SGD and AdamW: small enough for steps that rounding does not lead elsewhere */
    double bound; /* of the losses' errors; DenseNet's is wider: PyTorch's own float32 is 1.3e-3 off (AdamW, frozen) */
} subjects[] = {{"resnet18", 13, 0.0, {1e-4, 1e-5}, 1e-3},
                {"squeezenet1_1", 13, 0.0, {1e-4, 1e-5}, 1e-3},
                {"mobilenet_v2", 9, 1.0, {3e-6, 3e-6}, 1e-3},
                {"efficientnet_b0", 1, 0.0, {1e-4, 1e-5}, 1e-3},
                {"densenet121", 11, 2.5, {1e-6, 1e-5}, 3e-3}};

/* --- the model ---------------------------------------------------------------------------------------------------- */

static float between(thaw_random *random, double low, double high)
{
    return (float)(low + (high - low) * thaw_random_uniform(random));
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* Weights with the variance 2 / fan-in; scales of norms around 1, biases around `bias`. */
static void fill(const onnx_tensor *message, float *data, size_t count, double bias, thaw_random *random)
{
    double low = 0.0, high = 0.0;
    if (message->n_dims > 1) {
        high = sqrt(6.0 / ((double)count / (double)message->dims[0]));
        low = -high;
    } else if (ends_with(message->name, ".weight")) {
        low = 0.5;
        high = 1.5;
    } else if (ends_with(message->name, ".bias")) {
        low = bias - 0.1;
        high = bias + 0.1;
    }
    const bool drawn = low < high;
    for (size_t i = 0; i < count; i++)
        data[i] = drawn ? between(random, low, high) : ends_with(message->name, "var") ? 1.0f : 0.0f;
}

/* The structure in the file, with data for the initialisers that have none. */
static thaw_model *load(const struct subject *subject)
{
    char path[512];
    uint8_t *bytes;
    size_t size;
    thaw_random random = {SEED_WEIGHTS};
    thaw_model *model;
    snprintf(path, sizeof path, "%s/tests/gradients/%s.onnx", THAW_SOURCE_DIR, subject->name);
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), path, 1 << 20, &bytes, &size), THAW_OK);
    onnx_model *file = onnx__model_proto__unpack(NULL, size, bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    free(bytes);
    for (size_t i = 0; i < file->graph->n_initializer; i++) {
        onnx_tensor *message = file->graph->initializer[i];
        size_t count = 1;
        for (size_t d = 0; d < message->n_dims; d++)
            count *= (size_t)message->dims[d];
        if (message->has_raw_data)
            continue;
        message->has_raw_data = 1;
        message->raw_data = (ProtobufCBinaryData){count * sizeof(float), malloc(count * sizeof(float))};
        CU_ASSERT_PTR_NOT_NULL_FATAL(message->raw_data.data);
        fill(message, (float *)message->raw_data.data, count, subject->bias, &random);
    }
    size = onnx__model_proto__get_packed_size(file);
    bytes = malloc(size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    onnx__model_proto__pack(file, bytes);
    onnx__model_proto__free_unpacked(file, NULL);
    CU_ASSERT_EQUAL_FATAL(subject_load_bytes(bytes, size, &model), THAW_OK);
    free(bytes);
    return model;
}

/* Every parameter is trained; running statistics are moved or not. */
static void freeze(thaw_model *model, bool updated)
{
    thaw_freeze_options options = thaw_freeze_defaults();
    options.until = "none";
    options.update_batch_norm = true;
    CU_ASSERT_EQUAL_FATAL(thaw_model_freeze(model, &options, SIZE, SIZE), THAW_OK);
    for (size_t i = 0; i < model->graph->value_count && !updated; i++)
        model->graph->values[i]->updated = false;
}

/* --- a program, its loss and its gradients ------------------------------------------------------------------------ */

typedef struct run {
    thaw_program *program;
    thaw_parameters parameters;
    thaw_loss *loss;
} run;

static run open_run(const thaw_model *model, uint64_t seed)
{
    run r = {0};
    static float pixels[PIXELS];
    thaw_random random = {seed};
    const thaw_program_options options = {.batch = BATCH, .height = SIZE, .width = SIZE, .differentiable = true};
    const thaw_rate_options rates = {SIZE, SIZE, 1.0, 1.0};
    CU_ASSERT_EQUAL_FATAL(thaw_program_create(model->graph, test_device(), &options, &r.program), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_parameters_find(model, r.program, &rates, &r.parameters), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_loss_create(test_device(), BATCH, CLASSES, 0.0, &r.loss), THAW_OK);
    for (int i = 0; i < PIXELS; i++)
        pixels[i] = between(&random, -1.5, 1.5);
    thaw_tensor *images;
    const thaw_shape shape = {4, {BATCH, 3, SIZE, SIZE}};
    CU_ASSERT_EQUAL_FATAL(thaw_tensor_borrow(test_context(), THAW_FLOAT32, &shape, pixels, &images), THAW_OK);
    CU_ASSERT_EQUAL(thaw_program_write(r.program, 0, images), THAW_OK);
    thaw_tensor_release(&images);
    return r;
}

static void close_run(run *r)
{
    thaw_loss_destroy(&r->loss);
    thaw_parameters_free(&r->parameters);
    thaw_program_destroy(&r->program);
}

/* Forward, loss, backward. The mean loss. */
static double pass(run *r)
{
    const thaw_value *logits = r->program->graph->outputs[0];
    thaw_loss_sums sums = {0};
    r->program->graph->training = true;
    r->program->graph->step++;
    for (int32_t i = 0; i < BATCH; i++)
        thaw_loss_set_row(r->loss, (size_t)i, i % CLASSES, 1.0f);
    CU_ASSERT_EQUAL_FATAL(thaw_program_forward(r->program), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_loss_run(r->loss, logits->buffer, logits->gradient, BATCH, &sums), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_program_backward(r->program), THAW_OK);
    return sums.loss / BATCH;
}

static float *read_floats(thaw_buffer *buffer, int64_t count)
{
    float *numbers = malloc((size_t)count * sizeof *numbers);
    CU_ASSERT_PTR_NOT_NULL_FATAL(numbers);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_read(buffer, 0, numbers, (size_t)count * sizeof *numbers), THAW_OK);
    return numbers;
}

/* The running statistics, as the pass has left them, become the model's. */
static void keep_statistics(const run *r)
{
    for (size_t i = 0; i < r->parameters.count; i++) {
        const thaw_parameter *p = &r->parameters.items[i];
        if (p->trainable)
            continue;
        thaw_tensor *kept;
        CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(test_context(), THAW_FLOAT32, &p->value->shape, &kept), THAW_OK);
        CU_ASSERT_EQUAL_FATAL(thaw_buffer_read(p->value->buffer, 0, kept->data, kept->bytes), THAW_OK);
        thaw_tensor_release(&p->source->constant);
        p->source->constant = kept;
    }
}

/* --- against the records ------------------------------------------------------------------------------------------ */

/* With random signs s, the mean of (s . e)^2 is |e|^2: so far is the gradient from the recorded one, estimated from the
 * sums of both with the same signs. */
static double distance(const float *gradient, int64_t count, const float *recorded)
{
    thaw_random random = {SEED_SIGNS};
    double sums[SIGNS] = {0}, squares = 0.0;
    for (int64_t i = 0; i < count; i++) {
        const uint64_t bits = thaw_random_next(&random);
        for (int k = 0; k < SIGNS; k++)
            sums[k] += (bits >> k) & 1 ? -(double)gradient[i] : (double)gradient[i];
    }
    for (int k = 0; k < SIGNS; k++)
        squares += (sums[k] - recorded[1 + k]) * (sums[k] - recorded[1 + k]);
    return sqrt(squares / SIGNS);
}

/* recorded is [parameters][1 + SIGNS]. */
static void check_gradients(const run *r, const char *label, const float *recorded, size_t parameters)
{
    size_t count = 0, near = 0, close = 0;
    double worst = 0.0, squares = 0.0;
    const char *worst_name = "";
    for (size_t i = 0; i < parameters; i++)
        squares += (double)recorded[i * (1 + SIGNS)] * recorded[i * (1 + SIGNS)];
    for (size_t i = 0; i < r->parameters.count && count < parameters; i++) {
        const thaw_parameter *p = &r->parameters.items[i];
        if (!p->trainable)
            continue;
        const float *wanted = recorded + count++ * (1 + SIGNS);
        float *gradient = read_floats(p->value->gradient, p->count);
        const double error = distance(gradient, p->count, wanted) / fmax(wanted[0], small * sqrt(squares));
        free(gradient);
        near += error < 1e-3;
        close += error < 1e-4;
        if (!(error <= worst)) {
            worst = error;
            worst_name = p->source->name;
        }
    }
    printf("\n  %s: %zu gradients, %zu within 1e-4, %zu within 1e-3, the farthest by %.1e (%s)", label, count, close,
           near, worst, worst_name);
    CU_ASSERT_EQUAL(count, parameters);
    CU_ASSERT(worst < 1e-3);
    CU_ASSERT(close * 2 > count);
}

/* Steps from the model's own weights; recorded is [STEPS]. */
static void check_steps(const thaw_model *model, uint64_t seed, bool sgd, double rate, double bound,
                        const float *recorded)
{
    run r = open_run(model, seed);
    thaw_optimizer *optimizer;
    double farthest = 0.0;
    const thaw_optimizer_options options = {
        .kind = sgd ? THAW_OPTIMIZER_SGD : THAW_OPTIMIZER_ADAMW, .momentum = 0.9, .weight_decay = 0.01};
    CU_ASSERT_EQUAL_FATAL(thaw_optimizer_create(test_device(), &r.parameters, &options, &optimizer), THAW_OK);
    for (int step = 0; step < STEPS; step++) {
        const double difference = fabs(pass(&r) - recorded[step]);
        farthest = difference <= farthest ? farthest : difference;
        CU_ASSERT_EQUAL_FATAL(thaw_optimizer_step(optimizer, rate), THAW_OK);
    }
    printf("; losses of %s within %.1e", sgd ? "SGD" : "AdamW", farthest);
    CU_ASSERT(farthest < bound);
    thaw_optimizer_destroy(&optimizer);
    close_run(&r);
}

static thaw_tensor *read_record(const char *name, const char *what)
{
    char path[512];
    thaw_tensor *tensor;
    snprintf(path, sizeof path, "%s/tests/gradients/%s.%s.npy", THAW_SOURCE_DIR, name, what);
    CU_ASSERT_EQUAL_FATAL(thaw_npy_read(test_context(), path, &tensor), THAW_OK);
    return tensor;
}

/* With the batch's statistics and then with those kept; without batch norms once. */
static void check_model(const struct subject *s, bool with_steps)
{
    char label[64];
    thaw_model *model = load(s);
    thaw_tensor *gradients = read_record(s->name, "gradients"), *losses = read_record(s->name, "losses");
    const int64_t modes = losses->shape.dims[0], parameters = gradients->shape.dims[1];
    for (int64_t mode = 0; mode < modes; mode++) {
        const bool updated = mode + 1 < modes;
        const float *curves = (const float *)losses->data + mode * 2 * STEPS;
        freeze(model, updated);
        run r = open_run(model, s->seed);
        CU_ASSERT_DOUBLE_EQUAL(pass(&r), curves[0], 1e-5 * (1.0 + curves[0]));
        snprintf(label, sizeof label, "%s, %s", s->name, updated ? "statistics of the batch" : "frozen statistics");
        check_gradients(&r, label, (const float *)gradients->data + mode * parameters * (1 + SIGNS),
                        (size_t)parameters);
        for (int i = 0; i < 2 && with_steps; i++)
            check_steps(model, s->seed, i == 0, s->rates[i], s->bound, curves + (ptrdiff_t)i * STEPS);
        keep_statistics(&r);
        close_run(&r);
    }
    thaw_tensor_release(&gradients);
    thaw_tensor_release(&losses);
    thaw_model_close(&model);
}

/* In the storage that the device likes, and, the gradients alone, row-major. */
static void in_both_layouts(const struct subject *subject)
{
    check_model(subject, true);
    environment_set("THAW_LAYOUT", "1");
    check_model(subject, false);
    environment_restore();
}

static void resnet18(void)
{
    in_both_layouts(&subjects[0]);
}

static void squeezenet1_1(void)
{
    in_both_layouts(&subjects[1]);
}

static void mobilenet_v2(void)
{
    in_both_layouts(&subjects[2]);
}

static void efficientnet_b0(void)
{
    in_both_layouts(&subjects[3]);
}

static void densenet121(void)
{
    in_both_layouts(&subjects[4]);
}

void suite_gradients(void)
{
    static const test_entry tests[] = {{"resnet18 as PyTorch", resnet18},
                                       {"squeezenet1_1 as PyTorch", squeezenet1_1},
                                       {"mobilenet_v2 as PyTorch", mobilenet_v2},
                                       {"efficientnet_b0 as PyTorch", efficientnet_b0},
                                       {"densenet121 as PyTorch", densenet121}};
    TEST_SUITE("gradients", tests);
}
