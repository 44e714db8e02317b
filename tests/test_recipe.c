/* The default recipe: when fine-tuning is tried after the probe, when it is kept, and what the model is then. */
#include "onnx_subject.h"
#include "op_harness.h"
#include "pictures.h"
#include "test.h"

#include "base/random.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thaw/forecast.h>

enum { PIXELS = 3 * PICTURE_SIZE * PICTURE_SIZE, HIDDEN = 6, OLD_CLASSES = 5 };

static void layer(onnx_subject *subject, const char *name, const char *input, const char *output, int64_t in,
                  int64_t out)
{
    char weight[32], bias[32], inputs[96];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    snprintf(inputs, sizeof inputs, "%s,%s,%s", input, weight, bias);
    onnx_tensor *w =
        subject_initializer(subject, subject_text(subject, weight), THAW_FLOAT32, (thaw_shape){2, {out, in}});
    subject_initializer(subject, subject_text(subject, bias), THAW_FLOAT32, (thaw_shape){1, {out}});
    memset(w->raw_data.data, 0, w->raw_data.len);
    for (int64_t k = 0; k < out; k++) /* each output sees one pixel of the upper edge, where there is never a disc */
        ((float *)w->raw_data.data)[k * in + k] = 1.0f;
    subject_attribute(subject, subject_node(subject, "Gemm", name, inputs, output), "transB", 1);
}

/* image -> Flatten -> Gemm `hidden`, which sees nothing of what classes differ in -> Gemm, the old classifier. Or
 * without the hidden layer. */
static thaw_model *make_model(bool hidden)
{
    onnx_subject subject = {0};
    thaw_model *model;
    subject_open(&subject);
    subject_input(&subject, "image", (thaw_shape){4, {-1, 3, PICTURE_SIZE, PICTURE_SIZE}});
    subject_node(&subject, "Flatten", "flatten", "image", "flat");
    if (hidden)
        layer(&subject, "hidden", "flat", "features", PIXELS, HIDDEN);
    layer(&subject, "old", hidden ? "features" : "flat", "scores", hidden ? HIDDEN : PIXELS, OLD_CLASSES);
    subject_output(&subject, "scores", (thaw_shape){2, {-1, OLD_CLASSES}});
    CU_ASSERT_EQUAL_FATAL(subject_load(&subject, &model), THAW_OK);
    subject_close(&subject);
    return model;
}

/* 24 pictures to train on and 16 to validate on, of each class; grey ones if nothing is to be seen. */
static thaw_dataset *open_pictures(bool visible)
{
    static const size_t counts[PICTURE_CLASSES] = {40, 40, 40};
    static bool made[2];
    char root[256];
    thaw_dataset_options options = thaw_dataset_defaults();
    thaw_dataset *dataset;
    snprintf(root, sizeof root, "%s/%s", test_folder(), visible ? "many" : "grey");
    if (!made[visible])
        pictures_make_counts(root, counts, visible);
    made[visible] = true;
    options.validation_share = 0.4;
    CU_ASSERT_EQUAL_FATAL(thaw_dataset_open(test_context(), root, &options, &dataset), THAW_OK);
    return dataset;
}

static thaw_finetune_options recipe_options(void)
{
    thaw_finetune_options options = pictures_options();
    options.recipe = THAW_RECIPE_PROBE_THEN_FINETUNE;
    return options;
}

static thaw_model *run(bool hidden, bool visible, const thaw_finetune_options *options, thaw_finetune_result *result)
{
    thaw_model *model = make_model(hidden);
    thaw_dataset *dataset = open_pictures(visible);
    const thaw_status status = thaw_finetune(model, test_device(), dataset, options, result);
    if (status != THAW_OK)
        printf("%s\n", thaw_error_message(test_context()));
    CU_ASSERT_EQUAL_FATAL(status, THAW_OK);
    CU_ASSERT(result->frozen_unchanged);
    thaw_dataset_close(&dataset);
    return model;
}

static const thaw_tensor *constant(const thaw_model *model, const char *name)
{
    return thaw_graph_find_value(model->graph, name)->constant;
}

