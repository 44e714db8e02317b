/* Options that several commands take: where the images are, how they become inputs, how they are worked on. */
#ifndef THAW_TOOLS_SHARED_OPTIONS_H
#define THAW_TOOLS_SHARED_OPTIONS_H

#include "cli.h"

typedef struct cli_data_options {
    const char *folder;
    const char *validation_folder;
    double validation_share;
    uint64_t split_seed;
} cli_data_options;

/* Unset: -1, 0 or NaN, as cli_preprocess_defaults() puts it. */
typedef struct cli_preprocess_options {
    int name; /* of cli_preprocess_names */
    int32_t size[2];
    int32_t resize;
    double crop_share;
    int interpolation; /* a thaw_interpolation */
    double mean[3], std[3];
    int channel_order;
    double scale;
} cli_preprocess_options;

typedef struct cli_job_options {
    size_t batch_size, workers;
    thaw_precision frozen_precision;
} cli_job_options;

extern const cli_option cli_preprocess_table[9];
extern const cli_option cli_split_table[3];
extern const cli_option cli_job_table[3];
extern const char *const cli_interpolations[];
/* In the order of thaw_precision. */
extern const char *const cli_precisions[];
#define CLI_PRECISION_HELP "how weights that are not trained are stored on the device; fp16 takes half of the memory"

void cli_preprocess_defaults(cli_preprocess_options *options);
void cli_data_defaults(cli_data_options *options);
void cli_job_defaults(cli_job_options *options);

/* Opens the folder; one class is enough if `single` says so. */
THAW_MUST_CHECK thaw_status cli_open_dataset(cli_state *cli, const cli_data_options *options, bool single,
                                             thaw_dataset **dataset);

/* Refuses options that contradict each other. */
THAW_MUST_CHECK thaw_status cli_preprocess_check(cli_state *cli, const cli_preprocess_options *options);
/* How images become the input of `model`: explicit options over --preprocess over what the model carries over imagenet;
 * the size is --size, which the model is changed to, else the model's own, else what it carries, else 224. */
THAW_MUST_CHECK thaw_status cli_preprocess_resolve(cli_state *cli, const cli_preprocess_options *options,
                                                   thaw_model *model, thaw_preprocess *preprocess);
/* One line that describes it. */
void cli_preprocess_text(const thaw_preprocess *preprocess, char *text, size_t size);

#endif
