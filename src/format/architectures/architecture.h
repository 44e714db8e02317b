/* Architectures that a file of bare weights can be of. An architecture is a row of a family's table; the family's
 * `build` writes its nodes down, once, and with that also says which tensors the file must have. */
#ifndef THAW_FORMAT_ARCHITECTURES_ARCHITECTURE_H
#define THAW_FORMAT_ARCHITECTURES_ARCHITECTURE_H

#include "format/architectures/builder.h"

/* X(scheme): who called the tensors what they are called. */
#define THAW_SCHEME_LIST(X) X(torchvision) X(timm) X(keras)
typedef enum thaw_scheme {
#define THAW_SCHEME_ENUM(name) THAW_SCHEME_##name,
    THAW_SCHEME_LIST(THAW_SCHEME_ENUM)
#undef THAW_SCHEME_ENUM
        THAW_SCHEME_COUNT
} thaw_scheme;

typedef struct thaw_architecture {
    const char *name;    /* torchvision's where it has one */
    const char *aliases; /* "NAME NAME": others, timm's mostly, for the same but for sizes that tensors tell; NULL */
    const void *details; /* the family's own */
} thaw_architecture;

typedef struct thaw_family {
    const thaw_architecture *rows; /* [count] */
    size_t count;
    bool schemes[THAW_SCHEME_COUNT]; /* those that it knows; of two that are the same the first */
    /* From the image, x: 3 channels, to the numbers for the classes. */
    thaw_status (*build)(thaw_builder *b, const void *details, thaw_scheme scheme, thaw_flow *x);
} thaw_family;

#define THAW_FAMILY_LIST(X)                                                                                            \
    X(resnet)                                                                                                          \
    X(mobilenet_v1) X(mobilenet_v2) X(mobilenet_v3) X(efficientnet) X(squeezenet) X(vgg) X(densenet) X(convnext) X(vit)
#define THAW_FAMILY_EXTERN(name) extern const thaw_family thaw_family_##name;
THAW_FAMILY_LIST(THAW_FAMILY_EXTERN)
#undef THAW_FAMILY_EXTERN

/* Builds the graph for the weights: that of `name` (or of which it is an alias), else of whichever architecture has
 * exactly these tensors. *found and *scheme tell which it was. The graph's constants borrow the weights' memory.
 * THAW_ERR_USAGE for a name that does not exist, with all that do; THAW_ERR_MODEL where the tensors fit nothing, with
 * all that are missing, unexpected or of another shape for the architecture that comes nearest. */
THAW_MUST_CHECK thaw_status thaw_architecture_build(thaw_context *context, const thaw_weights *weights,
                                                    const char *name, thaw_graph **graph,
                                                    const thaw_architecture **found, thaw_scheme *scheme);
/* The same with parameters that are made up from the seed, in the names of the first scheme that the architecture has.
 * THAW_ERR_USAGE for a name that does not exist. */
THAW_MUST_CHECK thaw_status thaw_architecture_invent(thaw_context *context, const char *name, uint64_t seed,
                                                     thaw_graph **graph);
/* What the architecture calls the linear layer that makes its classes; "" where that is none, or there is no such
 * architecture. */
THAW_MUST_CHECK thaw_status thaw_architecture_head(thaw_context *context, const char *name, const char *scheme,
                                                   char head[THAW_HEAD_BYTES]);
/* NULL where there is none of that name. */
const thaw_architecture *thaw_architecture_find(const char *name);
const char *thaw_scheme_text(thaw_scheme scheme);

#endif
