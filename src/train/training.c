#include "train/training.h"
#include "base/memory.h"
#include "model/freeze.h"
#include "model/head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static thaw_status check_rates(thaw_context *context, const thaw_finetune_options *o)
{
    if (!isfinite(o->learning_rate) || o->learning_rate <= 0)
        return thaw_fail(context, THAW_ERR_USAGE, "a learning rate of %g makes no sense", o->learning_rate);
    if (!isfinite(o->head_learning_rate) || o->head_learning_rate < 0)
        return thaw_fail(context, THAW_ERR_USAGE, "a learning rate of %g for the head makes no sense",
                         o->head_learning_rate);
    if (!(o->depth_decay > 0 && o->depth_decay <= 1))
        return thaw_fail(context, THAW_ERR_USAGE, "the decay by depth is above 0 and at most 1");
    if (!(o->momentum >= 0 && o->momentum < 1) || !(o->label_smoothing >= 0 && o->label_smoothing < 1) ||
        !(o->ema >= 0 && o->ema < 1))
        return thaw_fail(context, THAW_ERR_USAGE, "momentum, label smoothing and ema are from 0 to below 1");
    if (!isfinite(o->weight_decay) || o->weight_decay < 0 || !isfinite(o->clip_norm) || o->clip_norm < 0)
        return thaw_fail(context, THAW_ERR_USAGE, "weight decay and the norm to clip at can't be negative");
    if (o->nesterov && (o->optimizer != THAW_OPTIMIZER_SGD || o->momentum <= 0))
        return thaw_fail(context, THAW_ERR_USAGE, "nesterov needs the optimizer sgd with a momentum");
    return THAW_OK;
}

static bool updates_batch_norms(const thaw_finetune_options *o)
{
    return o->freeze.update_batch_norm;
}

thaw_status thaw_finetune_check(thaw_context *context, const thaw_finetune_options *o)
{
    if (o->epochs < 0 || o->train_batch_size < 1 || o->job.batch_size < 1 || o->accumulate < 1)
        return thaw_fail(context, THAW_ERR_USAGE,
                         "epochs can't be negative, batch sizes and batches to accumulate start at 1");
    if (o->warmup_steps < 0 || o->early_stop < 0)
        return thaw_fail(context, THAW_ERR_USAGE, "warm-up and early stop can't be negative");
    THAW_TRY(check_rates(context, o));
    if ((int)o->augment < THAW_AUGMENT_NONE || o->augment > THAW_AUGMENT_STRONG)
        return thaw_fail(context, THAW_ERR_USAGE, "there is no augmentation %d", (int)o->augment);
    if (o->cache_views < 0 || o->cache_views > 1000)
        return thaw_fail(context, THAW_ERR_USAGE, "%d views of each image: expected 0 to 1000", o->cache_views);
    if ((int)o->job.cache_precision < THAW_CACHE_AUTO || o->job.cache_precision > THAW_CACHE_FP16)
        return thaw_fail(context, THAW_ERR_USAGE, "there is no precision %d of features", (int)o->job.cache_precision);
    if (updates_batch_norms(o) && o->train_batch_size < 2)
        return thaw_fail(context, THAW_ERR_USAGE,
                         "batch norms can't be updated on batches of one image: they have no variance");
    if (o->from_scratch && (o->freeze.until || o->freeze.unfreeze || o->freeze.trainable))
        return thaw_fail(context, THAW_ERR_USAGE, "from scratch, nothing is frozen");
    THAW_TRY(thaw_freeze_check(context, &o->freeze));
    if (o->resume && !o->checkpoint)
        return thaw_fail(context, THAW_ERR_USAGE, "to resume, a folder with checkpoints is needed");
    if (!(o->time_budget_seconds >= 0))
        return thaw_fail(context, THAW_ERR_USAGE, "a time budget can't be negative");
    if (o->checkpoint_steps < 0 || !(o->checkpoint_seconds >= 0))
        return thaw_fail(context, THAW_ERR_USAGE, "the distance of checkpoints can't be negative");
    return thaw_preprocess_check(context, &o->preprocess);
}

