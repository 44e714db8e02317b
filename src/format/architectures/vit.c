/* Vision transformers: Dosovitskiy et al. 2020, classified by a token of its own. Patches and images are of the size
 * that the file's tensors have: 16 and 224 mostly. */
#include "format/architectures/architecture.h"

#include <math.h>
#include <stdio.h>

#define EPSILON 1e-6f
enum { DEPTH = 12, HEAD_WIDTH = 64, USUAL_PATCH = 16, USUAL_TOKENS = 197 };

typedef struct vit {
    int64_t width;
} vit;

typedef struct part_names {
    const char *patches, *token, *positions, *block; /* block takes its number */
    const char *norm1, *qkv, *out, *norm2, *widen, *narrow, *last_norm, *head;
} part_names;

static const part_names names_of[] = {
    [THAW_SCHEME_torchvision] = {"conv_proj", "class_token", "encoder.pos_embedding", "encoder.layers.encoder_layer_%d",
                                 "ln_1", "self_attention.in_proj_", "self_attention.out_proj.", "ln_2", "mlp.0.",
                                 "mlp.3.", "encoder.ln", "heads.head"},
    [THAW_SCHEME_timm] = {"patch_embed.proj", "cls_token", "pos_embed", "blocks.%d", "norm1", "attn.qkv.", "attn.proj.",
                          "norm2", "mlp.fc1.", "mlp.fc2.", "norm", "head"}};

/* [n, 3, height, width] -> [n, tokens, width]. The class token stands before the patches and never changes: it is added
 * to the first position, and the patches come with a row of zeros there. */
static thaw_status build_tokens(thaw_builder *b, const part_names *names, int64_t width, int64_t patch, int64_t tokens,
                                thaw_flow *x)
{
    static const int64_t flat[] = {0, 0, -1}, order[] = {0, 2, 1}, before[] = {0, 1, 0, 0, 0, 0};
    const int64_t behind[] = {0, 0, 0, 0, tokens - 1, 0};
    const thaw_convolution conv = {.out = width, .size = patch, .stride = patch, .bias = true};
    const thaw_shape one = {3, {1, 1, width}}, all = {3, {1, tokens, width}};
    thaw_flow token = {NULL, width};
    thaw_value *positions, *inputs[2];
    thaw_node *node;
    THAW_TRY(thaw_build_conv(b, x, &conv, "%s", names->patches));
    THAW_TRY(thaw_build_reshape(b, x, flat, 3));
    THAW_TRY(thaw_build_transpose(b, x, order, 3));
    inputs[0] = x->value;
    THAW_TRY(thaw_builder_ints(b, before, 6, &inputs[1]));
    THAW_TRY(thaw_build_node(b, "Pad", "tokens.pad", inputs, 2, &node, x));
    THAW_TRY(thaw_builder_parameter(b, &one, &token.value, "%s", names->token));
    THAW_TRY(thaw_builder_parameter(b, &all, &positions, "%s", names->positions));
    inputs[0] = token.value;
    THAW_TRY(thaw_builder_ints(b, behind, 6, &inputs[1]));
    THAW_TRY(thaw_build_node(b, "Pad", "tokens.first", inputs, 2, &node, &token));
    THAW_TRY(thaw_build_binary(b, &token, "Add", positions, "tokens.places"));
    return thaw_build_binary(b, x, "Add", token.value, "tokens.add");
}

/* Part of x, [n, tokens, 3 * width], as [n, heads, tokens, 64], or its last two turned. */
static thaw_status split_heads(thaw_builder *b, thaw_value *part, int64_t width, bool turned, thaw_flow *x)
{
    static const int64_t by_head[] = {0, 2, 1, 3}, by_head_turned[] = {0, 2, 3, 1};
    const int64_t dims[] = {0, 0, width / HEAD_WIDTH, HEAD_WIDTH};
    *x = (thaw_flow){part, width};
    THAW_TRY(thaw_build_reshape(b, x, dims, 4));
    return thaw_build_transpose(b, x, turned ? by_head_turned : by_head, 4);
}

/* Queries, keys and values out of one product. */
static thaw_status split_product(thaw_builder *b, int64_t width, const char *block, thaw_value *product,
                                 thaw_value *parts[3])
{
    const int64_t sizes[] = {width, width, width};
    thaw_value *inputs[] = {product, NULL};
    thaw_node *node;
    char name[128];
    if (!b->graph)
        return THAW_OK;
    THAW_TRY(thaw_builder_ints(b, sizes, 3, &inputs[1]));
    snprintf(name, sizeof name, "%s.split", block);
    THAW_TRY(thaw_graph_add_node(b->graph, thaw_op_find("Split"), name, 2, 3, &node));
    for (size_t i = 0; i < 2; i++)
        thaw_node_set_input(node, i, inputs[i]);
    for (size_t i = 0; i < 3; i++) {
        static const char *const suffixes[] = {"query", "key", "value"};
        snprintf(name, sizeof name, "%s.%s", block, suffixes[i]);
        THAW_TRY(thaw_graph_add_value(b->graph, name, &parts[i]));
        thaw_node_set_output_value(node, i, parts[i]);
    }
    return thaw_node_add_int(node, "axis", -1);
}

