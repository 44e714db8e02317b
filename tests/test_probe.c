/* The probe: its solver against scikit-learn, folds, the paired test, and the recipe from end to end. */
#include "onnx_subject.h"
#include "op_harness.h"
#include "pictures.h"
#include "recorded_probe.h"
#include "test.h"

#include "base/random.h"
#include "model/model.h"
#include "train/folds.h"
#include "train/lbfgs.h"
#include "train/probe_path.h"
#include "train/significance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = PROBE_ROWS, FEATURES = PROBE_FEATURES, CLASSES = PROBE_CLASSES, SPARE = 5 };

/* The problem of record_probe.py, its rows in another order in memory, and a few rows more that don't take part. */
typedef struct problem {
    float features[(ROWS + SPARE) * FEATURES];
    size_t order[ROWS + SPARE];
    int32_t labels[ROWS + SPARE];
    float weights[ROWS + SPARE];
    thaw_probe_rows rows;
} problem;

static void make_problem(problem *p)
{
    for (int i = 0; i < ROWS + SPARE; i++) {
        const int place = (i * 32 + 3) % (ROWS + SPARE), label = (i * i / 3 + i / 5) % CLASSES;
        p->order[i] = (size_t)place;
        p->labels[i] = label;
        p->weights[i] = 1.0f + 0.5f * (float)(i % 3);
        for (int f = 0; f < FEATURES; f++)
            p->features[place * FEATURES + f] =
                (float)(sin(1.7 * (i * FEATURES + f)) + 0.5 * cos(0.9 * (label + 1) * (f + 1)));
    }
    p->rows = (thaw_probe_rows){p->features, p->order, p->labels, ROWS + SPARE, FEATURES, CLASSES};
}

typedef struct fixture {
    problem problem;
    thaw_probe_objective objective;
    thaw_probe_solver solver;
} fixture;

static fixture *open_fixture(size_t slots, double smoothing)
{
    fixture *f = calloc(1, sizeof *f);
    make_problem(&f->problem);
    CU_ASSERT_EQUAL_FATAL(thaw_probe_objective_open(test_device(), &f->problem.rows, slots, smoothing, &f->objective),
                          THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_probe_solver_open(&f->objective, &f->solver), THAW_OK);
    return f;
}

static void close_fixture(fixture *f)
{
    thaw_probe_solver_close(&f->solver);
    thaw_probe_objective_close(&f->objective);
    free(f);
}

/* Parameters, biases relative to their mean, and the objective: what float64 finds. */
static void check_solution(const fixture *f, size_t slot, size_t expected)
{
    const size_t width = f->objective.width;
    const float *parameters = f->solver.parameters + slot * CLASSES * width;
    double largest = 0.0, farthest = 0.0, mean = 0.0;
    for (int k = 0; k < CLASSES; k++)
        mean += parameters[(size_t)k * width + FEATURES] / CLASSES;
    for (int k = 0; k < CLASSES; k++)
        for (int i = 0; i <= FEATURES; i++) {
            const double wanted = recorded[expected].parameters[k][i];
            const double got = parameters[(size_t)k * width + (size_t)i] - (i == FEATURES ? mean : 0.0);
            largest = fmax(largest, fabs(wanted));
            farthest = fmax(farthest, fabs(got - wanted));
        }
    CU_ASSERT(farthest <= 3e-4 * largest);
}

static void solutions(void)
{
    if (test_tiny())
        return;
    for (size_t i = 0; i < sizeof recorded / sizeof recorded[0]; i++) {
        fixture *f = open_fixture(1, recorded[i].smoothing);
        thaw_probe_objective_begin(&f->objective, 1, ROWS);
        thaw_probe_objective_weigh(&f->objective, 0, f->problem.weights);
        CU_ASSERT_EQUAL(thaw_probe_solver_begin(&f->solver), THAW_OK);
        CU_ASSERT_EQUAL(thaw_probe_solver_fit(&f->solver, recorded[i].strength, 1e-4), THAW_OK);
        CU_ASSERT(f->solver.outcomes[0].converged);
        check_solution(f, 0, i);
        close_fixture(f);
    }
}

/* Several classifiers at once, with weights of their own, one after another along a path: each ends where it would
 * alone, and the same again gives the same bits. */
