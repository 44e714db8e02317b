#include "data/thumbnail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDE = THAW_THUMBNAIL_SIDE,
    HALF_SIDE = SIDE / 2,
    SKETCH_SIDE = THAW_SKETCH_SIDE,
    SKETCH_CELLS = SKETCH_SIDE * SKETCH_SIDE,
    CELL = SIDE / SKETCH_SIDE,
    UNKNOWNS = 6,
    MOST_STEPS = 6
};

static const double least_deviation = 2.0;       /* of grey, of 255: below it a picture is noise */
static const double most_grey_colour = 1.5;      /* mean colour, halved: below it a picture is grey */
static const double most_colour_difference = 10; /* mean over both, halved */
static const double hopeless = 0.9;              /* at half size, aligned: never the same picture */

/* --- making ------------------------------------------------------------------------------------------------------- */

static uint8_t grey_of(const uint8_t *pixel)
{
    return (uint8_t)((299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2] + 500) / 1000);
}

static void fill_cell(const uint8_t *pixels, int cell, thaw_thumbnail *t, double *grey)
{
    int sums[3] = {0};
    const int top = cell / SKETCH_SIDE * CELL, left = cell % SKETCH_SIDE * CELL;
    for (int y = top; y < top + CELL; y++)
        for (int x = left; x < left + CELL; x++)
            for (int c = 0; c < 3; c++)
                sums[c] += pixels[3 * (y * SIDE + x) + c];
    const double count = CELL * CELL;
    *grey = (0.299 * sums[0] + 0.587 * sums[1] + 0.114 * sums[2]) / count;
    t->colour[0][cell] = (int8_t)lround((sums[2] / count - *grey) / 2);
    t->colour[1][cell] = (int8_t)lround((sums[0] / count - *grey) / 2);
}

static double mean_of(const double *values, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += values[i];
    return sum / count;
}

static void fill_sketch(const uint8_t *pixels, thaw_thumbnail *t)
{
    double grey[SKETCH_CELLS], length = 0, colour = 0;
    for (int i = 0; i < SKETCH_CELLS; i++) {
        fill_cell(pixels, i, t, &grey[i]);
        colour += (abs(t->colour[0][i]) + abs(t->colour[1][i])) / (2.0 * SKETCH_CELLS);
    }
    const double mean = mean_of(grey, SKETCH_CELLS);
    for (int i = 0; i < SKETCH_CELLS; i++)
        length += (grey[i] - mean) * (grey[i] - mean);
    length = sqrt(length);
    t->flat = length < least_deviation * SKETCH_SIDE;
    t->coloured = colour > most_grey_colour;
    for (int i = 0; i < SKETCH_CELLS; i++)
        t->sketch[i] = t->flat ? 0 : (int16_t)lround((grey[i] - mean) / length * THAW_SKETCH_LENGTH);
}

bool thaw_thumbnail_make(const thaw_image *image, thaw_thumbnail *thumbnail)
{
    const double box[4] = {0, 0, image->width, image->height};
    thaw_image small;
    if (!thaw_image_resize(image, box, SIDE, SIDE, THAW_BILINEAR, &small))
        return false;
    for (int i = 0; i < SIDE * SIDE; i++)
        thumbnail->grey[i] = grey_of(small.pixels + 3 * i);
    fill_sketch(small.pixels, thumbnail);
    free(small.pixels);
    return true;
}

/* --- turning ------------------------------------------------------------------------------------------------------ */

/* Where in the picture the pixel at (y, x) of the turned one comes from. */
static int turned_place(int turn, int side, int y, int x)
{
    for (int quarter = 0; quarter < (turn & 3); quarter++) {
        const int above = y;
        y = x;
        x = side - 1 - above;
    }
    return y * side + (turn & 4 ? side - 1 - x : x);
}

void thaw_sketch_turn(const thaw_thumbnail *thumbnail, thaw_turned_sketches *turned)
{
    for (int turn = 0; turn < THAW_TURNS; turn++)
        for (int i = 0; i < SKETCH_CELLS; i++)
            turned->of[turn][i] = thumbnail->sketch[turned_place(turn, SKETCH_SIDE, i / SKETCH_SIDE, i % SKETCH_SIDE)];
}

double thaw_sketch_compare(const int16_t *sketch, const thaw_turned_sketches *turned, int *turn)
{
    int32_t best = INT32_MIN;
    for (int t = 0; t < THAW_TURNS; t++) {
        int32_t sum = 0;
        for (int i = 0; i < SKETCH_CELLS; i++)
            sum += sketch[i] * turned->of[t][i];
        if (sum > best) {
            best = sum;
            *turn = t;
        }
    }
    return best / ((double)THAW_SKETCH_LENGTH * THAW_SKETCH_LENGTH);
}

