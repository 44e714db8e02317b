/* Private to the ONNX format: the file's messages, and who turns them into a graph and back. */
#ifndef THAW_FORMAT_ONNX_H
#define THAW_FORMAT_ONNX_H

#include "format/format.h"
#include "onnx.pb-c.h"

typedef Onnx__AttributeProto onnx_attribute;
typedef Onnx__TensorShapeProto__Dimension onnx_dimension;
typedef Onnx__GraphProto onnx_graph;
typedef Onnx__ModelProto onnx_model;
typedef Onnx__NodeProto onnx_node;
typedef Onnx__OperatorSetIdProto onnx_operator_set;
typedef Onnx__StringStringEntryProto onnx_pair;
typedef Onnx__TensorShapeProto onnx_shape;
typedef Onnx__TensorProto onnx_tensor;
typedef Onnx__TypeProto__Tensor onnx_tensor_type;
typedef Onnx__TypeProto onnx_type;
typedef Onnx__ValueInfoProto onnx_value_info;

/* ONNX's own names for numbers in its files. */
enum onnx_attribute_type {
    ONNX_FLOAT = 1,
    ONNX_INT = 2,
    ONNX_STRING = 3,
    ONNX_TENSOR = 4,
    ONNX_FLOATS = 6,
    ONNX_INTS = 7
};

#define ONNX_MOST_BYTES ((uint64_t)INT32_MAX) /* protobuf's limit for one message */

/* model->source: the file as it was read. It is never changed, so that a model can be saved again and again. */
typedef struct onnx_source {
    onnx_model *file;
    thaw_tensor **tensors; /* [file->graph->n_initializer]: what each was read as; they borrow its bytes */
} onnx_source;

/* Fills model->graph and source->tensors from source->file. */
THAW_MUST_CHECK thaw_status thaw_onnx_read_graph(thaw_model *model, onnx_source *source);
/* THAW_ERR_UNSUPPORTED with every node at fault, if there are any. */
THAW_MUST_CHECK thaw_status thaw_onnx_check_operators(thaw_context *context, const onnx_graph *graph);
THAW_MUST_CHECK thaw_status thaw_onnx_read_attribute(thaw_node *node, const onnx_attribute *attribute);
/* The tensor borrows the message's memory where it can. `folder` is where data of its own file may lie (below); NULL:
 * nowhere. The reason of a failure begins with the tensor's name. */
THAW_MUST_CHECK thaw_status thaw_onnx_read_tensor(thaw_context *context, const char *folder, const onnx_tensor *message,
                                                  thaw_tensor **tensor);
/* Its data lies in another file. */
bool thaw_onnx_is_external(const onnx_tensor *message);
/* Reads that: a file in `folder` or below, wherever symbolic links lead. THAW_ERR_MODEL for any other, and where offset
 * and length don't fit it or the shape; THAW_ERR_IO. */
THAW_MUST_CHECK thaw_status thaw_onnx_read_external(thaw_context *context, const char *folder,
                                                    const onnx_tensor *message, thaw_dtype dtype,
                                                    const thaw_shape *shape, thaw_tensor **tensor);
/* The name of an element type that Thaw does not have; NULL if the format does not either. */
const char *thaw_onnx_foreign_type(int32_t code);
/* What a ValueInfo says about a tensor: false if it is no tensor, or not one that Thaw knows. A shape that is not
 * there, or has too many dimensions, is not known. */
bool thaw_onnx_read_type(const onnx_value_info *info, thaw_dtype *dtype, thaw_shape *shape, bool *shape_known);

/* Memory of messages that are being made; all of it goes at once. */
typedef struct onnx_arena {
    thaw_context *context;
    void **blocks;
    size_t count, capacity;
} onnx_arena;
THAW_MUST_CHECK thaw_status thaw_onnx_allocate(onnx_arena *arena, size_t count, size_t size, void *out);
void thaw_onnx_arena_free(onnx_arena *arena);

/* New messages; texts and tensor data are borrowed from what they are made of. */
THAW_MUST_CHECK thaw_status thaw_onnx_make_tensor(onnx_arena *arena, char *name, const thaw_tensor *tensor,
                                                  thaw_dtype dtype, onnx_tensor **message);
THAW_MUST_CHECK thaw_status thaw_onnx_make_value_info(onnx_arena *arena, char *name, thaw_dtype dtype,
                                                      const thaw_shape *shape, onnx_value_info **message);
/* A copy of `original`, or a new node where that is NULL, with the names that the graph's node has now. */
THAW_MUST_CHECK thaw_status thaw_onnx_make_node(onnx_arena *arena, const thaw_node *node, const onnx_node *original,
                                                onnx_node **message);

THAW_MUST_CHECK thaw_status thaw_onnx_write(thaw_model *model, const char *path);
/* The same for a model that was not read from ONNX. */
THAW_MUST_CHECK thaw_status thaw_onnx_write_new(thaw_model *model, const char *path);
/* The same with what it was read from given. */
THAW_MUST_CHECK thaw_status thaw_onnx_write_from(thaw_model *model, const onnx_source *source, const char *path);

#endif
