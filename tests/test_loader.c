/* Batches from worker threads: order, bad images, stopping. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "data/loader.h"
#include "image_files.h"
#include "test.h"

enum { SIDE = 8, IMAGE_BYTES = SIDE * SIDE * 3, MOST = 64 };

/* Paths of images of one grey each, 4 * i; every `bad_every`th is no image. */
typedef struct fixture {
    thaw_context *context;
    char *paths[MOST];
} fixture;

static void make_image(const char *name, int grey, int32_t side)
{
    uint8_t *pixels = malloc((size_t)side * side * 3);
    memset(pixels, grey, (size_t)side * side * 3);
    const file_bytes file = make_jpeg(pixels, side, side, TJPF_RGB, TJSAMP_444, false);
    write_test_file(name, file.data, file.size);
    free(file.data);
    free(pixels);
}

static void set_up(fixture *made, size_t count, size_t bad_every)
{
    CU_ASSERT_EQUAL_FATAL(thaw_context_create(&made->context), THAW_OK);
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "load%zu.jpg", i);
        if (bad_every && i % bad_every == bad_every - 1)
            write_test_file(name, "junk", 4);
        else
            make_image(name, (int)(4 * i), i % 5 ? 9 : 200); /* some take longer */
        made->paths[i] = malloc(1024);
        snprintf(made->paths[i], 1024, "%s/%s", test_folder(), name);
    }
}

static void tear_down(fixture *made, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(made->paths[i]);
    thaw_context_destroy(&made->context);
}

static thaw_loader *open_loader(const fixture *made, size_t count, size_t batch_size, size_t workers)
{
    thaw_loader_options options = {
        .paths = (const char *const *)made->paths, .count = count, .batch_size = batch_size, .workers = workers};
    thaw_loader *loader;
    CU_ASSERT_TRUE(thaw_preprocess_named("raw", SIDE, SIDE, &options.preprocess));
    CU_ASSERT_EQUAL_FATAL(thaw_loader_create(made->context, &options, &loader), THAW_OK);
    return loader;
}

/* Checks pixels and places of a batch; seen[i] counts how often path i came, good or bad. */
static void check_batch(const thaw_image_batch *batch, size_t bad_every, int seen[MOST])
{
    for (size_t i = 0; i < batch->count; i++) {
        const size_t path = batch->index[i];
        CU_ASSERT_TRUE(i == 0 || path > batch->index[i - 1]);
        CU_ASSERT_TRUE(abs(batch->pixels[i * IMAGE_BYTES] - (int)(4 * path)) <= 1);
        CU_ASSERT_TRUE(abs(batch->pixels[(i + 1) * IMAGE_BYTES - 1] - (int)(4 * path)) <= 1);
        seen[path]++;
    }
    for (size_t i = 0; i < batch->bad_count; i++) {
        const size_t path = batch->bad_index[i];
        CU_ASSERT_EQUAL(path % bad_every, bad_every - 1);
        CU_ASSERT_STRING_EQUAL(batch->errors[i].reason, "not a PNG or JPEG file");
        seen[path]++;
    }
}

static const struct {
    size_t count, batch_size, workers, bad_every;
} cases[] = {{64, 8, 4, 0}, {64, 7, 3, 5}, {10, 4, 1, 0}, {3, 8, 16, 0}, {1, 1, 2, 0},
             {20, 6, 2, 2}, {12, 4, 2, 1}, {33, 1, 5, 3}, {0, 4, 2, 0},  {16, 16, 0, 4}};

static void test_order(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture made;
        set_up(&made, cases[i].count, cases[i].bad_every);
        thaw_loader *loader = open_loader(&made, cases[i].count, cases[i].batch_size, cases[i].workers);
        int seen[MOST] = {0};
        size_t good = 0, bad = 0;
        for (;;) {
            thaw_image_batch batch;
            CU_ASSERT_EQUAL_FATAL(thaw_loader_next(loader, &batch), THAW_OK);
            check_batch(&batch, cases[i].bad_every, seen);
            good += batch.count;
            bad += batch.bad_count;
            if (batch.count == 0)
                break;
            CU_ASSERT_TRUE(batch.count == cases[i].batch_size || good + bad == cases[i].count);
        }
        const size_t expected_bad = cases[i].bad_every ? cases[i].count / cases[i].bad_every : 0;
        CU_ASSERT_EQUAL(bad, expected_bad);
        CU_ASSERT_EQUAL(good, cases[i].count - expected_bad);
        for (size_t j = 0; j < cases[i].count; j++)
            CU_ASSERT_EQUAL(seen[j], 1);
        CU_ASSERT_TRUE(thaw_loader_wait_seconds(loader) >= 0);
        thaw_loader_destroy(&loader);
        CU_ASSERT_PTR_NULL(loader);
        thaw_loader_destroy(&loader);
        tear_down(&made, cases[i].count);
    }
}

/* Stopped before the first batch, after it, and while the workers wait for room. */
static void test_destroy_early(void)
{
    fixture made;
    set_up(&made, MOST, 0);
    for (int batches = 0; batches < 3; batches++) {
        thaw_loader *loader = open_loader(&made, MOST, 4, 3);
        for (int i = 0; i < batches; i++) {
            thaw_image_batch batch;
            CU_ASSERT_EQUAL(thaw_loader_next(loader, &batch), THAW_OK);
            CU_ASSERT_EQUAL(batch.count, 4);
            CU_ASSERT_EQUAL(batch.index[0], 4 * (size_t)i);
        }
        thaw_loader_destroy(&loader);
    }
    tear_down(&made, MOST);
}

static void test_wrong_options(void)
{
    fixture made;
    set_up(&made, 1, 0);
    thaw_loader_options options = {.paths = (const char *const *)made.paths, .count = 1};
    thaw_loader *loader = (thaw_loader *)&made;
    CU_ASSERT_TRUE(thaw_preprocess_named("raw", SIDE, SIDE, &options.preprocess));
    CU_ASSERT_EQUAL(thaw_loader_create(made.context, &options, &loader), THAW_ERR_USAGE);
    CU_ASSERT_PTR_NULL(loader);
    options.batch_size = 1;
    options.preprocess.width = 0;
    CU_ASSERT_EQUAL(thaw_loader_create(made.context, &options, &loader), THAW_ERR_USAGE);
    CU_ASSERT_PTR_NULL(loader);
    tear_down(&made, 1);
}

void suite_loader(void)
{
    static const test_entry tests[] = {
        {"order and bad images", test_order},
        {"destroyed early", test_destroy_early},
        {"wrong options", test_wrong_options},
    };
    TEST_SUITE("loader", tests);
}
