#include "pictures.h"
#include "image_files.h"
#include "op_harness.h"
#include "test.h"

#include "base/random.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SIZE = PICTURE_SIZE, CLASSES = PICTURE_CLASSES, PER_CLASS = PICTURES_PER_CLASS };

/* Class k: a bright disc at one of three places, noise elsewhere. All grey where nothing is to be seen. */
static void draw(thaw_random *random, int k, bool visible, uint8_t pixels[SIZE * SIZE * 3])
{
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++)
            for (int c = 0; c < 3; c++) {
                const int dx = x - 3 - 3 * k, dy = y - 9 + 3 * k;
                const int bright = dx * dx + dy * dy < 7 && c == k ? 150 : 0;
                pixels[(y * SIZE + x) * 3 + c] =
                    (uint8_t)(visible ? bright + (int)(thaw_random_uniform(random) * 60) : 99);
            }
}

void pictures_make(const char *root)
{
    static const size_t counts[CLASSES] = {PER_CLASS, PER_CLASS, PER_CLASS};
    pictures_make_counts(root, counts, true);
}

void pictures_make_counts(const char *root, const size_t counts[PICTURE_CLASSES], bool visible)
{
    thaw_random random = {3};
    uint8_t pixels[SIZE * SIZE * 3];
    char path[512];
    mkdir(root, 0777);
    for (int k = 0; k < CLASSES; k++) {
        snprintf(path, sizeof path, "%s/class_%d", root, k);
        mkdir(path, 0777);
        for (size_t i = 0; i < counts[k]; i++) {
            draw(&random, k, visible, pixels);
            const png_recipe recipe = {SIZE, SIZE, PNG_COLOR_TYPE_RGB, 8, false, pixels, SIZE * 3, NULL, 0, NULL, 0,
                                       NULL, 0};
            file_bytes png = make_png(&recipe);
            snprintf(path, sizeof path, "%s/class_%d/%02zu.png", strrchr(root, '/') + 1, k, i);
            write_test_file(path, png.data, png.size);
            free(png.data);
        }
    }
}

const char *pictures_folder(void)
{
    static char root[256];
    if (!root[0]) {
        snprintf(root, sizeof root, "%s/pictures", test_folder());
        pictures_make(root);
    }
    return root;
}

thaw_finetune_options pictures_options(void)
{
    thaw_finetune_options options = thaw_finetune_defaults();
    CU_ASSERT(thaw_preprocess_named("tf", SIZE, SIZE, &options.preprocess));
    options.preprocess.resize = 0;
    options.epochs = 6;
    options.train_batch_size = 7; /* the last step of an epoch is a short one */
    options.job.no_cache = true;  /* what earlier tests left must not matter */
    return options;
}

thaw_dataset *pictures_open(double share)
{
    thaw_dataset_options options = thaw_dataset_defaults();
    thaw_dataset *dataset;
    options.validation_share = share;
    CU_ASSERT_EQUAL_FATAL(thaw_dataset_open(test_context(), pictures_folder(), &options, &dataset), THAW_OK);
    return dataset;
}
