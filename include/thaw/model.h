/* Pre-trained models: read, look into, run as they stand, write. */
#ifndef THAW_MODEL_H
#define THAW_MODEL_H

#include <stdint.h>
#include <thaw/data.h>
#include <thaw/device.h>
#include <thaw/tensor.h>

typedef struct thaw_model thaw_model;

/* Reads a model file, known by its content: ONNX, opset 6 and later, or safetensors, one file or several with an index,
 * whose tensors are those of an architecture that is built in (docs/safetensors.md). A folder stands for the
 * model.safetensors, model.safetensors.index.json or model.onnx in it. Beside safetensors a config.json as timm writes
 * it is looked for: architecture, preprocessing, class names. Operators that Thaw lacks are all named in one
 * THAW_ERR_UNSUPPORTED. THAW_ERR_IO if it can't be read, THAW_ERR_MODEL if it is damaged, or if tensors are missing,
 * unexpected or of another shape, all named; THAW_ERR_SIZE, THAW_ERR_MEMORY. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_load(thaw_context *context, const char *path, thaw_model **model);
/* The same for tensors of the architecture of that name, whatever config.json says; NULL: not said. THAW_ERR_USAGE also
 * for a name that does not exist, with all that do, and for ONNX files. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_load_as(thaw_context *context, const char *path,
                                                        const char *architecture, thaw_model **model);
/* Writes ONNX: the graph as it was read, with the tensors, head and metadata that have changed. Written beside
 * `path`, synced and renamed: an existing file is replaced whole or not at all. THAW_ERR_IO. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_save(thaw_model *model, const char *path);
/* Writes the weights alone as safetensors: floating tensors that are no single numbers, called what they are called in
 * the graph; class names and preprocessing go into its notes. A new head of a model that came from safetensors gets the
 * name of the one before. The same model gives the same bytes. THAW_ERR_IO, THAW_ERR_MODEL if there are no weights. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_save_weights(thaw_model *model, const char *path);
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
/* Makes the model one for images of that size, whatever the file says, in what is saved too. THAW_ERR_SHAPE and the
 * node that does not take it, where its weights or constants only fit another size; the model is then as it was. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_set_image_size(thaw_model *model, int32_t height, int32_t width);

/* Replaces the classifier at the end of the graph (the last Gemm, MatMul or 1x1 Conv, and what follows it) by a linear
 * layer of `classes` outputs on the globally averaged features, initialised from `seed`; a Softmax at the end is put
 * back behind it. head_at names the value (or the node) whose output is to feed the new layer; NULL finds it.
 * THAW_ERR_MODEL if there is no such place, with near names. Everything but the new layer is frozen afterwards. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_replace_head(thaw_model *model, size_t classes, const char *head_at,
                                                             uint64_t seed);

/* What is trained. Until, unfreeze and trainable exclude each other; without any of them it is the head. */
typedef struct thaw_freeze_options {
    const char *until;      /* a node or value: all up to it in the order of thaw_model_layers(), itself included, is
                             * frozen, all behind it trained; "none" trains everything */
    int32_t unfreeze;       /* the head and this many stages below it are trained */
    const char *trainable;  /* "GLOB,GLOB": the head, and layers or weights whose names match (fnmatch) */
    bool update_batch_norm; /* batch norms that are trained use the batch's statistics and move their running ones;
                             * otherwise they stay as they are, scale and shift included, whatever is asked for */
} thaw_freeze_options;
THAW_API thaw_freeze_options thaw_freeze_defaults(void);

/* Sets what is trained, stages being counted for images of the given size (0: the model's own, or 224). Parameters are
 * weights and biases of Conv, Gemm and MatMul, scales and shifts of BatchNormalization, LayerNormalization,
 * GroupNormalization and InstanceNormalization, and what Add and Mul read where it has more than one element. Only
 * weights decay. A parameter that several layers share is trained if all of them are. THAW_ERR_USAGE: a
 * name that does not exist, with near ones; more stages than there are; nothing left to be trained; options that
 * exclude each other. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_freeze(thaw_model *model, const thaw_freeze_options *options,
                                                       int32_t height, int32_t width);

/* Gives every parameter a new random value from `seed`, so that training starts from nothing: weights of convolutions
 * as torchvision's ResNet has it (He et al. 2015: normal, variance 2 / (K * R * S) for [K, C, R, S]), of Gemm and
 * MatMul as PyTorch's Linear (uniform in +-1/sqrt(inputs)), biases and means 0, scales and variances 1. */
THAW_API THAW_MUST_CHECK thaw_status thaw_model_reinitialise(thaw_model *model, uint64_t seed);

/* One row of `thaw inspect`. Pointers live as long as the list. */
typedef struct thaw_layer {
    const char *name, *op;
    int32_t stage;      /* 0: the head; below it, counted from the output, groups of layers of one resolution, or
                         * encoder blocks */
    thaw_shape output;  /* for one image */
    int64_t parameters; /* elements in its own weights */
    int64_t flops;      /* for one image; a multiply and an add count as two; 0 where nothing is computed */
    int64_t trained;    /* of these, elements that training changes by their gradient */
    bool trainable;     /* has a parameter that is trained */
    int64_t updated;    /* of these, elements of running statistics that training moves */
    bool frozen;        /* depends on nothing that is trained */
    bool cut;           /* frozen, and its output is what the trainable part reads */
} thaw_layer;

typedef struct thaw_layer_list {
    thaw_layer *layers;
    size_t count;
    int64_t parameters, trainable_parameters, updated_parameters, flops; /* updated: running statistics that move */
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
