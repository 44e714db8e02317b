/* What a processor does at most, in plain C with the best flags that the compiler has for it: two threads or as many as
 * it has. Nothing of Thaw's is in it. */
#ifndef THAW_TESTS_MEASURE_BENCH_LOOPS_H
#define THAW_TESTS_MEASURE_BENCH_LOOPS_H

#include <stddef.h>

/* Seconds for about so many fused multiply-adds of vectors in registers, in `threads` threads; *flops is what was
 * done. */
double loops_fma(int threads, long steps, double *flops);

/* As STREAM's: copy (to = from) and triad (to = from + 0.5 * other) over arrays of `count` floats; read adds from up.
 */
typedef enum loops_kind { LOOPS_READ, LOOPS_COPY, LOOPS_TRIAD } loops_kind;
double loops_stream(loops_kind kind, int threads, float *to, const float *from, const float *other, size_t count);

#endif
