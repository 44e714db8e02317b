/* to[i] = from[i] rounded to float16 or bfloat16 (nearest even) and kept as float32; work-items: elements. */

kernel void round_to_float16(global const float *from, global float *to)
{
    const size_t i = get_global_id(0);
    ushort bits;
    vstore_half_rte(from[i], 0, (half *)&bits);
    to[i] = vload_half(0, (const half *)&bits);
}

/* bfloat16 is the upper half of float32: adding just under half a unit, or half of it above an odd number, carries
 * into it. NaN stays as it is. */
kernel void round_to_bfloat16(global const float *from, global float *to)
{
    const size_t i = get_global_id(0);
    const uint bits = as_uint(from[i]);
    const uint rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    to[i] = isnan(from[i]) ? from[i] : as_float(rounded);
}
