/* ONNX for a model that was never a file of that kind: an empty one, in which everything is new. */
#include "format/onnx.h"

#define IR_VERSION 9 /* the first that may hold opset 20 */

static thaw_status make_inputs(onnx_arena *arena, const thaw_graph *graph, onnx_graph *file)
{
    THAW_TRY(thaw_onnx_allocate(arena, graph->input_count, sizeof *file->input, &file->input));
    for (size_t i = 0; i < graph->input_count; i++) {
        const thaw_value *input = graph->inputs[i];
        THAW_TRY(thaw_onnx_make_value_info(arena, input->name, input->dtype, &input->shape, &file->input[i]));
        file->n_input++;
    }
    return THAW_OK;
}

thaw_status thaw_onnx_write_new(thaw_model *model, const char *path)
{
    static char name[] = "thaw", domain[] = "";
    onnx_arena arena = {.context = model->context};
    onnx_graph graph;
    onnx_model file;
    onnx_operator_set opset, *opsets[] = {&opset};
    onnx__graph_proto__init(&graph);
    onnx__model_proto__init(&file);
    onnx__operator_set_id_proto__init(&opset);
    opset.domain = domain;
    opset.has_version = 1;
    opset.version = model->graph->opset;
    graph.name = name;
    file.has_ir_version = 1;
    file.ir_version = IR_VERSION;
    file.n_opset_import = 1;
    file.opset_import = opsets;
    file.graph = &graph;
    const onnx_source source = {.file = &file};
    thaw_status status = make_inputs(&arena, model->graph, &graph);
    if (status == THAW_OK)
        status = thaw_onnx_write_from(model, &source, path);
    thaw_onnx_arena_free(&arena);
    return status;
}
