/* Folders of images, and how an image becomes a model's input. */
#ifndef THAW_DATA_H
#define THAW_DATA_H

#include <stdint.h>
#include <thaw/status.h>

typedef enum thaw_interpolation { THAW_NEAREST, THAW_BILINEAR, THAW_BICUBIC } thaw_interpolation;

/* From an RGB image of any size to float32 [3, height, width]:
 * shorter side resized to `resize` (antialiased, as Pillow does), centre crop of width x height, channels put into
 * order, then (pixel * scale - mean[c]) / std[c] with pixel in 0..255 and c counted in the model's channel order.
 * resize 0: the whole image is squeezed to width x height, no crop. */
typedef struct thaw_preprocess {
    int32_t width, height; /* pixels, 1 to 16384 */
    int32_t resize;        /* pixels */
    thaw_interpolation interpolation;
    bool bgr;
    float scale;
    float mean[3], std[3];
} thaw_preprocess;

/* The named conventions: "imagenet" (torchvision: x/255, ImageNet mean and std), "tf" (x/127.5 - 1), "caffe" (BGR,
 * 0..255, mean 103.939 116.779 123.68), "raw" (0..255). All: 224 x 224 from 256 bilinear, for a size of 224; for
 * another size resize = round(size / 0.875). False if there is no such name. */
THAW_API bool thaw_preprocess_named(const char *name, int32_t width, int32_t height, thaw_preprocess *preprocess);
/* THAW_ERR_USAGE, with the field and the value, if a field is out of range. */
THAW_API THAW_MUST_CHECK thaw_status thaw_preprocess_check(thaw_context *context, const thaw_preprocess *preprocess);

/* What happens to training images, differently in every epoch; X(name, text). Basic: a crop of 60 to 100 % of what
 * there is, flipped left to right half of the time. Strong: a crop of 25 to 100 %, flipped, turned by up to 15 degrees,
 * brightness, contrast and saturation changed by up to 40 %, and of a quarter of the images a part erased. */
#define THAW_AUGMENT_LIST(X) X(NONE, "none") X(BASIC, "basic") X(STRONG, "strong")
typedef enum thaw_augment_kind {
#define THAW_AUGMENT_ENUM(name, text) THAW_AUGMENT_##name,
    THAW_AUGMENT_LIST(THAW_AUGMENT_ENUM)
#undef THAW_AUGMENT_ENUM
} thaw_augment_kind;

/* A folder per class: DIR/<class>/<image>, or DIR/train/<class>/.. with DIR/val/<class>/... Classes and images are
 * sorted by name (bytes), hidden entries skipped, sub-folders of a class searched. */
typedef struct thaw_dataset thaw_dataset;

typedef struct thaw_dataset_options {
    const char *validation_folder; /* another folder with the same classes; NULL: DIR/val, or a split */
    double validation_share;       /* of each class, 0 to 0.9, where there is no folder for it; default 0.2 */
    uint64_t split_seed;           /* default 1 */
    bool single_class_allowed;     /* evaluation and features don't need two classes */
} thaw_dataset_options;

typedef struct thaw_sample {
    const char *path; /* as to be opened */
    const char *name; /* inside the folder, with '/' between parts */
    int32_t class_index;
    bool validation;
} thaw_sample;

THAW_API thaw_dataset_options thaw_dataset_defaults(void);

/* Lists the folder; reads no image. The split takes round(share * images) of each class, at least one where the class
 * has two, by the smallest hash of (name, split_seed): it does not change when the folder moves. THAW_ERR_DATA: no such
 * folder, fewer than two classes, an empty class, classes that differ between train and val, each named. */
THAW_API THAW_MUST_CHECK thaw_status thaw_dataset_open(thaw_context *context, const char *folder,
                                                       const thaw_dataset_options *options, thaw_dataset **dataset);
THAW_API void thaw_dataset_close(thaw_dataset **dataset);
THAW_API size_t thaw_dataset_class_count(const thaw_dataset *dataset);
THAW_API const char *thaw_dataset_class_name(const thaw_dataset *dataset, size_t index);
THAW_API size_t thaw_dataset_count(const thaw_dataset *dataset);
THAW_API const thaw_sample *thaw_dataset_sample(const thaw_dataset *dataset, size_t index);

#endif
