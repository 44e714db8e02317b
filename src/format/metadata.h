/* Class names and preprocessing in a model's metadata, as JSON. */
#ifndef THAW_FORMAT_METADATA_H
#define THAW_FORMAT_METADATA_H

#include "model/model.h"

/* What a model from bare weights was recognised as, and whose names its tensors have. */
#define THAW_ARCHITECTURE_KEY "thaw.architecture"
#define THAW_SCHEME_KEY       "thaw.tensor_names"
/* The note in safetensors that says who made the tensors. */
#define THAW_WEIGHTS_FORMAT_NOTE "format"

/* Fills the model's classes and preprocessing from its metadata, where they are. THAW_ERR_MODEL if they can't be right.
 */
THAW_MUST_CHECK thaw_status thaw_metadata_parse(thaw_model *model);
/* Frees metadata and classes. */
void thaw_metadata_free(thaw_model *model);

#endif
