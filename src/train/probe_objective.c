#include "train/probe_objective.h"
#include "base/context.h"
#include "base/memory.h"
#include "device/blas.h"

#include <stdlib.h>
#include <string.h>

/* Rows begin at multiples of so many numbers. */
#define ROW_MULTIPLE 16

/* Numbers of a point on the device. */
enum { LOSS, SLOPE, CURVATURE, RIGHT, POINT };

/* Rows uploaded at once. */
enum { PORTION = 256 };

size_t thaw_probe_length(const thaw_probe_objective *o)
{
    return o->classes * o->width;
}

static thaw_status create(thaw_probe_objective *o, size_t rows, size_t columns, thaw_buffer **buffer)
{
    int64_t count, bytes;
    if (!thaw_multiply((int64_t)rows, (int64_t)columns, &count) || !thaw_multiply(count, sizeof(float), &bytes))
        return thaw_fail(thaw_device_context(o->device), THAW_ERR_SIZE, "the probe's matrix of %zu x %zu is too large",
                         rows, columns);
    return thaw_buffer_create(o->device, (size_t)bytes, buffer);
}

static thaw_status create_buffers(thaw_probe_objective *o)
{
    const size_t logits = o->most_slots * o->classes;
    THAW_TRY(create(o, o->count, o->width, &o->rows));
    THAW_TRY(create(o, o->count, 1, &o->device_labels));
    THAW_TRY(create(o, o->count, o->most_slots, &o->device_weights));
    THAW_TRY(create(o, o->most_slots, 1, &o->rates));
    THAW_TRY(create(o, o->count, o->most_slots * POINT, &o->device_points));
    THAW_TRY(create(o, o->count, logits, &o->logits));
    THAW_TRY(create(o, o->count, logits, &o->steps));
    THAW_TRY(create(o, o->count, logits, &o->residuals));
    THAW_TRY(create(o, logits, o->width, &o->parameters));
    return create(o, logits, o->width, &o->gradient);
}

static thaw_status upload(thaw_probe_objective *o, const thaw_probe_rows *rows)
{
    const size_t row_bytes = o->width * sizeof(float);
    float *portion; /* zeros stay behind the bias */
    THAW_TRY(thaw_allocate(thaw_device_context(o->device), PORTION, row_bytes, &portion));
    memcpy(o->labels, rows->labels, rows->count * sizeof *rows->labels);
    thaw_status status = thaw_buffer_write(o->device_labels, 0, rows->labels, rows->count * sizeof *rows->labels);
    for (size_t from = 0; from < rows->count && status == THAW_OK; from += PORTION) {
        const size_t count = rows->count - from < PORTION ? rows->count - from : PORTION;
        for (size_t i = 0; i < count; i++) {
            const float *features = rows->features + rows->order[from + i] * o->features;
            for (size_t f = 0; f < o->features; f++)
                portion[i * o->width + f] = features[f];
            portion[i * o->width + o->features] = 1.0f;
        }
        status = thaw_buffer_write(o->rows, from * row_bytes, portion, count * row_bytes);
    }
    free(portion);
    return status;
}

thaw_status thaw_probe_objective_open(thaw_device *device, const thaw_probe_rows *rows, size_t most_slots,
                                      double label_smoothing, thaw_probe_objective *o)
{
    thaw_context *context = thaw_device_context(device);
    *o = (thaw_probe_objective){.device = device,
                                .count = rows->count,
                                .classes = rows->classes,
                                .features = rows->features_count,
                                .width = (rows->features_count + ROW_MULTIPLE) / ROW_MULTIPLE * ROW_MULTIPLE,
                                .most_slots = most_slots,
                                .label_smoothing = label_smoothing};
    thaw_status status = create_buffers(o);
    if (status == THAW_OK)
        status = thaw_allocate(context, o->count, sizeof *o->labels, &o->labels);
    if (status == THAW_OK)
        status = thaw_allocate(context, o->count, most_slots * sizeof *o->weights, &o->weights);
    if (status == THAW_OK)
        status = thaw_allocate(context, o->count, most_slots * POINT * sizeof *o->points, &o->points);
    if (status == THAW_OK)
        status = thaw_allocate(context, most_slots, sizeof *o->rate_numbers, &o->rate_numbers);
    if (status == THAW_OK)
        status = thaw_kernel_get(device, "probe", "probe_look", "", &o->look);
    if (status == THAW_OK)
        status = thaw_kernel_get(device, "probe", "probe_advance", "", &o->advance);
    if (status == THAW_OK)
        status = upload(o, rows);
    if (status != THAW_OK)
        thaw_probe_objective_close(o);
    return status;
}

void thaw_probe_objective_close(thaw_probe_objective *o)
{
    thaw_buffer **buffers[] = {&o->rows,   &o->device_labels, &o->device_weights, &o->rates,      &o->device_points,
                               &o->logits, &o->steps,         &o->residuals,      &o->parameters, &o->gradient};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        thaw_buffer_destroy(buffers[i]);
    free(o->labels);
    free(o->weights);
    free(o->points);
    free(o->rate_numbers);
    *o = (thaw_probe_objective){0};
}

void thaw_probe_objective_begin(thaw_probe_objective *o, size_t slots, size_t used)
{
    o->slots = slots;
    o->used = used;
}

