/* What `finetune --plan` tells. */
#ifndef THAW_TOOLS_FORECAST_H
#define THAW_TOOLS_FORECAST_H

#include "cli.h"

/* The table, or JSON. */
THAW_MUST_CHECK thaw_status cli_forecast_print(const cli_state *cli, const thaw_forecast *forecast);

#endif
