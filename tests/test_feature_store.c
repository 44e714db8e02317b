/* Features that are kept between runs, seen from training: the same bits as without, found again where nothing they
 * depend on has changed, and only there. */
#include "device_trial.h"
#include "onnx_subject.h"
#include "op_harness.h"
#include "pictures.h"

#include "base/hash.h"
#include "base/random.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHANNELS = 8, OLD_CLASSES = 5, IMAGES = 36 };

static onnx_tensor *weights(onnx_subject *subject, const char *name, thaw_shape shape, double scale,
                            thaw_random *random)
{
    onnx_tensor *tensor = subject_initializer(subject, subject_text(subject, name), THAW_FLOAT32, shape);
    for (int64_t i = 0; i < thaw_shape_size(&shape); i++)
        ((float *)tensor->raw_data.data)[i] = (float)((thaw_random_uniform(random) - 0.5) * scale);
    return tensor;
}

/* image -> Conv "lower" -> Relu -> Conv "upper" -> Relu -> mean -> Gemm "old". `scale` is that of the lower weights,
 * `shift` is added to one of them. */
static thaw_model *make_model(double scale, float shift)
{
    onnx_subject subject = {0};
    thaw_model *model;
    thaw_random random = {7};
    subject_open(&subject);
    subject_input(&subject, "image", (thaw_shape){4, {-1, 3, PICTURE_SIZE, PICTURE_SIZE}});
    onnx_tensor *lower = weights(&subject, "lower.weight", (thaw_shape){4, {CHANNELS, 3, 3, 3}}, scale, &random);
    ((float *)lower->raw_data.data)[5] += shift;
    weights(&subject, "upper.weight", (thaw_shape){4, {CHANNELS, CHANNELS, 3, 3}}, 0.5 / scale, &random);
    weights(&subject, "old.weight", (thaw_shape){2, {OLD_CLASSES, CHANNELS}}, 1, &random);
    subject_node(&subject, "Conv", "lower", "image,lower.weight", "a");
    subject_node(&subject, "Relu", "relu1", "a", "b");
    subject_node(&subject, "Conv", "upper", "b,upper.weight", "c");
    subject_node(&subject, "Relu", "relu2", "c", "d");
    subject_node(&subject, "GlobalAveragePool", "mean", "d", "e");
    subject_node(&subject, "Flatten", "flatten", "e", "f");
    subject_attribute(&subject, subject_node(&subject, "Gemm", "old", "f,old.weight", "scores"), "transB", 1);
    subject_output(&subject, "scores", (thaw_shape){2, {-1, OLD_CLASSES}});
    CU_ASSERT_EQUAL_FATAL(subject_load(&subject, &model), THAW_OK);
    subject_close(&subject);
    return model;
}

/* What one run did: what it trained, and what it had to do for that. */
typedef struct outcome {
    thaw_status status;
    thaw_hash trained;
    size_t found, computed, bad, images;
    bool kept, halved;
} outcome;

typedef struct watch {
    size_t computed, bad;
    bool stops;          /* at a bad image */
    const char *to_grow; /* a file that then gets longer; NULL */
} watch;

static void on_progress(void *user, const thaw_progress *progress)
{
    watch *w = user;
    if (strcmp(progress->phase, "features") == 0)
        w->computed = progress->done;
}

static void on_bad_image(void *user, const char *path, const char *reason)
{
    watch *w = user;
    (void)path, (void)reason;
    w->bad++;
    if (w->stops)
        thaw_context_interrupt(test_context());
    FILE *file = w->to_grow ? fopen(w->to_grow, "ab") : NULL;
    if (file) {
        fputc(0, file);
        fclose(file);
    }
}

static thaw_finetune_options defaults(void)
{
    thaw_finetune_options options = pictures_options();
    options.epochs = 2;
    options.job.no_cache = false;
    options.job.batch_size = 5;
    return options;
}

