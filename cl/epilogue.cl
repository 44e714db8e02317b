/* y = activation(y + bias_scale * bias + residual), in place.
 *
 * y, residual: [planes, rows, columns]; work-item (column, row, plane), any sizes.
 * bias: read at row * bias_row + column * bias_column; the same for every plane.
 * BIAS, RESIDUAL: defined where there is one; the pointer is not touched otherwise. ACTIVATION: see common.clh. */
kernel void epilogue(global float *y, global const float *bias, long bias_row, long bias_column, float bias_scale,
                     global const float *residual, float alpha, float beta)
{
    const size_t column = get_global_id(0);
    const size_t row = get_global_id(1);
    const size_t i = (get_global_id(2) * get_global_size(1) + row) * get_global_size(0) + column;
    float value = y[i];
#ifdef BIAS
    value += bias_scale * bias[row * bias_row + column * bias_column];
#endif
#ifdef RESIDUAL
    value += residual[i];
#endif
    y[i] = activate(value, alpha, beta);
}
