/* 8-bit images to a model's input.
 *
 * pixels [n][h*w][3] (RGB) -> output [n][3][h*w], output = pixel * scale[c] + shift[c] with c in the output's order; `reverse`
 * is 1 where that order is BGR. One work-item per pixel of each image: global size {plane, n}, plane = h*w. */
kernel void normalise(global const uchar *pixels, global float *output, int plane, int reverse, float scale0, float scale1,
                      float scale2, float shift0, float shift1, float shift2)
{
    const long i = get_global_id(0), n = get_global_id(1);
    global const uchar *rgb = pixels + (n * plane + i) * 3;
    global float *out = output + n * 3 * plane + i;
    const float first = (float)rgb[reverse ? 2 : 0], second = (float)rgb[1], third = (float)rgb[reverse ? 0 : 2];
    out[0] = fma(first, scale0, shift0);
    out[plane] = fma(second, scale1, shift1);
    out[2 * (long)plane] = fma(third, scale2, shift2);
}