/* The model's classes are the data's, in the same order, and its head is one that can be trained on. */
static bool knows_classes(const thaw_training *t)
{
    if (thaw_model_class_count(t->model) != t->classes || !thaw_head_fits(t->model->graph, t->classes))
        return false;
    for (size_t k = 0; k < t->classes; k++)
        if (strcmp(thaw_model_class_name(t->model, k), thaw_dataset_class_name(t->dataset, k)) != 0)
            return false;
    return true;
}

thaw_status thaw_training_prepare_model(thaw_training *t)
{
    const thaw_finetune_options *o = t->options;
    thaw_freeze_options freeze = o->freeze;
    t->classes = thaw_dataset_class_count(t->dataset);
    t->head_kept = o->recipe != THAW_RECIPE_PROBE && !o->new_head && !o->head_at && knows_classes(t);
    if (!t->head_kept)
        THAW_TRY(thaw_model_replace_head(t->model, t->classes, o->head_at, o->seed));
    if (o->from_scratch) {
        freeze.until = "none";
        THAW_TRY(thaw_model_reinitialise(t->model, o->seed));
    }
    THAW_TRY(thaw_model_freeze(t->model, &freeze, o->preprocess.height, o->preprocess.width));
    return thaw_cut_find(t->model, o->preprocess.height, o->preprocess.width, &t->cut);
}

static thaw_status read_images(thaw_training *t)
{
    const size_t count = thaw_dataset_count(t->dataset);
    bool *held_out;
    THAW_TRY(thaw_allocate(t->context, count, sizeof *t->paths, &t->paths));
    THAW_TRY(thaw_allocate(t->context, count, sizeof *held_out, &held_out));
    for (size_t i = 0; i < count; i++) {
        t->paths[i] = thaw_dataset_sample(t->dataset, i)->path;
        held_out[i] = thaw_dataset_sample(t->dataset, i)->validation;
    }
    const thaw_rows_options rows = {.model = t->model,
                                    .cut = &t->cut,
                                    .paths = t->paths,
                                    .count = count,
                                    .preprocess = t->options->preprocess,
                                    .job = &t->options->job,
                                    .memory_bytes = t->options->memory_bytes,
                                    .augment = t->options->augment,
                                    .views = (size_t)t->options->cache_views,
                                    .held_out = held_out};
    const thaw_status status = thaw_rows_create(t->device, &rows, &t->rows, &t->bad_count);
    free(held_out);
    THAW_TRY(status);
    if (t->bad_count * 10 > count)
        return thaw_fail(t->context, THAW_ERR_DATA, "%zu of %zu images can't be read: more than a tenth", t->bad_count,
                         count);
    return THAW_OK;
}

static thaw_status label_rows(thaw_training *t)
{
    const size_t count = thaw_rows_count(t->rows);
    THAW_TRY(thaw_allocate(t->context, count, sizeof *t->labels, &t->labels));
    THAW_TRY(thaw_allocate(t->context, count, sizeof *t->weights, &t->weights));
    THAW_TRY(thaw_allocate(t->context, count, sizeof *t->validation, &t->validation));
    THAW_TRY(thaw_allocate(t->context, t->classes, sizeof *t->class_count, &t->class_count));
    for (size_t i = 0; i < count; i++) {
        const thaw_sample *sample = thaw_dataset_sample(t->dataset, thaw_rows_index(t->rows)[i]);
        t->labels[i] = sample->class_index;
        t->validation[i] = sample->validation;
        if (sample->validation)
            t->validation_count++;
        else
            t->class_count[sample->class_index]++;
    }
    t->train_count = count - t->validation_count;
    for (size_t k = 0; k < t->classes; k++)
        if (!t->class_count[k])
            return thaw_fail(t->context, THAW_ERR_DATA, "class '%s' has no training image that can be read",
                             thaw_dataset_class_name(t->dataset, k));
    return THAW_OK;
}

/* 1, or inversely to the class's share so that the mean stays 1. */
static void weigh_rows(thaw_training *t)
{
    for (size_t i = 0; i < thaw_rows_count(t->rows); i++) {
        const double share = (double)t->class_count[t->labels[i]] * (double)t->classes / (double)t->train_count;
        t->weights[i] = t->options->balanced_classes ? (float)(1.0 / share) : 1.0f;
    }
}

