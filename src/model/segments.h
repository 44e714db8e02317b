/* When the nodes of a differentiable program run, and which run twice: activations that only backward reads needn't be
 * kept if the nodes that make them run again just before. The nodes are cut into segments, in running order; what goes
 * from one segment to another is kept, what stays within one is local to it and computed again when backward comes
 * there. The last segment's is still there. T. Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016. */
#ifndef THAW_MODEL_SEGMENTS_H
#define THAW_MODEL_SEGMENTS_H

#include "model/graph.h"

typedef struct thaw_schedule {
    size_t count;          /* segments; 1: all is kept */
    size_t *first;         /* [count + 1]: segment s are the nodes first[s] .. first[s + 1] - 1 */
    size_t *again;         /* [node_count]: the step at which the node would run again, behind the forward pass */
    size_t *backward;      /* [node_count]: the step of its backward */
    bool *repeated;        /* [node_count]: it does run again */
    size_t *segment;       /* [value_count]: the one that the value is local to; SIZE_MAX: none */
    thaw_buffer **buffers; /* [value_count]: where its content lies the second time; NULL: nowhere */
} thaw_schedule;

/* Cuts the graph into up to `count` segments, with about as much to keep in each and little from one to the next, and
 * numbers the steps: node i's forward is step i. root[value_count]: the value whose storage each shares. A schedule
 * that was filled before, for the same graph, is filled anew. */
THAW_MUST_CHECK thaw_status thaw_schedule_fill(thaw_schedule *schedule, const thaw_graph *graph,
                                               thaw_value *const *root, size_t count);
void thaw_schedule_free(thaw_schedule *schedule);

static inline bool thaw_schedule_is_local(const thaw_schedule *schedule, size_t value)
{
    return schedule->segment[value] != SIZE_MAX;
}

#endif