void thaw_probe_objective_weigh(thaw_probe_objective *o, size_t slot, const float *weights)
{
    double sum = 0.0;
    for (size_t i = 0; i < o->used; i++)
        sum += weights[i];
    for (size_t i = 0; i < o->used; i++)
        o->weights[slot * o->used + i] = (float)(weights[i] / sum);
}

double thaw_probe_objective_share(const thaw_probe_objective *o, size_t slot, size_t class_index)
{
    double share = 0.0;
    for (size_t i = 0; i < o->used; i++)
        if ((size_t)o->labels[i] == class_index)
            share += o->weights[slot * o->used + i];
    return share;
}

/* logits = rows parameters' */
static thaw_status multiply(thaw_probe_objective *o, const float *parameters, thaw_buffer *logits)
{
    const size_t columns = o->slots * o->classes;
    THAW_TRY(thaw_buffer_write(o->parameters, 0, parameters, columns * o->width * sizeof *parameters));
    const thaw_gemm product = {.transpose_b = true,
                               .m = (int64_t)o->used,
                               .n = (int64_t)columns,
                               .k = (int64_t)o->width,
                               .alpha = 1.0f,
                               .a = o->rows,
                               .b = o->parameters,
                               .c = logits,
                               .a_stride = (int64_t)o->width,
                               .b_stride = (int64_t)o->width,
                               .c_stride = (int64_t)columns};
    return thaw_gemm_run(o->device, &product);
}

thaw_status thaw_probe_objective_start(thaw_probe_objective *o, const float *parameters)
{
    THAW_TRY(thaw_buffer_write(o->device_weights, 0, o->weights, o->slots * o->used * sizeof *o->weights));
    THAW_TRY(thaw_buffer_fill(o->steps, 0, 0, o->used * o->slots * o->classes * sizeof(float)));
    return multiply(o, parameters, o->logits);
}

thaw_status thaw_probe_objective_aim(thaw_probe_objective *o, const float *directions)
{
    return multiply(o, directions, o->steps);
}

static thaw_status write_rates(thaw_probe_objective *o, const double *rates)
{
    for (size_t s = 0; s < o->slots; s++)
        o->rate_numbers[s] = (float)rates[s];
    return thaw_buffer_write(o->rates, 0, o->rate_numbers, o->slots * sizeof *o->rate_numbers);
}

thaw_status thaw_probe_objective_look(thaw_probe_objective *o, const double *rates, thaw_probe_point *points)
{
    THAW_TRY(write_rates(o, rates));
    THAW_TRY(thaw_kernel_launch(o->look, THAW_RANGE_2(o->used, o->slots), THAW_BUFFER(o->logits), THAW_BUFFER(o->steps),
                                THAW_BUFFER(o->rates), THAW_BUFFER(o->device_labels), THAW_BUFFER(o->device_points),
                                THAW_INT(o->classes), THAW_FLOAT(o->label_smoothing)));
    THAW_TRY(thaw_buffer_read(o->device_points, 0, o->points, o->slots * o->used * POINT * sizeof *o->points));
    for (size_t s = 0; s < o->slots; s++) {
        points[s] = (thaw_probe_point){0};
        for (size_t i = 0; i < o->used; i++) {
            const float *point = &o->points[(s * o->used + i) * POINT];
            const double weight = o->weights[s * o->used + i];
            if (weight == 0.0)
                continue;
            points[s].loss += weight * point[LOSS];
            points[s].slope += weight * point[SLOPE];
            points[s].curvature += weight * point[CURVATURE];
        }
    }
    return THAW_OK;
}

double thaw_probe_objective_row_loss(const thaw_probe_objective *o, size_t slot, size_t row)
{
    return o->points[(slot * o->used + row) * POINT + LOSS];
}

bool thaw_probe_objective_row_right(const thaw_probe_objective *o, size_t slot, size_t row)
{
    return o->points[(slot * o->used + row) * POINT + RIGHT] > 0.5f;
}

thaw_status thaw_probe_objective_advance(thaw_probe_objective *o, const double *rates, float *gradient)
{
    const size_t rows = o->slots * o->classes;
    THAW_TRY(write_rates(o, rates));
    THAW_TRY(thaw_kernel_launch(o->advance, THAW_RANGE_2(o->used, o->slots), THAW_BUFFER(o->logits),
                                THAW_BUFFER(o->steps), THAW_BUFFER(o->rates), THAW_BUFFER(o->device_labels),
                                THAW_BUFFER(o->device_weights), THAW_BUFFER(o->residuals), THAW_INT(o->classes),
                                THAW_FLOAT(o->label_smoothing)));
    const thaw_gemm product = {.transpose_a = true,
                               .m = (int64_t)rows,
                               .n = (int64_t)o->width,
                               .k = (int64_t)o->used,
                               .alpha = 1.0f,
                               .a = o->residuals,
                               .b = o->rows,
                               .c = o->gradient,
                               .a_stride = (int64_t)rows,
                               .b_stride = (int64_t)o->width,
                               .c_stride = (int64_t)o->width};
    THAW_TRY(thaw_gemm_run(o->device, &product));
    return thaw_buffer_read(o->gradient, 0, gradient, rows * o->width * sizeof *gradient);
}
