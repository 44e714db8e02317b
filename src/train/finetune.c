/* The main job: new head, features once, training, the best epoch into the model. */
#include "base/clock.h"
#include "base/memory.h"
#include "model/freeze.h"
#include "model/head.h"
#include "model/model.h"
#include "train/standardise.h"
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_PARAMETERS = 2 }; /* weight and bias */

typedef struct finetuning {
    thaw_context *context;
    thaw_model *model;
    thaw_device *device;
    const thaw_dataset *dataset;
    const thaw_finetune_options *options;
    thaw_finetune_result *result;
    thaw_feature_table features;
    thaw_standardisation standardisation;
    const char **paths;  /* [images] */
    int32_t *labels;     /* [features.count] */
    float *weights;      /* [features.count] */
    bool *validation;    /* [features.count] */
    bool *training;      /* [features.count]: not validation */
    size_t *class_count; /* [classes]: training images */
} finetuning;

thaw_job thaw_job_defaults(void)
{
    return (thaw_job){.batch_size = 16};
}

thaw_finetune_options thaw_finetune_defaults(void)
{
    thaw_finetune_options options = {.job = thaw_job_defaults(),
                                     .train_batch_size = 32,
                                     .optimizer = THAW_OPTIMIZER_ADAMW,
                                     .learning_rate = 1e-3,
                                     .momentum = 0.9,
                                     .weight_decay = 1e-2,
                                     .schedule = THAW_SCHEDULE_COSINE,
                                     .seed = 1};
    thaw_preprocess_named("imagenet", 224, 224, &options.preprocess);
    return options;
}

static thaw_status check_options(thaw_context *context, const thaw_finetune_options *o)
{
    if (o->epochs < 0 || o->train_batch_size < 1 || o->job.batch_size < 1)
        return thaw_fail(context, THAW_ERR_USAGE, "epochs can't be negative, and batch sizes start at 1");
    if (!isfinite(o->learning_rate) || o->learning_rate <= 0)
        return thaw_fail(context, THAW_ERR_USAGE, "a learning rate of %g makes no sense", o->learning_rate);
    if (!(o->momentum >= 0 && o->momentum < 1) || !(o->label_smoothing >= 0 && o->label_smoothing < 1))
        return thaw_fail(context, THAW_ERR_USAGE, "momentum and label smoothing are from 0 to below 1");
    if (!isfinite(o->weight_decay) || o->weight_decay < 0 || o->warmup_steps < 0 || o->early_stop < 0)
        return thaw_fail(context, THAW_ERR_USAGE, "weight decay, warm-up and early stop can't be negative");
    return thaw_preprocess_check(context, &o->preprocess);
}

static thaw_status compute_features(finetuning *f, const char *cut)
{
    const size_t count = thaw_dataset_count(f->dataset);
    THAW_TRY(thaw_allocate(f->context, count, sizeof *f->paths, &f->paths));
    for (size_t i = 0; i < count; i++)
        f->paths[i] = thaw_dataset_sample(f->dataset, i)->path;
    const thaw_images_options images = {.graph = f->model->graph,
                                        .output = cut,
                                        .paths = f->paths,
                                        .count = count,
                                        .preprocess = f->options->preprocess,
                                        .job = &f->options->job,
                                        .phase = "features"};
    THAW_TRY(thaw_feature_table_fill(f->device, images, &f->features, &f->result->bad_count));
    if (f->result->bad_count * 10 > count)
        return thaw_fail(f->context, THAW_ERR_DATA, "%zu of %zu images can't be read: more than a tenth",
                         f->result->bad_count, count);
    f->result->feature_count = f->features.width;
    return THAW_OK;
}

static thaw_status label_rows(finetuning *f)
{
    const size_t classes = thaw_dataset_class_count(f->dataset), count = f->features.count;
    THAW_TRY(thaw_allocate(f->context, count, sizeof *f->labels, &f->labels));
    THAW_TRY(thaw_allocate(f->context, count, sizeof *f->weights, &f->weights));
    THAW_TRY(thaw_allocate(f->context, count, sizeof *f->validation, &f->validation));
    THAW_TRY(thaw_allocate(f->context, count, sizeof *f->training, &f->training));
    THAW_TRY(thaw_allocate(f->context, classes, sizeof *f->class_count, &f->class_count));
    for (size_t i = 0; i < count; i++) {
        const thaw_sample *sample = thaw_dataset_sample(f->dataset, f->features.index[i]);
        f->labels[i] = sample->class_index;
        f->validation[i] = sample->validation;
        f->training[i] = !sample->validation;
        if (sample->validation)
            f->result->validation_count++;
        else
            f->class_count[sample->class_index]++;
    }
    f->result->train_count = count - f->result->validation_count;
    for (size_t k = 0; k < classes; k++)
        if (!f->class_count[k])
            return thaw_fail(f->context, THAW_ERR_DATA, "class '%s' has no training image that can be read",
                             thaw_dataset_class_name(f->dataset, k));
    return THAW_OK;
}

