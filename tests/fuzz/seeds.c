/* seeds FOLDER: writes safetensors files to start from. */
#include "format/safetensors.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    static const float numbers[] = {0, 1, -2.5f, 3, 4, 5};
    static const int64_t integers[] = {7, -8};
    static const uint8_t bytes[] = {1, 2, 3};
    const thaw_safetensor tensors[] = {
        {"conv.weight", THAW_FLOAT32, {4, {1, 1, 2, 3}}, numbers, sizeof numbers},
        {"steps", THAW_INT64, {1, {2}}, integers, sizeof integers},
        {"mask", THAW_UINT8, {1, {3}}, bytes, sizeof bytes},
        {"scalar", THAW_FLOAT32, {0, {0}}, numbers, sizeof *numbers},
        {"empty", THAW_FLOAT16, {2, {0, 4}}, numbers, 0},
    };
    const thaw_safetensors_note notes[] = {{"format", "pt"}, {"a \"key\"", "\xc3\xa4\n"}};
    const size_t count = sizeof tensors / sizeof *tensors;
    thaw_context *context;
    char path[1024];
    if (argc != 2 || thaw_context_create(&context) != THAW_OK)
        return 2;
    thaw_status status = THAW_OK;
    for (size_t i = 0; i <= count && status == THAW_OK; i++) {
        snprintf(path, sizeof path, "%s/%zu.safetensors", argv[1], i);
        status = thaw_safetensors_write(context, path, tensors, i, notes, i % 3);
    }
    if (status != THAW_OK)
        fprintf(stderr, "%s\n", thaw_error_message(context));
    thaw_context_destroy(&context);
    return status == THAW_OK ? 0 : 1;
}