/* --- comparing ---------------------------------------------------------------------------------------------------- */

/* A grey picture and its slopes. */
typedef struct picture {
    int side;
    float grey[SIDE * SIDE], across[SIDE * SIDE], down[SIDE * SIDE];
} picture;

/* What is seen of b where a pixel of a lies: at centre + (1 + stretch) * (pixel - centre) + shift, for each axis. */
typedef struct placement {
    double stretch[2], shift[2]; /* across, down; shift in pixels */
} placement;

/* One axis: between which two pixels of b, how far from the first; outside: neither. */
typedef struct axis {
    bool inside[SIDE];
    int first[SIDE];
    float share[SIDE];
} axis;

static void picture_slopes(picture *p)
{
    const int side = p->side;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            const int i = y * side + x;
            p->across[i] = x > 0 && x < side - 1 ? (p->grey[i + 1] - p->grey[i - 1]) / 2 : 0;
            p->down[i] = y > 0 && y < side - 1 ? (p->grey[i + side] - p->grey[i - side]) / 2 : 0;
        }
}

static void picture_make(const thaw_thumbnail *t, int turn, picture *p)
{
    p->side = SIDE;
    for (int i = 0; i < SIDE * SIDE; i++)
        p->grey[i] = t->grey[turned_place(turn, SIDE, i / SIDE, i % SIDE)];
    picture_slopes(p);
}

static void picture_halve(const picture *p, picture *half)
{
    half->side = HALF_SIDE;
    for (int y = 0; y < HALF_SIDE; y++)
        for (int x = 0; x < HALF_SIDE; x++) {
            const float *from = p->grey + 2 * y * SIDE + 2 * x;
            half->grey[y * HALF_SIDE + x] = (from[0] + from[1] + from[SIDE] + from[SIDE + 1]) / 4;
        }
    picture_slopes(half);
}

static void axis_make(int side, double stretch, double shift, axis *a)
{
    for (int i = 0; i < side; i++) {
        double place = (i + 0.5 - side / 2.0) * (1 + stretch) + side / 2.0 + shift - 0.5;
        a->inside[i] = place >= -0.5 && place <= side - 0.5;
        place = fmin(fmax(place, 0), side - 1.001);
        a->first[i] = (int)place;
        a->share[i] = (float)(place - a->first[i]);
    }
}

static float between(const float *values, int side, int first, float across, float down)
{
    const float *v = values + first;
    const float upper = v[0] + across * (v[1] - v[0]);
    const float lower = v[side] + across * (v[side + 1] - v[side]);
    return upper + down * (lower - upper);
}

/* The sums that one step needs: squares[i][j] of what the unknowns change, products[i] with a; and those of the
 * correlation. */
typedef struct sums {
    double squares[UNKNOWNS][UNKNOWNS], products[UNKNOWNS];
    double count, a, b, aa, bb, ab;
} sums;

static void add_pixel(sums *s, float a, const float changes[UNKNOWNS])
{
    const float b = changes[4];
    for (int i = 0; i < UNKNOWNS; i++) {
        for (int j = 0; j <= i; j++)
            s->squares[i][j] += (double)changes[i] * changes[j];
        s->products[i] += (double)changes[i] * a;
    }
    s->count++;
    s->a += a;
    s->b += b;
    s->aa += (double)a * a;
    s->bb += (double)b * b;
    s->ab += (double)a * b;
}

static void gather(const picture *a, const picture *b, const placement *at, sums *s)
{
    const int side = a->side;
    axis across, down;
    axis_make(side, at->stretch[0], at->shift[0], &across);
    axis_make(side, at->stretch[1], at->shift[1], &down);
    *s = (sums){0};
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side && down.inside[y]; x++) {
            if (!across.inside[x])
                continue;
            const int first = down.first[y] * side + across.first[x];
            const float fx = across.share[x], fy = down.share[y];
            const float slope_x = between(b->across, side, first, fx, fy);
            const float slope_y = between(b->down, side, first, fx, fy);
            const float from_x = (float)(x + 0.5 - side / 2.0), from_y = (float)(y + 0.5 - side / 2.0);
            const float changes[UNKNOWNS] = {
                slope_x * from_x, slope_x, slope_y * from_y, slope_y, between(b->grey, side, first, fx, fy), 1};
            add_pixel(s, a->grey[y * side + x], changes);
        }
}

