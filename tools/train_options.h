/* Options of the commands that train. */
#ifndef THAW_TOOLS_TRAIN_OPTIONS_H
#define THAW_TOOLS_TRAIN_OPTIONS_H

#include "shared_options.h"

/* Of both `finetune` and `lr-find`. */
typedef struct cli_train_options {
    thaw_finetune_options train;
    int class_weights;
    int batch_norm; /* -1: not given */
    size_t workers;
    size_t memory_megabytes; /* 0: not given */
    size_t cache_megabytes;  /* 0: not given */
} cli_train_options;

extern const cli_option cli_step_table[13];
extern const cli_option cli_freeze_table[8];
extern const cli_option cli_work_table[8];

/* "none" and so on. */
const char *cli_augment_text(thaw_augment_kind kind);
void cli_train_defaults(cli_train_options *options);
/* Puts what the tables filled into options->train, and refuses what contradicts itself. Callbacks come to `cli`. */
THAW_MUST_CHECK thaw_status cli_train_resolve(cli_state *cli, const cli_train_options *options,
                                              thaw_finetune_options *train);

#endif
