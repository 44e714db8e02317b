/* Training deeper than the head, on multilayer perceptrons: what is trained and what is not, the ways to the cut,
 * accumulation, averages, checkpoints. */
#include "device_trial.h"
#include "onnx_subject.h"
#include "op_harness.h"
#include "pictures.h"
#include "test.h"

#include "base/random.h"
#include "model/freeze.h"
#include "model/model.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUTS = 3 * PICTURE_SIZE * PICTURE_SIZE, WIDE = 16, NARROW = 8, OLD_CLASSES = 5 };

static void layer(onnx_subject *subject, const char *name, const char *input, const char *output, int64_t in,
                  int64_t out, thaw_random *random)
{
    char weight[32], bias[32], inputs[96];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    snprintf(inputs, sizeof inputs, "%s,%s,%s", input, weight, bias);
    onnx_tensor *w =
        subject_initializer(subject, subject_text(subject, weight), THAW_FLOAT32, (thaw_shape){2, {out, in}});
    subject_initializer(subject, subject_text(subject, bias), THAW_FLOAT32, (thaw_shape){1, {out}});
    for (int64_t i = 0; i < in * out; i++)
        ((float *)w->raw_data.data)[i] = (float)((thaw_random_uniform(random) - 0.5) * 2 / sqrt((double)in));
    subject_attribute(subject, subject_node(subject, "Gemm", name, inputs, output), "transB", 1);
}

/* Whether half of what `first` makes is dropped, in training. */
static bool with_dropout;

/* image -> Flatten -> first -> second -> third (the old classifier). The batch is computed as exporters do it: the
 * Flatten is a Reshape to [Shape(image)[0], -1], so that the cut must not contain the shape. */
static thaw_model *make_model(void)
{
    onnx_subject subject = {0};
    thaw_model *model;
    thaw_random random = {11};
    subject_open(&subject);
    subject_input(&subject, "image", (thaw_shape){4, {-1, 3, PICTURE_SIZE, PICTURE_SIZE}});
    const int64_t numbers[] = {0, -1};
    for (int i = 0; i < 2; i++) {
        onnx_tensor *tensor = subject_initializer(&subject, i ? "rest" : "zero", THAW_INT64, (thaw_shape){1, {1}});
        memcpy(tensor->raw_data.data, &numbers[i], sizeof numbers[i]);
    }
    subject_node(&subject, "Shape", "shape", "image", "dims");
    subject_attribute(&subject, subject_node(&subject, "Gather", "gather", "dims,zero", "n"), "axis", 0);
    subject_attribute(&subject, subject_node(&subject, "Concat", "concat", "n,rest", "target"), "axis", 0);
    subject_node(&subject, "Reshape", "flatten", "image,target", "flat");
    layer(&subject, "first", "flat", "a", INPUTS, WIDE, &random);
    if (with_dropout)
        subject_node(&subject, "Dropout", "dropout", "a", "dropped"); /* without a ratio: 0.5 */
    layer(&subject, "second", with_dropout ? "dropped" : "a", "b", WIDE, NARROW, &random);
    layer(&subject, "third", "b", "scores", NARROW, OLD_CLASSES, &random);
    subject_output(&subject, "scores", (thaw_shape){2, {-1, OLD_CLASSES}});
    CU_ASSERT_EQUAL_FATAL(subject_load(&subject, &model), THAW_OK);
    subject_close(&subject);
    return model;
}

/* A run on a new model, which is returned. */
static thaw_model *run(const thaw_finetune_options *options, thaw_finetune_result *result)
{
    thaw_model *model = make_model();
    thaw_dataset *dataset = pictures_open(0.25);
    const thaw_status status = thaw_finetune(model, test_device(), dataset, options, result);
    if (status != THAW_OK)
        printf("%s\n", thaw_error_message(test_context()));
    CU_ASSERT_EQUAL_FATAL(status, THAW_OK);
    CU_ASSERT(result->frozen_unchanged);
    thaw_dataset_close(&dataset);
    return model;
}

static const float *weights(const thaw_model *model, const char *name)
{
    return thaw_graph_find_value(model->graph, name)->constant->data;
}

/* Is the weight bit for bit the same in both? */
static bool same(const thaw_model *a, const thaw_model *b, const char *name)
{
    const thaw_tensor *x = thaw_graph_find_value(a->graph, name)->constant;
    const thaw_tensor *y = thaw_graph_find_value(b->graph, name)->constant;
    return x->bytes == y->bytes && memcmp(x->data, y->data, x->bytes) == 0;
}

