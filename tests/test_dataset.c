/* Folders of classes: what is found, how it is split, what is refused. Files are empty: nothing is read. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/context.h"
#include "test.h"
#include <thaw/data.h>

static thaw_context *context;

static const char *path_of(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    return path;
}

/* Makes an empty file and the folders above it. A name that ends in '/' makes a folder only. */
static void make_file(const char *format, ...) THAW_PRINTF(1, 2);
static void make_file(const char *format, ...)
{
    char name[512], path[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    snprintf(path, sizeof path, "%s", path_of(name));
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0777);
        *slash = '/';
    }
    if (path[strlen(path) - 1] == '/')
        return;
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fclose(file);
}

static void make_files(const char *folder, int from, int to)
{
    for (int i = from; i < to; i++)
        make_file("%s/img%03d.jpg", folder, i);
}

static thaw_dataset *open_good(const char *name, const thaw_dataset_options *options)
{
    thaw_dataset *dataset;
    const thaw_status status = thaw_dataset_open(context, path_of(name), options, &dataset);
    if (status != THAW_OK)
        printf("  %s\n", thaw_error_message(context));
    CU_ASSERT_EQUAL_FATAL(status, THAW_OK);
    return dataset;
}

static size_t count_validation(const thaw_dataset *dataset, int32_t class_index)
{
    size_t count = 0;
    for (size_t i = 0; i < thaw_dataset_count(dataset); i++) {
        const thaw_sample *sample = thaw_dataset_sample(dataset, i);
        count += sample->validation && sample->class_index == class_index;
    }
    return count;
}

