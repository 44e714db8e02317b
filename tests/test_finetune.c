/* The main job from end to end, on a small model and pictures drawn here. */
#include "image_files.h"
#include "onnx_subject.h"
#include "op_harness.h"
#include "pictures.h"
#include "test.h"

#include "base/random.h"
#include "format/format.h"
#include "model/head.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thaw/train.h>

static thaw_value *constant(thaw_graph *graph, const char *name, thaw_shape shape, thaw_random *random)
{
    thaw_value *value;
    CU_ASSERT_EQUAL_FATAL(thaw_graph_add_value(graph, name, &value), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(test_context(), THAW_FLOAT32, &shape, &value->constant), THAW_OK);
    for (int64_t i = 0; i < value->constant->count; i++)
        ((float *)value->constant->data)[i] = (float)(thaw_random_uniform(random) - 0.5);
    value->dtype = THAW_FLOAT32;
    value->shape = shape;
    value->shape_known = true;
    return value;
}

static thaw_value *append(thaw_graph *graph, const char *type, thaw_value *x, thaw_value *weight)
{
    thaw_node *node;
    thaw_value *y;
    CU_ASSERT_EQUAL_FATAL(thaw_graph_add_node(graph, thaw_op_find(type), "", weight ? 2 : 1, 1, &node), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_graph_add_value(graph, "", &y), THAW_OK);
    thaw_node_set_input(node, 0, x);
    if (weight)
        thaw_node_set_input(node, 1, weight);
    thaw_node_set_output_value(node, 0, y);
    return y;
}

/* Conv -> Relu -> Flatten -> MatMul with random weights: features good enough for three colours. */
static thaw_model *make_model(void)
{
    thaw_model *model = calloc(1, sizeof *model);
    thaw_random random = {5};
    thaw_value *x;
    model->context = test_context();
    model->format = &thaw_format_onnx;
    CU_ASSERT_EQUAL_FATAL(thaw_graph_create(test_context(), &model->graph), THAW_OK);
    thaw_graph *graph = model->graph;
    graph->opset = 13;
    CU_ASSERT_EQUAL_FATAL(thaw_graph_add_value(graph, "image", &x), THAW_OK);
    x->shape = (thaw_shape){4, {-1, 3, PICTURE_SIZE, PICTURE_SIZE}};
    x->shape_known = true;
    CU_ASSERT_EQUAL(thaw_graph_add_input(graph, x), THAW_OK);
    x = append(graph, "Conv", x, constant(graph, "conv.weight", (thaw_shape){4, {8, 3, 3, 3}}, &random));
    x = append(graph, "Relu", x, NULL);
    x = append(graph, "Flatten", x, NULL);
    x = append(graph, "MatMul", x, constant(graph, "fc.weight", (thaw_shape){2, {8 * 10 * 10, 7}}, &random));
    CU_ASSERT_EQUAL(thaw_graph_add_output(graph, x), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_graph_finish(graph), THAW_OK);
    return model;
}

static void main_job(void)
{
    thaw_model *model = make_model();
    thaw_dataset *dataset = pictures_open(0.25);
    const thaw_finetune_options options = pictures_options();
    thaw_finetune_result result;
    thaw_evaluation evaluation;
    const thaw_job job = thaw_job_defaults();
    CU_ASSERT_EQUAL_FATAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_OK);
    CU_ASSERT_EQUAL(result.epoch_count, 6);
    CU_ASSERT_EQUAL(result.train_count, 27);
    CU_ASSERT_EQUAL(result.validation_count, 9);
    CU_ASSERT(result.frozen_unchanged);
    CU_ASSERT(result.epochs[5].train_loss < 0.5 * result.epochs[0].train_loss);
    CU_ASSERT(result.best_validation_top1 >= 0.8);
    CU_ASSERT_EQUAL(thaw_model_class_count(model), PICTURE_CLASSES);
    CU_ASSERT_STRING_EQUAL(thaw_model_class_name(model, 1), "class_1");
    CU_ASSERT_EQUAL_FATAL(thaw_evaluate(model, test_device(), dataset, false, &options.preprocess, &job, &evaluation),
                          THAW_OK);
    CU_ASSERT_EQUAL(evaluation.count, 9);
    CU_ASSERT_DOUBLE_EQUAL(evaluation.top1, result.best_validation_top1, 1e-12); /* the weights are the best epoch's */
    CU_ASSERT_DOUBLE_EQUAL(evaluation.loss, result.epochs[result.best_epoch - 1].validation_loss, 1e-4);
    CU_ASSERT_DOUBLE_EQUAL(evaluation.top5, 1.0, 0.0);
    thaw_evaluation_free(&evaluation);
    thaw_finetune_result_free(&result);
    thaw_dataset_close(&dataset);
    thaw_model_close(&model);
}