static const char *const names[] = {"first.weight", "first.bias",       "second.weight",
                                    "second.bias",  "thaw_head.weight", "thaw_head.bias"};
enum { NAMES = sizeof names / sizeof names[0] };

static bool all_same(const thaw_model *a, const thaw_model *b)
{
    bool equal = true;
    for (int i = 0; i < NAMES; i++)
        equal = equal && same(a, b, names[i]);
    return equal;
}

/* Which of the names change by training. */
static void selections(void)
{
    static const struct {
        const char *until;
        int32_t unfreeze;
        const char *trainable;
        bool changed[4];
    } cases[] = {
        {NULL, 0, NULL, {false, false, false, false}},         {"none", 0, NULL, {true, true, true, true}},
        {"first", 0, NULL, {false, false, true, true}},        {"a", 0, NULL, {false, false, true, true}},
        {"image", 0, NULL, {true, true, true, true}},          {"second", 0, NULL, {false, false, false, false}},
        {NULL, 1, NULL, {false, false, true, true}},           {NULL, 2, NULL, {true, true, true, true}},
        {NULL, 0, "second.bias", {false, false, false, true}}, {NULL, 0, "fir*,*.bias", {true, true, false, true}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_finetune_options options = pictures_options();
        thaw_finetune_result result;
        options.epochs = 1;
        options.freeze = (thaw_freeze_options){cases[i].until, cases[i].unfreeze, cases[i].trainable, false};
        thaw_model *before = make_model(), *after = run(&options, &result);
        for (int k = 0; k < 4; k++)
            CU_ASSERT_EQUAL(same(before, after, names[k]), !cases[i].changed[k]);
        thaw_finetune_result_free(&result);
        thaw_model_close(&before);
        thaw_model_close(&after);
    }
}

static void refused_selections(void)
{
    static const struct {
        const char *until;
        int32_t unfreeze;
        const char *trainable, *reason;
    } cases[] = {
        {"firs", 0, NULL, "near: first"}, {"thaw_head", 0, NULL, "nothing"},
        {NULL, 3, NULL, "2 stages"},      {NULL, 0, "secnd.weight", "near: second.weight"},
        {NULL, 0, "flatten", "nothing"},  {NULL, 0, "", "patterns"},
        {"first", 1, NULL, "exclude"},    {NULL, -1, NULL, "stages"},
        {NULL, 1, "first", "exclude"},    {NULL, 0, "first,,second", "patterns"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_model *model = make_model();
        thaw_dataset *dataset = pictures_open(0.25);
        thaw_finetune_options options = pictures_options();
        thaw_finetune_result result;
        options.freeze = (thaw_freeze_options){cases[i].until, cases[i].unfreeze, cases[i].trainable, false};
        CU_ASSERT_EQUAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_ERR_USAGE);
        CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), cases[i].reason));
        thaw_finetune_result_free(&result);
        thaw_dataset_close(&dataset);
        thaw_model_close(&model);
    }
}

/* Kept in memory, computed again in every epoch, in batches of any size, or mapped from the disk: the same bits. */
static void ways_to_the_cut(void)
{
    static const char *const places[] = {"none", "first"};
    environment_set("THAW_CACHE_DIR", folder_make("ways_to_the_cut"));
    for (int place = 0; place < 2; place++) {
        thaw_model *models[4];
        for (size_t i = 0; i < 4; i++) {
            thaw_finetune_options options = pictures_options();
            thaw_finetune_result result;
            options.epochs = 2;
            options.freeze.until = places[place];
            options.memory_bytes = i == 0 ? 0 : 1;
            options.job.batch_size = i == 2 ? 3 : 16;
            options.job.no_cache = i < 3;
            models[i] = run(&options, &result);
            CU_ASSERT_EQUAL(result.features_kept, i == 0 || (i == 3 && place == 1)); /* images are not mapped */
            CU_ASSERT_EQUAL(result.feature_count, place == 0 ? INPUTS : WIDE);
            CU_ASSERT_EQUAL(result.steps, 8);
            thaw_finetune_result_free(&result);
        }
        CU_ASSERT(all_same(models[0], models[1]));
        CU_ASSERT(place == 1 || all_same(models[0], models[2])); /* else sums in the frozen part may differ */
        CU_ASSERT(all_same(models[0], models[3]));
        for (int i = 0; i < 4; i++)
            thaw_model_close(&models[i]);
    }
    environment_restore();
}

