/* Recipes of fine-tuning on the command line: which one is meant, and what came of it. */
#ifndef THAW_TOOLS_RECIPE_H
#define THAW_TOOLS_RECIPE_H

#include "cli.h"
#include "json_output.h"

typedef struct cli_recipe_options {
    int recipe; /* -1: not given */
    const char *time_budget;
    bool plan;
} cli_recipe_options;

extern const cli_option cli_recipe_table[3];

void cli_recipe_defaults(cli_recipe_options *options);
/* Sets train->recipe and its time budget: what --recipe says; else finetune where an option was given that only that
 * recipe takes; else probe-then-finetune. Refuses options that the recipe would not look at. */
THAW_MUST_CHECK thaw_status cli_recipe_resolve(cli_state *cli, const cli_recipe_options *options,
                                               thaw_finetune_options *train);

/* Lines about the probe and what was kept, where the recipe has them. */
void cli_recipe_print(const thaw_finetune_result *result);
const char *cli_recipe_text(thaw_recipe recipe);
/* null for recipes without one. */
json_t *cli_probe_json(const thaw_finetune_result *result);
json_t *cli_refinement_json(const thaw_finetune_result *result);

#endif
