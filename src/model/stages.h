/* Stages: groups of layers, counted from the output. */
#ifndef THAW_MODEL_STAGES_H
#define THAW_MODEL_STAGES_H

#include "model/graph.h"

/* Numbers the nodes of a graph whose shapes are known (a program's): stages[node_count].
 *
 * 0 is the classifier and what follows it. Below it, every layer with weights behind the last map ([n, c, h, w] with
 * h * w > 1) is a stage of its own. Among the maps a stage begins where the resolution falls: at the last place up to
 * there where a single value leads from what is before to all that is behind, so that a block with a shortcut is never
 * torn apart; before a convolution that widens what is then reduced; before a LayerNormalization of what is reduced.
 *
 * Where there is attention (a Softmax of a product of two run-time values), each block that has it is a stage: from the
 * sum that ends the block before, so that what merges patches belongs to the block behind it, to its own. The shapes of
 * attention are no maps then: only what convolutions and pools make counts as one. What is behind the last block is as
 * above, what makes tokens of the image is the last stage. Without a classifier the count begins at 1. */
THAW_MUST_CHECK thaw_status thaw_stages_number(const thaw_graph *graph, int32_t *stages);

/* The same for a model's own graph, for images of the given size (0: the model's own, or 224). Nodes that are computed
 * ahead belong to whom they stand before. */
THAW_MUST_CHECK thaw_status thaw_graph_stages(const thaw_graph *graph, int32_t height, int32_t width, int32_t *stages);

#endif
