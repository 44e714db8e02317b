/* Which part of a graph is frozen: derived from the trainable flags, never stored. */
#ifndef THAW_MODEL_FREEZE_H
#define THAW_MODEL_FREEZE_H

#include <thaw/model.h>
#include "base/hash.h"
#include "model/graph.h"

typedef struct thaw_split {
    bool *trained;          /* [node_count]: depends on a trainable parameter */
    const thaw_value **cut; /* [cut_count]: made by the frozen part (or an input), read by the other */
    size_t cut_count;
} thaw_split;

THAW_MUST_CHECK thaw_status thaw_split_create(const thaw_graph *graph, thaw_split *split);
void thaw_split_free(thaw_split *split);

/* One hash over the names and bits of every constant that training does not change (batch-norm statistics included). */
thaw_hash thaw_graph_hash_frozen(const thaw_graph *graph);

/* THAW_ERR_USAGE for options that exclude each other. */
THAW_MUST_CHECK thaw_status thaw_freeze_check(thaw_context *context, const thaw_freeze_options *options);

/* Sets every value's trainable and updated flags: see thaw_model_freeze(). `stages` is [node_count], as
 * thaw_graph_stages() gives them. */
THAW_MUST_CHECK thaw_status thaw_graph_freeze(thaw_graph *graph, const thaw_freeze_options *options,
                                              const int32_t *stages);

#endif
