#include "train/loss.h"
#include "base/memory.h"

#include <stdlib.h>

struct thaw_loss {
    thaw_kernel *kernel;
    size_t batch, classes;
    double label_smoothing;
    int32_t *labels, *correct;                   /* [batch] */
    float *weights, *losses;                     /* [batch] */
    thaw_buffer *device_labels, *device_weights; /* [batch] */
    thaw_buffer *device_losses, *device_correct; /* [batch] */
};

static thaw_status allocate(thaw_loss *l, thaw_device *device)
{
    thaw_context *context = thaw_device_context(device);
    THAW_TRY(thaw_kernel_get(device, "loss", "softmax_cross_entropy", "", &l->kernel));
    THAW_TRY(thaw_allocate(context, l->batch, sizeof *l->labels, &l->labels));
    THAW_TRY(thaw_allocate(context, l->batch, sizeof *l->correct, &l->correct));
    THAW_TRY(thaw_allocate(context, l->batch, sizeof *l->weights, &l->weights));
    THAW_TRY(thaw_allocate(context, l->batch, sizeof *l->losses, &l->losses));
    THAW_TRY(thaw_buffer_create(device, l->batch * sizeof *l->labels, &l->device_labels));
    THAW_TRY(thaw_buffer_create(device, l->batch * sizeof *l->weights, &l->device_weights));
    THAW_TRY(thaw_buffer_create(device, l->batch * sizeof *l->losses, &l->device_losses));
    return thaw_buffer_create(device, l->batch * sizeof *l->correct, &l->device_correct);
}

thaw_status thaw_loss_create(thaw_device *device, size_t batch, size_t classes, double label_smoothing,
                             thaw_loss **loss)
{
    THAW_TRY(thaw_allocate(thaw_device_context(device), 1, sizeof **loss, loss));
    (*loss)->batch = batch;
    (*loss)->classes = classes;
    (*loss)->label_smoothing = label_smoothing;
    const thaw_status status = allocate(*loss, device);
    if (status != THAW_OK)
        thaw_loss_destroy(loss);
    return status;
}

void thaw_loss_set_row(thaw_loss *loss, size_t row, int32_t label, float weight)
{
    loss->labels[row] = label;
    loss->weights[row] = weight;
}

thaw_status thaw_loss_run(thaw_loss *l, const thaw_buffer *logits, thaw_buffer *gradient, size_t count,
                          thaw_loss_sums *sums)
{
    double weight_sum = 0.0;
    for (size_t i = 0; i < l->batch; i++)
        weight_sum += l->weights[i];
    const double scale = weight_sum > 0.0 ? 1.0 / weight_sum : 0.0;
    THAW_TRY(thaw_buffer_write(l->device_labels, 0, l->labels, l->batch * sizeof *l->labels));
    THAW_TRY(thaw_buffer_write(l->device_weights, 0, l->weights, l->batch * sizeof *l->weights));
    THAW_TRY(thaw_kernel_launch(l->kernel, THAW_RANGE_1(l->batch), THAW_BUFFER(logits), THAW_BUFFER(l->device_labels),
                                THAW_BUFFER(l->device_weights), THAW_BUFFER(gradient), THAW_BUFFER(l->device_losses),
                                THAW_BUFFER(l->device_correct), THAW_INT(l->classes), THAW_FLOAT(l->label_smoothing),
                                THAW_FLOAT(scale)));
    THAW_TRY(thaw_buffer_read(l->device_losses, 0, l->losses, l->batch * sizeof *l->losses));
    THAW_TRY(thaw_buffer_read(l->device_correct, 0, l->correct, l->batch * sizeof *l->correct));
    for (size_t i = 0; i < count; i++) {
        sums->loss += l->losses[i];
        sums->correct += (size_t)l->correct[i];
    }
    sums->count += count;
    return THAW_OK;
}

bool thaw_loss_row_right(const thaw_loss *loss, size_t row)
{
    return loss->correct[row];
}

void thaw_loss_destroy(thaw_loss **loss)
{
    thaw_loss *l = *loss;
    if (!l)
        return;
    thaw_buffer_destroy(&l->device_labels);
    thaw_buffer_destroy(&l->device_weights);
    thaw_buffer_destroy(&l->device_losses);
    thaw_buffer_destroy(&l->device_correct);
    free(l->labels);
    free(l->correct);
    free(l->weights);
    free(l->losses);
    free(l);
    *loss = NULL;
}
