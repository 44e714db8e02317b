/* thaw_check(): every kind of finding, in pictures drawn here. */
#include "image_files.h"
#include "op_harness.h"
#include "pictures.h"
#include "test.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <turbojpeg.h>
#include <unistd.h>

#include "base/parallel.h"
#include "base/random.h"
#include "data/duplicates.h"
#include "train/check.h"

enum { SIDE = 64 };

/* Some smooth blobs and edges: another picture for each seed. */
static thaw_image draw(uint64_t seed, int32_t width, int32_t height)
{
    thaw_random random = {seed * 77 + 5};
    thaw_image image = {width, height, malloc((size_t)width * (size_t)height * 3)};
    double place[6][6];
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++)
            place[i][j] = thaw_random_uniform(&random);
    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < width; x++) {
            double colour[3] = {90, 110, 100};
            for (int i = 0; i < 6; i++) {
                const double dx = (double)x / width - place[i][0], dy = (double)y / height - place[i][1];
                if (dx * dx + dy * dy * (0.5 + place[i][2]) > 0.03)
                    continue;
                for (int c = 0; c < 3; c++)
                    colour[c] = 250 * place[i][3 + c];
            }
            for (int c = 0; c < 3; c++)
                image.pixels[((size_t)y * width + x) * 3 + c] = (uint8_t)colour[c];
        }
    return image;
}

static void write_jpeg(const thaw_image *image, const char *name)
{
    const file_bytes jpeg = make_jpeg(image->pixels, image->width, image->height, TJPF_RGB, TJSAMP_420, false);
    write_test_file(name, jpeg.data, jpeg.size);
    free(jpeg.data);
}

static void write_png(const thaw_image *image, const char *name)
{
    const png_recipe recipe = {.width = image->width,
                               .height = image->height,
                               .colour_type = PNG_COLOR_TYPE_RGB,
                               .depth = 8,
                               .rows = image->pixels,
                               .row_bytes = (size_t)image->width * 3};
    const file_bytes png = make_png(&recipe);
    write_test_file(name, png.data, png.size);
    free(png.data);
}

static void make_folder(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    CU_ASSERT_EQUAL(mkdir(path, 0777), 0);
}

static thaw_dataset *open_folder(const char *name, double share)
{
    char path[1024];
    thaw_dataset *dataset;
    thaw_dataset_options options = thaw_dataset_defaults();
    options.validation_share = share;
    options.single_class_allowed = true;
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    CU_ASSERT_EQUAL_FATAL(thaw_dataset_open(test_context(), path, &options, &dataset), THAW_OK);
    return dataset;
}

/* --- thumbnails --------------------------------------------------------------------------------------------------- */

/* The picture as it is after a turn, pixel by pixel. */
static thaw_image turn_image(const thaw_image *image, int turn)
{
    const int32_t side = image->width;
    thaw_image out = {side, side, malloc((size_t)side * side * 3)};
    memcpy(out.pixels, image->pixels, (size_t)side * side * 3);
    for (int step = turn & 4 ? -1 : 0; step < (turn & 3); step++) {
        thaw_image next = {side, side, malloc((size_t)side * side * 3)};
        for (int32_t y = 0; y < side; y++)
            for (int32_t x = 0; x < side; x++) {
                const int32_t from = step < 0 ? y * side + side - 1 - x : x * side + side - 1 - y;
                memcpy(next.pixels + 3 * (y * side + x), out.pixels + 3 * from, 3);
            }
        free(out.pixels);
        out = next;
    }
    return out;
}

static double compare_images(const thaw_image *a, const thaw_image *b, int *turn)
{
    thaw_thumbnail of_a, of_b;
    thaw_turned_sketches turned;
    CU_ASSERT_TRUE(thaw_thumbnail_make(a, &of_a) && thaw_thumbnail_make(b, &of_b));
    thaw_sketch_turn(&of_b, &turned);
    thaw_sketch_compare(of_a.sketch, &turned, turn);
    return thaw_thumbnail_compare(&of_a, &of_b, *turn, 2);
}

