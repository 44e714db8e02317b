/* Augmentation: the kernel against a reference in double precision that does one thing after the other, and what is
 * drawn. */
#include "onnx_subject.h"
#include "op_harness.h"
#include "op_trial.h"
#include "test.h"

#include "base/random.h"
#include "model/model.h"
#include "train/images.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 3, MOST_SIDE = 42, MOST = 3 * MOST_SIDE * MOST_SIDE };

/* A stage that hands its input out, and what went in and came out. */
typedef struct subject {
    thaw_model *model;
    thaw_image_stage stage;
    uint8_t pixels[IMAGES * MOST]; /* [IMAGES][height][width][3] of the canvas */
    thaw_view views[IMAGES];
    float got[IMAGES * MOST];
} subject;

static void open_subject(subject *s, int32_t width, int32_t height, int32_t resize, const char *convention)
{
    onnx_subject onnx = {0};
    thaw_random random = {7};
    subject_open(&onnx);
    subject_input(&onnx, "image", (thaw_shape){4, {-1, 3, height, width}});
    subject_node(&onnx, "Identity", "same", "image", "out");
    subject_output(&onnx, "out", (thaw_shape){4, {-1, 3, height, width}});
    test_must(subject_load(&onnx, &s->model));
    subject_close(&onnx);
    thaw_image_stage_options options = {
        .graph = s->model->graph, .augment = THAW_AUGMENT_STRONG, .batch = IMAGES, .output_count = 1};
    const char *const output = "out";
    options.outputs = &output;
    CU_ASSERT(thaw_preprocess_named(convention, width, height, &options.preprocess));
    options.preprocess.resize = resize;
    test_must(thaw_image_stage_open(test_device(), &options, &s->stage));
    for (size_t i = 0; i < sizeof s->pixels; i++)
        s->pixels[i] = (uint8_t)thaw_random_below(&random, 256);
}

static void close_subject(subject *s)
{
    thaw_image_stage_close(&s->stage);
    thaw_model_close(&s->model);
}

static size_t canvas_bytes(const subject *s)
{
    return (size_t)s->stage.canvas.width * (size_t)s->stage.canvas.height * 3;
}

static size_t row_count(const subject *s)
{
    return (size_t)thaw_shape_size(&s->stage.row_shapes[0]);
}

static void read_output(subject *s)
{
    test_must(thaw_buffer_read(s->stage.program->graph->outputs[0]->buffer, 0, s->got,
                               IMAGES * row_count(s) * sizeof *s->got));
}

/* Runs the images as `all` says, into s->got. */
static void run_views(subject *s, const thaw_augmentation all[IMAGES])
{
    for (size_t i = 0; i < IMAGES; i++)
        s->views[i] = thaw_view_make(&all[i], s->pixels + i * canvas_bytes(s), &s->stage.canvas, &s->stage.preprocess);
    memset(s->got, 0xff, sizeof s->got);
    test_must(thaw_image_stage_run_views(&s->stage, s->pixels, s->views, IMAGES));
    read_output(s);
}

/* --- exactly ------------------------------------------------------------------------------------------------------ */

/* Nothing done, and no more than flipped: what cl/normalise.cl makes of the canvas's middle, to the bit. */
static void as_it_is(void)
{
    static const struct {
        int32_t width, height, resize;
        const char *convention;
    } cases[] = {
        {1, 1, 1, "imagenet"}, {7, 15, 0, "tf"},   {16, 17, 17, "caffe"}, {8, 8, 10, "imagenet"},
        {16, 8, 20, "caffe"},  {31, 33, 20, "tf"}, {33, 7, 33, "raw"},    {16, 16, 18, "imagenet"},
    };
    subject *s = calloc(1, sizeof *s);
    float *wanted = malloc(sizeof s->got);
    uint8_t *middle = malloc(sizeof s->pixels);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int32_t w = cases[i].width, h = cases[i].height;
        open_subject(s, w, h, cases[i].resize, cases[i].convention);
        if (!cases[i].resize) /* the canvas is another size than the image: nothing stays as it is */
            s->stage.canvas = s->stage.preprocess;
        const int32_t left = (s->stage.canvas.width - w) / 2, top = (s->stage.canvas.height - h) / 2;
        for (int flip = 0; flip < 2; flip++) {
            thaw_augmentation all[IMAGES];
            for (size_t n = 0; n < IMAGES; n++) {
                all[n] = thaw_augmentation_none(&s->stage.canvas, &s->stage.preprocess);
                all[n].flip = flip;
                for (int32_t y = 0; y < h; y++)
                    for (int32_t x = 0; x < w; x++)
                        memcpy(middle + ((n * h + y) * w + x) * 3,
                               s->pixels + n * canvas_bytes(s) +
                                   ((top + y) * s->stage.canvas.width + left + (flip ? w - 1 - x : x)) * 3,
                               3);
            }
            test_must(thaw_image_stage_run(&s->stage, middle, IMAGES));
            read_output(s);
            memcpy(wanted, s->got, sizeof s->got);
            run_views(s, all);
            CU_ASSERT_EQUAL(memcmp(s->got, wanted, IMAGES * row_count(s) * sizeof *wanted), 0);
        }
        close_subject(s);
    }
    free(middle);
    free(wanted);
    free(s);
}