/* The bits depend on kind and seed, not on batches nor on whether there is room to keep what validation needs. What is
 * said of the validation images, which come as they are, is what evaluation says. */
static void augmented(void)
{
    static const struct {
        thaw_augment_kind kind;
        size_t batch_size;
        uint64_t memory_bytes, seed;
        bool same;
    } cases[] = {{THAW_AUGMENT_STRONG, 16, 0, 1, true}, {THAW_AUGMENT_STRONG, 3, 0, 1, true},
                 {THAW_AUGMENT_STRONG, 16, 1, 1, true}, {THAW_AUGMENT_STRONG, 16, 0, 2, false},
                 {THAW_AUGMENT_BASIC, 16, 0, 1, false}, {THAW_AUGMENT_NONE, 16, 0, 1, false}};
    const thaw_job job = thaw_job_defaults();
    thaw_dataset *dataset = pictures_open(0.25);
    thaw_model *first = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_finetune_options options = pictures_options();
        thaw_finetune_result result;
        thaw_evaluation evaluation;
        options.freeze.until = "none";
        options.augment = cases[i].kind;
        options.job.batch_size = cases[i].batch_size;
        options.memory_bytes = cases[i].memory_bytes;
        options.seed = cases[i].seed;
        thaw_model *model = run(&options, &result);
        CU_ASSERT_EQUAL(result.features_kept, cases[i].kind == THAW_AUGMENT_NONE);
        CU_ASSERT(result.train_count == 27 && result.validation_count == 9);
        CU_ASSERT(result.epochs[5].train_loss < result.epochs[0].train_loss);
        CU_ASSERT_EQUAL(all_same(first ? first : model, model), cases[i].same);
        CU_ASSERT_EQUAL_FATAL(
            thaw_evaluate(model, test_device(), dataset, false, &options.preprocess, &job, &evaluation), THAW_OK);
        CU_ASSERT_DOUBLE_EQUAL(evaluation.top1, result.best_validation_top1, 1e-12);
        CU_ASSERT_DOUBLE_EQUAL(evaluation.loss, result.epochs[result.best_epoch - 1].validation_loss, 1e-5);
        thaw_evaluation_free(&evaluation);
        thaw_finetune_result_free(&result);
        if (first)
            thaw_model_close(&model);
        else
            first = model;
    }
    thaw_model_close(&first);
    thaw_dataset_close(&dataset);
}

/* Nine batches of three images, accumulated, are one of twenty-seven. */
static void accumulation(void)
{
    thaw_model *models[2];
    for (int i = 0; i < 2; i++) {
        thaw_finetune_options options = pictures_options();
        thaw_finetune_result result;
        options.freeze.until = "none";
        options.optimizer = THAW_OPTIMIZER_SGD;
        options.clip_norm = 0.5;
        options.balanced_classes = true;
        options.train_batch_size = i ? 3 : 27;
        options.accumulate = i ? 9 : 1;
        models[i] = run(&options, &result);
        CU_ASSERT_EQUAL(result.steps, 6);
        thaw_finetune_result_free(&result);
    }
    for (int k = 0; k < NAMES; k++) {
        const float *a = weights(models[0], names[k]), *b = weights(models[1], names[k]);
        for (int i = 0; i < 3; i++)
            CU_ASSERT_DOUBLE_EQUAL(a[i], b[i], 1e-5);
    }
    thaw_model_close(&models[0]);
    thaw_model_close(&models[1]);
}

/* A learning rate that is nearly 0 for what lies deep, and not for the head. */
static void rates(void)
{
    thaw_finetune_options options = pictures_options();
    thaw_finetune_result result;
    options.freeze.until = "none";
    options.optimizer = THAW_OPTIMIZER_SGD;
    options.weight_decay = 0;
    options.depth_decay = 1e-4;
    options.head_learning_rate = 0.1;
    thaw_model *before = make_model(), *after = run(&options, &result);
    double moved[2] = {0, 0};
    for (int i = 0; i < WIDE * NARROW; i++)
        moved[0] =
            fmax(moved[0], fabs((double)weights(after, "second.weight")[i] - weights(before, "second.weight")[i]));
    for (int i = 0; i < INPUTS * WIDE; i++)
        moved[1] = fmax(moved[1], fabs((double)weights(after, "first.weight")[i] - weights(before, "first.weight")[i]));
    CU_ASSERT(moved[0] < 1e-5 && moved[1] < 1e-7);
    CU_ASSERT(result.epochs[5].train_loss < result.epochs[0].train_loss);
    thaw_finetune_result_free(&result);
    thaw_model_close(&before);
    thaw_model_close(&after);
}