/* Whichever way a copy was turned, turning it as told gives the picture back. */
static void test_turns(void)
{
    thaw_image image = draw(1, SIDE, SIDE);
    for (int turn = 0; turn < THAW_TURNS; turn++) {
        int found;
        thaw_image turned = turn_image(&image, turn);
        CU_ASSERT_TRUE(compare_images(&image, &turned, &found) > 0.9999);
        thaw_image back = turn_image(&turned, found);
        CU_ASSERT_EQUAL(memcmp(back.pixels, image.pixels, SIDE * SIDE * 3), 0);
        free(back.pixels);
        free(turned.pixels);
    }
    free(image.pixels);
}

/* Cropped copies are found either way round; other pictures and other colours are not the same. */
static void test_likeness(void)
{
    for (uint64_t seed = 1; seed < 12; seed++) {
        int turn;
        thaw_image image = draw(seed, 200, 160), other = draw(seed + 100, 200, 160), crop;
        const double box[4] = {4, 1, 196, 156};
        CU_ASSERT_TRUE(thaw_image_resize(&image, box, 192, 155, THAW_BILINEAR, &crop));
        CU_ASSERT_TRUE(compare_images(&image, &crop, &turn) > 0.98);
        CU_ASSERT_TRUE(compare_images(&crop, &image, &turn) > 0.98);
        CU_ASSERT_TRUE(compare_images(&image, &other, &turn) < 0.95);
        for (size_t i = 0; i < 200 * 160; i++) /* other colours, as bright as before or not */
            for (int c = 0; c < 3; c++)
                other.pixels[3 * i + c] = image.pixels[3 * i + (c + 1) % 3];
        CU_ASSERT_TRUE(compare_images(&image, &other, &turn) < 0.98);
        free(crop.pixels);
        free(other.pixels);
        free(image.pixels);
    }
}

/* --- findings without a model ------------------------------------------------------------------------------------- */

/* The images' names, found again by their ends. */
static bool is_named(const thaw_dataset *dataset, size_t image, const char *end)
{
    const char *name = thaw_dataset_sample(dataset, image)->name;
    const size_t length = strlen(name), wanted = strlen(end);
    return length >= wanted && strcmp(name + length - wanted, end) == 0;
}

static void check_finding(const thaw_dataset *dataset, const thaw_check_report *report, thaw_finding_kind kind,
                          const char *end)
{
    size_t found = 0;
    CU_ASSERT_EQUAL(report->kind_count[kind], 1);
    for (size_t i = 0; i < report->finding_count; i++)
        found += report->findings[i].kind == kind && is_named(dataset, report->findings[i].image, end);
    CU_ASSERT_EQUAL(found, 1);
}

static void fill(thaw_image *image, int red, int green, int blue)
{
    for (size_t i = 0; i < (size_t)image->width * image->height; i++) {
        image->pixels[3 * i] = (uint8_t)red;
        image->pixels[3 * i + 1] = (uint8_t)green;
        image->pixels[3 * i + 2] = (uint8_t)blue;
    }
}

static void to_grey(thaw_image *image)
{
    for (size_t i = 0; i < (size_t)image->width * image->height; i++)
        memset(image->pixels + 3 * i, image->pixels[3 * i + 1], 3);
}

static void test_findings(void)
{
    char name[64];
    make_folder("odd");
    make_folder("odd/a");
    make_folder("odd/b");
    for (uint64_t i = 0; i < 24; i++) {
        thaw_image image = draw(i, SIDE, SIDE);
        snprintf(name, sizeof name, "odd/%c/%02d.jpg", i % 2 ? 'a' : 'b', (int)i);
        write_jpeg(&image, name);
        free(image.pixels);
    }
    write_test_file("odd/a/broken.png", "no image", 8);
    thaw_image image = draw(50, 31, 60);
    write_png(&image, "odd/a/tiny.png");
    free(image.pixels);
    image = draw(51, SIDE, SIDE);
    to_grey(&image);
    write_jpeg(&image, "odd/b/grey.jpg");
    fill(&image, 200, 180, 10);
    write_jpeg(&image, "odd/b/even.jpg");
    free(image.pixels);

    thaw_check_report report;
    thaw_check_options options = thaw_check_defaults();
    thaw_dataset *dataset = open_folder("odd", 0.2);
    CU_ASSERT_EQUAL_FATAL(thaw_check(test_context(), dataset, &options, &report), THAW_OK);
    CU_ASSERT_EQUAL(report.count, 28);
    CU_ASSERT_EQUAL(report.readable_count, 27);
    CU_ASSERT_EQUAL(report.finding_count, 4);
    check_finding(dataset, &report, THAW_FINDING_UNREADABLE, "broken.png");
    check_finding(dataset, &report, THAW_FINDING_TINY, "tiny.png");
    check_finding(dataset, &report, THAW_FINDING_GREY, "grey.jpg");
    check_finding(dataset, &report, THAW_FINDING_MONOCHROME, "even.jpg");
    CU_ASSERT_STRING_EQUAL(report.findings[0].reason, "not a PNG or JPEG file");
    CU_ASSERT_EQUAL(report.group_count, 0);
    CU_ASSERT_FALSE(report.labels_checked || report.turned_checked);
    thaw_check_report_free(&report);
    CU_ASSERT_EQUAL(report.finding_count, 0);
    thaw_dataset_close(&dataset);
}

