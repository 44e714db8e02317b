#include "train/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FORMAT "2" /* changes with what the arrays of a checkpoint mean */

static thaw_hash extend_text(thaw_hash hash, const char *text)
{
    return thaw_hash_extend(hash, text, strlen(text));
}

thaw_hash thaw_identity_of_model(const thaw_graph *graph)
{
    thaw_hash hash = {0, 0};
    for (size_t i = 0; i < graph->node_count; i++) {
        hash = extend_text(hash, graph->nodes[i]->name);
        hash = extend_text(hash, graph->nodes[i]->op->onnx_type);
    }
    for (size_t i = 0; i < graph->value_count; i++) {
        const thaw_value *value = graph->values[i];
        const uint8_t flags[] = {value->trainable, value->updated};
        if (!value->constant)
            continue;
        hash = extend_text(hash, value->name);
        hash = thaw_hash_extend(hash, flags, sizeof flags);
        hash = thaw_hash_extend(hash, value->constant->data, value->constant->bytes);
    }
    return hash;
}

/* Which images, in which class and part, and how long their files are. Not where the folder lies. */
static thaw_hash hash_data(const thaw_training *t)
{
    thaw_hash hash = {0, 0};
    for (size_t k = 0; k < t->classes; k++)
        hash = extend_text(hash, thaw_dataset_class_name(t->dataset, k));
    for (size_t i = 0; i < thaw_rows_count(t->rows); i++) {
        const thaw_sample *sample = thaw_dataset_sample(t->dataset, thaw_rows_index(t->rows)[i]);
        struct stat facts;
        char text[96];
        const long long bytes = stat(sample->path, &facts) == 0 ? (long long)facts.st_size : -1;
        snprintf(text, sizeof text, "%d %d %lld", sample->class_index, sample->validation, bytes);
        hash = extend_text(extend_text(hash, sample->name), text);
    }
    return hash;
}

static thaw_status note_images(const thaw_training *t, thaw_checkpoint *checkpoint)
{
    char hash[THAW_HASH_TEXT];
    const thaw_preprocess *p = &t->options->preprocess;
    thaw_hash_text(hash_data(t), hash);
    THAW_TRY(thaw_checkpoint_note(checkpoint, "data", "%s", hash));
    return thaw_checkpoint_note(checkpoint, "preprocess", "%dx%d %d %d %d %.9g %.9g,%.9g,%.9g %.9g,%.9g,%.9g", p->width,
                                p->height, p->resize, (int)p->interpolation, p->bgr, (double)p->scale,
                                (double)p->mean[0], (double)p->mean[1], (double)p->mean[2], (double)p->std[0],
                                (double)p->std[1], (double)p->std[2]);
}

static thaw_status note_options(const thaw_finetune_options *o, int32_t epochs, thaw_checkpoint *checkpoint)
{
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"epochs", epochs},
        {"batch-size", (double)o->train_batch_size},
        {"accumulate", o->accumulate},
        {"optimizer", o->optimizer},
        {"lr", o->learning_rate},
        {"lr-head", o->head_learning_rate},
        {"lr-decay-by-depth", o->depth_decay},
        {"momentum", o->momentum},
        {"nesterov", o->nesterov},
        {"weight-decay", o->weight_decay},
        {"clip-norm", o->clip_norm},
        {"schedule", o->schedule},
        {"warmup", o->warmup_steps},
        {"label-smoothing", o->label_smoothing},
        {"class-weights", o->balanced_classes},
        {"ema", o->ema},
        {"early-stop", o->early_stop},
        {"augment", o->augment},
        {"cache-views", o->cache_views},
        {"cache-precision", o->job.cache_precision},
        {"frozen batch size", (double)o->job.batch_size},
        {"frozen-precision", o->job.frozen_precision},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        THAW_TRY(thaw_checkpoint_note(checkpoint, numbers[i].name, "%.17g", numbers[i].value));
    return thaw_checkpoint_note(checkpoint, "seed", "%" PRIu64, o->seed);
}

thaw_status thaw_identity_note(const thaw_training *t, const char *model, int32_t epochs, thaw_checkpoint *checkpoint)
{
    const thaw_device_info *device = thaw_device_describe(t->device);
    THAW_TRY(thaw_checkpoint_note(checkpoint, "thaw.checkpoint", FORMAT));
    THAW_TRY(thaw_checkpoint_note(checkpoint, "model", "%s", model));
    THAW_TRY(note_options(t->options, epochs, checkpoint)); /* before the images, whose order depends on one of them */
    THAW_TRY(note_images(t, checkpoint));
    return thaw_checkpoint_note(checkpoint, "device", "%s, %s", device->name, device->driver);
}
