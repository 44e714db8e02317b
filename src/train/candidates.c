#include "train/candidates.h"
#include "base/context.h"

enum {
    STEPS = 500,
    FEW_STEPS = 200,   /* fewer are not taken as long as something cheaper is left to try */
    LEAST_STEPS = 100, /* fewer are not worth it */
    WARMUP_STEPS = 25
};

/* What runs beside the steps: validation, writing things down. */
static const double overhead = 1.15;

thaw_status thaw_candidates_stages(const thaw_model *model, const thaw_preprocess *preprocess, int32_t *stages)
{
    thaw_layer_list *layers;
    THAW_TRY(thaw_model_layers(model, preprocess->height, preprocess->width, &layers));
    *stages = 0;
    for (size_t i = 0; i < layers->count; i++)
        *stages =
            layers->layers[i].stage > *stages && layers->layers[i].parameters > 0 ? layers->layers[i].stage : *stages;
    thaw_layer_list_free(&layers);
    return THAW_OK;
}

/* What so many images allow, without learning them by heart. */
static int32_t depth_for(size_t images, int32_t stages)
{
    const int32_t wanted = images < 1000 ? 1 : images < 5000 ? 2 : images < 20000 ? 3 : stages;
    return wanted < stages ? wanted : stages;
}

size_t thaw_candidates_list(const thaw_freeze_options *wish, size_t train_count, int32_t stages,
                            thaw_candidate list[THAW_MOST_CANDIDATES])
{
    const bool wished = wish->until || wish->unfreeze || wish->trainable;
    thaw_freeze_options deep = wished ? *wish : thaw_freeze_defaults(), shallow = thaw_freeze_defaults();
    if (!wished)
        deep.unfreeze = depth_for(train_count, stages);
    deep.update_batch_norm = false;
    shallow.unfreeze = 1;
    list[0] = (thaw_candidate){deep, THAW_AUGMENT_BASIC, FEW_STEPS};
    list[1] = (thaw_candidate){deep, THAW_AUGMENT_NONE, FEW_STEPS};
    list[2] = (thaw_candidate){shallow, THAW_AUGMENT_NONE, LEAST_STEPS};
    if (!wished && deep.unfreeze > 1)
        return 3;
    list[1].least_steps = LEAST_STEPS;
    return 2;
}

thaw_finetune_options thaw_candidate_options(const thaw_candidate *candidate, const thaw_finetune_options *of_probe)
{
    thaw_finetune_options o = *of_probe;
    o.recipe = THAW_RECIPE_FINETUNE;
    o.freeze = candidate->freeze;
    o.augment = candidate->augment;
    o.accumulate = 1;
    o.optimizer = THAW_OPTIMIZER_ADAMW;
    o.learning_rate = 3e-4;
    o.head_learning_rate = 0;
    o.depth_decay = 0.5;
    o.weight_decay = thaw_finetune_defaults().weight_decay;
    o.clip_norm = 1.0;
    o.schedule = THAW_SCHEDULE_COSINE;
    o.warmup_steps = WARMUP_STEPS;
    o.ema = 0;
    o.early_stop = 0;
    o.epochs = 0;
    o.new_head = false; /* the probe's */
    o.head_at = NULL;
    o.on_plan = NULL; /* until one is chosen */
    return o;
}

int32_t thaw_candidate_epochs(const thaw_candidate *candidate, double seconds_left, double step_seconds,
                              size_t steps_per_epoch)
{
    const double affordable = seconds_left / (step_seconds * overhead * (double)steps_per_epoch);
    const size_t wanted = (STEPS + steps_per_epoch - 1) / steps_per_epoch;
    size_t epochs = 0;
    if (affordable >= 1.0)
        epochs = affordable < (double)wanted ? (size_t)affordable : wanted;
    return epochs < wanted && epochs * steps_per_epoch < (size_t)candidate->least_steps ? 0 : (int32_t)epochs;
}