static void side_by_side(void)
{
    if (test_tiny())
        return;
    enum { SLOTS = 3 };
    float first[CLASSES * 16];
    for (int round = 0; round < 2; round++) {
        fixture *f = open_fixture(SLOTS, 0.0);
        float weights[ROWS];
        thaw_probe_objective_begin(&f->objective, SLOTS, ROWS);
        for (size_t slot = 0; slot < SLOTS; slot++) {
            for (int i = 0; i < ROWS; i++)
                weights[i] = slot == 1 ? f->problem.weights[i] : i % (int)(slot + 4) == 0 ? 0.0f : 3.0f;
            thaw_probe_objective_weigh(&f->objective, slot, weights);
        }
        CU_ASSERT_EQUAL(thaw_probe_solver_begin(&f->solver), THAW_OK);
        for (size_t i = 0; i < 3; i++) {
            CU_ASSERT_EQUAL(thaw_probe_solver_fit(&f->solver, recorded[i].strength, 1e-4), THAW_OK);
            check_solution(f, 1, i);
        }
        CU_ASSERT_EQUAL_FATAL(f->objective.width, 16);
        if (round == 0)
            memcpy(first, f->solver.parameters, sizeof first);
        else
            CU_ASSERT(memcmp(first, f->solver.parameters, sizeof first) == 0);
        close_fixture(f);
    }
}

/* The look at a line agrees with itself: slopes are differences of losses, curvatures those of slopes, and gradients
 * say what the slope along a direction is. */
static void lines(void)
{
    fixture *f = open_fixture(1, 0.1);
    thaw_probe_objective *o = &f->objective;
    float direction[CLASSES * 16] = {0}, gradient[CLASSES * 16];
    const double step = 1e-2;
    thaw_probe_point points[3];
    for (int k = 0; k < CLASSES; k++)
        for (int i = 0; i <= FEATURES; i++)
            direction[k * 16 + i] = (float)((k * 7 + i * 5) % 11 - 5) / 10.0f;
    thaw_probe_objective_begin(o, 1, ROWS);
    thaw_probe_objective_weigh(o, 0, f->problem.weights);
    CU_ASSERT_EQUAL(thaw_probe_solver_begin(&f->solver), THAW_OK);
    CU_ASSERT_EQUAL(thaw_probe_objective_aim(o, direction), THAW_OK);
    for (int i = 0; i < 3; i++) {
        const double rate = 0.7 + (i - 1) * step;
        CU_ASSERT_EQUAL(thaw_probe_objective_look(o, &rate, &points[i]), THAW_OK);
    }
    CU_ASSERT_DOUBLE_EQUAL(points[1].slope, (points[2].loss - points[0].loss) / (2 * step), 1e-4);
    CU_ASSERT_DOUBLE_EQUAL(points[1].curvature, (points[2].slope - points[0].slope) / (2 * step), 1e-3);
    const double rate = 0.7;
    CU_ASSERT_EQUAL(thaw_probe_objective_advance(o, &rate, gradient), THAW_OK);
    CU_ASSERT_DOUBLE_EQUAL(thaw_lbfgs_dot(gradient, direction, CLASSES * 16), points[1].slope, 1e-5);
    close_fixture(f);
}

/* A thousand classes of two rows each, and one class that has nearly all rows. */
static void many_classes(void)
{
    if (test_tiny())
        return;
    enum { KINDS = 1000, COUNT = 2 * KINDS, WIDTH = 12 };
    float *features = calloc(COUNT * WIDTH, sizeof *features), weights[COUNT];
    size_t order[COUNT];
    int32_t labels[COUNT];
    thaw_random random = {4};
    for (int uneven = 0; uneven < 2; uneven++) {
        thaw_probe_objective objective;
        thaw_probe_solver solver;
        thaw_probe_point point;
        const double rate = 0.0;
        size_t right = 0;
        const int32_t kinds = uneven ? 2 : KINDS;
        for (int32_t i = 0; i < COUNT; i++) {
            order[i] = (size_t)i;
            labels[i] = uneven ? i < 2 : i % KINDS;
            weights[i] = 1.0f;
            for (int f = 0; f < WIDTH; f++)
                features[i * WIDTH + f] =
                    (float)(sin((labels[i] + 1) * (f + 1.37)) + 0.1 * thaw_random_uniform(&random));
        }
        const thaw_probe_rows rows = {features, order, labels, COUNT, WIDTH, (size_t)kinds};
        CU_ASSERT(thaw_probe_path_slots(&rows) >= 1);
        CU_ASSERT_EQUAL_FATAL(thaw_probe_objective_open(test_device(), &rows, 1, 0.0, &objective), THAW_OK);
        CU_ASSERT_EQUAL_FATAL(thaw_probe_solver_open(&objective, &solver), THAW_OK);
        thaw_probe_objective_begin(&objective, 1, COUNT);
        thaw_probe_objective_weigh(&objective, 0, weights);
        CU_ASSERT_EQUAL(thaw_probe_solver_begin(&solver), THAW_OK);
        CU_ASSERT_EQUAL(thaw_probe_solver_fit(&solver, 1e-4, 1e-2), THAW_OK);
        CU_ASSERT(solver.outcomes[0].converged);
        CU_ASSERT_EQUAL(thaw_probe_objective_look(&objective, &rate, &point), THAW_OK);
        for (size_t i = 0; i < COUNT; i++)
            right += thaw_probe_objective_row_right(&objective, 0, i);
        CU_ASSERT(right >= COUNT * 9 / 10);
        thaw_probe_solver_close(&solver);
        thaw_probe_objective_close(&objective);
    }
    free(features);
}

