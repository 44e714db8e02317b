#include "ops/op.h"

#include <string.h>

#define OP(name) extern const thaw_op thaw_op_##name;
#include "ops/op_list.h"
#undef OP

const thaw_op *const thaw_ops[] = {
#define OP(name) &thaw_op_##name,
#include "ops/op_list.h"
#undef OP
};

const size_t thaw_op_count = sizeof thaw_ops / sizeof thaw_ops[0];

const thaw_op *thaw_op_find(const char *onnx_type)
{
    for (size_t i = 0; i < thaw_op_count; i++)
        if (thaw_ops[i]->onnx_type && strcmp(thaw_ops[i]->onnx_type, onnx_type) == 0)
            return thaw_ops[i];
    return NULL;
}
