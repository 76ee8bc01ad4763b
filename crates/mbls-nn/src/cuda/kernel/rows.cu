// Table look-up by index.

// Row `k` of the result is row `indices[k]` of the table.
KERNEL gather_rows(const Stored* table, const u32* indices, u64 count, u64 size, Stored* result) {
    for (Walk walk(first_of_grid(), step_of_grid(), size); walk.at < count * size; walk.next()) {
        result[walk.at] = table[indices[walk.outer] * size + walk.inner];
    }
}

// Adds rows of `g` to the table rows that they were read from: row `rows[k]` gets those at
// `order[starts[k]]` up to `order[starts[k + 1]]`, exclusive. The other rows are unchanged.
KERNEL gather_rows_backward(const Stored* g, const u32* rows, const u32* starts, const u32* order, u64 count, u64 size,
                            Stored* result) {
    for (Walk walk(first_of_grid(), step_of_grid(), size); walk.at < count * size; walk.next()) {
        Compute sum = 0;
        for (u32 k = starts[walk.outer]; k < starts[walk.outer + 1]; ++k) sum += load(g[order[k] * size + walk.inner]);
        result[rows[walk.outer] * size + walk.inner] = store(sum);
    }
}