/* y = x W' + b, as new heads have it. */
static bool is_plain_gemm(const thaw_node *node)
{
    return strcmp(node->op->onnx_type, "Gemm") == 0 && node->input_count == 3 && node->inputs[1]->trainable &&
           node->inputs[2] && node->inputs[2]->trainable && node->inputs[1]->constant->dtype == THAW_FLOAT32 &&
           node->inputs[2]->constant->dtype == THAW_FLOAT32 &&
           node->inputs[2]->constant->count == node->inputs[1]->constant->shape.dims[0] &&
           thaw_node_int(node, "transB", 0) == 1 && thaw_node_int(node, "transA", 0) == 0 &&
           thaw_node_float(node, "alpha", 1.0f) == 1.0f && thaw_node_float(node, "beta", 1.0f) == 1.0f;
}

const thaw_node *thaw_training_linear_head(const thaw_training *t)
{
    const thaw_graph *graph = t->model->graph;
    const thaw_node *node = thaw_graph_find_value(graph, t->cut.logits)->producer;
    size_t trained = 0;
    for (size_t i = 0; i < graph->value_count; i++)
        trained += graph->values[i]->trainable || graph->values[i]->updated;
    const bool linear = t->cut.count == 1 && t->cut.shapes[0].rank == 1 && trained == 2 && is_plain_gemm(node) &&
                        strcmp(node->inputs[0]->name, t->cut.names[0]) == 0;
    return linear ? node : NULL;
}

/* A head that was trained before says of standardised features what it said of them as they were. */
static thaw_status standardise_head(const thaw_training *t)
{
    const thaw_node *head = thaw_training_linear_head(t);
    thaw_tensor *copies[2];
    for (size_t i = 0; i < 2; i++) {
        thaw_value *value = head->inputs[i + 1];
        THAW_TRY(thaw_tensor_create(t->context, THAW_FLOAT32, &value->constant->shape, &copies[i]));
        memcpy(copies[i]->data, value->constant->data, value->constant->bytes);
        thaw_tensor_release(&value->constant);
        value->constant = copies[i];
    }
    thaw_standardisation_unfold(&t->standardisation, copies[0]->data, copies[1]->data, t->classes);
    return THAW_OK;
}

/* One learning rate fits every base then (docs/decisions/standardised-features.md). */
static thaw_status standardise(thaw_training *t)
{
    const thaw_feature_store *store = thaw_rows_store(t->rows);
    bool *training = NULL;
    size_t *rows;
    THAW_TRY(thaw_rows_of_items(t->rows, &rows));
    thaw_status status = thaw_allocate(t->context, store->item_count, sizeof *training, &training);
    for (size_t i = 0; i < store->item_count && status == THAW_OK; i++)
        training[i] = !t->validation[rows[i]];
    if (status == THAW_OK)
        status = thaw_standardisation_measure_store(store, training, &t->standardisation);
    free(rows);
    free(training);
    THAW_TRY(status);
    thaw_rows_standardise(t->rows, &t->standardisation);
    return t->head_kept ? standardise_head(t) : THAW_OK;
}

thaw_status thaw_training_standardise(thaw_training *t)
{
    return thaw_rows_store(t->rows) && thaw_training_linear_head(t) ? standardise(t) : THAW_OK;
}

thaw_status thaw_training_prepare_rows(thaw_training *t)
{
    THAW_TRY(read_images(t));
    THAW_TRY(label_rows(t));
    weigh_rows(t);
    if (updates_batch_norms(t->options) && t->train_count < 2)
        return thaw_fail(t->context, THAW_ERR_USAGE, "batch norms can't be updated on a single image");
    return thaw_training_standardise(t);
}

void thaw_training_close(thaw_training *t)
{
    thaw_rows_destroy(&t->rows); /* before the cut that it reads by */
    thaw_cut_free(&t->cut);
    thaw_standardisation_free(&t->standardisation);
    free(t->paths);
    free(t->labels);
    free(t->weights);
    free(t->validation);
    free(t->class_count);
    *t = (thaw_training){0};
}
