/* ONNX models made in memory, to be spoilt, written and read. */
#ifndef THAW_TESTS_ONNX_SUBJECT_H
#define THAW_TESTS_ONNX_SUBJECT_H

#include "format/onnx.h"

#define SUBJECT_MOST 32 /* nodes, initializers, ... */

/* Starts as {0}. Everything in the model may be changed until it is packed; the arena owns it. */
typedef struct onnx_subject {
    onnx_arena arena;
    onnx_model model;
    onnx_graph graph;
    onnx_operator_set opset;
    onnx_operator_set *opsets[1];
    onnx_node *nodes[SUBJECT_MOST];
    onnx_tensor *initializers[SUBJECT_MOST];
    onnx_value_info *inputs[SUBJECT_MOST], *outputs[SUBJECT_MOST], *infos[SUBJECT_MOST];
} onnx_subject;

/* An empty graph: ir_version 8, opset 13. */
void subject_open(onnx_subject *subject);
/* The same with a small classifier in it:
 *     x [N,3,4,4] -> Conv(w, b) c -> Relu r -> GlobalAveragePool g -> Flatten f -> Gemm(fw, fb) logits -> Softmax prob
 * [N,5] with value_info for c, r and logits. Weights are counted up in steps of 1/8. */
void subject_classifier(onnx_subject *subject);
void subject_close(onnx_subject *subject);

/* A text, or a list "a,b,c" of them, that lives as long as the subject. */
char *subject_text(onnx_subject *subject, const char *text);
onnx_node *subject_node(onnx_subject *subject, const char *type, const char *name, const char *inputs,
                        const char *outputs);
void subject_attribute(onnx_subject *subject, onnx_node *node, const char *name, int64_t i);
onnx_tensor *subject_initializer(onnx_subject *subject, const char *name, thaw_dtype dtype, thaw_shape shape);
void subject_input(onnx_subject *subject, const char *name, thaw_shape shape);
void subject_output(onnx_subject *subject, const char *name, thaw_shape shape);
/* A field that Thaw does not name, as other programs write them. */
void subject_note(onnx_subject *subject, ProtobufCMessage *message, uint32_t field, const char *text);

/* The file's bytes, freed with free(). */
uint8_t *subject_pack(const onnx_subject *subject, size_t *size);
/* Writes them to a file in the test folder and loads that. Fails the test if there is no message of one line where the
 * status is not THAW_OK. */
thaw_status subject_load(const onnx_subject *subject, thaw_model **model);
thaw_status subject_load_bytes(const uint8_t *bytes, size_t size, thaw_model **model);

#endif
