#include "base/memory.h"
#include "train/probabilities.h"

#include <stdlib.h>

/* The `top` largest of a row, falling; the first of equals first. */
static void choose_top(const float *row, size_t classes, thaw_prediction *prediction)
{
    size_t filled = 0;
    for (size_t k = 0; k < classes; k++) {
        size_t place = filled;
        while (place > 0 && row[k] > prediction->probability[place - 1])
            place--;
        if (place == prediction->count)
            continue;
        if (filled < prediction->count)
            filled++;
        for (size_t i = filled - 1; i > place; i--) {
            prediction->probability[i] = prediction->probability[i - 1];
            prediction->class_index[i] = prediction->class_index[i - 1];
        }
        prediction->probability[place] = row[k];
        prediction->class_index[place] = (int32_t)k;
    }
}

static thaw_status fill_prediction(thaw_context *context, const float *row, size_t classes, size_t top,
                                   thaw_prediction *p)
{
    const size_t count = top < classes ? top : classes;
    THAW_TRY(thaw_allocate(context, count, sizeof *p->class_index, &p->class_index));
    THAW_TRY(thaw_allocate(context, count, sizeof *p->probability, &p->probability));
    p->count = count;
    p->ok = true;
    choose_top(row, classes, p);
    return THAW_OK;
}

thaw_status thaw_predict(thaw_model *model, thaw_device *device, const char *const *paths, size_t count, size_t top,
                         const thaw_preprocess *preprocess, const thaw_job *job, thaw_prediction **predictions)
{
    thaw_feature_table table = {0};
    size_t bad_count;
    THAW_TRY(thaw_allocate(model->context, count, sizeof **predictions, predictions));
    for (size_t i = 0; i < count; i++)
        (*predictions)[i].path = paths[i];
    thaw_status status =
        thaw_probabilities(model, device, paths, count, preprocess, job, "predict", &table, &bad_count);
    for (size_t i = 0; i < table.count && status == THAW_OK; i++)
        status = fill_prediction(model->context, table.rows + i * table.width, table.width, top,
                                 &(*predictions)[table.index[i]]);
    thaw_feature_table_free(&table);
    if (status != THAW_OK)
        thaw_predictions_free(predictions, count);
    return status;
}

void thaw_predictions_free(thaw_prediction **predictions, size_t count)
{
    if (!*predictions)
        return;
    for (size_t i = 0; i < count; i++) {
        free((*predictions)[i].class_index);
        free((*predictions)[i].probability);
    }
    free(*predictions);
    *predictions = NULL;
}
