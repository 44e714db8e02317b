#include "op_subject.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NUMBERS 256

/* A mistake in a case table is a mistake in the program. */
static void reject(const char *text, const char *why)
{
    fprintf(stderr, "case table: '%s' %s\n", text, why);
    abort();
}

static void need(thaw_status status)
{
    if (status != THAW_OK)
        reject(thaw_error_message(test_context()), "while setting up a case");
}

/* "2x3x7", "s" or "" (a scalar). */
static thaw_shape parse_shape(const char *text)
{
    thaw_shape shape = {0};
    if (!*text || strcmp(text, "s") == 0)
        return shape;
    const char *at = text;
    for (;;) {
        char *end;
        const long long dim = strtoll(at, &end, 10);
        if (end == at || shape.rank == THAW_MAX_RANK)
            reject(text, "is no shape");
        shape.dims[shape.rank++] = dim;
        if (!*end)
            return shape;
        if (*end != 'x')
            reject(text, "is no shape");
        at = end + 1;
    }
}

/* "1,2,-1": how many there are. */
static size_t parse_numbers(const char *text, double numbers[MOST_NUMBERS])
{
    size_t count = 0;
    for (const char *at = text; *at;) {
        char *end;
        if (count == MOST_NUMBERS)
            reject(text, "has too many numbers");
        numbers[count++] = strtod(at, &end);
        if (end == at || (*end && *end != ','))
            reject(text, "is no list of numbers");
        at = *end ? end + 1 : end;
    }
    return count;
}

/* "i:1,2@2": a tensor with its contents, or NULL if `text` does not start like one. */
static thaw_tensor *parse_tensor(const char *text)
{
    static const struct {
        char letter;
        thaw_dtype dtype;
    } kinds[] = {{'i', THAW_INT64}, {'b', THAW_BOOL}, {'f', THAW_FLOAT32}};
    size_t kind = 0;
    while (kind < 3 && (text[0] != kinds[kind].letter || text[1] != ':'))
        kind++;
    if (kind == 3)
        return NULL;

    char list[256];
    double numbers[MOST_NUMBERS];
    if (strlen(text) - 2 >= sizeof list)
        reject(text, "is too long");
    strcpy(list, text + 2);
    char *at = strchr(list, '@');
    if (at)
        *at++ = 0;
    const size_t count = parse_numbers(list, numbers);
    thaw_shape shape = {.rank = 1, .dims = {(int64_t)count}};
    if (at)
        shape = parse_shape(at);
    else if (kinds[kind].dtype == THAW_FLOAT32 && count == 1)
        shape.rank = 0;

    thaw_tensor *tensor;
    need(thaw_tensor_create(test_context(), kinds[kind].dtype, &shape, &tensor));
    if (tensor->count != (int64_t)count)
        reject(text, "has another number of values than its shape");
    for (size_t i = 0; i < count; i++)
        thaw_tensor_set(tensor, (int64_t)i, numbers[i]);
    return tensor;
}

static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789+-.,e") == strlen(text) && strpbrk(text, "0123456789");
}

static void fill_list(thaw_attribute *attribute, const char *text, bool floating)
{
    double numbers[MOST_NUMBERS];
    attribute->count = parse_numbers(text, numbers);
    attribute->kind = floating ? THAW_ATTRIBUTE_FLOATS : THAW_ATTRIBUTE_INTS;
    need(floating ? thaw_allocate(test_context(), attribute->count, sizeof(float), &attribute->floats)
                  : thaw_allocate(test_context(), attribute->count, sizeof(int64_t), &attribute->ints));
    for (size_t i = 0; i < attribute->count; i++) {
        if (floating)
            attribute->floats[i] = (float)numbers[i];
        else
            attribute->ints[i] = (int64_t)numbers[i];
    }
}

