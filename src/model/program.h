/* A part of a model made ready to run on a device with one batch size: cloned, bound, folded, fused, planned. */
#ifndef THAW_MODEL_PROGRAM_H
#define THAW_MODEL_PROGRAM_H

#include "model/segments.h"

typedef struct thaw_program_options {
    int64_t batch;                 /* 0: as the file (1 where that is open) */
    int32_t height, width;         /* of an image input; 0: as the file (224 where that is open) */
    const thaw_shape *shapes;      /* [input count] overrides both; NULL */
    thaw_tensor *const *constants; /* [input count], NULL entries are run-time inputs; NULL: all are */
    const char *const *inputs;     /* names of values where the part begins; NULL: the graph's inputs */
    size_t input_count;
    const char *const *outputs; /* names of values wanted; NULL: the graph's outputs */
    size_t output_count;
    thaw_precision frozen_precision; /* of constants, where operators can; not with differentiable */
    bool fuse;                       /* for frozen parts: fold and fuse, share activation memory */
    bool differentiable;             /* allocates gradients; excludes fuse */
    bool recompute;                  /* with differentiable: activations are computed again where that saves memory */
    bool keep;                       /* no memory is used twice: values and gradients in between can be looked at */
} thaw_program_options;

typedef struct thaw_program {
    thaw_graph *graph;     /* derived; inputs and outputs in the order asked for */
    thaw_buffer **buffers; /* owned storage, shared by values */
    size_t buffer_count, buffer_capacity;
    size_t activation_bytes, weight_bytes, scratch_bytes;
    thaw_schedule schedule;
    bool ran; /* forward, at least once: its kernels are compiled */
} thaw_program;

/* device NULL: shapes only (inspection); such a program can't run. The source graph must outlive it, and so must what
 * `constants` holds. THAW_ERR_SHAPE, THAW_ERR_UNSUPPORTED (every node at fault named), THAW_ERR_DEVICE_MEMORY ... */
THAW_MUST_CHECK thaw_status thaw_program_create(const thaw_graph *source, thaw_device *device,
                                                const thaw_program_options *options, thaw_program **program);
void thaw_program_destroy(thaw_program **program);

/* Inputs: graph->inputs[i]->buffer, filled by the caller before. Queues only; outputs are in graph->outputs[i]->buffer,
 * or in graph->outputs[i]->constant where everything was folded. */
THAW_MUST_CHECK thaw_status thaw_program_forward(thaw_program *program);
/* Replaces all gradients but the outputs' (which the caller has filled), running back to front: those of trainable
 * values stay until the next backward, others share their memory. Once after each forward, whose activations it reads.
 */
THAW_MUST_CHECK thaw_status thaw_program_backward(thaw_program *program);

/* One node's part of that. */
THAW_MUST_CHECK thaw_status thaw_node_backward(thaw_node *node);
bool thaw_node_runs_backward(const thaw_node *node);

/* Reads an output as a new tensor (float32, or int64/constant as computed). Waits for the device. */
THAW_MUST_CHECK thaw_status thaw_program_read(thaw_program *program, size_t output, thaw_tensor **tensor);
/* Fills an input from a tensor of its shape (any floating type). */
THAW_MUST_CHECK thaw_status thaw_program_write(thaw_program *program, size_t input, thaw_tensor *tensor);

#endif
