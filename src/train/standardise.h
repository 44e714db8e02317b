/* Standardised features make one learning rate fit every base; the linear layer behind them takes the standardisation
 * over, so that the model file stays an ordinary one. */
#ifndef THAW_TRAIN_STANDARDISE_H
#define THAW_TRAIN_STANDARDISE_H

#include "train/feature_store.h"
#include "train/feature_table.h"

/* x' = (x - mean) * inverse, per feature. A feature that does not vary gets inverse 0: it carries nothing. */
typedef struct thaw_standardisation {
    double *mean, *inverse; /* [width]; inverse = 1 / standard deviation */
    size_t width;
} thaw_standardisation;

/* From the rows where used[row] is set. */
THAW_MUST_CHECK thaw_status thaw_standardisation_measure(thaw_context *context, const thaw_feature_table *table,
                                                         const bool *used, thaw_standardisation *standardisation);
/* The same from a store's items, wherever they lie, to the same bits. */
THAW_MUST_CHECK thaw_status thaw_standardisation_measure_store(const thaw_feature_store *store, const bool *used,
                                                               thaw_standardisation *standardisation);
/* Every row, in place. */
void thaw_standardisation_apply(const thaw_standardisation *standardisation, thaw_feature_table *table);
/* weight [classes][width] and bias [classes] of a layer trained on x' become those of the same layer on x. */
void thaw_standardisation_fold(const thaw_standardisation *standardisation, float *weight, float *bias, size_t classes);
/* The other way round: of a layer on x, those of the same layer on x'. */
void thaw_standardisation_unfold(const thaw_standardisation *standardisation, float *weight, float *bias,
                                 size_t classes);
void thaw_standardisation_free(thaw_standardisation *standardisation);

#endif
