/* Which architecture a file's tensors are of: the one whose own tensors they are, to the last name and shape. */
#include "format/architectures/architecture.h"

#include <stdlib.h>
#include <string.h>

#define INPUT_NAME "input"
/* PyTorch counts the steps that a batch norm's statistics have seen; nothing depends on it at inference. */
#define COUNTER_END ".num_batches_tracked"

enum { MOST_TEXT_BYTES = 3000 };

static const thaw_family *const families[] = {
#define FAMILY_ADDRESS(name) &thaw_family_##name,
    THAW_FAMILY_LIST(FAMILY_ADDRESS)
#undef FAMILY_ADDRESS
};
enum { FAMILY_COUNT = sizeof families / sizeof families[0] };

/* An architecture held against a file. */
typedef struct trial {
    const thaw_family *family;
    const thaw_architecture *architecture;
    thaw_scheme scheme;
    size_t expected, found, unexpected;
} trial;

const char *thaw_scheme_text(thaw_scheme scheme)
{
    static const char *const texts[] = {
#define SCHEME_TEXT(name) [THAW_SCHEME_##name] = #name,
        THAW_SCHEME_LIST(SCHEME_TEXT)
#undef SCHEME_TEXT
    };
    return texts[scheme];
}

static bool is_named(const thaw_architecture *architecture, const char *name)
{
    const size_t length = strlen(name);
    for (const char *alias = architecture->aliases; alias && length; alias = strchr(alias, ' ')) {
        alias += *alias == ' ';
        if (strcspn(alias, " ") == length && strncmp(alias, name, length) == 0)
            return true;
    }
    return strcmp(architecture->name, name) == 0;
}

const thaw_architecture *thaw_architecture_find(const char *name)
{
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        for (size_t j = 0; j < families[i]->count; j++)
            if (is_named(&families[i]->rows[j], name))
                return &families[i]->rows[j];
    return NULL;
}

static thaw_status fail_unknown(thaw_context *context, const char *name)
{
    thaw_text list = {0};
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        for (size_t j = 0; j < families[i]->count; j++)
            thaw_text_append(&list, "%s%s", list.length ? ", " : "", families[i]->rows[j].name);
    const thaw_status status =
        thaw_fail(context, THAW_ERR_USAGE, "there is no architecture '%s' built in; there are %s", name,
                  list.failed ? "others" : list.data);
    thaw_text_free(&list);
    return status;
}

static bool is_unexpected(const thaw_builder *b, size_t place)
{
    const char *name = b->weights->tensors[place]->name;
    const size_t length = strlen(name), end = strlen(COUNTER_END);
    return !b->used[place] && (length < end || strcmp(name + length - end, COUNTER_END) != 0);
}

/* --- one trial ---------------------------------------------------------------------------------------------------- */

static thaw_status hold_against(thaw_builder *b, trial *t)
{
    thaw_flow x = {NULL, 3};
    b->found_count = b->missing_count = b->misshaped_count = t->unexpected = 0;
    memset(b->used, 0, b->weights->count * sizeof *b->used);
    THAW_TRY(t->family->build(b, t->architecture->details, t->scheme, &x));
    for (size_t i = 0; i < b->weights->count; i++)
        t->unexpected += is_unexpected(b, i);
    t->found = b->found_count;
    t->expected = b->found_count + b->missing_count + b->misshaped_count;
    return THAW_OK;
}

static bool is_perfect(const trial *t)
{
    return t->found == t->expected && !t->unexpected;
}

/* By the share that fits of all tensors, the file's and the architecture's. */
static bool is_nearer(const trial *a, const trial *b)
{
    return (double)a->found * (double)(b->expected + b->unexpected) >
           (double)b->found * (double)(a->expected + a->unexpected);
}

/* The first that fits, else the nearest; best->family is NULL where `name` is nobody's. */
static thaw_status find_best(thaw_builder *b, const char *name, trial *best)
{
    *best = (trial){0};
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        for (size_t j = 0; j < families[i]->count; j++)
            for (int scheme = 0; scheme < THAW_SCHEME_COUNT; scheme++) {
                trial t = {.family = families[i], .architecture = &families[i]->rows[j], .scheme = (thaw_scheme)scheme};
                if (!families[i]->schemes[scheme] || (name && !is_named(t.architecture, name)))
                    continue;
                THAW_TRY(hold_against(b, &t));
                if (!best->family || is_nearer(&t, best))
                    *best = t;
                if (is_perfect(best))
                    return THAW_OK;
            }
    return THAW_OK;
}

static void append_list(thaw_text *text, size_t count, const char *what, const thaw_text *list)
{
    if (count)
        thaw_text_append(text, "; %zu %s: %s%s", count, what, list->data,
                         list->length > MOST_TEXT_BYTES ? ", ..." : "");
}

