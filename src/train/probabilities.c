#include "train/probabilities.h"
#include "model/head.h"

#include <math.h>

static void softmax(float *row, size_t classes)
{
    float largest = row[0];
    double sum = 0.0;
    for (size_t k = 1; k < classes; k++)
        largest = row[k] > largest ? row[k] : largest;
    for (size_t k = 0; k < classes; k++)
        sum += exp((double)row[k] - largest);
    for (size_t k = 0; k < classes; k++)
        row[k] = (float)(exp((double)row[k] - largest) / sum);
}

thaw_status thaw_probabilities(thaw_model *model, thaw_device *device, const char *const *paths, size_t count,
                               const thaw_preprocess *preprocess, const thaw_job *job, const char *phase,
                               thaw_feature_table *table, size_t *bad_count)
{
    THAW_TRY(thaw_preprocess_check(model->context, preprocess));
    const thaw_images_options images = {
        .graph = model->graph, .paths = paths, .count = count, .preprocess = *preprocess, .job = job, .phase = phase};
    THAW_TRY(thaw_feature_table_fill(device, images, table, bad_count));
    const size_t names = thaw_model_class_count(model);
    if (table->count && names && table->width != names) {
        const thaw_status status = thaw_fail(model->context, THAW_ERR_SHAPE,
                                             "the model has %zu outputs but %zu class names", table->width, names);
        thaw_feature_table_free(table);
        return status;
    }
    for (size_t i = 0; i < table->count && !thaw_head_ends_in_softmax(model->graph); i++)
        softmax(table->rows + i * table->width, table->width);
    return THAW_OK;
}
