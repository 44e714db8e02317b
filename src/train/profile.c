/* Times a step of training and what it is made of. */
#include "model/profile.h"

#include "train/step.h"

static thaw_status run_loss(void *user)
{
    thaw_loss_sums sums = {0};
    return thaw_step_loss(user, &sums);
}

static thaw_status run_optimizer(void *user)
{
    const thaw_step *step = user;
    return thaw_optimizer_step(step->optimizer, step->learning_rate);
}

static thaw_status run_step(void *user)
{
    return thaw_step_run(user);
}

static thaw_status measure_layers(thaw_step *s, thaw_profile *profile)
{
    thaw_graph *graph = s->program->graph;
    const thaw_profile_layer loss = {.op = "loss", .algorithm = "default", .pass = "loss"};
    const thaw_profile_layer optimizer = {.op = "sgd", .algorithm = "default", .pass = "optimizer"};
    if (s->frozen)
        THAW_TRY(thaw_profile_forward(s->frozen->graph, profile));
    THAW_TRY(thaw_profile_forward(graph, profile));
    THAW_TRY(thaw_profile_add(graph->device, &(thaw_profile_step){run_loss, s}, &loss, "loss", profile));
    THAW_TRY(thaw_profile_backward(graph, profile));
    return thaw_profile_add(graph->device, &(thaw_profile_step){run_optimizer, s}, &optimizer, "optimizer", profile);
}

static thaw_status profile_step(thaw_step *s, const thaw_profile_options *options, thaw_profile *profile)
{
    thaw_device *device = s->program->graph->device;
    thaw_peak peak = {0};
    if (s->frozen)
        THAW_TRY(thaw_profile_sizes(s->frozen->graph, profile));
    THAW_TRY(thaw_profile_sizes(s->program->graph, profile));
    THAW_TRY(thaw_profile_fill(thaw_step_first(s), options->seed));
    THAW_TRY(thaw_profile_whole(device, &(thaw_profile_step){run_step, s}, options->repeats, profile));
    if (options->whole_only)
        return THAW_OK;
    THAW_TRY(thaw_peak_measure(device, &peak));
    THAW_TRY(measure_layers(s, profile));
    THAW_TRY(thaw_peak_measure(device, &peak)); /* before and after: other work may have disturbed one */
    thaw_profile_compare(profile, &peak);
    return THAW_OK;
}

thaw_status thaw_model_profile_training(thaw_model *model, thaw_device *device, const thaw_profile_options *options,
                                        thaw_profile *profile)
{
    thaw_step step = {0};
    *profile = (thaw_profile){.batch = options->batch, .mode = "train"};
    THAW_TRY(thaw_profile_check(model->context, options));
    /* The rate is so low that random labels change nothing but the weights' last digits. */
    const thaw_step_options wanted = {.batch = (size_t)options->batch,
                                      .height = options->height,
                                      .width = options->width,
                                      .unfreeze = options->unfreeze,
                                      .checkpoint_activations = options->checkpoint_activations,
                                      .momentum = 0.9,
                                      .learning_rate = 1e-6,
                                      .seed = options->seed};
    thaw_status status = thaw_step_open(model, device, &wanted, &step);
    if (status == THAW_OK)
        status = profile_step(&step, options, profile);
    thaw_step_close(&step);
    return status;
}
