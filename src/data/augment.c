#include "data/augment.h"

#include <math.h>

#include "base/hash.h"
#include "base/random.h"

/* What is drawn, uniformly if nothing else is said. Crops are torchvision's RandomResizedCrop: a share of the area and
 * a ratio of the sides, whose logarithm is uniform; colours its ColorJitter, in a fixed order; erasing its
 * RandomErasing. */
typedef struct recipe {
    double least_area; /* of a crop, up to 1 */
    double ratio;      /* its sides', from 1 / ratio to ratio, the model's own being 1 */
    double degrees;    /* to either side */
    double colours;    /* factors for brightness, contrast and saturation: 1 - colours to 1 + colours */
    double erasing;    /* the share of images that lose a part */
} recipe;

static const recipe recipes[] = {
    [THAW_AUGMENT_NONE] = {1.0, 1.0, 0.0, 0.0, 0.0},
    [THAW_AUGMENT_BASIC] = {0.6, 10.0 / 9.0, 0.0, 0.0, 0.0},
    [THAW_AUGMENT_STRONG] = {0.25, 4.0 / 3.0, 15.0, 0.4, 0.25},
};
static const double erased_least = 0.02, erased_most = 1.0 / 3.0, erased_ratio = 3.3;

/* The canvas's sides by the model's: not more than that, so that views stay like what is seen in validation. */
static const double most_enlarged = 1.25, squeezed_enlarged = 1.125;

static const double radians_per_degree = 3.14159265358979323846 / 180.0;

/* --- geometry ----------------------------------------------------------------------------------------------------- */

thaw_preprocess thaw_augment_canvas(thaw_augment_kind kind, const thaw_preprocess *model)
{
    thaw_preprocess canvas = *model;
    const int32_t longer = model->width > model->height ? model->width : model->height;
    const double enlarged = model->resize ? fmin((double)model->resize / longer, most_enlarged) : squeezed_enlarged;
    if (kind == THAW_AUGMENT_NONE || enlarged <= 1.0)
        return canvas;
    canvas.width = (int32_t)lround(model->width * enlarged);
    canvas.height = (int32_t)lround(model->height * enlarged);
    return canvas;
}

thaw_augmentation thaw_augmentation_none(const thaw_preprocess *canvas, const thaw_preprocess *model)
{
    const bool squeezed = model->resize == 0;
    const double width = squeezed ? canvas->width : model->width, height = squeezed ? canvas->height : model->height;
    return (thaw_augmentation){.left = (canvas->width - width) / 2,
                               .top = (canvas->height - height) / 2,
                               .width = width,
                               .height = height,
                               .brightness = 1.0,
                               .contrast = 1.0,
                               .saturation = 1.0};
}

static double between(thaw_random *random, double least, double most)
{
    return least + (most - least) * thaw_random_uniform(random);
}

/* Two sides whose product is `area` and whose quotient is drawn, each at most 1. */
static void draw_sides(thaw_random *random, double area, double ratio, double sides[2])
{
    const double root = exp(between(random, -log(ratio), log(ratio)) / 2);
    sides[0] = fmin(sqrt(area) * root, 1.0);
    sides[1] = fmin(sqrt(area) / root, 1.0);
}

static void draw_crop(thaw_random *random, const recipe *from, const thaw_preprocess *canvas, thaw_augmentation *a)
{
    double sides[2];
    draw_sides(random, between(random, from->least_area, 1.0), from->ratio, sides);
    a->width = sides[0] * canvas->width;
    a->height = sides[1] * canvas->height;
    a->left = between(random, 0.0, canvas->width - a->width);
    a->top = between(random, 0.0, canvas->height - a->height);
}

