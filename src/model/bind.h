/* Steps on the way from an extracted graph to a program. */
#ifndef THAW_MODEL_BIND_H
#define THAW_MODEL_BIND_H

#include "model/program.h"

/* Gives inputs their shapes, then walks the nodes in order: infers shapes, computes on the host what depends on
 * constants only. Nodes that only exist on the host but have inputs known at run time only are all named in one
 * THAW_ERR_UNSUPPORTED. */
THAW_MUST_CHECK thaw_status thaw_graph_bind(thaw_graph *graph, const thaw_program_options *options);

/* Rewrites that hold because weights are constant: batch norms, and constants for each channel, go into the
 * convolutions before them, additions and activations into the epilogues of what makes their input. */
THAW_MUST_CHECK thaw_status thaw_graph_fuse(thaw_graph *graph);

/* Transposed convolutions with constant weights become convolutions; for frozen parts, before fuse. */
THAW_MUST_CHECK thaw_status thaw_graph_turn_transposed(thaw_graph *graph);

/* Gelu written with Erf becomes one node; for frozen parts, before fuse. */
THAW_MUST_CHECK thaw_status thaw_graph_join_gelu(thaw_graph *graph);

/* Parts of a graph that have their channels last between Transposes get them first; for frozen parts, before fuse. */
THAW_MUST_CHECK thaw_status thaw_graph_turn_channels_last(thaw_graph *graph);

/* Channel shuffles become ChannelSelects, which take any storage; for frozen parts, before fuse. */
THAW_MUST_CHECK thaw_status thaw_graph_join_shuffles(thaw_graph *graph);

/* What of that holds in a differentiable program: activations into what makes their input. */
void thaw_graph_join_activations(thaw_graph *graph);

/* For a CPU with vectors of `width` floats: attention becomes one node, which keeps its scores in registers and cache.
 * Comes after fuse. */
THAW_MUST_CHECK thaw_status thaw_graph_attend(thaw_graph *graph, int32_t width);

/* For a device that likes `block` channels side by side: squeeze-and-excite blocks lose their passes over memory. Comes
 * after fuse and before layout. */
THAW_MUST_CHECK thaw_status thaw_graph_excite(thaw_graph *graph, int32_t block);

/* For such a device too, behind excite: pointwise convolutions become part of depthwise ones that read them, where that
 * is faster, and a convolution of the image part of a max pool. */
THAW_MUST_CHECK thaw_status thaw_graph_pair(thaw_graph *graph, int32_t block);

/* Chooses every activation's storage for a device that likes `block` channels side by side (1: nothing but row-major;
 * operators choose among their algorithms here too), and puts Reorder nodes where neighbours disagree. Inputs and
 * outputs of the graph stay row-major. */
THAW_MUST_CHECK thaw_status thaw_graph_layout(thaw_graph *graph, int32_t block);

/* Gives every value that kernels touch a buffer, and those that need one a gradient: views share their input's, and
 * storage is used again as soon as the last reader is done, unless `keep`. With `recompute`, activations are computed
 * again in backward where that takes less memory. Uploads constants. */
THAW_MUST_CHECK thaw_status thaw_program_plan(thaw_program *program, bool keep, bool recompute);

#endif
