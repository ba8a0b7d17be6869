# The GRU's two passes as tasks.


cdef void sum_biases(GRU *p) noexcept nogil:
    """[bh, bz + cz, br + cr, ch]: z and r need the sum of their two biases only."""
    cdef Py_ssize_t j, H = p.seq.H
    memset(p.bias, 0, 4 * H * sizeof(real))
    if p.biases:
        memcpy(p.bias, p.biases + 2 * H, H * sizeof(real))
        memcpy(p.bias + H, p.biases, 2 * H * sizeof(real))
        if p.reset_after:
            for j in range(3 * H):
                p.bias[H + j] += p.biases[3 * H + j]


cdef Tasks gru_forward_tasks(GRU *p, int threads) noexcept nogil:
    """What is left of a forward pass when the weights are packed or the biases added up."""
    cdef Tasks tasks
    if threads == 1 and p.packed and not p.training and (not p.small_batch or p.seq.B < TILE_ROWS):
        join_blocks(&p.seq)
    tasks = Tasks(gru_forward_rows, p, <int>ceil_div(p.seq.B, p.seq.block_rows))
    if p.packed and p.training:
        run_packing(pack_forward_task, p, &p.seq, 3 * p.seq.H, threads)
    if not fused(p):
        sum_biases(p)
    if p.small_batch:
        tasks.task = gru_forward_small_batch
    return tasks


cdef void gru_forward(GRU *first, GRU *second, int threads) noexcept nogil:
    """The forward pass of one, or of two side by side where `second` is not NULL."""
    cdef Tasks[2] both
    both[0], both[1] = gru_forward_tasks(first, threads), Tasks(NULL, NULL, 0)
    if second:
        both[1] = gru_forward_tasks(second, threads)
    if both[1].count == 0 and shares_units(first):
        gru_forward_team(first, threads)
    else:
        run_both(both, threads)


cdef void gru_backward(GRU *p, int threads) noexcept nogil:
    if p.packed:
        run_packing(pack_backward_task, p, &p.seq, 3 * p.seq.H, threads)
    run_tasks(gru_backward_rows, p, <int>ceil_div(p.seq.B, p.seq.block_rows), threads)
    bias_gradients(p)
    if p.d.sums:
        sum_row_blocks(&p.d, threads)
    else:
        run_tasks(gru_weight_columns, p, weight_column_blocks(p), threads)
