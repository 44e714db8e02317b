#include "train/step.h"

#include "base/random.h"

thaw_status thaw_step_loss(const thaw_step *step, thaw_loss_sums *sums)
{
    const thaw_value *logits = step->program->graph->outputs[0];
    return thaw_loss_run(step->loss, logits->buffer, logits->gradient, step->batch, sums);
}

static thaw_status run_frozen(const thaw_step *step)
{
    if (!step->frozen)
        return THAW_OK;
    THAW_TRY(thaw_program_forward(step->frozen));
    for (size_t i = 0; i < step->cut.count; i++) {
        const size_t bytes = step->batch * step->cut.widths[i] * sizeof(float);
        THAW_TRY(thaw_buffer_copy(step->frozen->graph->outputs[i]->buffer, 0, step->program->graph->inputs[i]->buffer,
                                  0, bytes));
    }
    return THAW_OK;
}

thaw_program *thaw_step_first(const thaw_step *step)
{
    return step->frozen ? step->frozen : step->program;
}

thaw_status thaw_step_forward(const thaw_step *step)
{
    THAW_TRY(run_frozen(step));
    return thaw_program_forward(step->program);
}

thaw_status thaw_step_run(const thaw_step *step)
{
    thaw_loss_sums sums = {0};
    THAW_TRY(thaw_step_forward(step));
    THAW_TRY(thaw_step_loss(step, &sums));
    THAW_TRY(thaw_program_backward(step->program));
    return thaw_optimizer_step(step->optimizer, step->learning_rate);
}

static bool begins_with_image(const thaw_model *model, const thaw_cut *cut)
{
    return cut->count == 1 && model->graph->input_count == 1 &&
           thaw_graph_find_value(model->graph, cut->names[0]) == model->graph->inputs[0];
}

static thaw_status open_programs(thaw_model *model, thaw_device *device, const thaw_step_options *options,
                                 thaw_step *step)
{
    const thaw_program_options frozen = {.batch = (int64_t)options->batch,
                                         .height = options->height,
                                         .width = options->width,
                                         .outputs = step->cut.names,
                                         .output_count = step->cut.count,
                                         .fuse = true};
    if (!begins_with_image(model, &step->cut))
        THAW_TRY(thaw_program_create(model->graph, device, &frozen, &step->frozen));
    const thaw_cut_options cut = {options->height, options->width, step->batch, options->checkpoint_activations};
    return thaw_cut_program(model, device, &step->cut, &cut, &step->program);
}

static thaw_status open_loss(thaw_device *device, const thaw_step_options *options, thaw_step *step)
{
    const thaw_value *logits = step->program->graph->outputs[0];
    const int64_t classes = thaw_shape_size(&logits->shape) / (int64_t)step->batch;
    thaw_random random = {options->seed};
    THAW_TRY(thaw_loss_create(device, step->batch, (size_t)classes, 0, &step->loss));
    for (size_t i = 0; i < step->batch; i++)
        thaw_loss_set_row(step->loss, i, (int32_t)(thaw_random_uniform(&random) * (double)classes), 1);
    return THAW_OK;
}

thaw_status thaw_step_open(thaw_model *model, thaw_device *device, const thaw_step_options *options, thaw_step *step)
{
    const thaw_freeze_options freeze = {.until = options->unfreeze < 0 ? "none" : NULL,
                                        .unfreeze = options->unfreeze < 0 ? 0 : options->unfreeze,
                                        .update_batch_norm = true};
    const thaw_rate_options rates = {options->height, options->width, 1, 1};
    const thaw_optimizer_options optimizer = {.kind = THAW_OPTIMIZER_SGD, .momentum = options->momentum};
    THAW_TRY(thaw_model_freeze(model, &freeze, options->height, options->width));
    THAW_TRY(thaw_cut_find(model, options->height, options->width, &step->cut));
    step->batch = options->batch;
    step->learning_rate = options->learning_rate;
    THAW_TRY(open_programs(model, device, options, step));
    step->program->graph->training = true;
    step->program->graph->step = 1;
    THAW_TRY(thaw_parameters_find(model, step->program, &rates, &step->parameters));
    THAW_TRY(thaw_optimizer_create(device, &step->parameters, &optimizer, &step->optimizer));
    return open_loss(device, options, step);
}

void thaw_step_close(thaw_step *step)
{
    thaw_loss_destroy(&step->loss);
    thaw_optimizer_destroy(&step->optimizer);
    thaw_parameters_free(&step->parameters);
    thaw_program_destroy(&step->program);
    thaw_program_destroy(&step->frozen);
    thaw_cut_free(&step->cut);
}
