#include "train/descent.h"
#include "base/memory.h"
#include "train/epochs.h"
#include "train/identity.h"

#include <stdlib.h>

thaw_status thaw_descent_open(thaw_descent *d, const thaw_training *training)
{
    *d = (thaw_descent){0};
    THAW_TRY(thaw_trainer_open(&d->trainer, training));
    const thaw_status status = thaw_allocate(training->context, d->trainer.parameters.count, sizeof *d->best, &d->best);
    if (status != THAW_OK)
        thaw_descent_close(d);
    return status;
}

void thaw_descent_close(thaw_descent *d)
{
    for (size_t i = 0; i < d->trainer.parameters.count && d->best; i++)
        thaw_tensor_release(&d->best[i]);
    free(d->best);
    thaw_trainer_close(&d->trainer);
    *d = (thaw_descent){0};
}

thaw_status thaw_descent_run(thaw_descent *d, thaw_finetune_result *result)
{
    const thaw_training *t = d->trainer.training;
    char identity[THAW_HASH_TEXT] = "";
    if (t->options->checkpoint) /* hashing a large model takes a while */
        thaw_hash_text(thaw_identity_of_model(t->model->graph), identity);
    THAW_TRY(thaw_epochs_run(&d->trainer, identity, result, d->best));
    return thaw_trainer_check_frozen(&d->trainer, &result->frozen_unchanged);
}

/* The head was trained on standardised features: it takes the standardisation over. */
static void fold_standardisation(const thaw_descent *d)
{
    const thaw_training *t = d->trainer.training;
    const thaw_node *head = thaw_training_linear_head(t);
    thaw_tensor *of_input[3] = {NULL};
    if (!t->standardisation.width || !head)
        return;
    for (size_t i = 0; i < d->trainer.parameters.count; i++)
        for (size_t j = 1; j < 3; j++)
            if (head->inputs[j] == d->trainer.parameters.items[i].source)
                of_input[j] = d->best[i];
    thaw_standardisation_fold(&t->standardisation, of_input[1]->data, of_input[2]->data, t->classes);
}

void thaw_descent_install(thaw_descent *d)
{
    fold_standardisation(d);
    for (size_t i = 0; i < d->trainer.parameters.count; i++) {
        thaw_value *value = d->trainer.parameters.items[i].source;
        thaw_tensor_release(&value->constant);
        value->constant = thaw_tensor_retain(d->best[i]);
    }
}