static thaw_hash hash_trained(const thaw_model *model)
{
    thaw_hash hash = {0, 0};
    for (size_t i = 0; i < model->graph->value_count; i++) {
        const thaw_value *value = model->graph->values[i];
        if (value->trainable)
            hash = thaw_hash_extend(hash, value->constant->data, value->constant->bytes);
    }
    return hash;
}

static const char *to_grow; /* by the run that comes */

static outcome run_stopped(thaw_model *model, const char *folder, thaw_finetune_options options, bool stops)
{
    outcome o = {0};
    watch w = {.stops = stops, .to_grow = to_grow};
    thaw_dataset_options data = thaw_dataset_defaults();
    thaw_dataset *dataset;
    thaw_finetune_result result;
    data.validation_share = 0.25;
    options.job.on_progress = on_progress;
    options.job.on_bad_image = on_bad_image;
    options.job.user = &w;
    CU_ASSERT_EQUAL_FATAL(thaw_dataset_open(test_context(), folder, &data, &dataset), THAW_OK);
    o.status = thaw_finetune(model, test_device(), dataset, &options, &result);
    CU_ASSERT_EQUAL(o.status, stops ? THAW_ERR_INTERRUPTED : THAW_OK);
    if (o.status != THAW_OK && !stops)
        printf("%s\n", thaw_error_message(test_context()));
    thaw_context_resume(test_context());
    o.trained = hash_trained(model);
    o.found = result.found_count;
    o.computed = w.computed;
    o.bad = w.bad;
    o.images = result.train_count + result.validation_count;
    o.kept = result.features_kept;
    o.halved = result.features_halved;
    thaw_finetune_result_free(&result);
    thaw_dataset_close(&dataset);
    thaw_model_close(&model);
    return o;
}

static outcome run(thaw_finetune_options options)
{
    return run_stopped(make_model(1, 0), pictures_folder(), options, false);
}

static void begin(const char *cache)
{
    pictures_folder();
    environment_set("THAW_CACHE_DIR", folder_make(cache));
}

/* Without a cache, with an empty one, with a full one, mapped from the disk; a head and more than that. */
static void the_same_bits(void)
{
    static const char *const trained[] = {"nothing", "upper"};
    for (int i = 0; i < 2; i++) {
        outcome outcomes[4];
        thaw_finetune_options options = defaults();
        begin(i ? "store_bits_of_maps" : "store_bits");
        options.job.cache_precision = THAW_CACHE_FP32;
        options.freeze.trainable = i ? trained[i] : NULL;
        for (int k = 0; k < 4; k++) {
            options.job.no_cache = k == 0;
            options.memory_bytes = k == 3 ? 1 : 0;
            outcomes[k] = run(options);
            CU_ASSERT(thaw_hash_equal(outcomes[k].trained, outcomes[0].trained));
            CU_ASSERT_EQUAL(outcomes[k].found, k < 2 ? 0 : IMAGES);
            CU_ASSERT_EQUAL(outcomes[k].computed, k < 2 ? IMAGES : 0);
            CU_ASSERT(outcomes[k].kept);
            CU_ASSERT_FALSE(outcomes[k].halved);
        }
        environment_restore();
    }
}

