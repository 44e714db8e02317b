#include "ops/shared/takers.h"

#include <assert.h>
#include <stdlib.h>

static thaw_status upload(thaw_device *device, const int32_t *list, int64_t count, thaw_buffer **buffer)
{
    thaw_buffer_destroy(buffer);
    THAW_TRY(thaw_buffer_create(device, (size_t)count * sizeof *list, buffer));
    return count ? thaw_buffer_write(*buffer, 0, list, (size_t)count * sizeof *list) : THAW_OK;
}

/* Sorts the places by the slice that they take: begin[size + 1], which is 0 at first, and taker[count]. */
static void sort(const int32_t *index, int64_t count, int64_t size, int32_t *begin, int32_t *taker)
{
    for (int64_t i = 0; i < count; i++)
        begin[index[i] + 1]++;
    for (int64_t slice = 0; slice < size; slice++)
        begin[slice + 1] += begin[slice];
    for (int64_t i = 0; i < count; i++)
        taker[begin[index[i]]++] = (int32_t)i;
    for (int64_t slice = size; slice > 0; slice--) /* each begin has moved on to the next one's */
        begin[slice] = begin[slice - 1];
    begin[0] = 0;
}

thaw_status thaw_takers_prepare(thaw_device *device, const int32_t *index, int64_t count, int64_t size,
                                thaw_takers *takers)
{
    thaw_context *context = thaw_device_context(device);
    int32_t *begin = NULL, *taker = NULL;
    assert(count <= INT32_MAX && size <= INT32_MAX);
    takers->count = count;
    takers->size = size;
    thaw_status status = thaw_allocate(context, (size_t)size + 1, sizeof *begin, &begin);
    if (status == THAW_OK)
        status = thaw_allocate(context, (size_t)count, sizeof *taker, &taker);
    if (status == THAW_OK) {
        sort(index, count, size, begin, taker);
        status = upload(device, begin, size + 1, &takers->begin);
    }
    if (status == THAW_OK)
        status = upload(device, taker, count, &takers->taker);
    free(begin);
    free(taker);
    THAW_TRY(status);
    return thaw_kernel_get(device, "gather_backward", "gather_backward", "", &takers->kernel);
}

thaw_status thaw_takers_run(const thaw_takers *takers, int64_t outer, int64_t inner, const thaw_buffer *from,
                            thaw_buffer *to)
{
    if (!takers->kernel || outer * inner * takers->size == 0)
        return THAW_OK;
    return thaw_kernel_launch(takers->kernel, THAW_RANGE_3(inner, takers->size, outer), THAW_BUFFER(to),
                              THAW_BUFFER(from), THAW_BUFFER(takers->begin), THAW_BUFFER(takers->taker),
                              THAW_LONG(takers->count));
}

void thaw_takers_release(thaw_takers *takers)
{
    thaw_buffer_destroy(&takers->begin);
    thaw_buffer_destroy(&takers->taker);
}