static void from_scratch(void)
{
    thaw_finetune_options options = pictures_options();
    thaw_finetune_result result;
    options.from_scratch = true;
    options.epochs = 30;
    options.learning_rate = 1e-2;
    thaw_model *before = make_model(), *after = run(&options, &result);
    CU_ASSERT(!same(before, after, "first.weight"));
    CU_ASSERT(result.epochs[29].train_loss < 0.5 * result.epochs[0].train_loss);
    options.freeze.unfreeze = 1;
    CU_ASSERT_EQUAL(thaw_finetune_check(test_context(), &options), THAW_ERR_USAGE);
    thaw_finetune_result_free(&result);
    thaw_model_close(&before);
    thaw_model_close(&after);
}

/* The trained model, saved and read again, says of the validation images what training said. */
static void saved(void)
{
    thaw_finetune_options options = pictures_options();
    thaw_finetune_result result;
    thaw_evaluation evaluation;
    const thaw_job job = thaw_job_defaults();
    char path[256];
    options.freeze.until = "none";
    options.ema = 0.8;
    thaw_model *model = run(&options, &result), *loaded;
    thaw_dataset *dataset = pictures_open(0.25);
    snprintf(path, sizeof path, "%s/deep.onnx", test_folder());
    CU_ASSERT_EQUAL_FATAL(thaw_model_save(model, path), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_model_load(test_context(), path, &loaded), THAW_OK);
    CU_ASSERT(all_same(model, loaded));
    CU_ASSERT_EQUAL_FATAL(thaw_evaluate(loaded, test_device(), dataset, false, &options.preprocess, &job, &evaluation),
                          THAW_OK);
    CU_ASSERT_DOUBLE_EQUAL(evaluation.top1, result.best_validation_top1, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(evaluation.loss, result.epochs[result.best_epoch - 1].validation_loss, 1e-5);
    thaw_evaluation_free(&evaluation);
    thaw_finetune_result_free(&result);
    thaw_dataset_close(&dataset);
    thaw_model_close(&model);
    thaw_model_close(&loaded);
}

/* Losses recorded from PyTorch (tests/record_training.py): all images in one batch. */
static void as_pytorch(void)
{
    static const double losses[] = {1.1246148, 1.1100043, 1.0929656, 1.0751722,
                                    1.0567607, 1.0368981, 1.0144830, 0.9885927};
    enum { EPOCHS = sizeof losses / sizeof losses[0] };
    thaw_finetune_options options = pictures_options();
    thaw_finetune_result result;
    thaw_model *model = make_model();
    thaw_dataset *dataset = pictures_open(0);
    options.freeze.until = "none";
    options.epochs = EPOCHS;
    options.train_batch_size = 36;
    options.optimizer = THAW_OPTIMIZER_SGD;
    options.schedule = THAW_SCHEDULE_CONSTANT;
    options.learning_rate = 0.02;
    options.nesterov = true;
    options.weight_decay = 0.01;
    options.label_smoothing = 0.1;
    options.clip_norm = 1;
    CU_ASSERT_EQUAL_FATAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_OK);
    for (int i = 0; i < EPOCHS; i++)
        CU_ASSERT_DOUBLE_EQUAL(result.epochs[i].train_loss, losses[i], 2e-6);
    CU_ASSERT_EQUAL(result.best_epoch, EPOCHS); /* nothing to validate with: the last one */
    thaw_finetune_result_free(&result);
    thaw_dataset_close(&dataset);
    thaw_model_close(&model);
}

static void divergence(void)
{
    thaw_model *model = make_model();
    thaw_dataset *dataset = pictures_open(0.25);
    thaw_finetune_options options = pictures_options();
    thaw_finetune_result result;
    options.freeze.until = "none";
    options.optimizer = THAW_OPTIMIZER_SGD;
    options.learning_rate = 1e30;
    CU_ASSERT_EQUAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_ERR_DIVERGED);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "step 2"));
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "the output 'b'"));
    thaw_finetune_result_free(&result);
    thaw_dataset_close(&dataset);
    thaw_model_close(&model);
}

