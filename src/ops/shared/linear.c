#include "ops/shared/linear.h"

static thaw_status prepare_panels(thaw_node *node, thaw_linear *linear)
{
    const thaw_value *bias = linear->epilogue.bias;
    thaw_epilogue_options(node, bias != NULL, linear->options);
    if (bias && bias->constant)
        THAW_TRY(thaw_weights_upload(node, bias, &linear->addend));
    if (node->inputs[0]->gradient)
        THAW_TRY(thaw_weights_upload(node, node->inputs[1], &linear->rows));
    return thaw_weights_pack(node, linear->transposed, linear->n, linear->k, &linear->panels);
}

thaw_status thaw_linear_prepare(thaw_node *node, thaw_linear *linear)
{
    return node->packs_weights ? prepare_panels(node, linear) : thaw_epilogue_prepare(node, &linear->epilogue);
}

thaw_status thaw_linear_forward(const thaw_node *node, const thaw_linear *linear)
{
    const thaw_epilogue_pass *pass = &linear->epilogue;
    const thaw_gemm gemm = {
        .m = linear->m,
        .n = linear->n,
        .k = linear->k,
        .alpha = linear->scale,
        .a = node->inputs[0]->buffer,
        .b = linear->panels,
        .c = node->outputs[0]->buffer,
    };
    const thaw_gemm_finish finish = {
        .options = linear->options,
        .bias = linear->addend || !pass->bias ? linear->addend : pass->bias->buffer,
        .bias_row = pass->bias_row,
        .bias_column = pass->bias_column,
        .bias_scale = pass->bias_scale,
        .residual = thaw_epilogue_residual(node),
        .alpha = node->epilogue.alpha,
        .beta = node->epilogue.beta,
    };
    return thaw_gemm_run_panels(thaw_node_device(node), &gemm, thaw_weights_precision(node), &finish);
}

void thaw_linear_release(thaw_linear *linear)
{
    thaw_buffer_destroy(&linear->panels);
    thaw_buffer_destroy(&linear->addend);
    thaw_buffer_destroy(&linear->rows);
}