static bool same(const thaw_model *a, const thaw_model *b, const char *name)
{
    const thaw_tensor *x = constant(a, name), *y = constant(b, name);
    return x->bytes == y->bytes && memcmp(x->data, y->data, x->bytes) == 0;
}

/* The model is as good as the result says. */
static void check_model(thaw_model *model, bool visible, const thaw_finetune_options *options,
                        const thaw_finetune_result *result)
{
    thaw_dataset *dataset = open_pictures(visible);
    thaw_evaluation evaluation;
    const thaw_job job = thaw_job_defaults();
    CU_ASSERT_EQUAL_FATAL(thaw_evaluate(model, test_device(), dataset, false, &options->preprocess, &job, &evaluation),
                          THAW_OK);
    CU_ASSERT_DOUBLE_EQUAL(evaluation.top1, result->best_validation_top1, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(evaluation.top1_low, result->best_validation_low, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(evaluation.loss, result->epochs[result->best_epoch - 1].validation_loss, 1e-3);
    thaw_evaluation_free(&evaluation);
    thaw_dataset_close(&dataset);
}

/* Features that say nothing: fine-tuning learns better ones, and is kept. The same twice. */
static void kept(void)
{
    thaw_model *models[2];
    for (int i = 0; i < 2; i++) {
        const thaw_finetune_options options = recipe_options();
        thaw_finetune_result result;
        models[i] = run(true, true, &options, &result);
        const thaw_refinement *r = &result.refinement;
        CU_ASSERT(r->tried && r->kept && r->p < 0.05 && r->only_finetuned > r->only_probe + 5);
        CU_ASSERT_EQUAL(r->unfreeze, 1);
        CU_ASSERT_EQUAL(r->augment, THAW_AUGMENT_BASIC);
        CU_ASSERT(result.best_validation_top1 > result.probe.validation_top1 + 0.2);
        CU_ASSERT_EQUAL(result.best_validation_top1, r->top1);
        CU_ASSERT_EQUAL(result.epoch_count, 1 + (size_t)r->epochs);
        CU_ASSERT_EQUAL(result.best_epoch, (int32_t)result.epoch_count);
        CU_ASSERT_EQUAL(result.epochs[0].validation_top1, result.probe.validation_top1);
        CU_ASSERT_EQUAL(result.epochs[1].epoch, 2);
        CU_ASSERT(constant(models[i], "hidden.weight") &&
                  thaw_graph_find_value(models[i]->graph, "hidden.weight")->trainable);
        check_model(models[i], true, &options, &result);
        thaw_finetune_result_free(&result);
    }
    CU_ASSERT(same(models[0], models[1], "hidden.weight") && same(models[0], models[1], "thaw_head.weight"));
    thaw_model *before = make_model(true);
    CU_ASSERT(!same(models[0], before, "hidden.weight"));
    thaw_model_close(&before);
    thaw_model_close(&models[0]);
    thaw_model_close(&models[1]);
}

/* Nothing to be seen: fine-tuning can't be better, and the model is what the probe alone leaves. */
static void put_back(void)
{
    thaw_finetune_options options = recipe_options();
    thaw_finetune_result result, probe;
    thaw_model *model = run(true, false, &options, &result), *original = make_model(true);
    CU_ASSERT(result.refinement.tried && !result.refinement.kept);
    CU_ASSERT(result.refinement.p >= 0.05);
    CU_ASSERT_PTR_NOT_NULL(strstr(result.refinement.reason, "not better beyond chance"));
    CU_ASSERT_EQUAL(result.best_epoch, 1);
    CU_ASSERT(same(model, original, "hidden.weight") && same(model, original, "hidden.bias"));
    CU_ASSERT(!thaw_graph_find_value(model->graph, "hidden.weight")->trainable);
    check_model(model, false, &options, &result);
    options.recipe = THAW_RECIPE_PROBE;
    thaw_model *alone = run(true, false, &options, &probe);
    CU_ASSERT(same(model, alone, "thaw_head.weight") && same(model, alone, "thaw_head.bias"));
    thaw_finetune_result_free(&result);
    thaw_finetune_result_free(&probe);
    thaw_model_close(&model);
    thaw_model_close(&alone);
    thaw_model_close(&original);
}

/* Where fine-tuning is not tried, and why. */
static void not_tried(void)
{
    static const struct {
        bool hidden, visible;
        double seconds;
        const char *reason;
    } cases[] = {
        {false, true, 0, "could not be told from it, that takes 6"},
        {false, false, 0, "no layers with weights below its head"},
        {true, false, 1e-3, "0 s are too short"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_finetune_options options = recipe_options();
        thaw_finetune_result result;
        options.time_budget_seconds = cases[i].seconds;
        thaw_model *model = run(cases[i].hidden, cases[i].visible, &options, &result);
        CU_ASSERT(!result.refinement.tried && !result.refinement.kept);
        CU_ASSERT_PTR_NOT_NULL(strstr(result.refinement.reason, cases[i].reason));
        CU_ASSERT_EQUAL(result.epoch_count, 1);
        check_model(model, cases[i].visible, &options, &result);
        thaw_finetune_result_free(&result);
        thaw_model_close(&model);
    }
}

static void interrupt(void *user, const thaw_epoch *epoch)
{
    if (epoch->planned > 1)
        thaw_context_interrupt(user);
}

/* An interruption of fine-tuning leaves the probe. */
static void interrupted(void)
{
    thaw_finetune_options options = recipe_options();
    thaw_finetune_result result;
    options.on_epoch = interrupt;
    options.job.user = test_context();
    thaw_model *model = run(true, true, &options, &result), *original = make_model(true);
    thaw_context_resume(test_context());
    CU_ASSERT(result.interrupted && result.refinement.tried && !result.refinement.kept);
    CU_ASSERT(same(model, original, "hidden.weight"));
    CU_ASSERT_EQUAL(result.best_validation_top1, result.probe.validation_top1);
    check_model(model, true, &options, &result);
    thaw_finetune_result_free(&result);
    thaw_model_close(&model);
    thaw_model_close(&original);
}

/* Training ends when its time does, with a schedule that ends there too. */
static void out_of_time(void)
{
    thaw_finetune_options options = recipe_options();
    thaw_finetune_result result;
    options.recipe = THAW_RECIPE_FINETUNE;
    options.freeze.unfreeze = 1;
    options.epochs = 50000;
    options.time_budget_seconds = 1.0;
    thaw_model *model = run(true, true, &options, &result);
    const thaw_epoch *last = &result.epochs[result.epoch_count - 1];
    CU_ASSERT(result.out_of_time && !result.interrupted && result.steps > 3);
    CU_ASSERT_EQUAL(result.planned_steps, 50000 * 11);
    CU_ASSERT(result.steps < result.planned_steps && result.seconds < 5.0);
    CU_ASSERT(last->learning_rate < 0.05 * options.learning_rate);
    check_model(model, true, &options, &result);
    thaw_finetune_result_free(&result);
    thaw_model_close(&model);
    options.epochs = 2;
    options.time_budget_seconds = 1000.0;
    model = run(true, true, &options, &result);
    CU_ASSERT(!result.out_of_time && result.steps == 22 && result.planned_steps == 22);
    thaw_finetune_result_free(&result);
    thaw_model_close(&model);
}

/* Features that may not be kept in memory: the head is trained in steps instead. */
static void no_probe(void)
{
    thaw_finetune_options options = recipe_options();
    thaw_finetune_result result;
    options.memory_bytes = 1000;
    options.epochs = 2;
    thaw_model *model = run(true, true, &options, &result);
    CU_ASSERT_EQUAL(result.recipe, THAW_RECIPE_FINETUNE);
    CU_ASSERT_EQUAL(result.epoch_count, 2);
    thaw_finetune_result_free(&result);
    thaw_model_close(&model);
}

static thaw_forecast forecast(bool hidden, const thaw_finetune_options *options)
{
    thaw_model *model = make_model(hidden);
    thaw_dataset *dataset = open_pictures(true);
    thaw_forecast forecast;
    CU_ASSERT_EQUAL_FATAL(thaw_finetune_forecast(model, test_device(), dataset, options, &forecast), THAW_OK);
    thaw_dataset_close(&dataset);
    thaw_model_close(&model);
    return forecast;
}

/* The row that would be taken is one, and it says what the run then does. */
static void check_taken(const thaw_forecast *forecast, thaw_recipe recipe, int32_t unfreeze, int32_t epochs)
{
    size_t taken = 0;
    for (size_t i = 0; i < forecast->count; i++) {
        const thaw_forecast_row *row = &forecast->rows[i];
        CU_ASSERT(row->possible && row->seconds > 0 && row->seconds >= row->least_seconds);
        CU_ASSERT(row->process_bytes > 0 && row->feature_seconds >= 0);
        taken += row->taken;
        if (!row->taken)
            continue;
        CU_ASSERT_EQUAL(row->recipe, recipe);
        CU_ASSERT_EQUAL(row->unfreeze, unfreeze);
        CU_ASSERT_EQUAL(row->epochs, epochs);
    }
    CU_ASSERT_EQUAL(taken, 1);
}

/* Every recipe and depth has a row; 72 pictures to train on make 11 steps of seven. */
static void planned(void)
{
    thaw_finetune_options options = recipe_options();
    thaw_forecast f = forecast(true, &options);
    CU_ASSERT_EQUAL(f.count, 4); /* the probe; steps for the head and for all; the default recipe for all */
    CU_ASSERT(f.train_count == 72 && f.validation_count == 48);
    CU_ASSERT(f.rows[2].everything && !f.rows[1].everything);
    CU_ASSERT(strcmp(f.rows[1].cut, "features") == 0 && strcmp(f.rows[2].cut, "flat") == 0);
    check_taken(&f, THAW_RECIPE_PROBE_THEN_FINETUNE, 1, 46);
    thaw_forecast_free(&f);
    options.recipe = THAW_RECIPE_FINETUNE;
    options.freeze.unfreeze = 1;
    f = forecast(true, &options);
    check_taken(&f, THAW_RECIPE_FINETUNE, 1, options.epochs);
    thaw_forecast_free(&f);
    options.freeze.unfreeze = 0;
    options.freeze.trainable = "hidden";
    f = forecast(true, &options);
    CU_ASSERT_EQUAL(f.count, 6);
    check_taken(&f, THAW_RECIPE_FINETUNE, -1, options.epochs);
    thaw_forecast_free(&f);
    options = recipe_options(); /* nothing lies below the head */
    f = forecast(false, &options);
    check_taken(&f, THAW_RECIPE_PROBE, 0, 0);
    thaw_forecast_free(&f);
}

/* Mistakes are found as training would find them. */
static void not_planned(void)
{
    thaw_finetune_options options = recipe_options();
    thaw_model *model = make_model(true);
    thaw_dataset *dataset = open_pictures(true);
    thaw_forecast f;
    options.recipe = THAW_RECIPE_FINETUNE;
    options.freeze.unfreeze = 7;
    CU_ASSERT_EQUAL(thaw_finetune_forecast(model, test_device(), dataset, &options, &f), THAW_ERR_USAGE);
    thaw_forecast_free(&f);
    options.freeze.unfreeze = 0;
    options.learning_rate = -1;
    CU_ASSERT_EQUAL(thaw_finetune_forecast(model, test_device(), dataset, &options, &f), THAW_ERR_USAGE);
    thaw_forecast_free(&f);
    thaw_dataset_close(&dataset);
    thaw_model_close(&model);
}

void suite_recipe(void)
{
    static const test_entry tests[] = {
        {"kept", kept},         {"put back", put_back},       {"not tried", not_tried}, {"interrupted", interrupted},
        {"no probe", no_probe}, {"out of time", out_of_time}, {"planned", planned},     {"not planned", not_planned},
    };
    TEST_SUITE("recipe", tests);
}
