#include "ops/shared/terms.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Few enough elements of `to` that each one's sum is cut into pieces. */
#define FEW_PLACES 256
#define SEGMENT    4096 /* elements of a line */

/* Of an image's channels in blocks: the dimensions of the box. */
enum { IMAGES, BLOCKS, PIXELS, LANES, BLOCKED_RANK };

static bool is_empty(const thaw_terms *terms)
{
    for (int32_t d = 0; d < terms->rank; d++)
        if (terms->extent[d] == 0)
            return true;
    return false;
}

/* Every operand walks outer dimension `outer` and `d` as one. */
static bool joins(const thaw_terms *terms, int32_t outer, int32_t d)
{
    for (int i = 0; i < THAW_TERM_OPERANDS; i++)
        if (terms->stride[i][outer] != terms->stride[i][d] * terms->extent[d])
            return false;
    return true;
}

static void set_dimension(thaw_terms *terms, int32_t at, int64_t extent, const thaw_terms *from, int32_t d)
{
    terms->extent[at] = extent;
    for (int i = 0; i < THAW_TERM_OPERANDS; i++)
        terms->stride[i][at] = from->stride[i][d];
}

/* Drops dimensions of one element, puts those that `to` repeats behind those that it has, and joins neighbours. */
static void simplify(thaw_terms *terms)
{
    const thaw_terms old = *terms;
    terms->rank = terms->kept = 0;
    for (int summed = 0; summed < 2; summed++) {
        const int32_t first = terms->rank;
        for (int32_t d = 0; d < old.rank; d++) {
            if (old.extent[d] == 1 || (old.stride[THAW_TO][d] == 0) != summed)
                continue;
            set_dimension(terms, terms->rank, old.extent[d], &old, d);
            if (terms->rank > first && joins(terms, terms->rank - 1, terms->rank))
                set_dimension(terms, terms->rank - 1, old.extent[d] * terms->extent[terms->rank - 1], &old, d);
            else
                terms->rank++;
        }
        terms->kept = summed ? terms->kept : terms->rank;
    }
}

/* As a definition: another stride is another program to compile, so sums, where any may come, only tell 0 from others.
 */
static int innermost(const thaw_terms *terms, int operand)
{
    const int64_t stride = terms->rank ? terms->stride[operand][terms->rank - 1] : 0;
    return terms->way == THAW_TERMS_SUM ? stride != 0 : (int)stride;
}

static thaw_status get_kernel(thaw_device *device, const thaw_terms *terms, const char *name, const char *more,
                              thaw_kernel **kernel)
{
    char options[128];
    snprintf(options, sizeof options, "-DTERM=%d -DTO_0=%d -DFROM_0=%d -DP_0=%d -DQ_0=%d%s", (int)terms->term,
             innermost(terms, THAW_TO), innermost(terms, THAW_FROM), innermost(terms, THAW_P), innermost(terms, THAW_Q),
             more);
    return thaw_kernel_get(device, "broadcast_backward", name, options, kernel);
}

/* Five numbers each for dimensions [first, end), the last one of them first, from *entry on. */
static void list_dimensions(const thaw_terms *terms, int32_t first, int32_t end, int64_t **entry)
{
    for (int32_t d = end - 1; d >= first; d--) {
        *(*entry)++ = terms->extent[d];
        for (int i = 0; i < THAW_TERM_OPERANDS; i++)
            *(*entry)++ = terms->stride[i][d];
    }
}

/* Where operands begin, the first `kept` dimensions, then those from there to `end`. */
static thaw_status upload_table(thaw_device *device, thaw_terms *terms, int32_t kept, int32_t end)
{
    int64_t table[THAW_TERM_OPERANDS + THAW_MAX_RANK * (1 + THAW_TERM_OPERANDS)] = {0};
    int64_t *entry = table + THAW_TERM_OPERANDS;
    memcpy(table, terms->offset, sizeof terms->offset);
    list_dimensions(terms, 0, kept, &entry);
    list_dimensions(terms, kept, end, &entry);
    thaw_buffer_destroy(&terms->table);
    THAW_TRY(thaw_buffer_create(device, sizeof table, &terms->table));
    return thaw_buffer_write(terms->table, 0, table, sizeof table);
}