static void draw_erased(thaw_random *random, const thaw_preprocess *model, int32_t erased[4])
{
    double sides[2];
    draw_sides(random, between(random, erased_least, erased_most), erased_ratio, sides);
    const int32_t width = (int32_t)lround(sides[0] * model->width);
    const int32_t height = (int32_t)lround(sides[1] * model->height);
    erased[0] = (int32_t)thaw_random_below(random, (uint64_t)(model->width - width) + 1);
    erased[1] = (int32_t)thaw_random_below(random, (uint64_t)(model->height - height) + 1);
    erased[2] = erased[0] + width;
    erased[3] = erased[1] + height;
}

thaw_augmentation thaw_augmentation_draw(thaw_augment_kind kind, uint64_t epoch, uint64_t image,
                                         const thaw_preprocess *canvas, const thaw_preprocess *model)
{
    const recipe *from = &recipes[kind];
    thaw_augmentation a = thaw_augmentation_none(canvas, model);
    if (kind == THAW_AUGMENT_NONE)
        return a;
    thaw_random random = {thaw_hash_bytes(&image, sizeof image, epoch).low};
    draw_crop(&random, from, canvas, &a);
    a.flip = thaw_random_uniform(&random) < 0.5;
    a.degrees = between(&random, -from->degrees, from->degrees);
    a.brightness = between(&random, 1.0 - from->colours, 1.0 + from->colours);
    a.contrast = between(&random, 1.0 - from->colours, 1.0 + from->colours);
    a.saturation = between(&random, 1.0 - from->colours, 1.0 + from->colours);
    if (thaw_random_uniform(&random) < from->erasing)
        draw_erased(&random, model, a.erased);
    return a;
}

/* --- as the device takes it --------------------------------------------------------------------------------------- */

/* The mean over a grid of at most 32 x 32 pixels: near enough for what is random anyway. */
static double mean_grey(const uint8_t *pixels, int32_t width, int32_t height)
{
    const int32_t across = (width + 31) / 32, down = (height + 31) / 32;
    double sum = 0.0;
    size_t count = 0;
    for (int32_t y = down / 2; y < height; y += down)
        for (int32_t x = across / 2; x < width; x += across, count++) {
            const uint8_t *rgb = pixels + ((size_t)y * width + x) * 3;
            sum += 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        }
    return sum / (double)count;
}

/* From pixel centres to pixel centres, which have whole numbers on both sides: scaled, flipped and turned about the
 * centres of result and crop. */
static void set_geometry(const thaw_augmentation *a, const thaw_preprocess *model, thaw_view *view)
{
    const double scale_x = a->width / model->width * (a->flip ? -1.0 : 1.0), scale_y = a->height / model->height;
    const double c = cos(a->degrees * radians_per_degree), s = sin(a->degrees * radians_per_degree);
    const double center_x = (model->width - 1) / 2.0, center_y = (model->height - 1) / 2.0;
    const double rows[2][3] = {{c * scale_x, -s * scale_y, a->left + (a->width - 1.0) / 2},
                               {s * scale_x, c * scale_y, a->top + (a->height - 1.0) / 2}};
    for (int i = 0; i < 2; i++) {
        float *row = i ? view->down : view->across;
        row[0] = (float)rows[i][0];
        row[1] = (float)rows[i][1];
        row[2] = (float)(rows[i][2] - rows[i][0] * center_x - rows[i][1] * center_y);
    }
}

thaw_view thaw_view_make(const thaw_augmentation *a, const uint8_t *pixels, const thaw_preprocess *canvas,
                         const thaw_preprocess *model)
{
    thaw_view view;
    const double linear = a->brightness * a->contrast;
    set_geometry(a, model, &view);
    view.gain = (float)(linear * a->saturation);
    view.grey_gain = (float)(linear * (1.0 - a->saturation));
    view.offset = 0.0f;
    if (a->contrast != 1.0)
        view.offset = (float)((1.0 - a->contrast) * a->brightness * mean_grey(pixels, canvas->width, canvas->height));
    for (int i = 0; i < 4; i++)
        view.erased[i] = (float)a->erased[i];
    return view;
}
