/* Whole arrays to 16-bit floats and back, without a branch in the loops, so that compilers make vectors of them. */
#include <string.h>

#include "tensor/tensor.h"

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float value_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To nearest even. Where the result has no leading one, adding 1/2 puts its bits to the end of a float, rounded. */
static uint16_t to_half(float value)
{
    const uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffff, sign = bits >> 16 & 0x8000;
    const uint32_t small = bits_of(value_of(magnitude) + 0.5f) - bits_of(0.5f);
    const uint32_t normal = (magnitude + 0xc8000fff + (magnitude >> 13 & 1)) >> 13;
    const uint32_t special = magnitude > 0x7f800000 ? 0x7e00 : 0x7c00;
    const uint32_t finite = magnitude < 0x38800000 ? small : normal;
    return (uint16_t)(sign | (magnitude < 0x47800000 ? finite : special));
}

static float from_half(uint16_t half)
{
    const uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t finite = bits_of(value_of(magnitude) * 0x1p112f);
    return value_of(sign | (magnitude < 0x0f800000 ? finite : magnitude | 0x7f800000));
}

void thaw_halves_from_floats(const float *floats, size_t count, uint16_t *halves)
{
    for (size_t i = 0; i < count; i++)
        halves[i] = to_half(floats[i]);
}

void thaw_halves_to_floats(const uint16_t *halves, size_t count, float *floats)
{
    for (size_t i = 0; i < count; i++)
        floats[i] = from_half(halves[i]);
}