/* One step a run: nobody asks for a loss after it, and no model comes out all the same. */
static void divergence_at_the_end(void)
{
    for (int i = 0; i < 2; i++) {
        thaw_model *model = make_model();
        thaw_dataset *dataset = pictures_open(i ? 0.25 : 0);
        thaw_finetune_options options = pictures_options();
        thaw_finetune_result result;
        options.freeze.until = "none";
        options.optimizer = THAW_OPTIMIZER_SGD;
        options.learning_rate = i ? 1e30 : 1e39;
        options.train_batch_size = 36;
        options.epochs = 1;
        CU_ASSERT_EQUAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_ERR_DIVERGED);
        CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "step 1"));
        CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), i ? "validation loss" : "first.weight"));
        thaw_finetune_result_free(&result);
        thaw_dataset_close(&dataset);
        thaw_model_close(&model);
    }
}

static void learning_rates(void)
{
    thaw_model *model = make_model();
    thaw_dataset *dataset = pictures_open(0.25);
    const thaw_finetune_options options = pictures_options();
    thaw_lr_find_options find = thaw_lr_find_defaults();
    thaw_lr_find_result result;
    find.highest = 1e4;
    CU_ASSERT_EQUAL_FATAL(thaw_lr_find(model, test_device(), dataset, &options, &find, &result), THAW_OK);
    CU_ASSERT(result.count > 40 && result.count <= 100);
    CU_ASSERT_DOUBLE_EQUAL(result.points[0].rate, 1e-7, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(result.points[0].smoothed, result.points[0].loss, 1e-6);
    CU_ASSERT(result.valley > 1e-5 && result.valley < 10);
    CU_ASSERT(result.steepest > 1e-5 && result.steepest < 1e4);
    thaw_lr_find_result_free(&result);
    thaw_model_close(&model);
    model = make_model();
    find.lowest = 100;
    find.highest = 10;
    CU_ASSERT_EQUAL(thaw_lr_find(model, test_device(), dataset, &options, &find, &result), THAW_ERR_USAGE);
    thaw_lr_find_result_free(&result);
    thaw_dataset_close(&dataset);
    thaw_model_close(&model);
}

/* --- resuming ----------------------------------------------------------------------------------------------------- */

static thaw_finetune_options all_at_once(const char *folder)
{
    thaw_finetune_options options = pictures_options();
    options.freeze.until = "first";
    options.ema = 0.9;
    options.clip_norm = 1;
    options.label_smoothing = 0.1;
    options.schedule = THAW_SCHEDULE_ONE_CYCLE;
    options.checkpoint = folder;
    options.checkpoint_steps = 1;
    return options;
}

static const char *fresh_folder(void)
{
    static char path[256];
    static int number;
    snprintf(path, sizeof path, "%s/checkpoints_%d", test_folder(), number++);
    return path;
}

/* Interrupts a run from within, after so many reports or epochs. */
typedef struct interrupter {
    int epoch;
} interrupter;

static void interrupt_at(void *user, const thaw_epoch *epoch)
{
    if (epoch->epoch == ((interrupter *)user)->epoch)
        thaw_context_interrupt(test_context());
}

static size_t count_files(const char *folder)
{
    size_t count = 0;
    DIR *stream = opendir(folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    for (struct dirent *entry; (entry = readdir(stream));)
        count += entry->d_name[0] != '.';
    closedir(stream);
    return count;
}

/* Interrupted after every epoch, and resumed. */
static void check_resumed(const char *frozen_until, thaw_augment_kind augment)
{
    thaw_finetune_result result;
    thaw_finetune_options options = all_at_once(NULL);
    options.freeze.until = frozen_until;
    options.augment = augment;
    thaw_model *whole = run(&options, &result);
    const int32_t best = result.best_epoch;
    const double loss = result.epochs[5].train_loss;
    thaw_finetune_result_free(&result);
    const char *folder = fresh_folder();
    options = all_at_once(folder);
    options.freeze.until = frozen_until;
    options.augment = augment;
    options.resume = true; /* begins at the beginning */
    options.on_epoch = interrupt_at;
    for (int stop = 1; stop <= 7; stop++) {
        interrupter when = {stop};
        options.job.user = &when;
        thaw_model *model = run(&options, &result);
        thaw_context_resume(test_context());
        CU_ASSERT_EQUAL(result.epoch_count, (size_t)(stop < 6 ? stop : 6));
        CU_ASSERT_EQUAL(result.resumed_step, (uint64_t)(stop - 1) * 4);
        CU_ASSERT_EQUAL(count_files(folder), 2);
        if (stop >= 6) {
            CU_ASSERT(all_same(model, whole));
            CU_ASSERT_EQUAL(result.best_epoch, best);
            CU_ASSERT_EQUAL(result.epochs[5].train_loss, loss);
        }
        thaw_finetune_result_free(&result);
        thaw_model_close(&model);
    }
    thaw_model_close(&whole);
}

static void resumed(void)
{
    check_resumed("first", THAW_AUGMENT_NONE);
    check_resumed("first", THAW_AUGMENT_STRONG);
}

/* Dropout's numbers go on where the checkpoint was made; below the cut nothing is ever dropped. */
static void dropped(void)
{
    thaw_finetune_result result;
    thaw_finetune_options options = all_at_once(NULL);
    thaw_model *models[2][2]; /* [with dropout][it lies in the trained part] */
    with_dropout = true;
    check_resumed("none", THAW_AUGMENT_NONE);
    for (int dropout = 0; dropout < 2; dropout++)
        for (int trained = 0; trained < 2; trained++) {
            with_dropout = dropout;
            options.freeze.until = trained ? "none" : "second";
            models[dropout][trained] = run(&options, &result);
            thaw_finetune_result_free(&result);
        }
    with_dropout = false;
    CU_ASSERT(all_same(models[0][0], models[1][0]));
    CU_ASSERT_FALSE(all_same(models[0][1], models[1][1]));
    for (int i = 0; i < 4; i++)
        thaw_model_close(&models[i / 2][i % 2]);
}

static thaw_status try_run(const thaw_finetune_options *options, thaw_dataset *dataset)
{
    thaw_model *model = make_model();
    thaw_finetune_result result;
    const thaw_status status = thaw_finetune(model, test_device(), dataset, options, &result);
    thaw_finetune_result_free(&result);
    thaw_model_close(&model);
    return status;
}

/* A checkpoint of other data, another model, other options is refused; so is a folder with one, without resume. */
static void other_runs(void)
{
    const char *folder = fresh_folder();
    thaw_finetune_options options = all_at_once(folder);
    thaw_dataset *dataset = pictures_open(0.25), *other = pictures_open(0.4);
    options.epochs = 2;
    CU_ASSERT_EQUAL(try_run(&options, dataset), THAW_OK);
    CU_ASSERT_EQUAL(try_run(&options, dataset), THAW_ERR_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "resume"));
    options.resume = true;
    CU_ASSERT_EQUAL(try_run(&options, dataset), THAW_OK); /* nothing is left to do */
    CU_ASSERT_EQUAL(try_run(&options, other), THAW_ERR_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "data is"));
    thaw_finetune_options changed = options;
    changed.freeze.until = "none";
    CU_ASSERT_EQUAL(try_run(&changed, dataset), THAW_ERR_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "model is"));
    changed = options;
    changed.learning_rate = 0.5;
    CU_ASSERT_EQUAL(try_run(&changed, dataset), THAW_ERR_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "lr is 0.001 there, 0.5 here"));
    changed = options;
    changed.augment = THAW_AUGMENT_BASIC;
    CU_ASSERT_EQUAL(try_run(&changed, dataset), THAW_ERR_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "augment is 0 there, 1 here"));
    changed.checkpoint = NULL;
    CU_ASSERT_EQUAL(try_run(&changed, dataset), THAW_ERR_USAGE); /* resume what? */
    changed.checkpoint = "no/such/folder";
    CU_ASSERT_EQUAL(try_run(&changed, dataset), THAW_ERR_IO);
    thaw_dataset_close(&dataset);
    thaw_dataset_close(&other);
}

void suite_training(void)
{
    static const test_entry tests[] = {
        {"selections", selections},
        {"refused selections", refused_selections},
        {"ways to the cut", ways_to_the_cut},
        {"augmented", augmented},
        {"accumulation", accumulation},
        {"rates of stages", rates},
        {"from scratch", from_scratch},
        {"saved", saved},
        {"as PyTorch", as_pytorch},
        {"divergence", divergence},
        {"divergence at the end", divergence_at_the_end},
        {"learning rates", learning_rates},
        {"resumed", resumed},
        {"dropped", dropped},
        {"other runs", other_runs},
    };
    TEST_SUITE("training", tests);
}