static thaw_status prepare_add(thaw_device *device, thaw_terms *terms)
{
    const int32_t outer = terms->rank > 2 ? terms->rank - 2 : 0;
    char more[32];
    snprintf(more, sizeof more, " -DOUTER=%d", (int)outer);
    terms->way = THAW_TERMS_ADD;
    THAW_TRY(upload_table(device, terms, outer, outer));
    return get_kernel(device, terms, "add_terms", more, &terms->kernel);
}

static thaw_status prepare_sum(thaw_device *device, thaw_terms *terms)
{
    const int32_t last = terms->rank - 1;
    const bool dense =
        terms->stride[THAW_FROM][last] == 1 && terms->stride[THAW_P][last] <= 1 && terms->stride[THAW_Q][last] <= 1;
    int64_t units = 1;
    terms->way = THAW_TERMS_SUM;
    terms->places = 1;
    for (int32_t d = 0; d < terms->kept; d++)
        terms->places *= terms->extent[d];
    for (int32_t d = terms->kept; d < last; d++)
        units *= terms->extent[d];
    terms->line = terms->extent[last];
    terms->segment = SEGMENT;
    units *= (terms->line + SEGMENT - 1) / SEGMENT;
    const int64_t wanted = terms->places < FEW_PLACES ? FEW_PLACES / terms->places : 1;
    terms->pieces = units < wanted ? units : wanted;
    THAW_TRY(upload_table(device, terms, terms->kept, last));
    THAW_TRY(get_kernel(device, terms, "sum_terms", dense ? " -DDENSE" : "", &terms->kernel));
    return thaw_kernel_get(device, "broadcast_backward", "finish_sum", "", &terms->finish);
}

/* --- in blocks of channels --- */

/* `to` has every pixel of every block; the others are blocks or numbers for all channels. */
static bool fits_add_blocked(const thaw_terms *terms)
{
    const int64_t *to = terms->stride[THAW_TO], *extent = terms->extent;
    const bool dense = to[LANES] == 1 && to[PIXELS] == terms->block && to[BLOCKS] == extent[PIXELS] * terms->block &&
                       to[IMAGES] == extent[BLOCKS] * to[BLOCKS];
    return dense && terms->term < THAW_TERM_QUOTIENT;
}

/* `to` has one pixel, which stands for all. */
static bool fits_sum_blocked(const thaw_terms *terms)
{
    const int64_t *to = terms->stride[THAW_TO];
    return to[LANES] == 1 && to[PIXELS] == 0 && (to[BLOCKS] == terms->block || terms->extent[BLOCKS] == 1) &&
           terms->term < THAW_TERM_QUOTIENT;
}

static bool is_dense(const thaw_terms *terms)
{
    thaw_terms copy = *terms;
    simplify(&copy);
    return copy.rank <= 1 && copy.kept == copy.rank;
}

static thaw_status prepare_add_blocked(thaw_device *device, thaw_terms *terms)
{
    char more[32];
    snprintf(more, sizeof more, " -DBLOCK=%d", (int)terms->block);
    terms->way = THAW_TERMS_ADD_BLOCKED;
    return get_kernel(device, terms, "add_terms_blocked", more, &terms->kernel);
}

/* Where images share an element of `to`, each one's sum is a piece. */
static thaw_status prepare_sum_blocked(thaw_device *device, thaw_terms *terms)
{
    char more[32];
    snprintf(more, sizeof more, " -DBLOCK=%d", (int)terms->block);
    terms->way = THAW_TERMS_SUM_BLOCKED;
    terms->places = terms->extent[BLOCKS] * terms->block;
    terms->pieces = terms->stride[THAW_TO][IMAGES] == 0 ? terms->extent[IMAGES] : 1;
    THAW_TRY(get_kernel(device, terms, "sum_pixels_blocked", more, &terms->kernel));
    thaw_terms places = {.rank = 1, .extent = {terms->places}, .stride = {{1}}};
    THAW_TRY(upload_table(device, &places, 1, 1));
    terms->table = places.table;
    terms->kept = 1;
    return thaw_kernel_get(device, "broadcast_backward", "finish_sum", "", &terms->finish);
}