/* The same seed gives the same bits; another seed another order. */
static void determinism(void)
{
    float heads[3][PICTURE_CLASSES * 800];
    for (int i = 0; i < 3; i++) {
        thaw_model *model = make_model();
        thaw_dataset *dataset = pictures_open(0.25);
        thaw_finetune_options options = pictures_options();
        thaw_finetune_result result;
        options.seed = i == 2 ? 9 : 1;
        options.epochs = 2;
        options.job.workers = (size_t)i + 1;
        options.job.batch_size = 5;
        CU_ASSERT_EQUAL_FATAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_OK);
        const thaw_value *weight = thaw_graph_find_value(model->graph, "thaw_head.weight");
        CU_ASSERT_EQUAL_FATAL(weight->constant->bytes, sizeof heads[i]);
        memcpy(heads[i], weight->constant->data, sizeof heads[i]);
        thaw_finetune_result_free(&result);
        thaw_dataset_close(&dataset);
        thaw_model_close(&model);
    }
    CU_ASSERT(memcmp(heads[0], heads[1], sizeof heads[0]) == 0);
    CU_ASSERT(memcmp(heads[0], heads[2], sizeof heads[0]) != 0);
}

/* Saved, loaded and run again: the same probabilities. */
static void round_trip(void)
{
    thaw_model *model, *loaded;
    onnx_subject subject = {0};
    subject_classifier(&subject);
    CU_ASSERT_EQUAL_FATAL(subject_load(&subject, &model), THAW_OK);
    subject_close(&subject);
    thaw_dataset *dataset = pictures_open(0.25);
    thaw_finetune_options options = pictures_options();
    options.preprocess.width = options.preprocess.height = 4;
    thaw_finetune_result result;
    const thaw_job job = thaw_job_defaults();
    char path[512];
    CU_ASSERT_EQUAL_FATAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_OK);
    snprintf(path, sizeof path, "%s/tuned.onnx", test_folder());
    CU_ASSERT_EQUAL_FATAL(thaw_model_save(model, path), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_model_load(test_context(), path, &loaded), THAW_OK);
    thaw_preprocess preprocess;
    CU_ASSERT(thaw_model_preprocess(loaded, &preprocess));
    CU_ASSERT_EQUAL(memcmp(&preprocess, &options.preprocess, sizeof preprocess), 0);
    const char *const paths[] = {thaw_dataset_sample(dataset, 0)->path, "no such file",
                                 thaw_dataset_sample(dataset, 20)->path};
    thaw_prediction *before, *after;
    CU_ASSERT_EQUAL_FATAL(thaw_predict(model, test_device(), paths, 3, 2, &preprocess, &job, &before), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_predict(loaded, test_device(), paths, 3, 2, &preprocess, &job, &after), THAW_OK);
    CU_ASSERT(before[0].ok && !before[1].ok && before[2].ok);
    for (int i = 0; i < 3; i += 2) {
        CU_ASSERT_EQUAL(before[i].count, 2);
        CU_ASSERT_EQUAL(memcmp(before[i].probability, after[i].probability, 2 * sizeof(float)), 0);
        CU_ASSERT_EQUAL(before[i].class_index[0], after[i].class_index[0]);
        CU_ASSERT(before[i].probability[0] >= before[i].probability[1]);
    }
    thaw_predictions_free(&before, 3);
    thaw_predictions_free(&after, 3);
    thaw_finetune_result_free(&result);
    thaw_dataset_close(&dataset);
    thaw_model_close(&model);
    thaw_model_close(&loaded);
}

/* Trains on what the model's head knows, or from a fresh one? */
static thaw_finetune_result train_again(thaw_model *model, bool new_head, int32_t unfreeze, double rate, double decay)
{
    thaw_dataset *dataset = pictures_open(0.25);
    thaw_finetune_options options = pictures_options();
    thaw_finetune_result result;
    options.new_head = new_head;
    options.freeze.unfreeze = unfreeze;
    options.learning_rate = rate;
    options.weight_decay = decay;
    CU_ASSERT_EQUAL_FATAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_OK);
    thaw_dataset_close(&dataset);
    return result;
}

