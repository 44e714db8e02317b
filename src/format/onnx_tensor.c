#include "format/onnx_tensor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "format/onnx.h"

/* Types of the format that are known by name only. */
const char *thaw_onnx_foreign_type(int32_t code)
{
    static const struct {
        int32_t code;
        const char *name;
    } types[] = {
        {8, "string"},      {14, "complex64"},      {15, "complex128"}, {17, "float8e4m3fn"}, {18, "float8e4m3fnuz"},
        {19, "float8e5m2"}, {20, "float8e5m2fnuz"}, {21, "uint4"},      {22, "int4"},         {23, "float4e2m1"},
        {24, "float8e8m0"}, {25, "uint2"},          {26, "int2"}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].code == code)
            return types[i].name;
    return NULL;
}

static thaw_status read_dtype(thaw_context *context, const onnx_tensor *message, thaw_dtype *dtype)
{
    if (thaw_dtype_from_onnx(message->data_type, dtype))
        return THAW_OK;
    const char *name = thaw_onnx_foreign_type(message->data_type);
    if (name)
        return thaw_fail(context, THAW_ERR_UNSUPPORTED, "elements of type %s are not supported", name);
    return thaw_fail(context, THAW_ERR_MODEL, "there is no element type %d", message->data_type);
}

static thaw_status read_dims(thaw_context *context, const onnx_tensor *message, thaw_shape *shape, int64_t *count)
{
    if (message->n_dims > THAW_MAX_RANK)
        return thaw_fail(context, THAW_ERR_UNSUPPORTED, "%zu dimensions, at most %d are supported", message->n_dims,
                         THAW_MAX_RANK);
    shape->rank = (int32_t)message->n_dims;
    for (size_t i = 0; i < message->n_dims; i++)
        shape->dims[i] = message->dims[i];
    return thaw_shape_count(context, shape, count);
}

/* The file's own elements: raw bytes, or one of the typed lists, whose elements may be wider than the tensor's. */
typedef struct element_list {
    const void *data;
    size_t count; /* elements, or bytes if `raw` */
    size_t element_bytes;
    bool raw;
} element_list;

static element_list find_elements(const onnx_tensor *message, thaw_dtype dtype)
{
    if (message->raw_data.len)
        return (element_list){message->raw_data.data, message->raw_data.len, 1, true};
    switch (dtype) {
    case THAW_FLOAT32:
        return (element_list){message->float_data, message->n_float_data, 4, false};
    case THAW_FLOAT64:
        return (element_list){message->double_data, message->n_double_data, 8, false};
    case THAW_INT64:
        return (element_list){message->int64_data, message->n_int64_data, 8, false};
    case THAW_UINT64:
    case THAW_UINT32:
        return (element_list){message->uint64_data, message->n_uint64_data, 8, false};
    default:
        return (element_list){message->int32_data, message->n_int32_data, 4, false};
    }
}

/* The list's elements cut to the width of the tensor's: bit patterns of 16-bit floats are kept as they are. */
static void narrow(const element_list *list, thaw_tensor *tensor)
{
    for (int64_t i = 0; i < tensor->count; i++) {
        const uint64_t bits =
            list->element_bytes == 8 ? ((const uint64_t *)list->data)[i] : ((const uint32_t *)list->data)[i];
        switch (thaw_dtype_bytes(tensor->dtype)) {
        case 1:
            ((uint8_t *)tensor->data)[i] = (uint8_t)bits;
            break;
        case 2:
            ((uint16_t *)tensor->data)[i] = (uint16_t)bits;
            break;
        default:
            ((uint32_t *)tensor->data)[i] = (uint32_t)bits;
        }
    }
}

static thaw_status read_elements(thaw_context *context, const char *folder, const onnx_tensor *message,
                                 thaw_tensor **tensor)
{
    thaw_dtype dtype;
    thaw_shape shape = {0};
    int64_t count;
    THAW_TRY(read_dtype(context, message, &dtype));
    THAW_TRY(read_dims(context, message, &shape, &count));
    if (thaw_onnx_is_external(message))
        return thaw_onnx_read_external(context, folder, message, dtype, &shape, tensor);
    const element_list list = find_elements(message, dtype);
    const size_t bytes = thaw_dtype_bytes(dtype), per_element = list.raw ? bytes : 1;
    if (list.count % per_element || list.count / per_element != (uint64_t)count) {
        char text[THAW_SHAPE_TEXT];
        return thaw_fail(context, THAW_ERR_MODEL, "holds %zu %s for %s elements of shape %s", list.count,
                         list.raw ? "bytes" : "numbers", thaw_dtype_text(dtype), thaw_shape_text(&shape, text));
    }
    const bool fits = list.raw || list.element_bytes == bytes;
    if (count && fits && (uintptr_t)list.data % bytes == 0)
        return thaw_tensor_borrow(context, dtype, &shape, list.data, tensor);
    THAW_TRY(thaw_tensor_create(context, dtype, &shape, tensor));
    if (!fits)
        narrow(&list, *tensor);
    else if (count)
        memcpy((*tensor)->data, list.data, (*tensor)->bytes);
    return THAW_OK;
}

bool thaw_onnx_is_external(const onnx_tensor *message)
{
    return message->data_location == 1 || message->n_external_data;
}

static thaw_status check_whole(thaw_context *context, const char *folder, const onnx_tensor *message)
{
    if (!folder && thaw_onnx_is_external(message))
        return thaw_fail(context, THAW_ERR_UNSUPPORTED,
                         "its data lies in another file, which only weights may: save the model as one file");
    if (message->has_segment)
        return thaw_fail(context, THAW_ERR_UNSUPPORTED, "it is only a segment of a tensor");
    return THAW_OK;
}

thaw_status thaw_onnx_read_tensor(thaw_context *context, const char *folder, const onnx_tensor *message,
                                  thaw_tensor **tensor)
{
    *tensor = NULL;
    thaw_status status = check_whole(context, folder, message);
    if (status == THAW_OK)
        status = read_elements(context, folder, message, tensor);
    if (status != THAW_OK)
        return thaw_fail_within(context, status, "tensor '%s'", message->name ? message->name : "");
    return THAW_OK;
}

/* A tensor of its own, since the message goes. */
static thaw_status copy_message(thaw_context *context, const onnx_tensor *message, thaw_tensor **tensor)
{
    thaw_tensor *borrowed;
    THAW_TRY(thaw_onnx_read_tensor(context, NULL, message, &borrowed));
    const thaw_status status = thaw_tensor_create(context, borrowed->dtype, &borrowed->shape, tensor);
    if (status == THAW_OK)
        memcpy((*tensor)->data, borrowed->data, borrowed->bytes);
    thaw_tensor_release(&borrowed);
    return status;
}

thaw_status thaw_onnx_tensor_read(thaw_context *context, const char *path, thaw_tensor **tensor)
{
    *tensor = NULL;
    uint8_t *bytes;
    size_t size;
    THAW_TRY(thaw_file_read(context, path, ONNX_MOST_BYTES, &bytes, &size));
    onnx_tensor *message = onnx__tensor_proto__unpack(NULL, size, bytes);
    free(bytes);
    const thaw_status status =
        message ? copy_message(context, message, tensor) : thaw_fail(context, THAW_ERR_MODEL, "not an ONNX tensor");
    if (message)
        onnx__tensor_proto__free_unpacked(message, NULL);
    return status == THAW_OK ? THAW_OK : thaw_fail_within(context, status, "%s", path);
}