static const thaw_duplicate *find_duplicate(const thaw_dataset *dataset, const thaw_check_report *report,
                                            const char *end, const thaw_duplicate_group **group)
{
    for (size_t i = 0; i < report->group_count; i++)
        for (size_t j = 0; j < report->groups[i].count; j++)
            if (is_named(dataset, report->groups[i].images[j].image, end)) {
                *group = &report->groups[i];
                return &report->groups[i].images[j];
            }
    CU_FAIL("not found among the duplicates");
    return NULL;
}

/* One picture in many forms, some in another class and in validation. */
static void make_copies(void)
{
    thaw_image image = draw(9, SIDE, SIDE), small;
    const double box[4] = {0, 0, SIDE, SIDE};
    const char *const folders[] = {"twice",     "twice/train", "twice/train/a", "twice/train/b",
                                   "twice/val", "twice/val/a", "twice/val/b"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        make_folder(folders[i]);
    write_png(&image, "twice/train/a/1.png");
    write_png(&image, "twice/train/a/1again.png");
    write_png(&image, "twice/val/b/1leak.png");
    write_jpeg(&image, "twice/train/a/1saved.jpg");
    thaw_image turned = turn_image(&image, 5);
    write_png(&turned, "twice/train/a/1turned.png");
    free(turned.pixels);
    CU_ASSERT_TRUE(thaw_image_resize(&image, box, 40, 40, THAW_BILINEAR, &small));
    write_png(&small, "twice/train/a/1small.png");
    free(small.pixels);
    for (size_t i = 0; i < SIDE * SIDE * 3; i++)
        image.pixels[i] = (uint8_t)(image.pixels[i] * 0.85);
    write_png(&image, "twice/train/a/1dark.png");
    free(image.pixels);
    image = draw(10, SIDE, SIDE);
    write_png(&image, "twice/train/b/2.png");
    file_bytes jpeg = make_jpeg(image.pixels, SIDE, SIDE, TJPF_RGB, TJSAMP_444, false);
    write_test_file("twice/train/b/2saved.jpg", jpeg.data, jpeg.size);
    jpeg = add_orientation(jpeg, 1);
    write_test_file("twice/train/b/2tagged.jpg", jpeg.data, jpeg.size);
    free(jpeg.data);
    free(image.pixels);
    image = draw(11, SIDE, SIDE);
    write_png(&image, "twice/val/a/3.png");
    free(image.pixels);
}

static void check_copies(const thaw_dataset *dataset, const thaw_check_report *report)
{
    const thaw_duplicate_group *one, *two;
    CU_ASSERT_EQUAL_FATAL(report->group_count, 2);
    CU_ASSERT_EQUAL(report->leak_count, 1);
    CU_ASSERT_EQUAL(report->conflict_count, 1);
    CU_ASSERT_EQUAL(report->surplus_count, 8);
    const thaw_duplicate *first = find_duplicate(dataset, report, "/1.png", &one);
    CU_ASSERT_EQUAL(one, &report->groups[0]); /* what is worse comes first */
    CU_ASSERT_EQUAL(one->count, 7);
    CU_ASSERT_TRUE(one->leaks && one->conflicts && first->of == first->image);
    CU_ASSERT_TRUE(find_duplicate(dataset, report, "1again.png", &one)->same_file);
    CU_ASSERT_TRUE(find_duplicate(dataset, report, "1leak.png", &one)->same_file);
    const thaw_duplicate *saved = find_duplicate(dataset, report, "1saved.jpg", &one);
    CU_ASSERT_TRUE(!saved->same_pixels && saved->similarity > 0.99 && !saved->mirrored && saved->degrees == 0);
    const thaw_duplicate *turned = find_duplicate(dataset, report, "1turned.png", &one);
    CU_ASSERT_TRUE(turned->mirrored && turned->of == first->image);
    CU_ASSERT_EQUAL(turned->degrees, 90); /* mirrored ones undo themselves */
    find_duplicate(dataset, report, "1small.png", &one);
    find_duplicate(dataset, report, "1dark.png", &one);
    const thaw_duplicate *tagged = find_duplicate(dataset, report, "2tagged.jpg", &two);
    CU_ASSERT_TRUE(tagged->same_pixels && !tagged->same_file);
    CU_ASSERT_TRUE(is_named(dataset, tagged->of, "2saved.jpg"));
    CU_ASSERT_FALSE(two->leaks || two->conflicts);
}

static void test_duplicates(void)
{
    thaw_check_report report;
    thaw_check_options options = thaw_check_defaults();
    make_copies();
    thaw_dataset *dataset = open_folder("twice", 0.2);
    for (size_t workers = 1; workers < 5; workers += 3) {
        options.job.workers = workers;
        CU_ASSERT_EQUAL_FATAL(thaw_check(test_context(), dataset, &options, &report), THAW_OK);
        check_copies(dataset, &report);
        thaw_check_report_free(&report);
    }
    thaw_dataset_close(&dataset);
}

/* --- hostile folders ---------------------------------------------------------------------------------------------- */

/* Hundreds of the same file by links, and of nearly the same: one group, no more memory than for others. */
static void test_all_alike(void)
{
    char path[1200], name[64];
    make_folder("alike");
    make_folder("alike/a");
    thaw_image image = draw(3, SIDE, SIDE);
    write_png(&image, "alike/a/000.png");
    for (int i = 1; i < 300; i++) {
        snprintf(name, sizeof name, "alike/a/%03d.png", i);
        snprintf(path, sizeof path, "%s/%s", test_folder(), name);
        if (i % 2) {
            image.pixels[i] ^= 1;
            write_png(&image, name);
        } else {
            CU_ASSERT_EQUAL(symlink("000.png", path), 0);
        }
    }
    free(image.pixels);
    thaw_check_report report;
    thaw_check_options options = thaw_check_defaults();
    thaw_dataset *dataset = open_folder("alike", 0.2);
    CU_ASSERT_EQUAL_FATAL(thaw_check(test_context(), dataset, &options, &report), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(report.group_count, 1);
    CU_ASSERT_EQUAL(report.groups[0].count, 300);
    CU_ASSERT_EQUAL(report.surplus_count, 299);
    CU_ASSERT_TRUE(report.groups[0].leaks);
    thaw_check_report_free(&report);
    thaw_dataset_close(&dataset);
}

/* One image, nothing readable, blank pages: nothing to compare. */
static void test_next_to_nothing(void)
{
    thaw_check_report report;
    thaw_check_options options = thaw_check_defaults();
    make_folder("bare");
    make_folder("bare/a");
    write_test_file("bare/a/1.png", "", 0);
    thaw_dataset *dataset = open_folder("bare", 0.2);
    CU_ASSERT_EQUAL_FATAL(thaw_check(test_context(), dataset, &options, &report), THAW_OK);
    CU_ASSERT_EQUAL(report.readable_count, 0);
    CU_ASSERT_EQUAL(report.kind_count[THAW_FINDING_UNREADABLE], 1);
    thaw_check_report_free(&report);
    thaw_dataset_close(&dataset);

    thaw_image image = draw(1, 40, 1);
    fill(&image, 255, 255, 255);
    write_png(&image, "bare/a/1.png");
    write_jpeg(&image, "bare/a/2.jpg");
    free(image.pixels);
    dataset = open_folder("bare", 0);
    CU_ASSERT_EQUAL_FATAL(thaw_check(test_context(), dataset, &options, &report), THAW_OK);
    CU_ASSERT_EQUAL(report.kind_count[THAW_FINDING_MONOCHROME], 2);
    CU_ASSERT_EQUAL(report.kind_count[THAW_FINDING_TINY], 2);
    thaw_check_report_free(&report);
    thaw_dataset_close(&dataset);
}

static void test_refused(void)
{
    static const thaw_check_options wrong[] = {
        {.least_side = -1, .similarity = 0.98, .neighbours = 10},
        {.similarity = 0.5, .neighbours = 10},
        {.similarity = 0.98, .neighbours = 0},
    };
    thaw_dataset *dataset = pictures_open(0.2);
    thaw_check_report report;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CU_ASSERT_EQUAL(thaw_check(test_context(), dataset, &wrong[i], &report), THAW_ERR_USAGE);
        thaw_check_report_free(&report);
    }
    thaw_check_options options = thaw_check_defaults();
    thaw_context_interrupt(test_context());
    CU_ASSERT_EQUAL(thaw_check(test_context(), dataset, &options, &report), THAW_ERR_INTERRUPTED);
    thaw_context_resume(test_context());
    thaw_check_report_free(&report);
    thaw_dataset_close(&dataset);
}

/* --- with a model ------------------------------------------------------------------------------------------------- */

/* Random points, some in groups: the nearest by looking at every pair. */
static void test_neighbours(void)
{
    enum { COUNT = 300, WIDTH = 7, K = 5 };
    thaw_random random = {11};
    const thaw_shape shape = {2, {COUNT, WIDTH}};
    static size_t image[COUNT], group[COUNT], found[COUNT];
    static int32_t label[COUNT];
    static bool asked[COUNT];
    static thaw_neighbour neighbours[COUNT * K];
    thaw_feature_space space = {test_context(), NULL, COUNT, WIDTH, {0}, image, label, group, asked};
    CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(test_context(), THAW_FLOAT32, &shape, &space.features), THAW_OK);
    float *rows = space.features->data;
    for (size_t i = 0; i < COUNT; i++) {
        group[i] = i % 10 == 3 ? i - 1 : i;
        asked[i] = group[i] == i;
        for (size_t f = 0; f < WIDTH; f++)
            rows[i * WIDTH + f] = (float)thaw_random_uniform(&random) - 0.5f;
    }
    CU_ASSERT_EQUAL_FATAL(thaw_neighbours_find(&space, test_device(), K, neighbours, found), THAW_OK);
    for (size_t i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(found[i], K);
        const float last = neighbours[i * K + K - 1].similarity;
        size_t nearer = 0;
        for (size_t j = 0; j < COUNT; j++) {
            float product = 0;
            for (size_t f = 0; f < WIDTH; f++)
                product += rows[i * WIDTH + f] * rows[j * WIDTH + f];
            nearer += asked[j] && group[j] != group[i] && product > last + 1e-5f;
        }
        CU_ASSERT_TRUE(nearer < K);
        for (size_t k = 0; k < K; k++) {
            const uint32_t index = neighbours[i * K + k].index;
            CU_ASSERT_TRUE(asked[index] && group[index] != group[i]);
            CU_ASSERT_TRUE(k == 0 || neighbours[i * K + k].similarity <= neighbours[i * K + k - 1].similarity);
        }
    }
    thaw_tensor_release(&space.features);
}

