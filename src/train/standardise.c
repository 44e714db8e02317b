#include "train/standardise.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

/* Below this share of its magnitude a feature's spread is rounding noise. */
static const double least_relative_deviation = 1e-5;

thaw_status thaw_standardisation_measure(thaw_context *context, const thaw_feature_table *table, const bool *used,
                                         thaw_standardisation *s)
{
    *s = (thaw_standardisation){.width = table->width};
    thaw_status status = thaw_allocate(context, table->width, sizeof *s->mean, &s->mean);
    if (status == THAW_OK)
        status = thaw_allocate(context, table->width, sizeof *s->inverse, &s->inverse);
    if (status != THAW_OK) {
        thaw_standardisation_free(s);
        return status;
    }
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++)
        for (size_t f = 0; f < table->width && used[i]; f++)
            s->mean[f] += table->rows[i * table->width + f];
    for (size_t i = 0; i < table->count; i++)
        count += used[i];
    for (size_t f = 0; f < table->width; f++)
        s->mean[f] /= (double)count;
    for (size_t i = 0; i < table->count; i++)
        for (size_t f = 0; f < table->width && used[i]; f++) {
            const double difference = table->rows[i * table->width + f] - s->mean[f];
            s->inverse[f] += difference * difference;
        }
    for (size_t f = 0; f < table->width; f++) {
        const double deviation = sqrt(s->inverse[f] / (double)count);
        s->inverse[f] =
            deviation > least_relative_deviation * fabs(s->mean[f]) && deviation > 1e-30 ? 1.0 / deviation : 0.0;
    }
    return THAW_OK;
}

void thaw_standardisation_apply(const thaw_standardisation *s, thaw_feature_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        for (size_t f = 0; f < table->width; f++) {
            float *x = &table->rows[i * table->width + f];
            *x = (float)((*x - s->mean[f]) * s->inverse[f]);
        }
}

void thaw_standardisation_fold(const thaw_standardisation *s, float *weight, float *bias, size_t classes)
{
    for (size_t k = 0; k < classes; k++) {
        double shift = 0.0;
        for (size_t f = 0; f < s->width; f++) {
            float *w = &weight[k * s->width + f];
            const double folded = *w * s->inverse[f];
            shift += folded * s->mean[f];
            *w = (float)folded;
        }
        bias[k] = (float)(bias[k] - shift);
    }
}

void thaw_standardisation_unfold(const thaw_standardisation *s, float *weight, float *bias, size_t classes)
{
    for (size_t k = 0; k < classes; k++) {
        double shift = 0.0;
        for (size_t f = 0; f < s->width; f++) {
            float *w = &weight[k * s->width + f];
            shift += *w * s->mean[f];
            *w = s->inverse[f] > 0.0 ? (float)(*w / s->inverse[f]) : 0.0f;
        }
        bias[k] = (float)(bias[k] + shift);
    }
}

void thaw_standardisation_free(thaw_standardisation *s)
{
    free(s->mean);
    free(s->inverse);
    *s = (thaw_standardisation){0};
}
