#include "base/memory.h"
#include "train/metrics.h"
#include "train/probabilities.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct evaluating {
    thaw_context *context;
    thaw_model *model;
    const thaw_dataset *dataset;
    thaw_evaluation *evaluation;
    const char **paths;  /* [images] */
    int32_t *path_class; /* [images]: the model's class */
    size_t count;
    thaw_feature_table table;
    int32_t *truth, *predicted; /* [table.count] */
} evaluating;

/* Which of the model's outputs stands for a folder: by name, or by place where the model has no names. */
static thaw_status output_of_class(const evaluating *e, size_t folder, int32_t *output)
{
    const char *name = thaw_dataset_class_name(e->dataset, folder);
    const size_t names = thaw_model_class_count(e->model);
    *output = (int32_t)folder;
    if (!names)
        return THAW_OK;
    for (size_t i = 0; i < names; i++)
        if (strcmp(thaw_model_class_name(e->model, i), name) == 0) {
            *output = (int32_t)i;
            return THAW_OK;
        }
    thaw_text near = {0};
    const char **all;
    THAW_TRY(thaw_allocate(e->context, names, sizeof *all, &all));
    for (size_t i = 0; i < names; i++)
        all[i] = thaw_model_class_name(e->model, i);
    thaw_text_append_near(&near, name, all, names);
    const thaw_status status = thaw_fail(e->context, THAW_ERR_DATA, "the model does not know the class '%s'%s%s", name,
                                         near.length ? "; near: " : "", near.length ? near.data : "");
    thaw_text_free(&near);
    free(all);
    return status;
}

static thaw_status choose_images(evaluating *e, bool all)
{
    const size_t images = thaw_dataset_count(e->dataset);
    bool held_out = false;
    for (size_t i = 0; i < images; i++)
        held_out = held_out || thaw_dataset_sample(e->dataset, i)->validation;
    THAW_TRY(thaw_allocate(e->context, images, sizeof *e->paths, &e->paths));
    THAW_TRY(thaw_allocate(e->context, images, sizeof *e->path_class, &e->path_class));
    for (size_t i = 0; i < images; i++) {
        const thaw_sample *sample = thaw_dataset_sample(e->dataset, i);
        if (held_out && !all && !sample->validation)
            continue;
        THAW_TRY(output_of_class(e, (size_t)sample->class_index, &e->path_class[e->count]));
        e->paths[e->count++] = sample->path;
    }
    return THAW_OK;
}

/* How many classes are likelier than the true one: 0 is a hit. */
static size_t rank_of(const float *row, size_t classes, int32_t truth)
{
    size_t rank = 0;
    for (size_t k = 0; k < classes; k++)
        rank += row[k] > row[truth] || (row[k] == row[truth] && (int32_t)k < truth);
    return rank;
}

static int32_t likeliest(const float *row, size_t classes)
{
    size_t best = 0;
    for (size_t k = 1; k < classes; k++)
        if (row[k] > row[best])
            best = k;
    return (int32_t)best;
}

static thaw_status allocate_scores(evaluating *e, size_t classes)
{
    thaw_evaluation *v = e->evaluation;
    int64_t cells;
    if (!thaw_multiply((int64_t)classes, (int64_t)classes, &cells))
        return thaw_fail(e->context, THAW_ERR_SIZE, "%zu classes are too many", classes);
    v->class_count = classes;
    THAW_TRY(thaw_allocate(e->context, e->table.count, sizeof *e->truth, &e->truth));
    THAW_TRY(thaw_allocate(e->context, e->table.count, sizeof *e->predicted, &e->predicted));
    THAW_TRY(thaw_allocate(e->context, (size_t)cells, sizeof *v->confusion, &v->confusion));
    return thaw_allocate(e->context, classes, sizeof *v->per_class, &v->per_class);
}

static thaw_status score(evaluating *e)
{
    thaw_evaluation *v = e->evaluation;
    const size_t classes = e->table.width, count = e->table.count;
    THAW_TRY(allocate_scores(e, classes));
    size_t top1 = 0, top5 = 0;
    for (size_t i = 0; i < count; i++) {
        const float *row = e->table.rows + i * classes;
        e->truth[i] = e->path_class[e->table.index[i]];
        if ((size_t)e->truth[i] >= classes)
            return thaw_fail(e->context, THAW_ERR_DATA, "the data has class %d but the model only %zu outputs",
                             e->truth[i] + 1, classes);
        const size_t rank = rank_of(row, classes, e->truth[i]);
        e->predicted[i] = likeliest(row, classes);
        top1 += rank < 1;
        top5 += rank < 5;
        v->loss -= log(fmax(row[e->truth[i]], 1e-30)) / (double)count;
        v->confusion[(size_t)e->truth[i] * classes + (size_t)e->predicted[i]]++;
    }
    v->count = count;
    v->top1 = (double)top1 / (double)count;
    v->top5 = (double)top5 / (double)count;
    thaw_wilson_interval(top1, count, &v->top1_low, &v->top1_high);
    thaw_wilson_interval(top5, count, &v->top5_low, &v->top5_high);
    thaw_class_scores(v->confusion, classes, v->per_class);
    return thaw_macro_f1(e->context, e->truth, e->predicted, count, classes, &v->macro_f1, &v->macro_f1_low,
                         &v->macro_f1_high);
}

static thaw_status evaluate(evaluating *e, thaw_device *device, bool all, const thaw_preprocess *preprocess,
                            const thaw_job *job)
{
    THAW_TRY(choose_images(e, all));
    THAW_TRY(thaw_probabilities(e->model, device, e->paths, e->count, preprocess, job, "evaluate", &e->table,
                                &e->evaluation->bad_count));
    if (!e->table.count)
        return thaw_fail(e->context, THAW_ERR_DATA, "none of %zu images can be read", e->count);
    return score(e);
}

thaw_status thaw_evaluate(thaw_model *model, thaw_device *device, const thaw_dataset *dataset, bool all,
                          const thaw_preprocess *preprocess, const thaw_job *job, thaw_evaluation *evaluation)
{
    evaluating e = {.context = model->context, .model = model, .dataset = dataset, .evaluation = evaluation};
    *evaluation = (thaw_evaluation){0};
    const thaw_status status = evaluate(&e, device, all, preprocess, job);
    thaw_feature_table_free(&e.table);
    free(e.paths);
    free(e.path_class);
    free(e.truth);
    free(e.predicted);
    if (status != THAW_OK)
        thaw_evaluation_free(evaluation);
    return status;
}

void thaw_evaluation_free(thaw_evaluation *evaluation)
{
    free(evaluation->per_class);
    free(evaluation->confusion);
    *evaluation = (thaw_evaluation){0};
}