/* A bright wedge that points down, on the colour of its class. */
static void write_shaded(const char *name, int k, uint64_t seed, int turn)
{
    thaw_random random = {seed};
    thaw_image image = {SIDE, SIDE, malloc(SIDE * SIDE * 3)};
    const int shift = (int)thaw_random_below(&random, 9);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++) {
                const int inside = y > 20 + shift && x > y / 2 && x < SIDE - y / 2;
                const int value = inside ? 200 : 30 + (c == k ? 120 : 0);
                image.pixels[(y * SIDE + x) * 3 + c] = (uint8_t)(value + (int)thaw_random_below(&random, 30));
            }
    thaw_image turned = turn_image(&image, turn);
    write_png(&turned, name);
    free(turned.pixels);
    free(image.pixels);
}

static void make_shaded(void)
{
    char name[64];
    make_folder("shaded");
    for (int k = 0; k < 2; k++) {
        snprintf(name, sizeof name, "shaded/%d", k);
        make_folder(name);
        for (int i = 0; i < 14; i++) {
            snprintf(name, sizeof name, "shaded/%d/%02d.png", k, i);
            write_shaded(name, k, (uint64_t)(100 * k + i), 0);
        }
    }
    write_shaded("shaded/0/wrong.png", 1, 500, 0);
    write_shaded("shaded/1/lying.png", 1, 501, 1);
}