static void fill_attribute(thaw_attribute *attribute, const char *text)
{
    attribute->tensor = parse_tensor(text);
    if (attribute->tensor) {
        attribute->kind = THAW_ATTRIBUTE_TENSOR;
    } else if (!is_number(text)) {
        attribute->kind = THAW_ATTRIBUTE_STRING;
        need(thaw_copy_text(test_context(), text, &attribute->s));
    } else if (strchr(text, ',')) {
        fill_list(attribute, text, strpbrk(text, ".e") != NULL);
    } else if (strpbrk(text, ".e")) {
        attribute->kind = THAW_ATTRIBUTE_FLOAT;
        attribute->f = strtof(text, NULL);
    } else {
        attribute->kind = THAW_ATTRIBUTE_INT;
        attribute->i = strtoll(text, NULL, 10);
    }
}

void op_subject_attributes(thaw_node *node, const char *text)
{
    char copy[512];
    snprintf(copy, sizeof copy, "%s", text ? text : "");
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        if (!value)
            reject(word, "is no attribute");
        *value++ = 0;
        thaw_attribute *attribute;
        need(thaw_node_add_attribute(node, word, &attribute));
        fill_attribute(attribute, value);
    }
}

static double draw(thaw_random *random, const char *kind)
{
    static const double extremes[] = {1e30, -1e30, -0.0, 1e-30, -1e-30, 0.0};
    static const double odd[] = {NAN, INFINITY, -INFINITY};
    const double uniform = thaw_random_uniform(random);
    if (kind && strcmp(kind, "positive") == 0)
        return 0.1 + 1.9 * uniform;
    if (kind && strcmp(kind, "wide") == 0)
        return 16 * uniform - 8;
    if (kind && strcmp(kind, "extreme") == 0 && thaw_random_below(random, 8) == 0)
        return extremes[thaw_random_below(random, sizeof extremes / sizeof *extremes)];
    if (kind && strcmp(kind, "nan") == 0 && thaw_random_below(random, 8) == 0)
        return odd[thaw_random_below(random, sizeof odd / sizeof *odd)];
    return 4 * uniform - 2;
}

/* "2x3" or "c:2x3": a float32 tensor of random numbers. */
static thaw_tensor *random_tensor(const char *text, thaw_random *random, const char *values, bool constant)
{
    const thaw_shape shape = parse_shape(text);
    thaw_tensor *tensor;
    need(thaw_tensor_create(test_context(), THAW_FLOAT32, &shape, &tensor));
    const char *kind = constant && values && strcmp(values, "positive") != 0 ? NULL : values;
    for (int64_t i = 0; i < tensor->count; i++)
        thaw_tensor_set(tensor, i, draw(random, kind));
    return tensor;
}

static void add_input(op_subject *subject, size_t index, const char *word, const char *values, thaw_random *random)
{
    if (strcmp(word, "-") == 0)
        return;
    const bool updated = strncmp(word, "u:", 2) == 0, constant = updated || strncmp(word, "c:", 2) == 0;
    thaw_tensor *tensor = parse_tensor(word);
    subject->at_run_time[index] = !tensor && !constant;
    if (!tensor)
        tensor = random_tensor(constant ? word + 2 : word, random, values, constant);
    subject->tensors[index] = tensor;

    char name[32];
    thaw_value *value;
    snprintf(name, sizeof name, "x%zu", index);
    need(thaw_graph_add_value(subject->graph, name, &value));
    value->dtype = tensor->dtype;
    value->shape = tensor->shape;
    value->shape_known = true;
    if (subject->at_run_time[index])
        need(thaw_graph_add_input(subject->graph, value));
    else
        value->constant = thaw_tensor_retain(tensor);
    value->updated = updated;
    subject->graph->training = subject->graph->training || updated;
    thaw_node_set_input(subject->node, index, value);
}

static void add_outputs(op_subject *subject, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[32];
        thaw_value *value;
        snprintf(name, sizeof name, "y%zu", i);
        need(thaw_graph_add_value(subject->graph, name, &value));
        thaw_node_set_output_value(subject->node, i, value);
        need(thaw_graph_add_output(subject->graph, value));
    }
}

