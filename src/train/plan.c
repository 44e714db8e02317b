#include "train/plan.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

static thaw_status tell(const thaw_training *t, const thaw_layer_list *layers)
{
    const thaw_finetune_options *o = t->options;
    size_t stages = 1;
    for (size_t i = 0; i < layers->count; i++)
        if ((size_t)layers->layers[i].stage >= stages)
            stages = (size_t)layers->layers[i].stage + 1;
    double *rates;
    THAW_TRY(thaw_allocate(t->context, stages, sizeof *rates, &rates));
    for (size_t i = 0; i < stages; i++)
        rates[i] = o->recipe == THAW_RECIPE_PROBE ? 0.0 : o->learning_rate * pow(o->depth_decay, (double)i);
    if (o->head_learning_rate > 0 && o->recipe != THAW_RECIPE_PROBE)
        rates[0] = o->head_learning_rate;
    const thaw_plan plan = {layers, t->cut.names, t->cut.count, rates, stages, t->head_kept && !o->from_scratch};
    o->on_plan(o->job.user, &plan);
    free(rates);
    return THAW_OK;
}

thaw_status thaw_plan_tell(const thaw_training *t)
{
    const thaw_preprocess *p = &t->options->preprocess;
    thaw_layer_list *layers;
    if (!t->options->on_plan)
        return THAW_OK;
    THAW_TRY(thaw_model_layers(t->model, p->height, p->width, &layers));
    const thaw_status status = tell(t, layers);
    thaw_layer_list_free(&layers);
    return status;
}