/* --- against the reference ---------------------------------------------------------------------------------------- */

static double mirrored(double at, double last)
{
    at = fabs(at);
    return fmax(0, fmin(last, at > last ? 2 * last - at : at));
}

/* Channel c of the canvas at a place between its pixels, whose centres are at whole numbers. */
static double sample(const uint8_t *pixels, const thaw_preprocess *canvas, double x, double y, int c)
{
    x = mirrored(x, canvas->width - 1);
    y = mirrored(y, canvas->height - 1);
    double sum = 0;
    for (int32_t j = 0; j < canvas->height; j++)
        for (int32_t i = 0; i < canvas->width; i++)
            sum += fmax(0, 1 - fabs(x - i)) * fmax(0, 1 - fabs(y - j)) * pixels[(j * canvas->width + i) * 3 + c];
    return sum;
}

static double grey(const double rgb[3])
{
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
}

static double mean_grey(const uint8_t *pixels, const thaw_preprocess *canvas)
{
    double sum = 0;
    const int32_t count = canvas->width * canvas->height;
    for (int32_t i = 0; i < count; i++)
        sum += grey((const double[]){pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]});
    return sum / count;
}

/* One pixel of the result, [3]. */
static void reference(const thaw_augmentation *a, const uint8_t *pixels, double mean, const thaw_image_stage *stage,
                      int32_t x, int32_t y, double result[3])
{
    const thaw_preprocess *model = &stage->preprocess;
    const double turn = a->degrees / 180 * acos(-1);
    const double u = ((x + 0.5) / model->width - 0.5) * a->width * (a->flip ? -1 : 1);
    const double v = ((y + 0.5) / model->height - 0.5) * a->height;
    const double from_x = a->left + a->width / 2 + cos(turn) * u - sin(turn) * v - 0.5;
    const double from_y = a->top + a->height / 2 + sin(turn) * u + cos(turn) * v - 0.5;
    double rgb[3];
    for (int c = 0; c < 3; c++) {
        rgb[c] = sample(pixels, &stage->canvas, from_x, from_y, c) * a->brightness;
        rgb[c] = a->contrast * rgb[c] + (1 - a->contrast) * mean * a->brightness;
    }
    const double of_all = grey(rgb);
    const bool erased = x >= a->erased[0] && y >= a->erased[1] && x < a->erased[2] && y < a->erased[3];
    for (int c = 0; c < 3; c++) {
        const int from = model->bgr ? 2 - c : c;
        const double value = fmax(0, fmin(255, a->saturation * rgb[from] + (1 - a->saturation) * of_all));
        result[c] = erased ? 0 : (value * model->scale - model->mean[c]) / model->std[c];
    }
}

static void compare(const subject *s, const thaw_augmentation all[IMAGES])
{
    const thaw_preprocess *model = &s->stage.preprocess;
    const double slack = 255.0 * model->scale / model->std[0] * 2e-5; /* coordinates are floats */
    double worst = 0;
    for (size_t n = 0; n < IMAGES; n++) {
        const uint8_t *pixels = s->pixels + n * canvas_bytes(s);
        const double mean = mean_grey(pixels, &s->stage.canvas);
        for (int32_t y = 0; y < model->height; y++)
            for (int32_t x = 0; x < model->width; x++) {
                double wanted[3];
                reference(&all[n], pixels, mean, &s->stage, x, y, wanted);
                for (int c = 0; c < 3; c++) {
                    const double got = s->got[((n * 3 + c) * model->height + y) * model->width + x];
                    worst = fmax(worst, isfinite(got) ? fabs(got - wanted[c]) : INFINITY);
                }
            }
    }
    if (worst > slack)
        printf("%d x %d: off by %g\n", model->width, model->height, worst);
    CU_ASSERT(worst <= slack);
}

/* Views as they are drawn, with what is rare in them for certain. The same images twice: the same bits. */
static void as_reference(void)
{
    static const struct {
        int32_t width, height, resize;
        const char *convention;
    } cases[] = {
        {1, 1, 1, "imagenet"}, {1, 7, 0, "tf"},          {7, 7, 8, "caffe"},       {15, 16, 17, "imagenet"},
        {17, 15, 0, "tf"},     {16, 16, 20, "imagenet"}, {31, 33, 33, "imagenet"}, {33, 31, 40, "raw"},
    };
    const size_t count = getenv("THAW_TEST_TINY") ? 4 : sizeof cases / sizeof cases[0];
    subject *s = calloc(1, sizeof *s);
    float *again = malloc(sizeof s->got);
    for (size_t i = 0; i < count; i++) {
        open_subject(s, cases[i].width, cases[i].height, cases[i].resize, cases[i].convention);
        for (uint64_t epoch = 0; epoch < 4; epoch++) {
            thaw_augmentation all[IMAGES];
            for (size_t n = 0; n < IMAGES; n++) {
                all[n] = thaw_augmentation_draw(THAW_AUGMENT_STRONG, epoch, n, &s->stage.canvas, &s->stage.preprocess);
                if (s->stage.canvas.width > 32 || s->stage.canvas.height > 32)
                    all[n].contrast = 1; /* the mean is taken from a part of the pixels */
            }
            all[0].erased[2] = (cases[i].width + 1) / 2;
            all[0].erased[3] = (cases[i].height + 2) / 3;
            run_views(s, all);
            compare(s, all);
            memcpy(again, s->got, sizeof s->got);
            run_views(s, all);
            CU_ASSERT_EQUAL(memcmp(again, s->got, sizeof s->got), 0);
        }
        close_subject(s);
    }
    free(again);
    free(s);
}

