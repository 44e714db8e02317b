#include "train/feature_store.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

float thaw_feature_encode_halves(const float *numbers, size_t count, uint16_t *halves)
{
    enum { BLOCK = 256 };
    float back[BLOCK];
    double error = 0.0, norm = 0.0;
    for (size_t from = 0; from < count; from += BLOCK) {
        const size_t here = count - from < BLOCK ? count - from : BLOCK;
        thaw_halves_from_floats(numbers + from, here, halves + from);
        thaw_halves_to_floats(halves + from, here, back);
        for (size_t i = 0; i < here; i++) {
            const double number = numbers[from + i], difference = number - (double)back[i];
            error += difference * difference;
            norm += number * number;
        }
    }
    if (!isfinite(error) || !isfinite(norm))
        return INFINITY;
    return error > 0.0 ? (float)sqrt(error / norm) : 0.0f;
}

void thaw_feature_store_put_floats(thaw_feature_store *s, size_t item, const float *numbers)
{
    if (s->values)
        memcpy(s->values + item * s->width, numbers, s->width * sizeof *numbers);
    else if (s->memory)
        memcpy(s->memory + item * s->row_bytes, numbers, s->row_bytes);
}

void thaw_feature_store_put_row(thaw_feature_store *s, size_t item, const void *row)
{
    if (s->values && s->halves)
        thaw_halves_to_floats(row, s->width, s->values + item * s->width);
    else if (s->values)
        memcpy(s->values + item * s->width, row, s->row_bytes);
    else if (s->memory)
        memcpy(s->memory + item * s->row_bytes, row, s->row_bytes);
}

void thaw_feature_store_read(const thaw_feature_store *s, size_t item, size_t from, size_t count, float *numbers)
{
    if (s->values) {
        memcpy(numbers, s->values + item * s->width + from, count * sizeof *numbers);
        return;
    }
    const void *row = s->rows[item];
    if (s->halves)
        thaw_halves_to_floats((const uint16_t *)row + from, count, numbers);
    else
        memcpy(numbers, (const float *)row + from, count * sizeof *numbers);
}

thaw_hash thaw_feature_store_hash(const thaw_feature_store *s)
{
    thaw_hash hash = {0, 0};
    if (s->values)
        return thaw_hash_extend(hash, s->values, s->item_count * s->width * sizeof *s->values);
    for (size_t i = 0; i < s->item_count && s->rows; i++)
        hash = thaw_hash_extend(hash, s->rows[i], s->row_bytes);
    return hash;
}

void thaw_feature_store_close(thaw_feature_store *s)
{
    thaw_feature_cache_close(&s->cache);
    free(s->images);
    free(s->first_extra);
    free(s->values);
    free(s->memory);
    free(s->rows);
    *s = (thaw_feature_store){0};
}