/* Of many images, some folds are enough. */
static void many_images(void)
{
    if (test_tiny())
        return;
    enum { COUNT = 6000, WIDTH = 3 };
    float *features = calloc(COUNT * WIDTH, sizeof *features), *weights = calloc(COUNT, sizeof *weights);
    size_t *order = calloc(COUNT, sizeof *order);
    int32_t *labels = calloc(COUNT, sizeof *labels);
    thaw_random random = {4};
    thaw_probe_objective objective;
    thaw_probe_solver solver;
    const thaw_job job = thaw_job_defaults();
    for (int i = 0; i < COUNT; i++) {
        order[i] = (size_t)i;
        labels[i] = i % 2;
        weights[i] = 1.0f;
        for (int f = 0; f < WIDTH; f++)
            features[i * WIDTH + f] = (float)(3 * thaw_random_uniform(&random) - (f == labels[i]));
    }
    const thaw_probe_rows rows = {features, order, labels, COUNT, WIDTH, 2};
    const thaw_probe_path_options path = {weights, COUNT, 1, &job};
    thaw_probe_result probe = {0};
    CU_ASSERT_EQUAL_FATAL(
        thaw_probe_objective_open(test_device(), &rows, thaw_probe_path_slots(&rows), 0.0, &objective), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_probe_solver_open(&objective, &solver), THAW_OK);
    CU_ASSERT_EQUAL(thaw_probe_path_choose(&solver, &path, &probe), THAW_OK);
    CU_ASSERT_EQUAL(probe.folds, 2);
    CU_ASSERT_EQUAL(probe.cv_count, 2400);
    CU_ASSERT(probe.cv_top1 > 0.7 && probe.cv_top1_high - probe.cv_top1_low < 0.05);
    free(probe.path);
    thaw_probe_solver_close(&solver);
    thaw_probe_objective_close(&objective);
    free(features);
    free(weights);
    free(order);
    free(labels);
}

/* Every class spread over the folds as evenly as can be, single images in none, the seed decides which. */
static void folds(void)
{
    enum { COUNT = 40, KINDS = 6 };
    static const size_t sizes[KINDS] = {1, 2, 3, 5, 12, 17};
    int32_t labels[COUNT], fold[COUNT], other[COUNT];
    size_t made, n = 0, in_fold[5] = {0};
    for (int32_t k = 0; k < KINDS; k++)
        for (size_t i = 0; i < sizes[k]; i++)
            labels[n++ * 7 % COUNT] = k;
    CU_ASSERT_EQUAL(thaw_folds_deal(test_context(), labels, COUNT, KINDS, 5, 1, fold, &made), THAW_OK);
    CU_ASSERT_EQUAL(made, 5);
    for (int32_t k = 0; k < KINDS; k++) {
        size_t in_class[5] = {0};
        for (size_t i = 0; i < COUNT; i++)
            if (labels[i] == k && fold[i] != THAW_FOLD_NONE)
                in_class[fold[i]]++;
        for (size_t i = 0; i < 5; i++) {
            CU_ASSERT(sizes[k] == 1 ? in_class[i] == 0
                                    : in_class[i] >= sizes[k] / 5 && in_class[i] <= (sizes[k] + 4) / 5);
            in_fold[i] += in_class[i];
        }
    }
    for (size_t i = 0; i < 5; i++)
        CU_ASSERT(in_fold[i] >= 7 && in_fold[i] <= 8);
    CU_ASSERT_EQUAL(thaw_folds_deal(test_context(), labels, COUNT, KINDS, 5, 1, other, &made), THAW_OK);
    CU_ASSERT(memcmp(fold, other, sizeof fold) == 0);
    CU_ASSERT_EQUAL(thaw_folds_deal(test_context(), labels, COUNT, KINDS, 5, 2, other, &made), THAW_OK);
    CU_ASSERT(memcmp(fold, other, sizeof fold) != 0);
    static const int32_t pairs[] = {0, 1, 1, 0, 2}, singles[] = {0, 1, 2};
    CU_ASSERT_EQUAL(thaw_folds_deal(test_context(), pairs, 5, 3, 5, 1, fold, &made), THAW_OK);
    CU_ASSERT_EQUAL(made, 2);
    CU_ASSERT_EQUAL(thaw_folds_deal(test_context(), singles, 3, 3, 5, 1, fold, &made), THAW_OK);
    CU_ASSERT_EQUAL(made, 0);
}

