/* Thaw: transfer learning in C on OpenCL. This header is all of it.
 *
 *     thaw_context *context; thaw_device *device; thaw_model *model; thaw_dataset *dataset;
 *     thaw_context_create(&context);
 *     thaw_device_open(context, NULL, &device);
 *     thaw_model_load(context, "base.onnx", &model);
 *     thaw_dataset_open(context, "photos", NULL, &dataset);
 *     thaw_finetune(model, device, dataset, &options, &result);
 *     thaw_model_save(model, "mine.onnx");
 */
#ifndef THAW_THAW_H
#define THAW_THAW_H

#include <thaw/bench.h>
#include <thaw/cache.h>
#include <thaw/check.h>
#include <thaw/data.h>
#include <thaw/device.h>
#include <thaw/forecast.h>
#include <thaw/hub.h>
#include <thaw/model.h>
#include <thaw/profile.h>
#include <thaw/report.h>
#include <thaw/status.h>
#include <thaw/tensor.h>
#include <thaw/train.h>

/* "0.1.0" */
THAW_API const char *thaw_version(void);

#endif
