#include "train/standardise.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

/* Below this share of its magnitude a feature's spread is rounding noise. */
static const double least_relative_deviation = 1e-5;

/* Gives a row, which may be put into `room`. */
typedef const float *(*row_reader)(const void *rows, size_t row, float *room);

static thaw_status allocate(thaw_context *context, size_t width, thaw_standardisation *s, float **room)
{
    *s = (thaw_standardisation){.width = width};
    THAW_TRY(thaw_allocate(context, width, sizeof *s->mean, &s->mean));
    THAW_TRY(thaw_allocate(context, width, sizeof *s->inverse, &s->inverse));
    return thaw_allocate(context, width, sizeof **room, room);
}

static void measure(const void *rows, row_reader read, size_t row_count, const bool *used, float *room,
                    thaw_standardisation *s)
{
    size_t count = 0;
    for (size_t i = 0; i < row_count; i++) {
        const float *row = used[i] ? read(rows, i, room) : NULL;
        count += used[i];
        for (size_t f = 0; f < s->width && row; f++)
            s->mean[f] += row[f];
    }
    for (size_t f = 0; f < s->width; f++)
        s->mean[f] /= (double)count;
    for (size_t i = 0; i < row_count; i++) {
        const float *row = used[i] ? read(rows, i, room) : NULL;
        for (size_t f = 0; f < s->width && row; f++) {
            const double difference = row[f] - s->mean[f];
            s->inverse[f] += difference * difference;
        }
    }
    for (size_t f = 0; f < s->width; f++) {
        const double deviation = sqrt(s->inverse[f] / (double)count);
        s->inverse[f] =
            deviation > least_relative_deviation * fabs(s->mean[f]) && deviation > 1e-30 ? 1.0 / deviation : 0.0;
    }
}

static const float *read_table(const void *rows, size_t row, float *room)
{
    const thaw_feature_table *table = rows;
    (void)room;
    return table->rows + row * table->width;
}

static const float *read_store(const void *rows, size_t row, float *room)
{
    const thaw_feature_store *store = rows;
    thaw_feature_store_read(store, row, 0, store->width, room);
    return room;
}

static thaw_status measure_rows(thaw_context *context, const void *rows, row_reader read, size_t count, size_t width,
                                const bool *used, thaw_standardisation *s)
{
    float *room = NULL;
    const thaw_status status = allocate(context, width, s, &room);
    if (status == THAW_OK)
        measure(rows, read, count, used, room, s);
    else
        thaw_standardisation_free(s);
    free(room);
    return status;
}

thaw_status thaw_standardisation_measure(thaw_context *context, const thaw_feature_table *table, const bool *used,
                                         thaw_standardisation *s)
{
    return measure_rows(context, table, read_table, table->count, table->width, used, s);
}

thaw_status thaw_standardisation_measure_store(const thaw_feature_store *store, const bool *used,
                                               thaw_standardisation *s)
{
    return measure_rows(store->context, store, read_store, store->item_count, store->width, used, s);
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