thaw_status thaw_terms_prepare(thaw_device *device, thaw_terms *terms)
{
    if (is_empty(terms))
        return THAW_OK;
    assert(terms->block <= 1 || terms->rank == BLOCKED_RANK);
    if (terms->block > 1 && fits_add_blocked(terms) && !is_dense(terms))
        return prepare_add_blocked(device, terms);
    if (terms->block > 1 && fits_sum_blocked(terms))
        return prepare_sum_blocked(device, terms);
    simplify(terms);
    return terms->kept == terms->rank ? prepare_add(device, terms) : prepare_sum(device, terms);
}

void thaw_terms_release(thaw_terms *terms)
{
    thaw_buffer_destroy(&terms->table);
}

/* --- running --- */

typedef struct operands {
    thaw_buffer *to;
    const thaw_buffer *from, *p, *q;
} operands;

static thaw_status run_add(const thaw_terms *terms, const operands *o, bool add)
{
    const int32_t last = terms->rank - 1, next = terms->rank - 2;
    int64_t stride[THAW_TERM_OPERANDS] = {0}, outer = 1;
    for (int i = 0; i < THAW_TERM_OPERANDS && next >= 0; i++)
        stride[i] = terms->stride[i][next];
    for (int32_t d = 0; d < next; d++)
        outer *= terms->extent[d];
    return thaw_kernel_launch(
        terms->kernel, THAW_RANGE_3(last >= 0 ? terms->extent[last] : 1, next >= 0 ? terms->extent[next] : 1, outer),
        THAW_BUFFER(o->to), THAW_BUFFER(o->from), THAW_BUFFER(o->p), THAW_BUFFER(o->q), THAW_FLOAT(terms->scale),
        THAW_BUFFER(terms->table), THAW_LONG(stride[THAW_TO]), THAW_LONG(stride[THAW_FROM]), THAW_LONG(stride[THAW_P]),
        THAW_LONG(stride[THAW_Q]), THAW_INT(add));
}

static thaw_status run_add_blocked(const thaw_terms *terms, const operands *o, bool add)
{
    enum { PIXELS_AT_ONCE = 512 };
    const int64_t *from = terms->stride[THAW_FROM], *q = terms->stride[THAW_Q], pixels = terms->extent[PIXELS];
    thaw_range range =
        THAW_RANGE_3((pixels + PIXELS_AT_ONCE - 1) / PIXELS_AT_ONCE, terms->extent[BLOCKS], terms->extent[IMAGES]);
    range.local[0] = 1;
    return thaw_kernel_launch(terms->kernel, range, THAW_BUFFER(o->to), THAW_BUFFER(o->from), THAW_BUFFER(o->q),
                              THAW_FLOAT(terms->scale), THAW_INT(pixels), THAW_INT(PIXELS_AT_ONCE),
                              THAW_LONG(from[IMAGES]), THAW_LONG(from[BLOCKS]), THAW_INT(from[PIXELS]),
                              THAW_LONG(q[IMAGES]), THAW_LONG(q[BLOCKS]), THAW_INT(q[PIXELS]), THAW_INT(add));
}

static thaw_status run_sum(const thaw_terms *terms, const operands *o, const thaw_buffer *pieces)
{
    const int32_t last = terms->rank - 1;
    int64_t units = (terms->line + terms->segment - 1) / terms->segment;
    for (int32_t d = terms->kept; d < last; d++)
        units *= terms->extent[d];
    return thaw_kernel_launch(terms->kernel, THAW_RANGE_2(terms->places, terms->pieces), THAW_BUFFER(o->to),
                              THAW_BUFFER(o->from), THAW_BUFFER(o->p), THAW_BUFFER(o->q), THAW_FLOAT(terms->scale),
                              THAW_BUFFER(terms->table), THAW_INT(terms->kept), THAW_INT(last - terms->kept),
                              THAW_LONG(terms->line), THAW_LONG(terms->segment),
                              THAW_LONG(terms->stride[THAW_FROM][last]), THAW_LONG(terms->stride[THAW_P][last]),
                              THAW_LONG(terms->stride[THAW_Q][last]), THAW_LONG(units), THAW_BUFFER(pieces));
}