/* Hidden entries, junk, files outside of classes and special files are left out; sub-folders and links are followed. */
static void test_listing(void)
{
    static const char *const expected[] = {"Zebra/a.jpg",    "Zebra/b.png",      "cat/Upper.JPG", "cat/gone.jpg",
                                           "cat/more/1.jpg", "cat/more/2/3.jpg", "cat/z.jpg"};
    const char *const files[] = {"list/README",           "list/.hidden/a.jpg",  "list/Zebra/b.png",
                                 "list/Zebra/a.jpg",      "list/Zebra/.a.jpg",   "list/Zebra/Thumbs.db",
                                 "list/cat/z.jpg",        "list/cat/Upper.JPG",  "list/cat/more/1.jpg",
                                 "list/cat/more/2/3.jpg", "list/cat/.git/x.jpg", "list/__MACOSX/Zebra/a.jpg"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        make_file("%s", files[i]);
    CU_ASSERT_EQUAL(symlink("..", path_of("list/cat/more/loop")), 0);
    CU_ASSERT_EQUAL(symlink("missing.jpg", path_of("list/cat/gone.jpg")), 0);
    CU_ASSERT_EQUAL(mkfifo(path_of("list/cat/pipe"), 0600), 0);
    thaw_dataset *dataset = open_good("list", NULL);
    CU_ASSERT_EQUAL_FATAL(thaw_dataset_class_count(dataset), 2);
    CU_ASSERT_STRING_EQUAL(thaw_dataset_class_name(dataset, 0), "Zebra");
    CU_ASSERT_STRING_EQUAL(thaw_dataset_class_name(dataset, 1), "cat");
    CU_ASSERT_EQUAL_FATAL(thaw_dataset_count(dataset), sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < thaw_dataset_count(dataset); i++) {
        const thaw_sample *sample = thaw_dataset_sample(dataset, i);
        CU_ASSERT_STRING_EQUAL(sample->name, expected[i]);
        CU_ASSERT_EQUAL(sample->class_index, i < 2 ? 0 : 1);
        CU_ASSERT_EQUAL(strncmp(sample->path, test_folder(), strlen(test_folder())), 0);
    }
    CU_ASSERT_EQUAL(access(thaw_dataset_sample(dataset, 5)->path, R_OK), 0);
    thaw_dataset_close(&dataset);
    CU_ASSERT_PTR_NULL(dataset);
    thaw_dataset_close(&dataset);
}

/* A slash behind the folder changes nothing; linked class folders count. */
static void test_spelling(void)
{
    make_files("plain/a", 0, 4);
    make_file("linked/");
    CU_ASSERT_EQUAL(symlink("../plain/a", path_of("linked/x")), 0);
    CU_ASSERT_EQUAL(symlink("../plain/a", path_of("linked/y")), 0);
    thaw_dataset *dataset = open_good("linked//", NULL);
    CU_ASSERT_EQUAL(thaw_dataset_count(dataset), 8);
    CU_ASSERT_STRING_EQUAL(thaw_dataset_sample(dataset, 0)->name, "x/img000.jpg");
    CU_ASSERT_EQUAL(count_validation(dataset, 0), 1);
    thaw_dataset_close(&dataset);
}

static void test_split_counts(void)
{
    static const struct {
        int images;
        double share;
        size_t expected;
    } cases[] = {{1, 0.2, 0},   {2, 0.2, 1}, {3, 0.2, 1},  {7, 0.2, 1}, {8, 0.2, 2},
                 {60, 0.2, 12}, {2, 0.9, 1}, {10, 0.9, 9}, {5, 0.0, 0}, {2, 0.01, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[64], folder[96];
        snprintf(name, sizeof name, "count%zu", i);
        snprintf(folder, sizeof folder, "%s/a", name);
        make_files(folder, 0, cases[i].images);
        make_file("%s/b/only.jpg", name);
        thaw_dataset_options options = thaw_dataset_defaults();
        options.validation_share = cases[i].share;
        thaw_dataset *dataset = open_good(name, &options);
        CU_ASSERT_EQUAL(count_validation(dataset, 0), cases[i].expected);
        CU_ASSERT_EQUAL(count_validation(dataset, 1), 0);
        thaw_dataset_close(&dataset);
    }
}

/* Images of `a` that are in `b` on the other side. */
static size_t count_moved(const thaw_dataset *a, const thaw_dataset *b)
{
    size_t moved = 0;
    for (size_t i = 0; i < thaw_dataset_count(a); i++) {
        for (size_t j = 0; j < thaw_dataset_count(b); j++) {
            const thaw_sample *left = thaw_dataset_sample(a, i), *right = thaw_dataset_sample(b, j);
            moved += strcmp(left->name, right->name) == 0 && left->validation != right->validation;
        }
    }
    return moved;
}

static void test_split_stability(void)
{
    const char *const folders[] = {"stable/a", "stable/b", "elsewhere/deep/a", "elsewhere/deep/b"};
    for (int i = 0; i < 4; i++)
        make_files(folders[i], 0, 50);
    thaw_dataset_options other_seed = thaw_dataset_defaults();
    other_seed.split_seed = 2;
    thaw_dataset *first = open_good("stable", NULL), *moved = open_good("elsewhere/deep", NULL);
    thaw_dataset *again = open_good("stable", NULL), *reseeded = open_good("stable", &other_seed);
    make_files("stable/a", 50, 60);
    thaw_dataset *grown = open_good("stable", NULL);
    CU_ASSERT_EQUAL(count_moved(first, moved), 0);
    CU_ASSERT_EQUAL(count_moved(first, again), 0);
    CU_ASSERT_TRUE(count_moved(first, reseeded) >= 10);
    CU_ASSERT_EQUAL(count_validation(reseeded, 0), 10);
    CU_ASSERT_EQUAL(count_validation(grown, 0), 12);
    CU_ASSERT_TRUE(count_moved(first, grown) <= 8);
    thaw_dataset *const all[] = {first, moved, again, reseeded, grown};
    for (int i = 0; i < 5; i++)
        thaw_dataset_close(&(thaw_dataset *){all[i]});
}

/* train and val side by side, val elsewhere, and train alone. */
static void test_divided(void)
{
    make_files("parts/train/a", 0, 5);
    make_files("parts/train/b", 0, 4);
    thaw_dataset *dataset = open_good("parts", NULL);
    CU_ASSERT_EQUAL(thaw_dataset_count(dataset), 9);
    CU_ASSERT_EQUAL(count_validation(dataset, 0), 1);
    CU_ASSERT_STRING_EQUAL(thaw_dataset_sample(dataset, 0)->name, "train/a/img000.jpg");
    thaw_dataset_close(&dataset);

    make_files("parts/val/a", 7, 9);
    make_files("parts/val/b", 7, 10);
    make_files("parts/test/c", 0, 1);
    dataset = open_good("parts", NULL);
    CU_ASSERT_EQUAL(thaw_dataset_class_count(dataset), 2);
    CU_ASSERT_EQUAL_FATAL(thaw_dataset_count(dataset), 14);
    CU_ASSERT_EQUAL(count_validation(dataset, 0), 2);
    CU_ASSERT_EQUAL(count_validation(dataset, 1), 3);
    CU_ASSERT_STRING_EQUAL(thaw_dataset_sample(dataset, 13)->name, "val/b/img009.jpg");
    thaw_dataset_close(&dataset);

    char validation[1024];
    make_files("other/a", 0, 1);
    make_files("other/b", 0, 1);
    snprintf(validation, sizeof validation, "%s", path_of("other"));
    thaw_dataset_options options = thaw_dataset_defaults();
    options.validation_folder = validation;
    dataset = open_good("parts", &options);
    CU_ASSERT_EQUAL_FATAL(thaw_dataset_count(dataset), 11);
    CU_ASSERT_EQUAL(count_validation(dataset, 0), 1);
    CU_ASSERT_STRING_EQUAL(thaw_dataset_sample(dataset, 10)->name, "b/img000.jpg");
    thaw_dataset_close(&dataset);

    make_files("vehicles/train", 0, 2); /* a class that happens to have this name */
    make_files("vehicles/plane", 0, 2);
    dataset = open_good("vehicles", NULL);
    CU_ASSERT_STRING_EQUAL(thaw_dataset_class_name(dataset, 1), "train");
    thaw_dataset_close(&dataset);
}

static void check_refused(const char *name, const thaw_dataset_options *options, thaw_status status, const char *says,
                          const char *says_too)
{
    thaw_dataset *dataset = (thaw_dataset *)&context;
    CU_ASSERT_EQUAL(thaw_dataset_open(context, path_of(name), options, &dataset), status);
    CU_ASSERT_PTR_NULL(dataset);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(context), says));
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(context), says_too));
}

