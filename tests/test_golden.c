/* The real models of the shared material against what ONNX Runtime gave for four photos. */
#include "op_harness.h"
#include "test.h"

#include "model/model.h"
#include "train/feature_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 4, CLASSES = 1000 };

static bool read_golden(const char *path, float *values)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool complete = true;
    for (int i = 0; i < IMAGES * CLASSES && complete; i++) {
        const char end = i % CLASSES == CLASSES - 1 ? '\n' : ',';
        complete = fscanf(file, "%f", &values[i]) == 1 && fgetc(file) == end;
    }
    fclose(file);
    return complete;
}

typedef struct material {
    char outputs[1024], model[1024], photos[IMAGES][1024];
} material;

/* Copies the path of a part of the shared material; where that is absent, says so. */
static bool find(char *path, size_t size, const char *folder, const char *name, const char *ending)
{
    char part[128];
    snprintf(part, sizeof part, "%s/%s%s", folder, name, ending);
    const char *found = test_shared(part);
    if (found)
        snprintf(path, size, "%s", found);
    else
        test_skip("no %s here", part);
    return found != NULL;
}

static bool find_material(const char *name, material *found)
{
    static const char *const photos[IMAGES] = {"cat", "dog", "goldfish", "parrot"};
    for (int i = 0; i < IMAGES; i++)
        if (!find(found->photos[i], sizeof found->photos[i], "golden/images", photos[i], ".png"))
            return false;
    return find(found->outputs, sizeof found->outputs, "golden", name, ".csv") &&
           find(found->model, sizeof found->model, "models", name, ".onnx");
}

/* The model's own output for the four photos must agree within 1e-4 of the largest magnitude. */
static void check_model(const char *name, const char *convention, bool bgr)
{
    static float wanted[IMAGES * CLASSES];
    material found;
    if (!find_material(name, &found))
        return;
    const char *list[IMAGES] = {found.photos[0], found.photos[1], found.photos[2], found.photos[3]};
    thaw_model *model;
    CU_ASSERT_FATAL(read_golden(found.outputs, wanted));
    CU_ASSERT_EQUAL_FATAL(thaw_model_load(test_context(), found.model, &model), THAW_OK);
    const thaw_job job = thaw_job_defaults();
    thaw_images_options options = {
        .graph = model->graph, .paths = list, .count = IMAGES, .job = &job, .phase = "golden"};
    CU_ASSERT(thaw_preprocess_named(convention, 224, 224, &options.preprocess));
    options.preprocess.resize = 224; /* the photos have the size already */
    options.preprocess.bgr = bgr;
    thaw_feature_table table;
    size_t bad_count;
    CU_ASSERT_EQUAL_FATAL(thaw_feature_table_fill(test_device(), options, &table, &bad_count), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(table.count * table.width, IMAGES * CLASSES);
    double largest = 0.0, error = 0.0;
    for (int i = 0; i < IMAGES * CLASSES; i++) {
        largest = fmax(largest, fabs(wanted[i]));
        error = fmax(error, fabs(table.rows[i] - wanted[i]));
    }
    printf("\n  %s: largest difference %.2e of %.3g ", name, error, largest);
    CU_ASSERT(error <= 1e-4 * largest);
    thaw_feature_table_free(&table);
    thaw_model_close(&model);
}

static void golden(void)
{
    if (!test_shared("golden")) {
        test_skip("no golden outputs here");
        return;
    }
    check_model("squeezenet1.1", "raw", true);
    check_model("mobilenet_v1_0.25", "tf", false);
    check_model("mobilenet_v1_1.0_trunk", "tf", false);
}

void suite_golden(void)
{
    static const test_entry tests[] = {{"real models against ONNX Runtime", golden}};
    TEST_SUITE("golden", tests);
}
