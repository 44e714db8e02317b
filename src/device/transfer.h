/* Ways for bytes to get from the host to the device and back: for measuring them. */
#ifndef THAW_DEVICE_TRANSFER_H
#define THAW_DEVICE_TRANSFER_H

#include <thaw/device.h>

typedef enum thaw_transfer_kind {
    THAW_TRANSFER_PAGEABLE, /* ordinary memory, written to or read from a buffer */
    THAW_TRANSFER_PINNED,   /* the same with memory that the driver has allocated for the host */
    THAW_TRANSFER_ZERO_COPY /* the host writes and reads the device's buffer itself, mapped for the while */
} thaw_transfer_kind;

typedef struct thaw_transfer thaw_transfer;

/* THAW_ERR_DEVICE, THAW_ERR_DEVICE_MEMORY, THAW_ERR_MEMORY. */
THAW_MUST_CHECK thaw_status thaw_transfer_open(thaw_device *device, thaw_transfer_kind kind, size_t bytes,
                                               thaw_transfer **transfer);
void thaw_transfer_close(thaw_transfer **transfer);
/* All of the bytes, in one call each; both wait until they are there. */
THAW_MUST_CHECK thaw_status thaw_transfer_write(thaw_transfer *transfer);
THAW_MUST_CHECK thaw_status thaw_transfer_read(thaw_transfer *transfer);
/* What is sent, and where what comes back arrives: [bytes], of ordinary memory for zero-copy. */
unsigned char *thaw_transfer_host(thaw_transfer *transfer);

#endif