static void copy_pictures(const char *to)
{
    char command[1200];
    snprintf(command, sizeof command, "cp -r '%s' '%s'", pictures_folder(), to);
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

/* Where images lie and what they are called does not matter; what is in them does. */
static void images_are_known_by_content(void)
{
    char moved[512], from[600], to[600];
    begin("store_content");
    snprintf(moved, sizeof moved, "%s/moved_pictures", test_folder());
    copy_pictures(moved);
    CU_ASSERT_EQUAL(run(defaults()).computed, IMAGES);
    outcome o = run_stopped(make_model(1, 0), moved, defaults(), false);
    CU_ASSERT_EQUAL(o.found, IMAGES);
    CU_ASSERT_EQUAL(o.computed, 0);
    snprintf(from, sizeof from, "%s/class_1/03.png", moved);
    snprintf(to, sizeof to, "%s/class_1/zz.png", moved);
    CU_ASSERT_EQUAL(rename(from, to), 0);
    CU_ASSERT_EQUAL(run_stopped(make_model(1, 0), moved, defaults(), false).found, IMAGES);
    snprintf(from, sizeof from, "%s/class_1/04.png", moved);
    FILE *file = fopen(from, "ab");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputc(0, file); /* behind its end: the same picture, another file */
    fclose(file);
    o = run_stopped(make_model(1, 0), moved, defaults(), false);
    CU_ASSERT_EQUAL(o.found, IMAGES - 1);
    CU_ASSERT_EQUAL(o.computed, 1);
    environment_restore();
}

/* What belongs to the key makes all features anew; what does not, none. */
static void the_key(void)
{
    enum {
        NOTHING,
        SHIFT,
        MEAN,
        INTERPOLATION,
        BATCH,
        HALF_WEIGHTS,
        HALF_FEATURES,
        ALGORITHM,
        LAYOUT,
        DEEPER,
        SEED,
        EPOCHS,
        CHANGES
    };
    for (int change = 0; change < CHANGES; change++) {
        thaw_finetune_options options = defaults();
        begin("store_key");
        run(options);
        if (change == MEAN)
            options.preprocess.mean[1] += 0.01f;
        if (change == INTERPOLATION)
            options.preprocess.interpolation = THAW_NEAREST;
        if (change == BATCH)
            options.job.batch_size = 4;
        if (change == HALF_WEIGHTS)
            options.job.frozen_precision = THAW_PRECISION_FP16;
        if (change == HALF_FEATURES)
            options.job.cache_precision = THAW_CACHE_FP16;
        if (change == ALGORITHM)
            environment_set("THAW_ALGORITHM", "im2col");
        if (change == LAYOUT)
            environment_set("THAW_LAYOUT", "4");
        if (change == DEEPER)
            options.freeze.trainable = "upper";
        options.seed = change == SEED ? 5 : options.seed;
        options.epochs = change == EPOCHS ? 3 : options.epochs;
        const bool known = change == NOTHING || change >= SEED;
        const outcome o = run_stopped(make_model(1, change == SHIFT ? 0.01f : 0), pictures_folder(), options, false);
        if (o.found != (known ? IMAGES : 0))
            printf("change %d: %zu found\n", change, o.found);
        CU_ASSERT_EQUAL(o.found, known ? IMAGES : 0);
        CU_ASSERT_EQUAL(run(defaults()).found, IMAGES); /* what was there still is */
        environment_restore();
        char command[600];
        snprintf(command, sizeof command, "rm -r '%s/store_key'", test_folder());
        CU_ASSERT_EQUAL(system(command), 0);
    }
}

/* What is above the cut does not belong to it. */
static void trained_layers_do_not_matter(void)
{
    begin("store_above");
    thaw_finetune_options options = defaults();
    options.freeze.trainable = "upper";
    CU_ASSERT_EQUAL(run(options).found, 0);
    thaw_model *model = make_model(1, 0);
    ((float *)thaw_graph_find_value(model->graph, "upper.weight")->constant->data)[3] += 1;
    CU_ASSERT_EQUAL(run_stopped(model, pictures_folder(), options, false).found, IMAGES);
    environment_restore();
}

/* A copy with two images that are none. */
static const char *make_bad_pictures(const char *name)
{
    static const char *const bad[] = {"class_0/00.png", "class_1/07.png"};
    static char folder[512];
    char path[600];
    snprintf(folder, sizeof folder, "%s/%s", test_folder(), name);
    copy_pictures(folder);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, bad[i]);
        FILE *file = fopen(path, "wb");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        fputs("no picture", file);
        fclose(file);
    }
    return folder;
}

