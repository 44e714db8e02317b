#include "ops/shared/epilogue.h"

#include <math.h>
#include <stdio.h>

thaw_value *thaw_epilogue_own_input(const thaw_node *node, size_t index)
{
    thaw_value *value = thaw_node_input(node, index);
    const bool is_residual = node->epilogue.residual && index + 1 == node->input_count;
    return is_residual ? NULL : value;
}

const char *thaw_epilogue_options(const thaw_node *node, bool bias, char text[THAW_EPILOGUE_OPTIONS])
{
    snprintf(text, THAW_EPILOGUE_OPTIONS, "-DACTIVATION=%d%s%s", (int)node->epilogue.activation, bias ? " -DBIAS" : "",
             node->epilogue.residual ? " -DRESIDUAL" : "");
    return text;
}

thaw_epilogue thaw_epilogue_few(const thaw_node *node)
{
    thaw_epilogue epilogue = node->epilogue;
    if (epilogue.activation == THAW_LINEAR || epilogue.activation == THAW_RELU) {
        epilogue.alpha = epilogue.activation == THAW_RELU ? 0 : -INFINITY;
        epilogue.beta = INFINITY;
        epilogue.activation = THAW_CLAMP;
    }
    return epilogue;
}

const char *thaw_epilogue_few_options(const thaw_node *node, char text[THAW_EPILOGUE_OPTIONS])
{
    snprintf(text, THAW_EPILOGUE_OPTIONS, "-DACTIVATION=%d", (int)thaw_epilogue_few(node).activation);
    return text;
}

const thaw_buffer *thaw_epilogue_residual(const thaw_node *node)
{
    return node->epilogue.residual ? node->epilogue.residual->buffer : NULL;
}

thaw_status thaw_epilogue_prepare(const thaw_node *node, thaw_epilogue_pass *pass)
{
    char options[THAW_EPILOGUE_OPTIONS];
    pass->kernel = NULL;
    if (!pass->bias && !node->epilogue.residual && node->epilogue.activation == THAW_LINEAR)
        return THAW_OK;
    return thaw_kernel_get(thaw_node_device(node), "epilogue", "epilogue",
                           thaw_epilogue_options(node, pass->bias != NULL, options), &pass->kernel);
}

thaw_status thaw_epilogue_run(const thaw_node *node, const thaw_epilogue_pass *pass)
{
    if (!pass->kernel || pass->planes == 0 || pass->rows == 0 || pass->columns == 0)
        return THAW_OK;
    return thaw_kernel_launch(
        pass->kernel, THAW_RANGE_3(pass->columns, pass->rows, pass->planes), THAW_BUFFER(node->outputs[0]->buffer),
        THAW_BUFFER(pass->bias ? pass->bias->buffer : NULL), THAW_LONG(pass->bias_row), THAW_LONG(pass->bias_column),
        THAW_FLOAT(pass->bias_scale), THAW_BUFFER(thaw_epilogue_residual(node)), THAW_FLOAT(node->epilogue.alpha),
        THAW_FLOAT(node->epilogue.beta));
}