/* Splits the inputs' text in place. */
static size_t split_inputs(char *text, char *words[OP_MOST_INPUTS])
{
    size_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (count == OP_MOST_INPUTS)
            reject(word, "is one input too many");
        words[count++] = word;
    }
    return count;
}

/* Puts a MaxPool of single elements before input `index` of the node. */
static void pool_input(op_subject *subject, size_t index)
{
    thaw_value *from = subject->node->inputs[index], *to;
    thaw_node *pool;
    need(thaw_graph_add_value(subject->graph, "", &to));
    to->dtype = from->dtype;
    to->shape = from->shape;
    to->shape_known = true;
    need(thaw_graph_add_node(subject->graph, thaw_op_find("MaxPool"), "", 1, 1, &pool));
    op_subject_attributes(pool, "kernel_shape=1,1");
    thaw_node_set_input(pool, 0, from);
    thaw_node_set_output_value(pool, 0, to);
    thaw_node_set_input(subject->node, index, to);
}

static void pool_inputs(op_subject *subject)
{
    thaw_graph *graph = subject->graph;
    for (size_t i = 0; i < subject->node->input_count; i++)
        if (subject->at_run_time[i] && subject->tensors[i]->shape.rank == 4)
            pool_input(subject, i);
    graph->nodes[0] = graph->nodes[graph->node_count - 1]; /* the node runs last */
    graph->nodes[graph->node_count - 1] = subject->node;
}

static thaw_status build(const char *type, const op_case *row, uint64_t seed, bool pooled, op_subject *subject)
{
    *subject = (op_subject){0};
    const thaw_op *op = thaw_op_find(type);
    if (!op)
        reject(type, "is no operator");
    char copy[1024];
    char *words[OP_MOST_INPUTS];
    snprintf(copy, sizeof copy, "%s", row->inputs ? row->inputs : "");
    const size_t input_count = split_inputs(copy, words);
    const size_t output_count = row->outputs ? row->outputs : 1;

    need(thaw_graph_create(test_context(), &subject->graph));
    subject->graph->opset = row->opset ? row->opset : 13;
    need(thaw_graph_add_node(subject->graph, op, "node", input_count, output_count, &subject->node));
    op_subject_attributes(subject->node, row->attributes);
    thaw_random random = {seed};
    for (size_t i = 0; i < input_count; i++)
        add_input(subject, i, words[i], row->values, &random);
    add_outputs(subject, output_count);
    if (pooled)
        pool_inputs(subject);
    return thaw_graph_finish(subject->graph);
}

thaw_status op_subject_build(const char *type, const op_case *row, uint64_t seed, op_subject *subject)
{
    return build(type, row, seed, false, subject);
}

thaw_status op_subject_build_pooled(const char *type, const op_case *row, uint64_t seed, op_subject *subject)
{
    return build(type, row, seed, true, subject);
}

void op_subject_free(op_subject *subject)
{
    for (size_t i = 0; i < OP_MOST_INPUTS; i++)
        thaw_tensor_release(&subject->tensors[i]);
    thaw_graph_destroy(&subject->graph);
}

int64_t op_case_elements(const op_case *row)
{
    char copy[1024];
    char *words[OP_MOST_INPUTS];
    snprintf(copy, sizeof copy, "%s", row->inputs ? row->inputs : "");
    const size_t count = split_inputs(copy, words);
    int64_t most = 0;
    for (size_t i = 0; i < count; i++) {
        const bool constant = strncmp(words[i], "c:", 2) == 0 || strncmp(words[i], "u:", 2) == 0;
        const char *shape_text = constant ? words[i] + 2 : words[i];
        if (strchr(shape_text, ':') || strcmp(shape_text, "-") == 0)
            continue;
        const thaw_shape shape = parse_shape(shape_text);
        const int64_t elements = thaw_shape_size(&shape);
        most = elements > most ? elements : most;
    }
    return most;
}
