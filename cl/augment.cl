/* 8-bit images to a model's input, each seen in a way of its own: the augmenting sister of normalise.cl.
 *
 * pixels [n][source_height][source_width][3] (RGB), views [n][13] (thaw_view of src/data/augment.h) -> output
 * [n][3][height*width]. A pixel of the result is read between four of the source, which is mirrored at its edges; its
 * colour is gain * colour + grey_gain * grey + offset, kept within 0 to 255, and then * scale[c] + shift[c], all as in
 * normalise.cl; within the erased rectangle the result is 0. One work-item per pixel of each image: global size
 * {width * height, n}. */
#define VIEW 13

/* To 0 .. last, mirrored at both ends. */
inline float mirror(float at, float last)
{
    at = fabs(at);
    at = at > last ? 2.0f * last - at : at;
    return clamp(at, 0.0f, last);
}

inline float3 pixel(global const uchar *image, int width, int x, int y)
{
    return convert_float3(vload3((size_t)y * width + x, image));
}

kernel void augment(global const uchar *pixels, global const float *views, global float *output, int source_width,
                    int source_height, int width, int height, int reverse, float scale0, float scale1, float scale2,
                    float shift0, float shift1, float shift2)
{
    const long i = get_global_id(0), n = get_global_id(1), plane = (long)width * height;
    const float column = (float)(i % width), row = (float)(i / width);
    global const float *view = views + n * VIEW;
    global const uchar *image = pixels + n * source_width * source_height * 3;
    global float *out = output + n * 3 * plane + i;

    const float x = mirror(fma(view[0], column, fma(view[1], row, view[2])), (float)(source_width - 1));
    const float y = mirror(fma(view[3], column, fma(view[4], row, view[5])), (float)(source_height - 1));
    const int left = (int)x, right = min(left + 1, source_width - 1);
    const int top = (int)y, bottom = min(top + 1, source_height - 1);
    const float across = x - (float)left, down = y - (float)top;
    const float3 upper = mix(pixel(image, source_width, left, top), pixel(image, source_width, right, top), across);
    const float3 lower =
        mix(pixel(image, source_width, left, bottom), pixel(image, source_width, right, bottom), across);
    float3 rgb = mix(upper, lower, down);

    const float grey = fma(rgb.x, 0.299f, fma(rgb.y, 0.587f, rgb.z * 0.114f));
    rgb = clamp(fma(rgb, (float3)(view[6]), (float3)(fma(grey, view[7], view[8]))), 0.0f, 255.0f);

    const bool erased = column >= view[9] && row >= view[10] && column < view[11] && row < view[12];
    const float first = reverse ? rgb.z : rgb.x, third = reverse ? rgb.x : rgb.z;
    out[0] = erased ? 0.0f : fma(first, scale0, shift0);
    out[plane] = erased ? 0.0f : fma(rgb.y, scale1, shift1);
    out[2 * plane] = erased ? 0.0f : fma(third, scale2, shift2);
}