/* In the middle of the images: what was computed by then is there in the next run. */
static void interrupted(void)
{
    char first_bad[600];
    begin("store_interrupted");
    const char *folder = make_bad_pictures("interrupting_pictures");
    thaw_finetune_options options = defaults();
    options.job.batch_size = 2;
    snprintf(first_bad, sizeof first_bad, "%s/class_0/00.png", folder);
    CU_ASSERT_EQUAL(unlink(first_bad), 0);
    options.job.no_cache = true;
    const outcome plain = run_stopped(make_model(1, 0), folder, options, false);
    options.job.no_cache = false;
    run_stopped(make_model(1, 0), folder, options, true);
    const outcome second = run_stopped(make_model(1, 0), folder, options, false);
    CU_ASSERT(second.found >= 15 && second.found <= 20);
    CU_ASSERT_EQUAL(second.found + second.computed, IMAGES - 1);
    CU_ASSERT(thaw_hash_equal(second.trained, plain.trained));
    environment_restore();
}

/* Maps are halved where that hardly changes them, and the first images decide. */
static void sixteen_bits(void)
{
    static const struct {
        double scale;
        thaw_cache_precision precision;
        bool vectors, halved;
    } cases[] = {
        {1, THAW_CACHE_AUTO, false, true},     {1, THAW_CACHE_FP32, false, false},   {1, THAW_CACHE_FP16, true, true},
        {1, THAW_CACHE_AUTO, true, false},     {1e6, THAW_CACHE_AUTO, false, false}, /* infinite as 16 bits */
        {1e-7, THAW_CACHE_AUTO, false, false}, /* next to nothing is left of them */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char folder[32];
        outcome outcomes[3];
        thaw_finetune_options options = defaults();
        snprintf(folder, sizeof folder, "store_halves_%zu", i);
        begin(folder);
        options.freeze.trainable = cases[i].vectors ? NULL : "upper";
        options.job.cache_precision = cases[i].precision;
        options.learning_rate = 1e-4;
        for (int k = 0; k < 3; k++) {
            options.job.no_cache = k == 0;
            outcomes[k] = run_stopped(make_model(cases[i].scale, 0), pictures_folder(), options, false);
            CU_ASSERT_EQUAL(outcomes[k].halved, cases[i].halved);
            CU_ASSERT(thaw_hash_equal(outcomes[k].trained, outcomes[0].trained));
            CU_ASSERT_EQUAL(outcomes[k].found, k == 2 ? IMAGES : 0);
        }
        CU_ASSERT_EQUAL(outcomes[2].computed, 0);
        environment_restore();
    }
}

/* What "auto" says does not depend on what earlier runs have kept. */
static void precision_is_the_datas(void)
{
    begin("store_precision");
    thaw_finetune_options options = defaults();
    options.freeze.trainable = "upper";
    options.job.cache_precision = THAW_CACHE_FP32;
    CU_ASSERT_FALSE(run(options).halved);
    options.job.cache_precision = THAW_CACHE_AUTO;
    outcome o = run(options);
    CU_ASSERT(o.halved);
    CU_ASSERT_EQUAL(o.found, 0);
    o = run(options);
    CU_ASSERT(o.halved);
    CU_ASSERT_EQUAL(o.found, IMAGES);
    options.memory_bytes = 1; /* mapped, 16 bits */
    CU_ASSERT(thaw_hash_equal(run(options).trained, o.trained));
    options.memory_bytes = (uint64_t)IMAGES * CHANNELS * 10 * 10 * 2; /* in memory, 16 bits */
    CU_ASSERT(thaw_hash_equal(run(options).trained, o.trained));
    environment_restore();
}

