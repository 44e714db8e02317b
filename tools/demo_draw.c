#include "demo_draw.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define FIGURE_PARTS 64
#define SAMPLES      3 /* per pixel and direction */

/* --- chance and turns --------------------------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea, Flood 2014). */
struct random_source {
    uint64_t state;
};

static uint64_t draw_bits(struct random_source *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double draw_between(struct random_source *random, double low, double high)
{
    return low + (high - low) * (double)(draw_bits(random) >> 11) * 0x1p-53;
}

static bool draw_chance(struct random_source *random, double probability)
{
    return draw_between(random, 0, 1) < probability;
}

static int draw_below(struct random_source *random, int bound)
{
    return (int)draw_between(random, 0, bound);
}

/* sin(2 pi turn) by its Taylor series: the C library's sin() may round differently elsewhere. */
static double sine(double turn)
{
    const double x = 6.283185307179586 * (turn - floor(turn + 0.5));
    double term = x, sum = x;
    for (int i = 2; i < 24; i += 2) {
        term *= -x * x / (i * (i + 1));
        sum += term;
    }
    return sum;
}

/* --- figures ------------------------------------------------------------------------------------------------------ */

/* x' = a x + b y + c, y' = d x + e y + f */
struct affine {
    double a, b, c, d, e, f;
};

struct colour {
    double rgb[3]; /* 0 to 1 */
};

/* A part where it stands in the picture, whose square is [-1, 1] x [-1, 1]. */
struct placed_part {
    demo_kind kind;
    int paint;
    double shape;
    struct affine inward; /* from the picture to the part's own square */
};

struct figure {
    struct placed_part parts[FIGURE_PARTS];
    size_t count;
    struct colour paints[FIGURE_PARTS];
};

/* First inner, then outer. */
static struct affine compose(struct affine outer, struct affine inner)
{
    return (struct affine){
        outer.a * inner.a + outer.b * inner.d,           outer.a * inner.b + outer.b * inner.e,
        outer.a * inner.c + outer.b * inner.f + outer.c, outer.d * inner.a + outer.e * inner.d,
        outer.d * inner.b + outer.e * inner.e,           outer.d * inner.c + outer.e * inner.f + outer.f};
}

static struct affine invert(struct affine m)
{
    const double scale = 1 / (m.a * m.e - m.b * m.d);
    const struct affine linear = {m.e * scale, -m.b * scale, 0, -m.d * scale, m.a * scale, 0};
    return (struct affine){linear.a, linear.b, -(linear.a * m.c + linear.b * m.f),
                           linear.d, linear.e, -(linear.d * m.c + linear.e * m.f)};
}

/* Scales, then turns clockwise (y points down), then moves. */
static struct affine place(double x, double y, double width, double height, double turn)
{
    const double s = sine(turn), c = sine(turn + 0.25);
    return (struct affine){c * width, -s * height, x, s * width, c * height, y};
}

static void add_part(struct figure *figure, struct affine outward, demo_kind kind, int paint, double shape)
{
    assert(figure->count < FIGURE_PARTS);
    figure->parts[figure->count++] = (struct placed_part){kind, paint, shape, invert(outward)};
}

static bool inside(const struct placed_part *part, double px, double py)
{
    const struct affine m = part->inward;
    const double x = m.a * px + m.b * py + m.c, y = m.d * px + m.e * py + m.f;
    if (fabs(x) > 1.25 || fabs(y) > 1.25)
        return false;
    const double r2 = x * x + y * y, shape = part->shape;
    const bool in_box = fabs(x) < 1 && fabs(y) < 1;
    switch (part->kind) {
    case DEMO_DISC:
        return r2 < 1;
    case DEMO_DOME:
        return r2 < 1 && y < 0;
    case DEMO_RING:
        return r2 < 1 && r2 > shape * shape;
    case DEMO_ARC:
        return r2 < 1 && r2 > shape * shape && y < 0;
    case DEMO_TRIANGLE:
        return in_box && fabs(x) < (y + 1) / 2;
    case DEMO_TRAPEZOID:
        return in_box && fabs(x) < shape + (1 - shape) * (y + 1) / 2;
    case DEMO_LENS:
        return in_box && fabs(x) < 1 - y * y;
    case DEMO_HEART:
        return (r2 - 1) * (r2 - 1) * (r2 - 1) + x * x * y * y * y < 0;
    case DEMO_STRIPES:
        return in_box && fmod(floor((y + 1) * (shape - 0.5)), 2) < 1;
    case DEMO_CHECKER:
        return in_box && fmod(floor((x + 1) * shape / 2) + floor((y + 1) * shape / 2), 2) < 1;
    default:
        return in_box;
    }
}

/* The paint that shows at a point; DEMO_CUT: none. The topmost part that covers the point decides. */
static int paint_at(const struct figure *figure, double x, double y)
{
    for (size_t i = figure->count; i > 0; i--)
        if (inside(&figure->parts[i - 1], x, y))
            return figure->parts[i - 1].paint;
    return DEMO_CUT;
}

/* --- scenes ------------------------------------------------------------------------------------------------------- */

struct scene {
    struct colour ground[2]; /* left above, and right below */
    struct figure behind, object, front;
    double shadow_x, shadow_y, shadow; /* offset; how much light is left there */
    double light, light_x, light_y;    /* the light at (x, y) is light + light_x x + light_y y */
    double noise;                      /* standard deviation */
    int blurs;                         /* how often the picture is smoothed */
};

static struct colour draw_colour(struct random_source *random)
{
    struct colour colour;
    for (int i = 0; i < 3; i++)
        colour.rgb[i] = draw_between(random, 0.05, 0.95);
    return colour;
}

static double distance(struct colour a, struct colour b)
{
    double sum = 0;
    for (int i = 0; i < 3; i++)
        sum += fabs(a.rgb[i] - b.rgb[i]);
    return sum;
}

/* A colour that can be told from another one. */
static struct colour draw_contrast(struct random_source *random, struct colour other, double least)
{
    struct colour colour;
    do
        colour = draw_colour(random);
    while (distance(colour, other) < least);
    return colour;
}

/* Where the object stands, how large, how turned and how slanted. */
static struct affine draw_pose(struct random_source *random)
{
    const double size = draw_between(random, 0.58, 0.85);
    const double stretch = draw_between(random, 0.8, 1.25);
    const double mirror = draw_chance(random, 0.5) ? -1 : 1;
    const double shear = draw_between(random, -0.25, 0.25);
    const double room = 1 - 0.8 * size;
    const double x = draw_between(random, -room, room);
    const double y = draw_between(random, -room, room);
    const double turn = draw_between(random, -0.09, 0.09);
    return compose(place(x, y, size * stretch * mirror, size / stretch, turn), (struct affine){1, shear, 0, 0, 1, 0});
}

/* A part a little different from the table's: position and size in the object, and how many copies. */
static void draw_part(struct random_source *random, const demo_part *part, struct affine pose, struct figure *figure)
{
    const double width = part->width * draw_between(random, 0.85, 1.15);
    const double height = part->height * draw_between(random, 0.85, 1.15);
    const double x = part->x + draw_between(random, -0.04, 0.04);
    const double y = part->y + draw_between(random, -0.04, 0.04);
    const double turn = part->turn + draw_between(random, -0.015, 0.015);
    const int copies = part->copies ? part->copies + draw_below(random, 3) - 1 : 1;
    for (int i = 0; i < copies; i++) {
        const struct affine around = place(0, 0, 1, 1, (double)i / copies);
        add_part(figure, compose(pose, compose(around, place(x, y, width, height, turn))), part->kind, part->paint,
                 part->shape);
    }
}

static void draw_object(struct random_source *random, const demo_class *class, struct scene *scene)
{
    const struct affine pose = draw_pose(random);
    for (size_t i = 0; i < class->part_count; i++)
        draw_part(random, &class->parts[i], pose, &scene->object);
    scene->object.paints[0] = draw_contrast(random, scene->ground[0], 0.8);
    for (int i = 1; i < DEMO_PAINTS; i++)
        scene->object.paints[i] = draw_contrast(random, scene->object.paints[0], 0.4);
}

/* One thing that has nothing to do with the object. */
static void add_clutter(struct random_source *random, struct figure *figure, double longest, double thickest)
{
    const double x = draw_between(random, -1, 1);
    const double y = draw_between(random, -1, 1);
    const double length = draw_between(random, 0.1, longest);
    const double thickness = draw_between(random, 0.02, thickest);
    const double turn = draw_between(random, 0, 1);
    const demo_kind kind = (demo_kind)draw_below(random, DEMO_KINDS);
    const double shape = kind == DEMO_STRIPES || kind == DEMO_CHECKER ? 3 : 0.6;
    const int paint = (int)figure->count;
    figure->paints[paint] = draw_colour(random);
    add_part(figure, place(x, y, length, thickness, turn), kind, paint, shape);
}

/* A pattern all over the ground, in a colour near its own: cloth, planks, tiles. */
static void add_texture(struct random_source *random, struct scene *scene)
{
    const demo_kind kind = draw_chance(random, 0.6) ? DEMO_STRIPES : DEMO_CHECKER;
    const double turn = draw_between(random, 0, 1);
    const double bands = draw_between(random, 4, 12);
    scene->behind.paints[0] = scene->ground[0];
    for (int i = 0; i < 3; i++)
        scene->behind.paints[0].rgb[i] += draw_between(random, -0.12, 0.12);
    add_part(&scene->behind, place(0, 0, 1.6, 1.6, turn), kind, 0, bands);
}

static void draw_scene(struct random_source *random, const demo_class *class, struct scene *scene)
{
    scene->ground[0] = draw_colour(random);
    for (int i = 0; i < 3; i++)
        scene->ground[1].rgb[i] = scene->ground[0].rgb[i] + draw_between(random, -0.25, 0.25);
    if (draw_chance(random, 0.5))
        add_texture(random, scene);
    for (int i = 1 + draw_below(random, 4); i > 0; i--)
        add_clutter(random, &scene->behind, 0.35, 0.15);
    draw_object(random, class, scene);
    for (int i = draw_below(random, 2); i > 0; i--)
        add_clutter(random, &scene->front, 0.4, 0.04);
    scene->shadow_x = draw_between(random, -0.12, 0.12);
    scene->shadow_y = draw_between(random, -0.12, 0.12);
    scene->shadow = draw_between(random, 0.45, 1);
    scene->light = draw_between(random, 0.7, 1.15);
    scene->light_x = draw_between(random, -0.3, 0.3);
    scene->light_y = draw_between(random, -0.3, 0.3);
    scene->noise = draw_between(random, 0.005, 0.05);
    scene->blurs = draw_below(random, 3);
}

/* --- pictures ----------------------------------------------------------------------------------------------------- */

/* The light that comes from a point. */
static struct colour look(const struct scene *scene, double x, double y)
{
    struct colour seen;
    const double along = (x + y + 2) / 4;
    for (int i = 0; i < 3; i++)
        seen.rgb[i] = scene->ground[0].rgb[i] * (1 - along) + scene->ground[1].rgb[i] * along;
    const int behind = paint_at(&scene->behind, x, y);
    if (behind != DEMO_CUT)
        seen = scene->behind.paints[behind];
    const int front = paint_at(&scene->front, x, y);
    const int object = paint_at(&scene->object, x, y);
    double light = scene->light + scene->light_x * x + scene->light_y * y;
    if (front != DEMO_CUT)
        seen = scene->front.paints[front];
    else if (object != DEMO_CUT)
        seen = scene->object.paints[object];
    else if (paint_at(&scene->object, x - scene->shadow_x, y - scene->shadow_y) != DEMO_CUT)
        light *= scene->shadow;
    for (int i = 0; i < 3; i++)
        seen.rgb[i] *= light;
    return seen;
}

/* The mean of the samples in each pixel. picture: [size][size][3] */
static void render(const struct scene *scene, int size, double *picture)
{
    const double step = 2.0 / (size * SAMPLES);
    for (int i = 0; i < size * SAMPLES; i++)
        for (int j = 0; j < size * SAMPLES; j++) {
            const struct colour seen = look(scene, (j + 0.5) * step - 1, (i + 0.5) * step - 1);
            double *pixel = picture + ((size_t)(i / SAMPLES) * size + j / SAMPLES) * 3;
            for (int k = 0; k < 3; k++)
                pixel[k] += seen.rgb[k] / (SAMPLES * SAMPLES);
        }
}

/* A binomial 1 2 1 filter along one direction; the border is repeated. */
static void smooth(const double *from, double *to, int size, bool down)
{
    const int step = down ? size * 3 : 3;
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
            const int place = down ? i : j, at = (i * size + j) * 3;
            const int before = place > 0 ? at - step : at, after = place < size - 1 ? at + step : at;
            for (int k = 0; k < 3; k++)
                to[at + k] = (from[before + k] + 2 * from[at + k] + from[after + k]) / 4;
        }
}

/* Close to a normal distribution: the sum of twelve uniform numbers (Irwin-Hall). */
static double draw_normal(struct random_source *random)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += draw_between(random, 0, 1);
    return sum;
}

void demo_draw(const demo_class *class, uint64_t seed, int size, double *work, unsigned char *pixels)
{
    struct random_source random = {seed};
    struct scene scene = {0};
    const size_t count = (size_t)size * (size_t)size * 3;
    double *picture = work, *spare = work + count;

    draw_scene(&random, class, &scene);
    memset(picture, 0, count * sizeof *picture);
    render(&scene, size, picture);
    for (int i = 0; i < scene.blurs; i++) {
        smooth(picture, spare, size, false);
        smooth(spare, picture, size, true);
    }
    for (size_t i = 0; i < count; i++) {
        const double value = floor((picture[i] + scene.noise * draw_normal(&random)) * 255 + 0.5);
        pixels[i] = (unsigned char)fmin(fmax(value, 0), 255);
    }
}
