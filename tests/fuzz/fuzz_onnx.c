/* The ONNX reader, and what looks at a graph before there is a device: attributes, shapes, folding. */
#include "fuzz_file.h"

#include "model/model.h"
#include "model/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    thaw_model *model;
    thaw_program *program;
    const thaw_program_options options = {.batch = 2};
    if (thaw_model_load(fuzz_context(), fuzz_file(bytes, size), &model) != THAW_OK)
        return 0;
    if (thaw_program_create(model->graph, NULL, &options, &program) == THAW_OK)
        thaw_program_destroy(&program);
    thaw_model_close(&model);
    return 0;
}
