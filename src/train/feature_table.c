#include "base/memory.h"
#include "train/feature_table.h"

#include <stdlib.h>
#include <string.h>

typedef struct filling {
    thaw_context *context;
    thaw_feature_table *table;
} filling;

static thaw_status store(void *user, float *const *rows, size_t count, const size_t *index, const thaw_shape *row_shape)
{
    const filling *f = user;
    thaw_feature_table *t = f->table;
    if (!t->rows) {
        t->row_shape = *row_shape;
        t->width = (size_t)thaw_shape_size(row_shape);
        int64_t row_bytes;
        if (!thaw_multiply((int64_t)t->width, sizeof **rows, &row_bytes))
            return thaw_fail(f->context, THAW_ERR_SIZE, "a row of %zu features is too large", t->width);
        THAW_TRY(thaw_allocate(f->context, t->capacity, (size_t)row_bytes, &t->rows));
    }
    memcpy(t->rows + t->count * t->width, rows[0], count * t->width * sizeof **rows);
    memcpy(t->index + t->count, index, count * sizeof *index);
    t->count += count;
    return THAW_OK;
}

thaw_status thaw_feature_table_fill(thaw_device *device, thaw_images_options options, thaw_feature_table *table,
                                    size_t *bad_count)
{
    filling f = {thaw_device_context(device), table};
    *table = (thaw_feature_table){.capacity = options.count};
    options.sink = store;
    options.sink_user = &f;
    thaw_status status = thaw_allocate(f.context, options.count, sizeof *table->index, &table->index);
    if (status == THAW_OK)
        status = thaw_images_run(device, &options, bad_count);
    if (status != THAW_OK)
        thaw_feature_table_free(table);
    return status;
}

void thaw_feature_table_free(thaw_feature_table *table)
{
    free(table->rows);
    free(table->index);
    *table = (thaw_feature_table){0};
}
