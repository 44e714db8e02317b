/* NumPy's .npy files: a magic number, a header that is a Python dictionary, and the bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "tensor/tensor.h"

#define MAGIC            "\x93NUMPY"
#define MAGIC_BYTES      6
#define HEADER_ALIGNMENT 64
#define MOST_BYTES       ((uint64_t)1 << 36)

static const char *const type_strings[THAW_DTYPE_COUNT] = {
#define TYPE_ROW(name, bytes, onnx, numpy, text) [THAW_##name] = numpy,
    THAW_DTYPE_LIST(TYPE_ROW)
#undef TYPE_ROW
};

/* A header being read: "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", keys in any order. */
typedef struct npy_header {
    const char *next, *end;
    thaw_dtype dtype;
    thaw_shape shape;
    bool has_dtype, has_order, has_shape;
} npy_header;

static void skip_blanks(npy_header *header)
{
    while (header->next < header->end && strchr(" \t\r\n", *header->next) && *header->next)
        header->next++;
}

/* Takes `text`, with blanks before it, if it comes next. */
static bool take(npy_header *header, const char *text)
{
    skip_blanks(header);
    const size_t length = strlen(text);
    if ((size_t)(header->end - header->next) < length || memcmp(header->next, text, length) != 0)
        return false;
    header->next += length;
    return true;
}

static bool take_number(npy_header *header, int64_t *number)
{
    skip_blanks(header);
    const char *start = header->next;
    *number = 0;
    for (; header->next < header->end && *header->next >= '0' && *header->next <= '9'; header->next++) {
        if (*number > (INT64_MAX - 9) / 10)
            return false;
        *number = *number * 10 + (*header->next - '0');
    }
    return header->next > start;
}

static bool take_dtype(npy_header *header)
{
    for (int i = 0; i < THAW_DTYPE_COUNT; i++) {
        char quoted[16];
        if (!type_strings[i])
            continue;
        snprintf(quoted, sizeof quoted, "'%s'", type_strings[i]);
        if (take(header, quoted)) {
            header->dtype = (thaw_dtype)i;
            return true;
        }
    }
    return false;
}

static bool take_shape(npy_header *header)
{
    if (!take(header, "("))
        return false;
    while (!take(header, ")")) {
        if (header->shape.rank == THAW_MAX_RANK || !take_number(header, &header->shape.dims[header->shape.rank]))
            return false;
        header->shape.rank++;
        if (!take(header, ","))
            return take(header, ")");
    }
    return true;
}

/* NULL, or what is wrong. */
static const char *read_header(npy_header *header)
{
    if (!take(header, "{"))
        return "its header is no dictionary";
    while (!take(header, "}")) {
        if (!header->has_dtype && take(header, "'descr':")) {
            header->has_dtype = take_dtype(header);
            if (!header->has_dtype)
                return "its element type is not one that Thaw knows (little-endian numbers)";
        } else if (!header->has_order && take(header, "'fortran_order':")) {
            header->has_order = take(header, "False");
            if (!header->has_order)
                return "it is in Fortran order; save it with numpy.ascontiguousarray()";
        } else if (!header->has_shape && take(header, "'shape':")) {
            header->has_shape = take_shape(header);
            if (!header->has_shape)
                return "its shape is damaged, or has more than 8 dimensions";
        } else {
            return "its header is damaged";
        }
        take(header, ",");
    }
    return header->has_dtype && header->has_order && header->has_shape ? NULL : "its header is incomplete";
}

/* Where the header lies: two bytes of length in version 1, four in 2 and 3. NULL, or what is wrong. */
static const char *find_header(const uint8_t *bytes, size_t size, npy_header *header)
{
    if (size < 10 || memcmp(bytes, MAGIC, MAGIC_BYTES) != 0)
        return "not a .npy file";
    const uint8_t version = bytes[MAGIC_BYTES];
    if (version < 1 || version > 3)
        return "a .npy version that Thaw does not know";
    size_t start = MAGIC_BYTES + 4, length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (version > 1) {
        start += 2;
        if (size < start)
            return "cut short";
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    }
    if (length > size - start)
        return "cut short";
    header->next = (const char *)bytes + start;
    header->end = header->next + length;
    return NULL;
}