/* --- what is drawn ------------------------------------------------------------------------------------------------ */

static void canvases(void)
{
    static const struct {
        int32_t width, height, resize, wide, high;
    } cases[] = {
        {224, 224, 256, 256, 256}, {224, 224, 0, 252, 252},   {224, 224, 224, 224, 224}, {224, 224, 100, 224, 224},
        {299, 299, 342, 342, 342}, {224, 224, 900, 280, 280}, {200, 100, 220, 220, 110}, {1, 1, 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_preprocess model;
        CU_ASSERT(thaw_preprocess_named("imagenet", cases[i].width, cases[i].height, &model));
        model.resize = cases[i].resize;
        const thaw_preprocess canvas = thaw_augment_canvas(THAW_AUGMENT_BASIC, &model);
        const thaw_preprocess same = thaw_augment_canvas(THAW_AUGMENT_NONE, &model);
        CU_ASSERT(canvas.width == cases[i].wide && canvas.height == cases[i].high);
        CU_ASSERT(same.width == model.width && same.height == model.height);
    }
}

static void check_ranges(const thaw_augmentation *a, bool strong, const thaw_preprocess *canvas,
                         const thaw_preprocess *model)
{
    const double area = a->width * a->height / (canvas->width * canvas->height), most = strong ? 0.4 : 0.0;
    CU_ASSERT(area >= (strong ? 0.25 : 0.6) * 0.75 && area <= 1);
    CU_ASSERT(a->left >= 0 && a->left + a->width <= canvas->width + 1e-9);
    CU_ASSERT(a->top >= 0 && a->top + a->height <= canvas->height + 1e-9);
    CU_ASSERT(fabs(a->degrees) <= (strong ? 15 : 0));
    CU_ASSERT(fabs(a->brightness - 1) <= most && fabs(a->contrast - 1) <= most && fabs(a->saturation - 1) <= most);
    CU_ASSERT(a->erased[0] >= 0 && a->erased[0] <= a->erased[2] && a->erased[2] <= model->width);
    CU_ASSERT(a->erased[1] >= 0 && a->erased[1] <= a->erased[3] && a->erased[3] <= model->height);
    CU_ASSERT(strong || a->erased[2] == 0);
}

static bool equal(const thaw_augmentation *a, const thaw_augmentation *b)
{
    return a->left == b->left && a->top == b->top && a->width == b->width && a->height == b->height &&
           a->degrees == b->degrees && a->flip == b->flip && a->brightness == b->brightness &&
           a->contrast == b->contrast && a->saturation == b->saturation &&
           memcmp(a->erased, b->erased, sizeof a->erased) == 0;
}

static void drawn(void)
{
    enum { DRAWS = 4000 };
    thaw_preprocess model;
    CU_ASSERT(thaw_preprocess_named("imagenet", 224, 160, &model));
    for (int strong = 0; strong < 2; strong++) {
        const thaw_augment_kind kind = strong ? THAW_AUGMENT_STRONG : THAW_AUGMENT_BASIC;
        const thaw_preprocess canvas = thaw_augment_canvas(kind, &model);
        int flipped = 0, erased = 0;
        for (uint64_t i = 0; i < DRAWS; i++) {
            const thaw_augmentation a = thaw_augmentation_draw(kind, 5, i, &canvas, &model);
            const thaw_augmentation same = thaw_augmentation_draw(kind, 5, i, &canvas, &model);
            const thaw_augmentation epoch = thaw_augmentation_draw(kind, 6, i, &canvas, &model);
            const thaw_augmentation image = thaw_augmentation_draw(kind, 5, i + 1, &canvas, &model);
            check_ranges(&a, strong, &canvas, &model);
            CU_ASSERT(equal(&a, &same) && !equal(&a, &epoch) && !equal(&a, &image));
            flipped += a.flip;
            erased += a.erased[2] > 0;
        }
        CU_ASSERT(abs(flipped - DRAWS / 2) < DRAWS / 25);
        CU_ASSERT(abs(erased - (strong ? DRAWS / 4 : 0)) < DRAWS / 25);
    }
}

void suite_augment(void)
{
    static const test_entry tests[] = {
        {"as it is", as_it_is}, {"as the reference", as_reference}, {"canvases", canvases}, {"what is drawn", drawn}};
    TEST_SUITE("augment", tests);
}