static size_t count_named(const thaw_dataset *dataset, const thaw_check_report *report, thaw_finding_kind kind,
                          const char *end)
{
    size_t count = 0;
    for (size_t i = 0; i < report->finding_count; i++)
        count += report->findings[i].kind == kind && is_named(dataset, report->findings[i].image, end);
    return count;
}

/* The wrong label and the lying picture are found, and no other (a lying one looks as if its label were wrong, too). */
static void check_shaded(const thaw_dataset *dataset, const thaw_check_report *report)
{
    CU_ASSERT_TRUE(report->labels_checked && report->turned_checked);
    CU_ASSERT_EQUAL(count_named(dataset, report, THAW_FINDING_DOUBTED, "wrong.png"), 1);
    CU_ASSERT_EQUAL(count_named(dataset, report, THAW_FINDING_TURNED, "lying.png"), 1);
    for (size_t i = 0; i < report->finding_count; i++) {
        const thaw_finding *f = &report->findings[i];
        CU_ASSERT_TRUE(is_named(dataset, f->image, "wrong.png") || is_named(dataset, f->image, "lying.png"));
        if (is_named(dataset, f->image, "wrong.png"))
            CU_ASSERT_TRUE(f->kind == THAW_FINDING_DOUBTED && f->suggested == 1 && f->margin > 0.5);
        if (f->kind == THAW_FINDING_TURNED)
            CU_ASSERT_EQUAL(f->degrees, 270);
    }
}

