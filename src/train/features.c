#include "model/freeze.h"
#include "model/head.h"
#include "model/model.h"
#include "train/feature_table.h"

#include <string.h>

/* Rows of the table as a tensor [count, row shape...]. */
static thaw_status table_to_tensor(thaw_context *context, const thaw_feature_table *table, thaw_tensor **features)
{
    thaw_shape shape = {.rank = table->row_shape.rank + 1, .dims = {(int64_t)table->count}};
    memcpy(shape.dims + 1, table->row_shape.dims, (size_t)table->row_shape.rank * sizeof *shape.dims);
    THAW_TRY(thaw_tensor_create(context, THAW_FLOAT32, &shape, features));
    memcpy((*features)->data, table->rows, (*features)->bytes);
    return THAW_OK;
}

static thaw_status run(const thaw_graph *graph, thaw_device *device, thaw_images_options images, thaw_tensor **features,
                       size_t *index)
{
    thaw_feature_table table;
    size_t bad_count;
    images.graph = graph;
    THAW_TRY(thaw_feature_table_fill(device, images, &table, &bad_count));
    thaw_status status = THAW_OK;
    if (!table.count)
        status = thaw_fail(graph->context, THAW_ERR_DATA, "none of %zu images can be read", images.count);
    if (status == THAW_OK)
        status = table_to_tensor(graph->context, &table, features);
    if (status == THAW_OK)
        memcpy(index, table.index, table.count * sizeof *index);
    thaw_feature_table_free(&table);
    return status;
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
