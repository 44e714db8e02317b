/* Times a step of training and what it is made of. */
#include "model/profile.h"

#include "base/random.h"
#include "train/cut.h"
#include "train/loss.h"
#include "train/optimizer.h"

/* The frozen part, the trained one behind it, and what follows that. */
typedef struct subject {
    thaw_cut cut;
    thaw_program *frozen; /* NULL: the trained part begins with the image */
    thaw_program *program;
    thaw_parameters parameters;
    thaw_loss *loss;
    thaw_optimizer *optimizer;
    size_t batch;
} subject;

static thaw_status run_loss(void *user)
{
    const subject *s = user;
    const thaw_value *logits = s->program->graph->outputs[0];
    thaw_loss_sums sums = {0};
    return thaw_loss_run(s->loss, logits->buffer, logits->gradient, s->batch, &sums);
}

/* So little that random labels change nothing but the weights' last digits. */
static thaw_status run_optimizer(void *user)
{
    const double rate = 1e-6;
    return thaw_optimizer_step(((subject *)user)->optimizer, rate);
}

static thaw_status run_frozen(const subject *s)
{
    if (!s->frozen)
        return THAW_OK;
    THAW_TRY(thaw_program_forward(s->frozen));
    for (size_t i = 0; i < s->cut.count; i++) {
        const size_t bytes = s->batch * s->cut.widths[i] * sizeof(float);
        THAW_TRY(
            thaw_buffer_copy(s->frozen->graph->outputs[i]->buffer, 0, s->program->graph->inputs[i]->buffer, 0, bytes));
    }
    return THAW_OK;
}

static thaw_status run_step(void *user)
{
    subject *s = user;
    THAW_TRY(run_frozen(s));
    THAW_TRY(thaw_program_forward(s->program));
    THAW_TRY(run_loss(s));
    THAW_TRY(thaw_program_backward(s->program));
    return run_optimizer(s);
}

static bool begins_with_image(const thaw_model *model, const thaw_cut *cut)
{
    return cut->count == 1 && model->graph->input_count == 1 &&
           thaw_graph_find_value(model->graph, cut->names[0]) == model->graph->inputs[0];
}

static thaw_status open_programs(thaw_model *model, thaw_device *device, const thaw_profile_options *options,
                                 subject *s)
{
    const thaw_program_options frozen = {.batch = options->batch,
                                         .height = options->height,
                                         .width = options->width,
                                         .outputs = s->cut.names,
                                         .output_count = s->cut.count,
                                         .fuse = true};
    if (!begins_with_image(model, &s->cut))
        THAW_TRY(thaw_program_create(model->graph, device, &frozen, &s->frozen));
    const thaw_cut_options cut = {options->height, options->width, s->batch, options->checkpoint_activations};
    return thaw_cut_program(model, device, &s->cut, &cut, &s->program);
}

static thaw_status open_subject(thaw_model *model, thaw_device *device, const thaw_profile_options *options, subject *s)
{
    const thaw_freeze_options freeze = {.until = options->unfreeze < 0 ? "none" : NULL,
                                        .unfreeze = options->unfreeze < 0 ? 0 : options->unfreeze,
                                        .update_batch_norm = true};
    const thaw_rate_options rates = {options->height, options->width, 1, 1};
    const thaw_optimizer_options optimizer = {.kind = THAW_OPTIMIZER_SGD, .momentum = 0.9};
    THAW_TRY(thaw_model_freeze(model, &freeze, options->height, options->width));
    THAW_TRY(thaw_cut_find(model, options->height, options->width, &s->cut));
    s->batch = (size_t)options->batch;
    THAW_TRY(open_programs(model, device, options, s));
    s->program->graph->training = true;
    s->program->graph->step = 1;
    THAW_TRY(thaw_parameters_find(model, s->program, &rates, &s->parameters));
    THAW_TRY(thaw_optimizer_create(device, &s->parameters, &optimizer, &s->optimizer));
    const thaw_value *logits = s->program->graph->outputs[0];
    const int64_t classes = thaw_shape_size(&logits->shape) / options->batch;
    THAW_TRY(thaw_loss_create(device, s->batch, (size_t)classes, 0, &s->loss));
    thaw_random random = {options->seed};
    for (size_t i = 0; i < s->batch; i++)
        thaw_loss_set_row(s->loss, i, (int32_t)(thaw_random_uniform(&random) * (double)classes), 1);
    return THAW_OK;
}

static void close_subject(subject *s)
{
    thaw_loss_destroy(&s->loss);
    thaw_optimizer_destroy(&s->optimizer);
    thaw_parameters_free(&s->parameters);
    thaw_program_destroy(&s->program);
    thaw_program_destroy(&s->frozen);
    thaw_cut_free(&s->cut);
}

static thaw_status measure_layers(subject *s, thaw_profile *profile)
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

static thaw_status profile_subject(subject *s, const thaw_profile_options *options, thaw_profile *profile)
{
    thaw_device *device = s->program->graph->device;
    thaw_peak peak = {0};
    if (s->frozen)
        THAW_TRY(thaw_profile_sizes(s->frozen->graph, profile));
    THAW_TRY(thaw_profile_sizes(s->program->graph, profile));
    THAW_TRY(thaw_profile_fill(s->frozen ? s->frozen : s->program, options->seed));
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
    subject s = {0};
    *profile = (thaw_profile){.batch = options->batch, .mode = "train"};
    THAW_TRY(thaw_profile_check(model->context, options));
    thaw_status status = open_subject(model, device, options, &s);
    if (status == THAW_OK)
        status = profile_subject(&s, options, profile);
    close_subject(&s);
    return status;
}
