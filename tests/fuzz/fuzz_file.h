/* What is fuzzed reads files: the input as one, in a folder of its own. */
#ifndef THAW_FUZZ_FILE_H
#define THAW_FUZZ_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/context.h"

/* One for all inputs. */
thaw_context *fuzz_context(void);
/* Where the bytes are now. Ends the program where it can't write. */
const char *fuzz_file(const uint8_t *bytes, size_t size);

/* libFuzzer's, and what it calls. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