static void test_model(void)
{
    thaw_check_report report;
    thaw_check_options options = thaw_check_defaults();
    make_shaded();
    CU_ASSERT_EQUAL_FATAL(thaw_model_load(test_context(), THAW_SOURCE_DIR "/tools/demo/base.onnx", &options.model),
                          THAW_OK);
    CU_ASSERT_TRUE_FATAL(thaw_model_preprocess(options.model, &options.preprocess));
    options.device = test_device();
    options.similarity = 1;     /* they are drawn much alike */
    options.job.batch_size = 7; /* the last batch is a short one */
    thaw_dataset *dataset = open_folder("shaded", 0.2);
    CU_ASSERT_EQUAL_FATAL(thaw_check(test_context(), dataset, &options, &report), THAW_OK);
    check_shaded(dataset, &report);
    thaw_check_report_free(&report);
    thaw_dataset_close(&dataset);
    thaw_model_close(&options.model);
}

/* --- the warning of finetune -------------------------------------------------------------------------------------- */

typedef struct heard {
    int count;
    char line[512];
} heard;

static void listen(void *user, thaw_log_level level, const char *line)
{
    heard *h = user;
    if (level != THAW_LOG_WARNING)
        return;
    h->count++;
    snprintf(h->line, sizeof h->line, "%s", line);
}

static void test_warning(void)
{
    heard h = {0};
    thaw_dataset *dataset = pictures_open(0.2);
    thaw_context_set_log(test_context(), listen, &h);
    CU_ASSERT_EQUAL(thaw_check_warn_of_leaks(test_context(), dataset), THAW_OK);
    CU_ASSERT_EQUAL(h.count, 0);
    thaw_dataset_close(&dataset);
    dataset = open_folder("twice", 0.2); /* of test_duplicates() */
    CU_ASSERT_EQUAL(thaw_check_warn_of_leaks(test_context(), dataset), THAW_OK);
    CU_ASSERT_EQUAL(h.count, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.line, "1 of the images for validation"));
    CU_ASSERT_PTR_NOT_NULL(strstr(h.line, "first val/b/1leak.png, which is train/a/1.png"));
    thaw_context_set_log(test_context(), NULL, NULL);
    thaw_dataset_close(&dataset);
}

void suite_check(void)
{
    static const test_entry tests[] = {
        {"turned copies", test_turns},
        {"likeness", test_likeness},
        {"findings", test_findings},
        {"duplicates", test_duplicates},
        {"all alike", test_all_alike},
        {"next to nothing", test_next_to_nothing},
        {"refused", test_refused},
        {"neighbours", test_neighbours},
        {"doubted labels and turned images", test_model},
        {"warning of leaks", test_warning},
    };
    TEST_SUITE("check", tests);
}