static thaw_status parse(thaw_context *context, const uint8_t *bytes, size_t size, thaw_tensor **tensor)
{
    npy_header header = {0};
    const char *wrong = find_header(bytes, size, &header);
    const uint8_t *data = (const uint8_t *)header.end;
    if (!wrong)
        wrong = read_header(&header);
    if (wrong)
        return thaw_fail(context, THAW_ERR_DATA, "%s", wrong);
    const uint64_t there = (uint64_t)(bytes + size - data);
    int64_t count;
    if (thaw_shape_count(context, &header.shape, &count) != THAW_OK)
        return THAW_ERR_DATA;
    if ((uint64_t)count > there || (uint64_t)count * thaw_dtype_bytes(header.dtype) != there) {
        char text[THAW_SHAPE_TEXT];
        return thaw_fail(context, THAW_ERR_DATA, "holds %" PRIu64 " bytes of data, which are not %s of %s", there,
                         thaw_shape_text(&header.shape, text), thaw_dtype_text(header.dtype));
    }
    THAW_TRY(thaw_tensor_create(context, header.dtype, &header.shape, tensor));
    memcpy((*tensor)->data, data, (*tensor)->bytes);
    return THAW_OK;
}

thaw_status thaw_npy_read(thaw_context *context, const char *path, thaw_tensor **tensor)
{
    *tensor = NULL;
    uint8_t *bytes;
    size_t size;
    THAW_TRY(thaw_file_read(context, path, MOST_BYTES, &bytes, &size));
    const thaw_status status = parse(context, bytes, size, tensor);
    free(bytes);
    return status == THAW_OK ? THAW_OK : thaw_fail_within(context, status, "%s", path);
}

/* The header of version 1, padded with blanks so that the data begins at a multiple of 64 bytes. */
static void make_header(const thaw_tensor *tensor, thaw_text *header)
{
    thaw_text dictionary = {0};
    thaw_text_append(&dictionary, "{'descr': '%s', 'fortran_order': False, 'shape': (", type_strings[tensor->dtype]);
    for (int32_t i = 0; i < tensor->shape.rank; i++)
        thaw_text_append(&dictionary, "%" PRId64 "%s", tensor->shape.dims[i],
                         i + 1 < tensor->shape.rank ? ", "
                         : tensor->shape.rank == 1  ? ","
                                                    : "");
    thaw_text_append(&dictionary, "), }");
    const size_t used = MAGIC_BYTES + 4 + dictionary.length + 1;
    const size_t padding = (HEADER_ALIGNMENT - used % HEADER_ALIGNMENT) % HEADER_ALIGNMENT;
    const size_t length = dictionary.length + padding + 1;
    thaw_text_append(header, MAGIC "%c%*s%s%*s\n", 1, 3, "", dictionary.data, (int)padding, "");
    if (!header->failed) {
        header->data[MAGIC_BYTES + 1] = 0;
        header->data[MAGIC_BYTES + 2] = (char)(length & 0xff);
        header->data[MAGIC_BYTES + 3] = (char)(length >> 8);
    }
    header->failed |= dictionary.failed;
    thaw_text_free(&dictionary);
}

static thaw_status write_parts(thaw_context *context, const char *path, const thaw_text *header,
                               const thaw_tensor *tensor)
{
    thaw_new_file *file;
    THAW_TRY(thaw_new_file_open(context, path, &file));
    thaw_status status = thaw_new_file_write(file, header->data, header->length);
    if (status == THAW_OK)
        status = thaw_new_file_write(file, tensor->data, tensor->bytes);
    if (status == THAW_OK)
        return thaw_new_file_commit(&file);
    thaw_new_file_abandon(&file);
    return status;
}

thaw_status thaw_npy_write(thaw_context *context, const char *path, const thaw_tensor *tensor)
{
    if (!type_strings[tensor->dtype])
        return thaw_fail(context, THAW_ERR_DATA, "%s: NumPy has no %s", path, thaw_dtype_text(tensor->dtype));
    thaw_text header = {0};
    make_header(tensor, &header);
    const thaw_status status = header.failed ? thaw_fail(context, THAW_ERR_MEMORY, "%s: out of memory", path)
                                             : write_parts(context, path, &header, tensor);
    thaw_text_free(&header);
    return status;
}
