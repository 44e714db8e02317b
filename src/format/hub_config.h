/* config.json beside a model file, as timm writes it for its hub: the architecture, how pixels become inputs, and what
 * the classes are called. */
#ifndef THAW_FORMAT_HUB_CONFIG_H
#define THAW_FORMAT_HUB_CONFIG_H

#include "model/model.h"

typedef struct thaw_hub_config thaw_hub_config;

/* Reads the config.json in the folder of `path`; *config is NULL where there is none. THAW_ERR_MODEL, with its path,
 * where it is no JSON or says what can't be. */
THAW_MUST_CHECK thaw_status thaw_hub_config_read(thaw_context *context, const char *path, thaw_hub_config **config);
void thaw_hub_config_free(thaw_hub_config **config);
/* *name is NULL where it names none, or there is no config. THAW_ERR_UNSUPPORTED for one that is not built in, or for
 * settings that would change what it computes. */
THAW_MUST_CHECK thaw_status thaw_hub_config_architecture(const thaw_hub_config *config, const char **name);
/* Gives the model preprocessing and class names that it has none of. NULL is fine. */
THAW_MUST_CHECK thaw_status thaw_hub_config_apply(const thaw_hub_config *config, thaw_model *model);

#endif
