/* Which nodes of a file Thaw can't run, all of them in one message. */
#include <string.h>

#include "format/onnx.h"

#define MOST_TEXT_BYTES 15000 /* the rest is counted */

static bool is_default_domain(const char *domain)
{
    return !domain || !*domain || strcmp(domain, "ai.onnx") == 0;
}

static bool is_supported(const onnx_node *node)
{
    return is_default_domain(node->domain) && thaw_op_find(node->op_type);
}

/* "name (Type)"; nodes without a name are told by their place. */
static void append_node(thaw_text *text, const onnx_node *node, size_t index)
{
    if (text->length)
        thaw_text_append(text, ", ");
    if (node->name && *node->name)
        thaw_text_append(text, "%s", node->name);
    else
        thaw_text_append(text, "node %zu", index);
    if (is_default_domain(node->domain))
        thaw_text_append(text, " (%s)", node->op_type);
    else
        thaw_text_append(text, " (%s.%s)", node->domain, node->op_type);
}

/* What may be done about a node of that type; what was said before where nothing comes to mind. */
static const char *advise(const char *type, const char *before)
{
    if (strstr(type, "Quantize") || strncmp(type, "QLinear", 7) == 0 || strstr(type, "Integer"))
        return " (quantised: take the model in floating point, as it was before)";
    if (strcmp(type, "If") == 0 || strcmp(type, "Loop") == 0 || strcmp(type, "Scan") == 0)
        return *before ? before : " (control flow: export the model with constants folded, for fixed inputs)";
    return before;
}

thaw_status thaw_onnx_check_operators(thaw_context *context, const onnx_graph *graph)
{
    thaw_text text = {0};
    size_t found = 0, named = 0;
    const char *advice = "";
    for (size_t i = 0; i < graph->n_node; i++) {
        const onnx_node *node = graph->node[i];
        if (!node->op_type || !*node->op_type) {
            thaw_text_free(&text);
            return thaw_fail(context, THAW_ERR_MODEL, "node %zu has no type", i);
        }
        if (is_supported(node))
            continue;
        found++;
        advice = advise(node->op_type, advice);
        if (text.length < MOST_TEXT_BYTES) {
            append_node(&text, node, i);
            named++;
        }
    }
    if (found > named)
        thaw_text_append(&text, " and %zu more", found - named);
    const thaw_status status = found ? thaw_fail(context, THAW_ERR_UNSUPPORTED, "%zu unsupported node%s: %s%s", found,
                                                 found == 1 ? "" : "s", text.failed ? "" : text.data, advice)
                                     : THAW_OK;
    thaw_text_free(&text);
    return status;
}
