/* What is trained, stage by stage. */
#ifndef THAW_TOOLS_STAGES_H
#define THAW_TOOLS_STAGES_H

#include <jansson.h>

#include "cli.h"

/* Writes the table on stderr: for thaw_finetune_options.on_plan, with the cli_state as user. With -v it has every layer
 * that has parameters, otherwise a line for each stage. */
void cli_stages_tell(void *cli, const thaw_plan *plan);
/* [{stage, first, last, parameters, trained}], the head first. */
json_t *cli_stages_json(const thaw_layer_list *layers);

#endif
