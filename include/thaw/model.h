/* Pre-trained models: read, look into, run as they stand, write. */
#ifndef THAW_MODEL_H
#define THAW_MODEL_H

#include <stdint.h>
#include <thaw/data.h>
#include <thaw/device.h>
#include <thaw/tensor.h>

typedef struct thaw_model thaw_model;

/* Reads a model file, known by its content (today: ONNX, opset 6 and later). Operators that Thaw lacks are all named in
 * one THAW_ERR_UNSUPPORTED. THAW_ERR_IO if it can't be read, THAW_ERR_MODEL if it is damaged, THAW_ERR_SIZE,
 * THAW_ERR_MEMORY. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_load(thaw_context *context, const char *path, thaw_model **model);
/* Writes ONNX: the graph as it was read, with the tensors, head and metadata that have changed. Written beside
 * `path`, synced and renamed: an existing file is replaced whole or not at all. THAW_ERR_IO. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_save(thaw_model *model, const char *path);
THAW_API void thaw_model_close(thaw_model **model);

/* Class names that travel in the model; count 0 if it has none. Pointers live as long as the model. */
THAW_API size_t thaw_model_class_count(const thaw_model *model);
THAW_API const char *thaw_model_class_name(const thaw_model *model, size_t index);
THAW_API THAW_MUST_CHECK thaw_status thaw_model_set_classes(thaw_model *model, const char *const *names, size_t count);

/* Preprocessing that travels in the model. False if it has none. */
THAW_API bool thaw_model_preprocess(const thaw_model *model, thaw_preprocess *preprocess);
THAW_API THAW_MUST_CHECK thaw_status thaw_model_set_preprocess(thaw_model *model, const thaw_preprocess *preprocess);
/* Height and width of the image input [N, 3, height, width]; 0 where the file leaves them open. THAW_ERR_UNSUPPORTED if
 * the model has no such input. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_image_size(const thaw_model *model, int32_t *height, int32_t *width);

/* Replaces the classifier at the end of the graph (the last Gemm, MatMul or 1x1 Conv, and what follows it) by a linear
 * layer of `classes` outputs on the globally averaged features, initialised from `seed`; a Softmax at the end is put
 * back behind it. head_at names the value (or the node) whose output is to feed the new layer; NULL finds it.
 * THAW_ERR_MODEL if there is no such place, with near names. Everything but the new layer is frozen afterwards. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_replace_head(thaw_model *model, size_t classes, const char *head_at,
                                                             uint64_t seed);

/* One row of `thaw inspect`. Pointers live as long as the list. */
typedef struct thaw_layer {
    const char *name, *op;
    thaw_shape output;  /* for one image */
    int64_t parameters; /* elements in its own weights */
    int64_t flops;      /* for one image; a multiply and an add count as two; 0 where nothing is computed */
    bool trainable;     /* has a parameter that is trained */
    bool frozen;        /* depends on nothing that is trained */
    bool cut;           /* frozen, and its output is what the trainable part reads */
} thaw_layer;

typedef struct thaw_layer_list {
    thaw_layer *layers;
    size_t count;
    int64_t parameters, trainable_parameters, flops;
} thaw_layer_list;

/* The layer table, in running order, for images of the given size (0: the model's own, or 224). Freed with
 * thaw_layer_list_free(). THAW_ERR_SHAPE if the graph does not fit that size. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_layers(const thaw_model *model, int32_t height, int32_t width,
                                                       thaw_layer_list **list);
THAW_API void thaw_layer_list_free(thaw_layer_list **list);

/* Inputs without a value in the file, and outputs. Names live as long as the model. */
THAW_API size_t thaw_model_input_count(const thaw_model *model);
THAW_API const char *thaw_model_input_name(const thaw_model *model, size_t index);
THAW_API size_t thaw_model_output_count(const thaw_model *model);
THAW_API const char *thaw_model_output_name(const thaw_model *model, size_t index);

/* Runs the model as it stands on raw tensors: one per input, in order, of the shapes it is to run with. Floating
 * inputs are computed in float32; others are taken as constants. outputs[] receives one new tensor per model output,
 * each released by the caller. THAW_ERR_USAGE for a wrong count, THAW_ERR_SHAPE, THAW_ERR_UNSUPPORTED,
 * THAW_ERR_DEVICE... */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_run(thaw_model *model, thaw_device *device, thaw_tensor *const *inputs,
                                                    size_t input_count, thaw_tensor **outputs, size_t output_count);

#endif
