/* Memory on the device. Buffers come from a pool: a destroyed one is kept and handed out again. */
#ifndef THAW_DEVICE_BUFFER_H
#define THAW_DEVICE_BUFFER_H

#include <thaw/device.h>

typedef struct thaw_buffer thaw_buffer;

/* At least `bytes` bytes, contents undefined. THAW_ERR_DEVICE_MEMORY names the bytes asked for, those in use and the
 * device's limits. THAW_DEVICE_MEMORY (bytes) in the environment, when the device is opened, allows less than it has.
 */
THAW_MUST_CHECK thaw_status thaw_buffer_create(thaw_device *device, size_t bytes, thaw_buffer **buffer);
/* Back to the pool; sets *buffer to NULL; NULL is fine. */
void thaw_buffer_destroy(thaw_buffer **buffer);
size_t thaw_buffer_bytes(const thaw_buffer *buffer);

/* In order with everything queued before. Write copies the bytes before it returns; read waits for the device. */
THAW_MUST_CHECK thaw_status thaw_buffer_write(thaw_buffer *buffer, size_t offset_bytes, const void *bytes, size_t size);
THAW_MUST_CHECK thaw_status thaw_buffer_read(thaw_buffer *buffer, size_t offset_bytes, void *bytes, size_t size);
THAW_MUST_CHECK thaw_status thaw_buffer_copy(thaw_buffer *from, size_t from_bytes, thaw_buffer *to, size_t to_bytes,
                                             size_t size);
/* Repeats the 4-byte pattern; offset and size are multiples of 4. */
THAW_MUST_CHECK thaw_status thaw_buffer_fill(thaw_buffer *buffer, size_t offset_bytes, uint32_t pattern, size_t size);

/* thaw_device_peak_bytes() counts anew from what is in use now. */
void thaw_buffer_restart_peak(thaw_device *device);

/* Gives the pool's idle buffers back to the driver. */
void thaw_buffer_pool_trim(thaw_device *device);

#endif