static double correlation(const sums *s)
{
    const double aa = s->aa - s->a * s->a / s->count, bb = s->bb - s->b * s->b / s->count;
    return (s->ab - s->a * s->b / s->count) / sqrt(fmax(aa * bb, 1e-12));
}

/* Solves squares * x = products by Cholesky's decomposition, the diagonal raised a little so that it always goes. */
static void solve(sums *s, double x[UNKNOWNS])
{
    double trace = 0;
    for (int i = 0; i < UNKNOWNS; i++)
        trace += s->squares[i][i];
    for (int i = 0; i < UNKNOWNS; i++) {
        s->squares[i][i] += 1e-6 * trace / UNKNOWNS + 1e-12;
        for (int j = 0; j <= i; j++) {
            double sum = s->squares[i][j];
            for (int k = 0; k < j; k++)
                sum -= s->squares[i][k] * s->squares[j][k];
            s->squares[i][j] = i == j ? sqrt(fmax(sum, 1e-12)) : sum / s->squares[j][j];
        }
    }
    for (int i = 0; i < UNKNOWNS; i++) {
        x[i] = s->products[i];
        for (int k = 0; k < i; k++)
            x[i] -= s->squares[i][k] * x[k];
        x[i] /= s->squares[i][i];
    }
    for (int i = UNKNOWNS; i-- > 0;) {
        for (int k = i + 1; k < UNKNOWNS; k++)
            x[i] -= s->squares[k][i] * x[k];
        x[i] /= s->squares[i][i];
    }
}

static double clamp(double value, double most)
{
    return fmin(fmax(value, -most), most);
}

/* One step of Gauss and Newton; brightness and contrast are unknowns too, so that they don't count. */
static void step(sums *s, int side, placement *at)
{
    const double most_shift = side / 16.0, most_stretch = 0.13;
    double x[UNKNOWNS];
    solve(s, x);
    const double gain = fabs(x[4]) > 0.2 ? x[4] : 0.2;
    for (int i = 0; i < 2; i++) {
        at->stretch[i] = clamp(at->stretch[i] + clamp(x[2 * i] / gain, 0.06), most_stretch);
        at->shift[i] = clamp(at->shift[i] + clamp(x[2 * i + 1] / gain, side / 27.0), most_shift);
    }
}

/* The best correlation from there on; *at is where. */
static double align(const picture *a, const picture *b, double enough, placement *at)
{
    placement now = *at;
    double best = -1;
    for (int i = 0;; i++) {
        sums s;
        gather(a, b, &now, &s);
        const double found = correlation(&s);
        if (found > best) {
            best = found;
            *at = now;
        } else if (i > 2) {
            break;
        }
        if (best >= enough || i == MOST_STEPS)
            break;
        step(&s, a->side, &now);
    }
    return best;
}

/* At half size first: that is enough for most that only look alike. */
static double align_coarse_to_fine(const picture a[2], const picture b[2], double enough)
{
    placement at = {{0}, {0}};
    if (align(&a[1], &b[1], enough, &at) < hopeless)
        return -1;
    at.shift[0] *= 2;
    at.shift[1] *= 2;
    return align(&a[0], &b[0], enough, &at);
}

static bool colours_differ(const thaw_thumbnail *a, const thaw_thumbnail *b, int turn)
{
    double difference = 0;
    if (!a->coloured || !b->coloured)
        return false;
    for (int i = 0; i < SKETCH_CELLS; i++) {
        const int from = turned_place(turn, SKETCH_SIDE, i / SKETCH_SIDE, i % SKETCH_SIDE);
        for (int c = 0; c < 2; c++)
            difference += abs(a->colour[c][i] - b->colour[c][from]);
    }
    return difference / (2 * SKETCH_CELLS) > most_colour_difference;
}

double thaw_thumbnail_compare(const thaw_thumbnail *a, const thaw_thumbnail *b, int turn, double enough)
{
    picture of_a[2], of_b[2]; /* whole and half size */
    placement as_it_is = {{0}, {0}};
    sums s;
    if (colours_differ(a, b, turn))
        return -1;
    picture_make(a, 0, &of_a[0]);
    picture_make(b, turn, &of_b[0]);
    gather(&of_a[0], &of_b[0], &as_it_is, &s);
    const double plain = correlation(&s);
    if (plain >= enough)
        return plain;
    picture_halve(&of_a[0], &of_a[1]);
    picture_halve(&of_b[0], &of_b[1]);
    /* Either may be a part of the other, and only the larger one can be moved over the smaller. */
    const double one = align_coarse_to_fine(of_a, of_b, enough);
    if (one >= enough)
        return one;
    return fmax(fmax(one, align_coarse_to_fine(of_b, of_a, enough)), plain);
}