/* K views of each training image, computed once; 27 of the images are trained on. */
static void views(void)
{
    enum { VIEWS = 3, ITEMS = 27 * VIEWS + 9 };
    begin("store_views");
    thaw_finetune_options options = defaults();
    options.job.cache_precision = THAW_CACHE_FP32;
    const outcome plain = run(options);
    options.cache_views = 1;
    options.augment = THAW_AUGMENT_BASIC;
    outcome o = run(options);
    CU_ASSERT_EQUAL(o.found, IMAGES);
    CU_ASSERT(thaw_hash_equal(o.trained, plain.trained));
    options.cache_views = VIEWS;
    for (int i = 0; i < 2; i++) { /* vectors, maps */
        outcome outcomes[4];
        options.freeze.trainable = i ? "upper" : NULL;
        for (int k = 0; k < 4; k++) {
            options.job.no_cache = k == 0;
            options.seed = k == 3 ? 8 : 1;
            outcomes[k] = run(options);
            CU_ASSERT_EQUAL(outcomes[k].found, k == 0 ? 0 : k == 1 ? (i ? 0 : IMAGES) : ITEMS);
            CU_ASSERT_EQUAL(thaw_hash_equal(outcomes[k].trained, outcomes[0].trained), k != 3);
            CU_ASSERT(outcomes[k].kept);
        }
        CU_ASSERT_FALSE(thaw_hash_equal(outcomes[0].trained, plain.trained));
    }
    environment_restore();
}

/* Bad images have no row, in a cold cache and in a warm one; each is told once. */
static void bad_images(void)
{
    begin("store_bad");
    const char *moved = make_bad_pictures("bad_pictures");
    for (int i = 0; i < 2; i++) {
        outcome outcomes[4];
        thaw_finetune_options options = defaults();
        options.freeze.trainable = i ? "upper" : NULL;
        options.cache_views = i ? 2 : 0;
        for (int k = 0; k < 4; k++) {
            options.job.no_cache = k == 0;
            options.memory_bytes = k == 3 && i ? 1 : 0;
            outcomes[k] = run_stopped(make_model(1, 0), moved, options, false);
            CU_ASSERT_EQUAL(outcomes[k].bad, 2);
            CU_ASSERT_EQUAL(outcomes[k].images, IMAGES - 2);
            CU_ASSERT(thaw_hash_equal(outcomes[k].trained, outcomes[0].trained));
        }
    }
    environment_restore();
}

/* A file that is written to while the run goes on: what was decoded may not be what was hashed. */
static void images_that_change(void)
{
    char path[600];
    begin("store_changing");
    const char *folder = make_bad_pictures("changing_pictures");
    snprintf(path, sizeof path, "%s/class_2/11.png", folder);
    to_grow = path;
    CU_ASSERT_EQUAL(run_stopped(make_model(1, 0), folder, defaults(), false).found, 0);
    to_grow = NULL;
    CU_ASSERT_EQUAL(run_stopped(make_model(1, 0), folder, defaults(), false).found, IMAGES - 2 - 1);
    CU_ASSERT_EQUAL(run_stopped(make_model(1, 0), folder, defaults(), false).found, IMAGES - 2);
    environment_restore();
}

static void without_a_folder(void)
{
    pictures_folder();
    thaw_finetune_options options = defaults();
    options.job.no_cache = true;
    const outcome plain = run(options);
    options.job.no_cache = false;
    environment_set("THAW_CACHE_DIR", "/dev/null/x");
    for (int i = 0; i < 2; i++) {
        const outcome o = run(options);
        CU_ASSERT_EQUAL(o.found, 0);
        CU_ASSERT(o.kept);
        CU_ASSERT(thaw_hash_equal(o.trained, plain.trained));
    }
    options.memory_bytes = 1;
    CU_ASSERT_FALSE(run(options).kept);
    environment_restore();
}

static const test_entry tests[] = {
    {"the same bits", the_same_bits},
    {"images are known by content", images_are_known_by_content},
    {"the key", the_key},
    {"trained layers do not matter", trained_layers_do_not_matter},
    {"interrupted", interrupted},
    {"sixteen bits", sixteen_bits},
    {"precision is the data's", precision_is_the_datas},
    {"views", views},
    {"bad images", bad_images},
    {"images that change", images_that_change},
    {"without a folder", without_a_folder},
};

void suite_feature_store(void)
{
    TEST_SUITE("feature_store", tests);
}
