/* What is wrong with a folder of images, as far as that can be seen: before training on it. */
#ifndef THAW_CHECK_H
#define THAW_CHECK_H

#include <thaw/train.h>

/* X(name, text). How each is told is in docs/checking-data.md. */
#define THAW_FINDING_LIST(X)                                                                                           \
    X(UNREADABLE, "unreadable")                                                                                        \
    X(TINY, "tiny") X(MONOCHROME, "monochrome") X(GREY, "grey") X(TURNED, "turned") X(DOUBTED, "label doubted")
typedef enum thaw_finding_kind {
#define THAW_FINDING_ENUM(name, text) THAW_FINDING_##name,
    THAW_FINDING_LIST(THAW_FINDING_ENUM)
#undef THAW_FINDING_ENUM
        THAW_FINDING_COUNT
} thaw_finding_kind;
THAW_API const char *thaw_finding_text(thaw_finding_kind kind);

/* Something about one image. */
typedef struct thaw_finding {
    thaw_finding_kind kind;
    size_t image;          /* the sample's place in the data set */
    char *reason;          /* unreadable: why, as long as the report; else NULL */
    int32_t width, height; /* upright, in pixels; 0 where unreadable */
    int32_t degrees;       /* turned: by that, against the clock, it would look as its class does */
    int32_t suggested;     /* doubted: the class of most neighbours */
    double share;          /* doubted: of its neighbours that are of another class, by weight */
    double margin;         /* doubted: share of the suggested class less that of its own; turned: how much more it is
                            * like its class then, as a cosine */
} thaw_finding;

/* One of several images that are the same picture. */
typedef struct thaw_duplicate {
    size_t image;
    size_t of;         /* the image that it was compared with; itself: the first of the group */
    bool same_file;    /* the bytes are equal */
    bool same_pixels;  /* the pixels are: other notes, or another file format */
    double similarity; /* -1 to 1 */
    bool mirrored;     /* of the other, then turned by so much: */
    int32_t degrees;   /* 0, 90, 180, 270, against the clock */
} thaw_duplicate;

typedef struct thaw_duplicate_group {
    thaw_duplicate *images; /* [count], in the data set's order */
    size_t count;
    bool leaks;     /* some for training, some for validation */
    bool conflicts; /* they are of several classes */
} thaw_duplicate_group;

typedef struct thaw_check_options {
    thaw_job job;        /* on_bad_image is not called: these are findings */
    int32_t least_side;  /* pixels; images with a shorter side are tiny; default 32 */
    double similarity;   /* from which on two images are one picture, 0.9 to 1; default 0.98 */
    thaw_model *model;   /* whose features tell doubted labels and turned images; NULL: these are not looked for */
    thaw_device *device; /* with it */
    thaw_preprocess preprocess; /* with it */
    size_t neighbours;          /* that are asked about a label, 1 to 1000; default 10 */
    bool skip_turned;           /* looking for turned images takes three times as long as all else with the model */
} thaw_check_options;
THAW_API thaw_check_options thaw_check_defaults(void);

typedef struct thaw_check_report {
    size_t count, readable_count;
    thaw_finding *findings; /* [finding_count], by kind; doubted and turned ones most doubtful first, others by place */
    size_t finding_count;
    size_t kind_count[THAW_FINDING_COUNT];
    thaw_duplicate_group *groups; /* [group_count], those that leak or conflict first, then by place */
    size_t group_count, leak_count, conflict_count;
    size_t surplus_count;  /* images that could go, for one of each group to stay */
    size_t enlarged_count; /* images with a side shorter than what the model sees; 0 without one */
    bool labels_checked;   /* there was a model, and enough images */
    bool turned_checked;   /* and its input is square */
    double seconds;
} thaw_check_report;

/* Reads every image of the data set once (with a model, up to two times more) and reports what is wrong: files that
 * can't be read, tiny and monochrome ones, grey ones among coloured ones, pictures that are there more than once,
 * mirrored or turned copies included; with a model, images whose neighbours by its features are of another class, and
 * those that look more like their class when turned. *report is freed with thaw_check_report_free(), also after a
 * failure.
 *
 * Costs about 1.5 KiB of memory an image (with a model, also its features), and time for each pair of images: an eighth
 * of a microsecond, or a quarter of a millisecond for the one in a hundred that look alike. Findings are always the
 * same for the same data.
 *
 * THAW_ERR_USAGE: an option out of range. THAW_ERR_INTERRUPTED; with a model, also what thaw_features() gives. */
THAW_API THAW_MUST_CHECK thaw_status thaw_check(thaw_context *context, const thaw_dataset *dataset,
                                                const thaw_check_options *options, thaw_check_report *report);
THAW_API void thaw_check_report_free(thaw_check_report *report);

#endif