static thaw_status build_attention(thaw_builder *b, const part_names *names, const char *block, int64_t width,
                                   thaw_flow *x)
{
    static const int64_t by_token[] = {0, 2, 1, 3};
    const int64_t flat[] = {0, 0, width};
    thaw_value *parts[3] = {NULL}, *scale;
    thaw_flow keys, values;
    thaw_node *node;
    THAW_TRY(thaw_build_product(b, x, 3 * width, "%s.%s", block, names->qkv));
    THAW_TRY(split_product(b, width, block, x->value, parts));
    THAW_TRY(thaw_builder_number(b, (float)(1 / sqrt(HEAD_WIDTH)), &scale));
    THAW_TRY(split_heads(b, parts[0], width, false, x));
    THAW_TRY(split_heads(b, parts[1], width, true, &keys));
    THAW_TRY(split_heads(b, parts[2], width, false, &values));
    THAW_TRY(thaw_build_binary(b, x, "Mul", scale, "%s.scaled", block));
    THAW_TRY(thaw_build_binary(b, x, "MatMul", keys.value, "%s.scores", block));
    char name[128];
    snprintf(name, sizeof name, "%s.softmax", block);
    THAW_TRY(thaw_build_node(b, "Softmax", name, &x->value, 1, &node, x));
    if (node)
        THAW_TRY(thaw_node_add_int(node, "axis", -1));
    THAW_TRY(thaw_build_binary(b, x, "MatMul", values.value, "%s.attended", block));
    THAW_TRY(thaw_build_transpose(b, x, by_token, 4));
    THAW_TRY(thaw_build_reshape(b, x, flat, 3));
    x->channels = width;
    return thaw_build_product(b, x, width, "%s.%s", block, names->out);
}

static thaw_status add_block(thaw_builder *b, const part_names *names, const char *block, thaw_flow *x)
{
    const int64_t width = x->channels;
    thaw_flow around = *x;
    THAW_TRY(thaw_build_layer_norm(b, x, EPSILON, "%s.%s", block, names->norm1));
    THAW_TRY(build_attention(b, names, block, width, x));
    THAW_TRY(thaw_build_binary(b, x, "Add", around.value, "%s.add1", block));
    around = *x;
    THAW_TRY(thaw_build_layer_norm(b, x, EPSILON, "%s.%s", block, names->norm2));
    THAW_TRY(thaw_build_product(b, x, 4 * width, "%s.%s", block, names->widen));
    THAW_TRY(thaw_build_nonlinearity(b, x, THAW_BUILD_GELU));
    THAW_TRY(thaw_build_product(b, x, width, "%s.%s", block, names->narrow));
    return thaw_build_binary(b, x, "Add", around.value, "%s.add2", block);
}

static thaw_status build(thaw_builder *b, const void *details, thaw_scheme scheme, thaw_flow *x)
{
    const int64_t width = ((const vit *)details)->width;
    const part_names *names = &names_of[scheme];
    char text[96];
    snprintf(text, sizeof text, "%s.weight", names->patches);
    int64_t patch = thaw_builder_dimension(b, text, 2, USUAL_PATCH);
    int64_t tokens = thaw_builder_dimension(b, names->positions, 1, USUAL_TOKENS);
    const int64_t side = llround(sqrt((double)tokens - 1));
    if (patch < 1 || patch > 64 || tokens < 2 || tokens > 65537 || side * side != tokens - 1)
        patch = USUAL_PATCH, tokens = USUAL_TOKENS; /* such shapes can't be: told as wrong */
    b->height = b->width = llround(sqrt((double)tokens - 1)) * patch;
    THAW_TRY(build_tokens(b, names, width, patch, tokens, x));
    for (int i = 0; i < DEPTH; i++) {
        snprintf(text, sizeof text, names->block, i);
        THAW_TRY(add_block(b, names, text, x));
    }
    THAW_TRY(thaw_build_layer_norm(b, x, EPSILON, "%s", names->last_norm));
    thaw_value *inputs[2] = {x->value};
    thaw_node *node;
    const int64_t first = 0;
    THAW_TRY(thaw_builder_ints(b, &first, 1, &inputs[1]));
    THAW_TRY(thaw_build_node(b, "Gather", "tokens.class", inputs, 2, &node, x));
    if (node)
        THAW_TRY(thaw_node_add_int(node, "axis", 1));
    THAW_TRY(thaw_build_flatten(b, x, width));
    return thaw_build_classifier(b, x, "%s", names->head);
}

static const vit tiny = {192}, small = {384}, base = {768};
static const thaw_architecture rows[] = {
    {"vit_tiny", "vit_tiny_patch16_224 vit_tiny_patch16_384 deit_tiny_patch16_224", &tiny},
    {"vit_small",
     "vit_small_patch16_224 vit_small_patch16_384 vit_small_patch32_224 vit_small_patch32_384 deit_small_patch16_224",
     &small},
    {"vit_b_16",
     "vit_base_patch16_224 vit_base_patch16_384 vit_b_32 vit_base_patch32_224 vit_base_patch32_384 "
     "deit_base_patch16_224 deit_base_patch16_384",
     &base},
};
const thaw_family thaw_family_vit = {
    rows, sizeof rows / sizeof rows[0], {[THAW_SCHEME_torchvision] = true, [THAW_SCHEME_timm] = true}, build};