/* Wanted: statsmodels' mcnemar(exact=True), which is 2 * binom.cdf(min, n, 0.5). */
static void paired_test(void)
{
    static const struct {
        size_t first, second;
        double p;
    } cases[] = {{0, 0, 1.0},   {0, 5, 0.0625},      {0, 6, 0.03125}, {1, 8, 0.0390625},
                 {10, 10, 1.0}, {12, 25, 0.0470310}, {300, 300, 1.0}, {250, 310, 0.0125905}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_DOUBLE_EQUAL(thaw_mcnemar_exact(cases[i].first, cases[i].second), cases[i].p, 1e-6);
        CU_ASSERT_DOUBLE_EQUAL(thaw_mcnemar_exact(cases[i].second, cases[i].first), cases[i].p, 1e-6);
    }
    CU_ASSERT_EQUAL(thaw_mcnemar_least(0.05), 6);
    static const bool a[] = {true, true, false, false, true}, b[] = {true, false, true, false, false};
    const thaw_paired_test test = thaw_paired_test_of(a, b, 5);
    CU_ASSERT(test.only_first == 2 && test.only_second == 1 && test.p == 1.0);
}

/* --- the recipe -----------------------------------------------------------------------------------------------------
 */

enum { PIXELS = 3 * PICTURE_SIZE * PICTURE_SIZE };

/* image -> Flatten -> Gemm: the features are the pixels. */
static thaw_model *make_model(void)
{
    onnx_subject subject = {0};
    thaw_model *model;
    subject_open(&subject);
    subject_input(&subject, "image", (thaw_shape){4, {-1, 3, PICTURE_SIZE, PICTURE_SIZE}});
    subject_node(&subject, "Flatten", "flatten", "image", "flat");
    subject_initializer(&subject, "old.weight", THAW_FLOAT32, (thaw_shape){2, {5, PIXELS}});
    subject_initializer(&subject, "old.bias", THAW_FLOAT32, (thaw_shape){1, {5}});
    subject_attribute(&subject, subject_node(&subject, "Gemm", "old", "flat,old.weight,old.bias", "scores"), "transB",
                      1);
    subject_output(&subject, "scores", (thaw_shape){2, {-1, 5}});
    CU_ASSERT_EQUAL_FATAL(subject_load(&subject, &model), THAW_OK);
    subject_close(&subject);
    return model;
}

static thaw_finetune_options probe_options(void)
{
    thaw_finetune_options options = pictures_options();
    options.recipe = THAW_RECIPE_PROBE;
    return options;
}

/* The head's numbers, the same twice; the model says what the result says. */
static void recipe(void)
{
    if (test_tiny())
        return;
    float heads[2][PICTURE_CLASSES * PIXELS];
    for (int i = 0; i < 2; i++) {
        thaw_model *model = make_model();
        thaw_dataset *dataset = pictures_open(0.25);
        thaw_finetune_options options = probe_options();
        thaw_finetune_result result;
        thaw_evaluation evaluation;
        const thaw_job job = thaw_job_defaults();
        options.job.workers = (size_t)i + 1;
        CU_ASSERT_EQUAL_FATAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_OK);
        const thaw_probe_result *probe = &result.probe;
        CU_ASSERT(result.frozen_unchanged && probe->converged && !result.head_kept);
        CU_ASSERT_EQUAL(result.epoch_count, 1);
        CU_ASSERT_EQUAL(probe->folds, 5);
        CU_ASSERT_EQUAL(probe->cv_count, 27);
        CU_ASSERT(probe->cv_top1 >= 0.8 && probe->cv_top1_low < probe->cv_top1 &&
                  probe->cv_top1 <= probe->cv_top1_high);
        CU_ASSERT(result.best_validation_top1 >= 0.8 && result.best_validation_low < result.best_validation_top1);
        CU_ASSERT_EQUAL(probe->validation_top1, result.best_validation_top1);
        CU_ASSERT(probe->path_count > 3 && probe->path[0].strength > probe->path[1].strength);
        CU_ASSERT_EQUAL_FATAL(
            thaw_evaluate(model, test_device(), dataset, false, &options.preprocess, &job, &evaluation), THAW_OK);
        CU_ASSERT_DOUBLE_EQUAL(evaluation.top1, result.best_validation_top1, 1e-12);
        CU_ASSERT_DOUBLE_EQUAL(evaluation.loss, result.epochs[0].validation_loss, 1e-4);
        CU_ASSERT_STRING_EQUAL(thaw_model_class_name(model, 1), "class_1");
        memcpy(heads[i], thaw_graph_find_value(model->graph, "thaw_head.weight")->constant->data, sizeof heads[i]);
        thaw_evaluation_free(&evaluation);
        thaw_finetune_result_free(&result);
        thaw_dataset_close(&dataset);
        thaw_model_close(&model);
    }
    CU_ASSERT(memcmp(heads[0], heads[1], sizeof heads[0]) == 0);
}

