/* dc += beta * (sum of dy over the axes along which c was repeated).
 *
 * dy: [rows, columns]. dc: [1 or rows, 1 or columns]: work-item (column, row) of dc adds up what it stood for in dy, in
 * order, so that the same run gives the same bits. */
kernel void reduce_rows(global float *dc, global const float *dy, long rows, long columns, float beta)
{
    const size_t column = get_global_id(0);
    const size_t row = get_global_id(1);
    const long last_row = get_global_size(1) == 1 ? rows : (long)row + 1;
    const long last_column = get_global_size(0) == 1 ? columns : (long)column + 1;
    float sum = 0.0f;
    for (long i = row; i < last_row; i++)
        for (long j = column; j < last_column; j++)
            sum += dy[i * columns + j];
    dc[row * get_global_size(0) + column] += beta * sum;
}