static void test_refused(void)
{
    make_file("flat/a.jpg");
    make_file("single/cat/a.jpg");
    make_file("hollow/cat/a.jpg");
    make_file("hollow/dog/deep/deeper/.hidden");
    make_file("uneven/train/cat/a.jpg");
    make_file("uneven/train/dog/a.jpg");
    make_file("uneven/val/cat/a.jpg");
    make_file("uneven/val/emu/a.jpg");
    make_file("bare/train/cat/a.jpg");
    make_file("bare/train/dog/a.jpg");
    make_file("bare/val/cat/a.jpg");
    make_file("bare/val/dog/");
    check_refused("missing", NULL, THAW_ERR_DATA, "missing", "No such file");
    check_refused("flat/a.jpg", NULL, THAW_ERR_DATA, "flat/a.jpg", "folder");
    check_refused("flat", NULL, THAW_ERR_DATA, "flat", "no class folders");
    check_refused("single", NULL, THAW_ERR_DATA, "single", "only one class");
    check_refused("hollow", NULL, THAW_ERR_DATA, "hollow", "\"dog\" has no images");
    check_refused("uneven", NULL, THAW_ERR_DATA, "train: \"dog\"", "val: \"emu\"");
    check_refused("bare", NULL, THAW_ERR_DATA, "val", "\"dog\" has no images");
    thaw_dataset_options options = thaw_dataset_defaults();
    options.validation_folder = "/nonexistent";
    check_refused("uneven", &options, THAW_ERR_DATA, "/nonexistent", "No such file");
    options = thaw_dataset_defaults();
    options.validation_share = 0.95;
    check_refused("uneven", &options, THAW_ERR_USAGE, "0.95", "0.9");
    options = thaw_dataset_defaults();
    options.single_class_allowed = true;
    thaw_dataset *dataset = open_good("single", &options);
    CU_ASSERT_EQUAL(thaw_dataset_class_count(dataset), 1);
    thaw_dataset_close(&dataset);
    check_refused("flat", &options, THAW_ERR_DATA, "flat", "no class folders");
}

static void test_too_deep(void)
{
    char name[512] = "deep/a";
    make_file("deep/b/b.jpg");
    for (int i = 0; i < 40; i++)
        strcat(name, "/d");
    make_file("%s/x.jpg", name);
    check_refused("deep", NULL, THAW_ERR_DATA, "deep", "nest deeper");
}

static void with_context(void (*run)(void))
{
    CU_ASSERT_EQUAL_FATAL(thaw_context_create(&context), THAW_OK);
    run();
    thaw_context_destroy(&context);
}

#define WITH_CONTEXT(name)                                                                                             \
    static void name##_run(void)                                                                                       \
    {                                                                                                                  \
        with_context(name);                                                                                            \
    }
WITH_CONTEXT(test_listing)
WITH_CONTEXT(test_spelling)
WITH_CONTEXT(test_split_counts)
WITH_CONTEXT(test_split_stability)
WITH_CONTEXT(test_divided)
WITH_CONTEXT(test_refused)
WITH_CONTEXT(test_too_deep)

void suite_dataset(void)
{
    static const test_entry tests[] = {
        {"listing", test_listing_run},
        {"spelling", test_spelling_run},
        {"counts of the split", test_split_counts_run},
        {"stability of the split", test_split_stability_run},
        {"train and val folders", test_divided_run},
        {"refused", test_refused_run},
        {"too deep", test_too_deep_run},
    };
    TEST_SUITE("dataset", tests);
}