/* Hardly any images, hardly any of some classes, images that are all the same. */
static void odd_data(void)
{
    if (test_tiny())
        return;
    static const struct {
        size_t counts[PICTURE_CLASSES];
        bool visible;
        size_t folds, held_out;
        double least; /* accuracy on what was trained on */
    } cases[] = {
        {{1, 1, 1}, true, 0, 0, 1.0},    {{3, 1, 1}, true, 3, 3, 1.0},   {{2, 2, 1}, true, 2, 4, 1.0},
        {{60, 2, 1}, true, 5, 62, 0.95}, {{6, 4, 2}, false, 5, 12, 0.5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int balanced = 0; balanced < 2; balanced++) {
            char root[256];
            snprintf(root, sizeof root, "%s/odd%zu", test_folder(), i);
            pictures_make_counts(root, cases[i].counts, cases[i].visible);
            thaw_model *model = make_model();
            thaw_dataset *dataset;
            thaw_dataset_options split = thaw_dataset_defaults();
            thaw_finetune_options options = probe_options();
            thaw_finetune_result result;
            thaw_evaluation evaluation;
            const thaw_job job = thaw_job_defaults();
            split.validation_share = 0.0;
            options.balanced_classes = balanced;
            CU_ASSERT_EQUAL_FATAL(thaw_dataset_open(test_context(), root, &split, &dataset), THAW_OK);
            CU_ASSERT_EQUAL_FATAL(thaw_finetune(model, test_device(), dataset, &options, &result), THAW_OK);
            CU_ASSERT_EQUAL(result.probe.folds, cases[i].folds);
            CU_ASSERT_EQUAL(result.probe.cv_count, cases[i].held_out);
            CU_ASSERT(result.probe.converged && isnan(result.best_validation_top1));
            CU_ASSERT_EQUAL_FATAL(
                thaw_evaluate(model, test_device(), dataset, true, &options.preprocess, &job, &evaluation), THAW_OK);
            CU_ASSERT(evaluation.top1 >= cases[i].least || (balanced && !cases[i].visible));
            thaw_evaluation_free(&evaluation);
            thaw_finetune_result_free(&result);
            thaw_dataset_close(&dataset);
            thaw_model_close(&model);
        }
}

/* What a probe can't do is said before any work. */
static void refused(void)
{
    for (int i = 0; i < 4; i++) {
        thaw_model *model = make_model();
        thaw_dataset *dataset = pictures_open(0.25);
        thaw_finetune_options options = probe_options();
        thaw_finetune_result result;
        options.freeze.unfreeze = i == 0;
        options.augment = i == 1 ? THAW_AUGMENT_BASIC : THAW_AUGMENT_NONE;
        options.checkpoint = i == 2 ? "folder" : NULL;
        options.memory_bytes = i == 3 ? 1000 : 0;
        CU_ASSERT_EQUAL(thaw_finetune(model, test_device(), dataset, &options, &result),
                        i == 3 ? THAW_ERR_UNSUPPORTED : THAW_ERR_USAGE);
        thaw_finetune_result_free(&result);
        thaw_dataset_close(&dataset);
        thaw_model_close(&model);
    }
}

void suite_probe(void)
{
    static const test_entry tests[] = {
        {"scikit-learn's solutions", solutions},
        {"side by side", side_by_side},
        {"lines", lines},
        {"a thousand classes", many_classes},
        {"many images", many_images},
        {"folds", folds},
        {"paired test", paired_test},
        {"the recipe", recipe},
        {"odd data", odd_data},
        {"refused", refused},
    };
    TEST_SUITE("probe", tests);
}
