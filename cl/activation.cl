/* y[i] = activation(x[i]), any number of elements; work-item i. ACTIVATION: see common.clh.
 *
 * LOWER, UPPER: defined where alpha or beta is to be read from lower[0] or upper[0]; the pointers are not touched
 * otherwise. */
kernel void activation(global float *y, global const float *x, float alpha, float beta, global const float *lower,
                       global const float *upper)
{
    const size_t i = get_global_id(0);
#ifdef LOWER
    alpha = lower[0];
#endif
#ifdef UPPER
    beta = upper[0];
#endif
    y[i] = activate(x[i], alpha, beta);
}
