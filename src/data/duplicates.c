#include "data/duplicates.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"

/* Enough to tie a picture to its group: where there are more, these are alike among themselves. */
enum { MOST_LINKS = 8 };

static const double least_sketch_similarity = 0.88;

/* The pictures before one that it is like. */
typedef struct links {
    uint32_t to[MOST_LINKS];
    float similarity[MOST_LINKS];
    uint8_t turn[MOST_LINKS];
    uint8_t count;
} links;

typedef struct search {
    const thaw_duplicates_options *options;
    thaw_like *likes;
    size_t *distinct; /* [distinct_count]: one of each, that is not flat, rising */
    size_t distinct_count;
    int16_t (*sketches)[THAW_SKETCH_SIDE * THAW_SKETCH_SIDE]; /* [distinct_count]: close together */
    links *links;                                             /* [distinct_count] */
} search;

/* --- the same pixels ---------------------------------------------------------------------------------------------- */

typedef struct keyed {
    thaw_hash hash;
    size_t place;
} keyed;

static int compare_keys(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    if (x->hash.high != y->hash.high)
        return x->hash.high < y->hash.high ? -1 : 1;
    if (x->hash.low != y->hash.low)
        return x->hash.low < y->hash.low ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Ties each picture to the first with the same pixels, or to one with the same bytes even. */
static void link_equal(search *s, const keyed *keys, size_t count)
{
    const thaw_picture_facts *facts = s->options->facts;
    for (size_t i = 0, first = 0; i < count; i++) {
        const size_t place = keys[i].place;
        if (!thaw_hash_equal(keys[i].hash, keys[first].hash))
            first = i;
        if (i == first)
            continue;
        const size_t other = keys[first].place;
        const bool same = thaw_hash_equal(facts[place].content, facts[other].content);
        s->likes[place] = (thaw_like){other, other, same ? THAW_SAME_FILE : THAW_SAME_PIXELS, 1.0, 0};
    }
}

static thaw_status find_equal(thaw_context *context, search *s)
{
    const thaw_duplicates_options *o = s->options;
    keyed *keys;
    size_t count = 0;
    THAW_TRY(thaw_allocate(context, o->count, sizeof *keys, &keys));
    for (size_t i = 0; i < o->count; i++)
        if (o->facts[i].readable)
            keys[count++] = (keyed){o->facts[i].pixels, i};
    qsort(keys, count, sizeof *keys, compare_keys);
    link_equal(s, keys, count);
    free(keys);
    return THAW_OK;
}

/* --- nearly ------------------------------------------------------------------------------------------------------- */

/* Those before the one at `index` that it is like. */
static void find_links(void *user, size_t index)
{
    const search *s = user;
    const thaw_picture_facts *facts = s->options->facts;
    const thaw_thumbnail *own = &facts[s->distinct[index]].thumbnail;
    links *found = &s->links[index];
    thaw_turned_sketches turned;
    thaw_sketch_turn(own, &turned);
    for (size_t i = 0; i < index && found->count < MOST_LINKS; i++) {
        int turn = 0;
        if (thaw_sketch_compare(s->sketches[i], &turned, &turn) < least_sketch_similarity)
            continue;
        const thaw_thumbnail *other = &facts[s->distinct[i]].thumbnail;
        const double similarity = thaw_thumbnail_compare(other, own, turn, s->options->similarity);
        if (similarity < s->options->similarity)
            continue;
        found->to[found->count] = (uint32_t)i;
        found->similarity[found->count] = (float)similarity;
        found->turn[found->count++] = (uint8_t)turn;
    }
}

static void tell(void *user, size_t done)
{
    const thaw_duplicates_options *o = ((const search *)user)->options;
    if (o->tell)
        o->tell(o->user, done);
}

static thaw_status choose_distinct(thaw_context *context, search *s)
{
    const thaw_duplicates_options *o = s->options;
    THAW_TRY(thaw_allocate(context, o->count, sizeof *s->distinct, &s->distinct));
    for (size_t i = 0; i < o->count; i++)
        if (o->facts[i].readable && !o->facts[i].thumbnail.flat && s->likes[i].group == i)
            s->distinct[s->distinct_count++] = i;
    if (s->distinct_count > UINT32_MAX)
        return thaw_fail(context, THAW_ERR_SIZE, "%zu images are too many", s->distinct_count);
    THAW_TRY(thaw_allocate(context, s->distinct_count, sizeof *s->sketches, &s->sketches));
    for (size_t i = 0; i < s->distinct_count; i++)
        memcpy(s->sketches[i], o->facts[s->distinct[i]].thumbnail.sketch, sizeof s->sketches[i]);
    return thaw_allocate(context, s->distinct_count, sizeof *s->links, &s->links);
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

static size_t first_of(thaw_like *likes, size_t place)
{
    while (likes[place].group != place) {
        likes[place].group = likes[likes[place].group].group;
        place = likes[place].group;
    }
    return place;
}

/* A turn that undoes another: a mirrored one undoes itself. */
static int opposite(int turn)
{
    return turn & 4 ? turn : (4 - turn) & 3;
}

/* Two groups become one, named after the earlier picture. */
static void unite(thaw_like *likes, size_t a, size_t b)
{
    const size_t first_a = first_of(likes, a), first_b = first_of(likes, b);
    if (first_a < first_b)
        likes[first_b].group = first_a;
    else
        likes[first_a].group = first_b;
}

/* Says at both ends of a link what the other is, unless more is known there, or it is the group's first picture. */
static void tell_link(const search *s, size_t later, size_t link)
{
    const links *of = &s->links[later];
    const size_t ends[2] = {s->distinct[later], s->distinct[of->to[link]]};
    const int turns[2] = {of->turn[link], opposite(of->turn[link])};
    for (int i = 0; i < 2; i++) {
        thaw_like *like = &s->likes[ends[i]];
        if (like->group != ends[i] && like->other == ends[i])
            *like = (thaw_like){like->group, ends[1 - i], THAW_NEARLY, of->similarity[link], turns[i]};
    }
}

static void make_groups(search *s)
{
    for (size_t i = 0; i < s->distinct_count; i++)
        for (size_t link = 0; link < s->links[i].count; link++)
            unite(s->likes, s->distinct[s->links[i].to[link]], s->distinct[i]);
    for (size_t i = 0; i < s->options->count; i++)
        s->likes[i].group = first_of(s->likes, i);
    for (size_t i = 0; i < s->distinct_count; i++)
        for (size_t link = 0; link < s->links[i].count; link++)
            tell_link(s, i, link);
}

static thaw_status find(thaw_context *context, search *s)
{
    const thaw_duplicates_options *o = s->options;
    for (size_t i = 0; i < o->count; i++)
        s->likes[i] = (thaw_like){.group = i, .other = i};
    THAW_TRY(find_equal(context, s));
    THAW_TRY(choose_distinct(context, s));
    const thaw_parallel parallel = {s->distinct_count, o->workers, find_links, tell, s};
    THAW_TRY(thaw_parallel_run(context, &parallel));
    make_groups(s);
    return THAW_OK;
}

thaw_status thaw_duplicates_find(thaw_context *context, const thaw_duplicates_options *options, thaw_like *likes)
{
    search s = {.options = options, .likes = likes};
    const thaw_status status = find(context, &s);
    free(s.links);
    free(s.sketches);
    free(s.distinct);
    return status;
}