/* Everything that keeps the file from being this, all at once. */
static thaw_status fail_misfit(thaw_builder *b, trial *t)
{
    thaw_text unexpected = {0}, text = {0};
    b->telling = true;
    THAW_TRY(hold_against(b, t));
    for (size_t i = 0; i < b->weights->count; i++) {
        char shape[THAW_SHAPE_TEXT];
        const thaw_safetensor *tensor = b->weights->tensors[i];
        if (is_unexpected(b, i) && unexpected.length <= MOST_TEXT_BYTES)
            thaw_text_append(&unexpected, "%s%s %s", unexpected.length ? ", " : "", tensor->name,
                             thaw_shape_text(&tensor->shape, shape));
    }
    append_list(&text, b->missing_count, "missing", &b->missing);
    append_list(&text, b->misshaped_count, "of another shape or type", &b->misshaped);
    append_list(&text, t->unexpected, "unexpected", &unexpected);
    const thaw_status status = text.failed || unexpected.failed || b->missing.failed || b->misshaped.failed
                                   ? thaw_fail(b->context, THAW_ERR_MEMORY, "out of memory")
                                   : thaw_fail(b->context, THAW_ERR_MODEL, "not the tensors of %s (%s's names)%s",
                                               t->architecture->name, thaw_scheme_text(t->scheme), text.data);
    thaw_text_free(&unexpected);
    thaw_text_free(&text);
    return status;
}

/* --- the graph ---------------------------------------------------------------------------------------------------- */

static thaw_status build_graph(thaw_builder *b, const trial *t)
{
    thaw_value *input;
    b->height = b->width = -1;
    b->graph->opset = THAW_BUILT_OPSET;
    THAW_TRY(thaw_graph_add_value(b->graph, INPUT_NAME, &input));
    THAW_TRY(thaw_graph_add_input(b->graph, input));
    thaw_flow x = {input, 3};
    THAW_TRY(t->family->build(b, t->architecture->details, t->scheme, &x));
    input->dtype = THAW_FLOAT32;
    input->shape = (thaw_shape){4, {-1, 3, b->height, b->width}};
    input->shape_known = true;
    x.value->shape = (thaw_shape){2, {-1, x.channels}};
    x.value->shape_known = true;
    THAW_TRY(thaw_graph_add_output(b->graph, x.value));
    return thaw_graph_finish(b->graph);
}

static thaw_status build(thaw_builder *b, const char *name, trial *best)
{
    THAW_TRY(thaw_allocate(b->context, b->weights->count, sizeof *b->used, &b->used));
    THAW_TRY(find_best(b, name, best));
    if (!best->family)
        return fail_unknown(b->context, name);
    if (!best->found)
        return thaw_fail(b->context, THAW_ERR_MODEL,
                         "none of its %zu tensors is one of %s: convert the model to ONNX where it was made",
                         b->weights->count, name ? name : "an architecture that is built in (docs/safetensors.md)");
    if (!is_perfect(best))
        return fail_misfit(b, best);
    THAW_TRY(thaw_graph_create(b->context, &b->graph));
    return build_graph(b, best);
}

thaw_status thaw_architecture_build(thaw_context *context, const thaw_weights *weights, const char *name,
                                    thaw_graph **graph, const thaw_architecture **found, thaw_scheme *scheme)
{
    thaw_builder b = {.context = context, .weights = weights};
    trial best;
    const thaw_status status = build(&b, name, &best);
    if (status == THAW_OK) {
        *found = best.architecture;
        *scheme = best.scheme;
    } else {
        thaw_graph_destroy(&b.graph);
    }
    *graph = b.graph;
    free(b.used);
    thaw_text_free(&b.missing);
    thaw_text_free(&b.misshaped);
    return status;
}

/* The first scheme of the first architecture of that name; family NULL: there is none. */
static trial find_named(const char *name)
{
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        for (size_t j = 0; j < families[i]->count; j++)
            for (int scheme = 0; scheme < THAW_SCHEME_COUNT; scheme++)
                if (families[i]->schemes[scheme] && is_named(&families[i]->rows[j], name))
                    return (trial){
                        .family = families[i], .architecture = &families[i]->rows[j], .scheme = (thaw_scheme)scheme};
    return (trial){0};
}

thaw_status thaw_architecture_invent(thaw_context *context, const char *name, uint64_t seed, thaw_graph **graph)
{
    const thaw_weights nothing = {0};
    thaw_builder b = {.context = context, .weights = &nothing, .invents = true, .random = {seed}};
    const trial found = find_named(name);
    *graph = NULL;
    if (!found.family)
        return fail_unknown(context, name);
    THAW_TRY(thaw_graph_create(context, &b.graph));
    const thaw_status status = build_graph(&b, &found);
    if (status != THAW_OK)
        thaw_graph_destroy(&b.graph);
    *graph = b.graph;
    return status;
}

thaw_status thaw_architecture_head(thaw_context *context, const char *name, const char *scheme,
                                   char head[THAW_HEAD_BYTES])
{
    const thaw_weights nothing = {0};
    thaw_builder b = {.context = context, .weights = &nothing};
    head[0] = '\0';
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        for (size_t j = 0; j < families[i]->count; j++)
            for (int s = 0; s < THAW_SCHEME_COUNT; s++) {
                thaw_flow x = {NULL, 3};
                if (!families[i]->schemes[s] || strcmp(thaw_scheme_text((thaw_scheme)s), scheme) != 0 ||
                    !is_named(&families[i]->rows[j], name))
                    continue;
                THAW_TRY(families[i]->build(&b, families[i]->rows[j].details, (thaw_scheme)s, &x));
                memcpy(head, b.head, sizeof b.head);
            }
    return THAW_OK;
}
