/* What the weights of a graph are there for. */
#ifndef THAW_MODEL_ROLES_H
#define THAW_MODEL_ROLES_H

#include "model/graph.h"

typedef enum thaw_role {
    THAW_ROLE_NONE,   /* no parameter: a constant of the computation */
    THAW_ROLE_WEIGHT, /* of a Conv, Gemm or MatMul: the only ones that weight decay is for */
    THAW_ROLE_BIAS,   /* added */
    THAW_ROLE_SCALE,  /* multiplied with */
    THAW_ROLE_MEAN,   /* running statistics of a BatchNormalization */
    THAW_ROLE_VARIANCE
} thaw_role;

typedef struct thaw_reading {
    thaw_value *parameter; /* the weight in the file: input `index` itself, or what a Transpose or a view makes it of */
    thaw_role role;
} thaw_reading;

/* What each value is made of where only Transposes and views lie between: origins[index] is the weight in the file,
 * NULL for everything else. origins has room for graph->value_count. */
void thaw_roles_trace(const thaw_graph *graph, thaw_value **origins);
/* How the node reads its input `index`. parameter is NULL where that is no weight; role NONE where the node only hands
 * it on, see is_carrier, or where it is no parameter. */
thaw_reading thaw_role_of_input(const thaw_node *node, size_t index, thaw_value *const *origins);
/* A Transpose or a view of a weight: not the one that uses it. */
bool thaw_role_is_carrier(const thaw_node *node);
/* The weight that a value is made of by Transposes and views alone, itself mostly; NULL if it is no weight. */
const thaw_value *thaw_role_origin(const thaw_value *value);
/* What one weight is to the nodes that read it: the first role that is found. */
thaw_role thaw_role_of_value(const thaw_graph *graph, const thaw_value *value, thaw_value *const *origins);

#endif