static thaw_status run_sum_blocked(const thaw_terms *terms, const operands *o, const thaw_buffer *pieces)
{
    const int64_t *from = terms->stride[THAW_FROM], *q = terms->stride[THAW_Q];
    const bool fresh = terms->pieces > 1;
    thaw_range range = THAW_RANGE_2(terms->extent[BLOCKS], terms->extent[IMAGES]);
    range.local[0] = 1;
    return thaw_kernel_launch(terms->kernel, range, THAW_BUFFER(fresh ? pieces : o->to), THAW_BUFFER(o->from),
                              THAW_BUFFER(o->q), THAW_FLOAT(fresh ? 1 : terms->scale), THAW_INT(terms->extent[PIXELS]),
                              THAW_LONG(fresh ? terms->places : terms->stride[THAW_TO][IMAGES]),
                              THAW_LONG(from[IMAGES]), THAW_LONG(from[BLOCKS]), THAW_INT(from[PIXELS]),
                              THAW_LONG(q[IMAGES]), THAW_LONG(q[BLOCKS]), THAW_INT(q[PIXELS]), THAW_INT(fresh));
}

/* Several pieces go through memory that is handed back at once: whoever gets it next is queued behind. */
static thaw_status run_in_pieces(thaw_device *device, const thaw_terms *terms, const operands *o)
{
    const bool blocked = terms->way == THAW_TERMS_SUM_BLOCKED;
    thaw_buffer *pieces = NULL;
    if (terms->pieces > 1)
        THAW_TRY(thaw_buffer_create(device, (size_t)(terms->places * terms->pieces) * sizeof(float), &pieces));
    thaw_status status = blocked ? run_sum_blocked(terms, o, pieces) : run_sum(terms, o, pieces);
    if (status == THAW_OK && pieces)
        status = thaw_kernel_launch(terms->finish, THAW_RANGE_1(terms->places), THAW_BUFFER(o->to), THAW_BUFFER(pieces),
                                    THAW_FLOAT(terms->scale), THAW_BUFFER(terms->table), THAW_INT(terms->kept),
                                    THAW_INT(terms->pieces));
    thaw_buffer_destroy(&pieces);
    return status;
}

/* Every element once, and none beside. */
static bool covers(const thaw_terms *terms, const thaw_shape *stored)
{
    int64_t count = 1;
    for (int32_t d = 0; d < terms->rank; d++)
        count *= terms->extent[d];
    return (terms->way == THAW_TERMS_ADD || terms->way == THAW_TERMS_ADD_BLOCKED) && terms->kernel &&
           count == thaw_shape_size(stored);
}

thaw_status thaw_terms_begin(const thaw_node *node, size_t index, const thaw_terms *terms, bool *add)
{
    const thaw_shape stored = thaw_value_stored(node->inputs[index]);
    *add = !thaw_node_overwrites(node, index) || !covers(terms, &stored);
    return *add ? thaw_node_clear_gradient(node, index) : THAW_OK;
}

thaw_status thaw_terms_run(thaw_device *device, const thaw_terms *terms, thaw_buffer *to, const thaw_buffer *from,
                           const thaw_buffer *p, const thaw_buffer *q, bool add)
{
    const operands o = {to, from, p, q};
    if (!terms->kernel)
        return THAW_OK;
    switch (terms->way) {
    case THAW_TERMS_ADD:
        return run_add(terms, &o, add);
    case THAW_TERMS_ADD_BLOCKED:
        return run_add_blocked(terms, &o, add);
    default:
        return run_in_pieces(device, terms, &o);
    }
}
