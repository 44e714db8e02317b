#include "model/freeze.h"
#include "model/head.h"
#include "model/model.h"
#include "train/feature_store.h"
#include "train/feature_table.h"

#include <string.h>

/* Where the value is one row of numbers for each image, the shape of that row. */
static thaw_status find_row_shape(const thaw_graph *graph, const char *at, const thaw_preprocess *p, thaw_shape *row,
                                  bool *is_row)
{
    enum { BATCH = 2 }; /* so that what has one row for each image shows */
    const thaw_program_options options = {
        .batch = BATCH, .height = p->height, .width = p->width, .outputs = &at, .output_count = 1};
    thaw_program *bound;
    THAW_TRY(thaw_program_create(graph, NULL, &options, &bound));
    const thaw_value *value = bound->graph->outputs[0];
    *is_row = value->shape.rank >= 1 && value->shape.dims[0] == BATCH && !value->constant &&
              thaw_dtype_is_float(value->dtype);
    *row = (thaw_shape){.rank = value->shape.rank - 1};
    for (int32_t i = 0; i < row->rank && *is_row; i++)
        row->dims[i] = value->shape.dims[i + 1];
    thaw_program_destroy(&bound);
    return THAW_OK;
}

/* [count, row shape...] */
static thaw_status make_tensor(thaw_context *context, const thaw_shape *row, size_t count, const float *numbers,
                               thaw_tensor **features)
{
    thaw_shape shape = {.rank = row->rank + 1, .dims = {(int64_t)count}};
    memcpy(shape.dims + 1, row->dims, (size_t)row->rank * sizeof *row->dims);
    THAW_TRY(thaw_tensor_create(context, THAW_FLOAT32, &shape, features));
    memcpy((*features)->data, numbers, (*features)->bytes);
    return THAW_OK;
}

static thaw_status fail_without_images(thaw_context *context, size_t count)
{
    return thaw_fail(context, THAW_ERR_DATA, "none of %zu images can be read", count);
}

/* Without the cache; also says what is wrong with a value that is no row. */
static thaw_status compute(const thaw_graph *graph, thaw_device *device, thaw_images_options images,
                           thaw_tensor **features, size_t *index)
{
    thaw_feature_table table;
    size_t bad_count;
    images.graph = graph;
    THAW_TRY(thaw_feature_table_fill(device, images, &table, &bad_count));
    thaw_status status = table.count ? make_tensor(graph->context, &table.row_shape, table.count, table.rows, features)
                                     : fail_without_images(graph->context, images.count);
    if (status == THAW_OK)
        memcpy(index, table.index, table.count * sizeof *index);
    thaw_feature_table_free(&table);
    return status;
}

/* As fine-tuning would, all of them in memory and to the last bit. */
static thaw_status find_or_compute(const thaw_graph *graph, thaw_device *device, const thaw_images_options *images,
                                   thaw_shape row, thaw_tensor **features, size_t *index)
{
    const char *name = images->outputs[0];
    size_t width = (size_t)thaw_shape_size(&row), bad_count;
    const thaw_cut cut = {.names = &name, .shapes = &row, .widths = &width, .count = 1};
    thaw_job job = *images->job;
    job.cache_precision = THAW_CACHE_FP32;
    const thaw_feature_store_options options = {.graph = graph,
                                                .cut = &cut,
                                                .paths = images->paths,
                                                .count = images->count,
                                                .preprocess = images->preprocess,
                                                .job = &job,
                                                .memory_bytes = UINT64_MAX,
                                                .views = 1};
    thaw_feature_store store;
    bool kept;
    THAW_TRY(thaw_feature_store_open(device, &options, &store, &kept, &bad_count));
    const thaw_status status = store.count ? make_tensor(graph->context, &row, store.count, store.values, features)
                                           : fail_without_images(graph->context, images->count);
    if (status == THAW_OK)
        memcpy(index, store.images, store.count * sizeof *index);
    thaw_feature_store_close(&store);
    return status;
}

static thaw_status run(const thaw_graph *graph, thaw_device *device, thaw_images_options images, thaw_tensor **features,
                       size_t *index)
{
    thaw_shape row;
    bool is_row;
    THAW_TRY(find_row_shape(graph, images.outputs[0], &images.preprocess, &row, &is_row));
    return is_row ? find_or_compute(graph, device, &images, row, features, index)
                  : compute(graph, device, images, features, index);
}

/* On a copy of the graph with a new head: the cut is what finetune would compute and keep. */
static thaw_status run_to_cut(thaw_graph *graph, thaw_device *device, thaw_images_options images,
                              thaw_tensor **features, size_t *index)
{
    thaw_split split;
    THAW_TRY(thaw_head_replace(graph, 2, NULL, 0));
    THAW_TRY(thaw_split_create(graph, &split));
    const char *const cut = split.cut[0]->name;
    images.outputs = &cut;
    const thaw_status status = run(graph, device, images, features, index);
    thaw_split_free(&split);
    return status;
}

thaw_status thaw_features(thaw_model *model, thaw_device *device, const char *const *paths, size_t count,
                          const char *at, const thaw_preprocess *preprocess, const thaw_job *job,
                          thaw_tensor **features, size_t *index)
{
    const thaw_images_options images = {.outputs = at ? &at : NULL,
                                        .output_count = 1,
                                        .paths = paths,
                                        .count = count,
                                        .preprocess = *preprocess,
                                        .job = job,
                                        .phase = "features"};
    *features = NULL;
    THAW_TRY(thaw_preprocess_check(model->context, preprocess));
    if (at)
        return run(model->graph, device, images, features, index);
    thaw_graph *copy;
    THAW_TRY(thaw_graph_extract(model->graph, NULL, 0, NULL, 0, &copy));
    const thaw_status status = run_to_cut(copy, device, images, features, index);
    thaw_graph_destroy(&copy);
    return status;
}