/* 1, or inversely to the class's share so that the mean stays 1. */
static void weigh_rows(finetuning *f)
{
    const double classes = (double)thaw_dataset_class_count(f->dataset);
    for (size_t i = 0; i < f->features.count; i++) {
        const double share = (double)f->class_count[f->labels[i]] * classes / (double)f->result->train_count;
        f->weights[i] = f->options->balanced_classes ? (float)(1.0 / share) : 1.0f;
    }
}

/* The trained parameters, [weight, bias] in the graph's order, become the model's. */
static thaw_status install(finetuning *f, thaw_tensor *const parameters[HEAD_PARAMETERS])
{
    const size_t classes = thaw_dataset_class_count(f->dataset);
    thaw_standardisation_fold(&f->standardisation, parameters[0]->data, parameters[1]->data, classes);
    const thaw_graph *graph = f->model->graph;
    for (size_t i = 0, k = 0; i < graph->value_count; i++) {
        thaw_value *value = graph->values[i];
        if (!value->trainable)
            continue;
        thaw_tensor_release(&value->constant);
        value->constant = thaw_tensor_retain(parameters[k++]);
    }
    const char **names;
    THAW_TRY(thaw_allocate(f->context, classes, sizeof *names, &names));
    for (size_t k = 0; k < classes; k++)
        names[k] = thaw_dataset_class_name(f->dataset, k);
    thaw_status status = thaw_model_set_classes(f->model, names, classes);
    free(names);
    return status == THAW_OK ? thaw_model_set_preprocess(f->model, &f->options->preprocess) : status;
}

static thaw_status train_head(finetuning *f, const char *cut, const char *logits)
{
    const thaw_training_set set = {&f->features, f->labels, f->weights, f->validation,
                                   thaw_dataset_class_count(f->dataset)};
    thaw_tensor *parameters[HEAD_PARAMETERS] = {NULL};
    thaw_status status = thaw_train(f->model->graph, f->device, cut, logits, &set, f->options, f->result, parameters);
    if (status == THAW_OK)
        status = install(f, parameters);
    for (int i = 0; i < HEAD_PARAMETERS; i++)
        thaw_tensor_release(&parameters[i]);
    return status;
}

/* What goes into the loss: the linear layer's output, before a Softmax. */
static const char *logits_name(const thaw_graph *graph)
{
    const thaw_value *value = graph->outputs[0];
    return strcmp(value->producer->op->onnx_type, "Softmax") == 0 ? value->producer->inputs[0]->name : value->name;
}

static thaw_status prepare_rows(finetuning *f, const char *cut)
{
    THAW_TRY(compute_features(f, cut));
    THAW_TRY(label_rows(f));
    weigh_rows(f);
    THAW_TRY(thaw_standardisation_measure(f->context, &f->features, f->training, &f->standardisation));
    thaw_standardisation_apply(&f->standardisation, &f->features);
    return THAW_OK;
}

static thaw_status finetune(finetuning *f)
{
    const size_t classes = thaw_dataset_class_count(f->dataset);
    THAW_TRY(check_options(f->context, f->options));
    THAW_TRY(thaw_model_replace_head(f->model, classes, f->options->head_at, f->options->seed));
    const thaw_hash before = thaw_graph_hash_frozen(f->model->graph);
    thaw_split split;
    THAW_TRY(thaw_split_create(f->model->graph, &split));
    thaw_status status = prepare_rows(f, split.cut[0]->name);
    if (status == THAW_OK)
        status = train_head(f, split.cut[0]->name, logits_name(f->model->graph));
    thaw_split_free(&split);
    THAW_TRY(status);
    f->result->frozen_unchanged = thaw_hash_equal(before, thaw_graph_hash_frozen(f->model->graph));
    if (!f->result->frozen_unchanged)
        return thaw_fail(f->context, THAW_ERR_CHECK, "a frozen tensor has changed during training");
    return THAW_OK;
}

thaw_status thaw_finetune(thaw_model *model, thaw_device *device, const thaw_dataset *dataset,
                          const thaw_finetune_options *options, thaw_finetune_result *result)
{
    const double start = thaw_clock_seconds();
    finetuning f = {.context = model->context,
                    .model = model,
                    .device = device,
                    .dataset = dataset,
                    .options = options,
                    .result = result};
    *result = (thaw_finetune_result){.best_validation_top1 = NAN};
    const thaw_status status = finetune(&f);
    result->seconds = thaw_clock_seconds() - start;
    thaw_feature_table_free(&f.features);
    thaw_standardisation_free(&f.standardisation);
    free(f.paths);
    free(f.labels);
    free(f.weights);
    free(f.validation);
    free(f.training);
    free(f.class_count);
    return status;
}

void thaw_finetune_result_free(thaw_finetune_result *result)
{
    free(result->epochs);
    *result = (thaw_finetune_result){0};
}
