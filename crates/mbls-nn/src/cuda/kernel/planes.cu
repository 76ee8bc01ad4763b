// Per-plane operations: pooling and resampling. Backward passes gather: every entry of the input
// sums the gradients from the outputs that read it, in the order of the outputs.

// Same fields as in `planes.rs`.
struct Planes {
    u64 planes;
    u32 height;
    u32 width;
    u32 out_height;
    u32 out_width;
};

static_assert(sizeof(Planes) == 24, "the host passes this size");

// Ranges along both axes, for each position of rows, then of columns: the starts of all rows, the
// ends of all rows, then likewise for columns.
struct Ranges {
    u32 row;
    u32 row_end;
    u32 column;
    u32 column_end;

    __device__ Ranges(const u32* table, u32 i, u32 j, u32 rows, u32 columns)
        : row(table[i]), row_end(table[rows + i]), column(table[2 * rows + j]), column_end(table[2 * rows + columns + j]) {}
};

// The maximum of each window, and its position in the plane: the first of ties, the last NaN.
KERNEL maxima(const Stored* x, const u32* table, const Planes shape, Stored* y, u32* places) {
    u64 positions = (u64)shape.out_height * shape.out_width, plane = (u64)shape.height * shape.width;
    u64 count = shape.planes * positions;
    for (Walk walk(first_of_grid(), step_of_grid(), positions); walk.at < count; walk.next()) {
        u32 i = (u32)walk.inner / shape.out_width, j = (u32)walk.inner % shape.out_width;
        Ranges seen(table, i, j, shape.out_height, shape.out_width);
        const Stored* from = x + walk.outer * plane;
        u32 place = seen.row * shape.width + seen.column;
        Compute best = load(from[place]);
        for (u32 row = seen.row; row < seen.row_end; ++row) {
            for (u32 column = seen.column; column < seen.column_end; ++column) {
                u32 at = row * shape.width + column;
                Compute value = load(from[at]);
                if (value > best || value != value) {
                    best = value;
                    place = at;
                }
            }
        }
        y[walk.at] = from[place];
        places[walk.at] = place;
    }
}

// The sum of the gradients of those outputs whose maximum is at the entry; `table` has the outputs
// that read it.
KERNEL maxima_backward(const Stored* g, const u32* places, const u32* table, const Planes shape, Stored* dx) {
    u64 positions = (u64)shape.out_height * shape.out_width, plane = (u64)shape.height * shape.width;
    u64 count = shape.planes * plane;
    for (Walk walk(first_of_grid(), step_of_grid(), plane); walk.at < count; walk.next()) {
        u32 place = (u32)walk.inner;
        Ranges seeing(table, place / shape.width, place % shape.width, shape.height, shape.width);
        Compute sum = 0;
        for (u32 i = seeing.row; i < seeing.row_end; ++i) {
            for (u32 j = seeing.column; j < seeing.column_end; ++j) {
                u64 at = walk.outer * positions + (u64)i * shape.out_width + j;
                if (places[at] == place) sum += load(g[at]);
            }
        }
        dx[walk.at] = store(sum);
    }
}

// Weighted sums over a range of rows and columns. `weights` has those of each row, `row_taps`
// apart, then those of columns. The backward pass is the same with the transposed map.
KERNEL resample(const Stored* x, const u32* table, const Compute* weights, u32 row_taps, u32 column_taps, const Planes shape,
                Stored* y) {
    u64 positions = (u64)shape.out_height * shape.out_width, plane = (u64)shape.height * shape.width;
    u64 count = shape.planes * positions;
    for (Walk walk(first_of_grid(), step_of_grid(), positions); walk.at < count; walk.next()) {
        u32 i = (u32)walk.inner / shape.out_width, j = (u32)walk.inner % shape.out_width;
        Ranges seen(table, i, j, shape.out_height, shape.out_width);
        const Stored* from = x + walk.outer * plane;
        const Compute* of_rows = weights + (u64)i * row_taps;
        const Compute* of_columns = weights + (u64)shape.out_height * row_taps + (u64)j * column_taps;
        Compute sum = 0;
        for (u32 row = seen.row; row < seen.row_end; ++row) {
            Compute line = 0;
            for (u32 column = seen.column; column < seen.column_end; ++column) {
                line += of_columns[column - seen.column] * load(from[(u64)row * shape.width + column]);
            }
            sum += of_rows[row - seen.row] * line;
        }
        y[walk.at] = store(sum);
    }
}

// The mean of each plane, by 32 threads.
KERNEL plane_means(const Stored* x, u64 planes, u64 plane, Stored* y) {
    u32 lane = threadIdx.x % 32;
    u64 warps = blockDim.x / 32;
    // Every thread of a block runs the same number of steps, because the threads exchange sums.
    for (u64 first = blockIdx.x * warps; first < planes; first += gridDim.x * warps) {
        u64 n = first + threadIdx.x / 32;
        Compute sum = 0;
        if (n < planes) {
            for (u64 i = lane; i < plane; i += 32) sum += load(x[n * plane + i]);
        }
        for (u32 offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
        if (lane == 0 && n < planes) y[n] = store(sum / (Compute)plane);
    }
}

KERNEL plane_means_backward(const Stored* g, u64 planes, u64 plane, Stored* dx) {
    for (Walk walk(first_of_grid(), step_of_grid(), plane); walk.at < planes * plane; walk.next()) {
        dx[walk.at] = store(load(g[walk.outer]) / (Compute)plane);
    }
}