/* A model that has the data's classes keeps its head, standardised features or not: what hardly moves it leaves it what
 * it was, and so does what takes all its weights away, since no epoch is better than the start then. Other classes, or
 * the wish for a fresh one, put it off. */
static void head_kept(void)
{
    static const char *const others[] = {"class_0", "class_2", "class_1"};
    enum { ROUNDS = 7 };
    static const struct {
        bool kept, new_head;
        int32_t unfreeze;
        double rate, decay;
    } rounds[ROUNDS] = {{false, false, 0, 1e-3, 1e-2}, {true, false, 0, 1e-9, 1e9}, {true, false, 1, 1e-9, 1e9},
                        {true, false, 0, 1e-9, 1e-2},  {true, false, 1, 1e-9, 0},   {false, true, 0, 1e-9, 0},
                        {false, false, 0, 1e-9, 0}};
    thaw_model *model = make_model();
    double losses[ROUNDS], top1 = 0;
    for (int i = 0; i < ROUNDS; i++) {
        if (i == ROUNDS - 1)
            CU_ASSERT_EQUAL(thaw_model_set_classes(model, others, PICTURE_CLASSES), THAW_OK);
        thaw_finetune_result result =
            train_again(model, rounds[i].new_head, rounds[i].unfreeze, rounds[i].rate, rounds[i].decay);
        top1 = i ? top1 : result.best_validation_top1;
        CU_ASSERT_EQUAL(result.head_kept, rounds[i].kept);
        CU_ASSERT(rounds[i].kept ? result.start_validation_top1 == top1 : isnan(result.start_validation_top1));
        CU_ASSERT(!rounds[i].kept || result.best_validation_top1 == top1);
        CU_ASSERT(rounds[i].decay < 1 || result.best_epoch == 0);
        losses[i] = result.epochs[result.best_epoch ? result.best_epoch - 1 : 0].validation_loss;
        thaw_finetune_result_free(&result);
    }
    CU_ASSERT_DOUBLE_EQUAL(losses[1], log(PICTURE_CLASSES), 0.1);
    CU_ASSERT_DOUBLE_EQUAL(losses[3], losses[0], 1e-5);
    CU_ASSERT_DOUBLE_EQUAL(losses[4], losses[0], 1e-5);
    CU_ASSERT(losses[5] > 2 * losses[0] && losses[6] > 2 * losses[0]);
    thaw_model_close(&model);
}

static void wrong_options(void)
{
    static const struct {
        double learning_rate, momentum, smoothing;
        int32_t epochs;
    } cases[] = {{NAN, 0.9, 0, 1},  {INFINITY, 0.9, 0, 1}, {0, 0.9, 0, 1},
                 {1e-3, 1.0, 0, 1}, {1e-3, 0.9, 1.0, 1},   {1e-3, 0.9, 0, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_model *model = make_model();
        thaw_dataset *dataset = pictures_open(0.25);
        thaw_finetune_options options = pictures_options();
        thaw_finetune_result result;
        options.learning_rate = cases[i].learning_rate;
        options.momentum = cases[i].momentum;
        options.label_smoothing = cases[i].smoothing;
        options.epochs = cases[i].epochs;
        CU_ASSERT_EQUAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_ERR_USAGE);
        thaw_finetune_result_free(&result);
        thaw_dataset_close(&dataset);
        thaw_model_close(&model);
    }
}

static void divergence(void)
{
    thaw_model *model = make_model();
    thaw_dataset *dataset = pictures_open(0.25);
    thaw_finetune_options options = pictures_options();
    thaw_finetune_result result;
    options.optimizer = THAW_OPTIMIZER_SGD;
    options.schedule = THAW_SCHEDULE_CONSTANT;
    options.learning_rate = 1e30;
    CU_ASSERT_EQUAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_ERR_DIVERGED);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "step"));
    thaw_finetune_result_free(&result);
    thaw_dataset_close(&dataset);
    thaw_model_close(&model);
}

static void stop_at_second_epoch(void *user, const thaw_epoch *epoch)
{
    if (epoch->epoch == 2)
        thaw_context_interrupt(user);
}

