/* Numbers as people read them. */
#ifndef THAW_REPORT_FIGURE_H
#define THAW_REPORT_FIGURE_H

#define THAW_FIGURE_BYTES 32

typedef struct thaw_figure {
    char text[THAW_FIGURE_BYTES];
} thaw_figure;

/* Four significant digits, whole numbers from 1000 on: "0.01234", "1.234", "123.4", "12345"; with an exponent where
 * that would be long; "" for NAN. */
thaw_figure thaw_figure_of(double number);
/* "1.068", "0.909", "12.35" */
thaw_figure thaw_figure_ratio(double ratio);
/* "12.3 GB" */
thaw_figure thaw_figure_bytes(double bytes);
/* "3.629 GFLOP" */
thaw_figure thaw_figure_flops(double flops);
/* "1.234 ms" */
thaw_figure thaw_figure_seconds(double seconds);
/* "12.3 %" of a share of 1. */
thaw_figure thaw_figure_percent(double share);

#endif