static void interruption(void)
{
    thaw_model *model = make_model();
    thaw_dataset *dataset = pictures_open(0.25);
    thaw_finetune_options options = pictures_options();
    thaw_finetune_result result;
    options.on_epoch = stop_at_second_epoch;
    options.job.user = test_context();
    CU_ASSERT_EQUAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_OK);
    CU_ASSERT(result.interrupted);
    CU_ASSERT_EQUAL(result.epoch_count, 2);
    CU_ASSERT_EQUAL(thaw_model_class_count(model), PICTURE_CLASSES); /* fit to be saved */
    thaw_finetune_result_free(&result);
    CU_ASSERT_EQUAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_ERR_INTERRUPTED);
    thaw_context_resume(test_context());
    thaw_finetune_result_free(&result);
    thaw_dataset_close(&dataset);
    thaw_model_close(&model);
}

static void count_bad(void *user, const char *path, const char *reason)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(path, "broken"));
    CU_ASSERT(strlen(reason) > 0);
    (*(size_t *)user)++;
}

/* Up to a tenth of bad images is named and left out; more is an error. */
static void bad_images(void)
{
    char root[256], path[512];
    snprintf(root, sizeof root, "%s/spoilt", test_folder());
    pictures_make(root);
    for (size_t bad = 1; bad <= 6; bad++) {
        snprintf(path, sizeof path, "spoilt/class_1/broken%zu.png", bad);
        write_test_file(path, "\x89PNG\r\n\x1a\nrubbish", 15);
        if (bad != 3 && bad != 6) /* 3 of 39 are fewer than a tenth, 6 of 42 are more */
            continue;
        thaw_model *model = make_model();
        thaw_dataset *dataset;
        thaw_finetune_options options = pictures_options();
        thaw_finetune_result result;
        size_t named = 0;
        options.job.on_bad_image = count_bad;
        options.job.user = &named;
        CU_ASSERT_EQUAL_FATAL(thaw_dataset_open(test_context(), root, NULL, &dataset), THAW_OK);
        CU_ASSERT_EQUAL(thaw_finetune(model, test_device(), dataset, &options, &result),
                        bad == 3 ? THAW_OK : THAW_ERR_DATA);
        CU_ASSERT_EQUAL(named, bad);
        CU_ASSERT_EQUAL(result.bad_count, bad);
        thaw_finetune_result_free(&result);
        thaw_dataset_close(&dataset);
        thaw_model_close(&model);
    }
}

static void count_batches(void *user, thaw_log_level level, const char *line)
{
    *(size_t *)user += level == THAW_LOG_WARNING && strstr(line, "batch of") != NULL;
}

/* Where a batch does not fit the device's memory, half of it is tried, and so on; where one image does not, that is
 * said. */
static void little_memory(void)
{
    static const struct {
        const char *bytes;
        thaw_status status;
    } cases[] = {{"100000", THAW_OK}, {"20000", THAW_ERR_DEVICE_MEMORY}};
    const thaw_preprocess preprocess = pictures_options().preprocess;
    thaw_dataset *dataset = pictures_open(0.0);
    const char *paths[16];
    setenv("THAW_LAYOUT", "8", 1); /* how many bytes a batch takes depends on it */
    for (size_t i = 0; i < 16; i++)
        paths[i] = thaw_dataset_sample(dataset, i)->path;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_model *model = make_model();
        thaw_prediction *predictions;
        thaw_device *device;
        const thaw_job job = thaw_job_defaults();
        size_t warnings = 0;
        setenv("THAW_DEVICE_MEMORY", cases[i].bytes, 1);
        CU_ASSERT_EQUAL_FATAL(thaw_device_open(test_context(), NULL, &device), THAW_OK);
        unsetenv("THAW_DEVICE_MEMORY");
        thaw_context_set_log(test_context(), count_batches, &warnings);
        const thaw_status got = thaw_predict(model, device, paths, 16, 1, &preprocess, &job, &predictions);
        CU_ASSERT_EQUAL(got, cases[i].status);
        CU_ASSERT(warnings > 0);
        thaw_context_set_log(test_context(), NULL, NULL);
        if (got == THAW_OK)
            CU_ASSERT(predictions[15].ok);
        thaw_predictions_free(&predictions, 16);
        thaw_model_close(&model);
        thaw_device_close(&device);
    }
    unsetenv("THAW_LAYOUT");
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "bytes"));
    thaw_dataset_close(&dataset);
}

void suite_finetune(void)
{
    static const test_entry tests[] = {
        {"the main job", main_job},       {"same seed, same bits", determinism},
        {"round trip", round_trip},       {"head kept", head_kept},
        {"wrong options", wrong_options}, {"divergence", divergence},
        {"interruption", interruption},   {"bad images", bad_images},
        {"little memory", little_memory},
    };
    TEST_SUITE("finetune", tests);
}
