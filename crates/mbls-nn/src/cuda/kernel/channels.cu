// What is done per channel of a tensor [outer, channels, plane]: batch normalisation, biases.
//
// Sums over a channel are cut into `parts` blocks; each adds a run of at most 32 entries per thread in the computing type,
// from there on in f64.

// In `channels.rs` with the same fields.
struct Channels {
    u64 outer;
    u64 channels;
    u64 plane;
    u64 parts;
};

static_assert(sizeof(Channels) == 32, "the host passes this size");

__device__ u64 entries(const Channels& shape) { return shape.outer * shape.channels * shape.plane; }

// The entries of all channels in turn, each with its channel.
struct Everywhere : Walk {
    u64 channels;
    u64 channel;
    u64 channel_step;

    __device__ Everywhere(const Channels& shape)
        : Walk(first_of_grid(), step_of_grid(), shape.plane), channels(shape.channels), channel(outer % shape.channels),
          channel_step(outer_step % shape.channels) {}

    __device__ void next() {
        u64 before = outer + outer_step;
        Walk::next();
        channel += channel_step + (outer - before);
        if (channel >= channels) channel -= channels;
    }
};

// The block's share of a channel: its entries' places in the tensor.
struct Share {
    const Channels& shape;
    u64 channel;
    u64 count;
    Walk walk;

    __device__ Share(const Channels& shape)
        : shape(shape), channel(blockIdx.x / shape.parts), count(shape.outer * shape.plane),
          walk(blockIdx.x % shape.parts * blockDim.x + threadIdx.x, shape.parts * blockDim.x, shape.plane) {}

    __device__ bool inside() const { return walk.at < count; }

    __device__ u64 place() const { return (walk.outer * shape.channels + channel) * shape.plane + walk.inner; }
};

__device__ void write_part(Pair sum, double* parts) {
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        parts[2 * (u64)blockIdx.x] = sum.first;
        parts[2 * (u64)blockIdx.x + 1] = sum.second;
    }
}

// The sums of a channel's parts, one channel a block.
__device__ Pair add_parts(const double* parts, const Channels& shape) {
    Pair sum = {0, 0};
    for (u64 part = threadIdx.x; part < shape.parts; part += blockDim.x) {
        u64 at = 2 * (blockIdx.x * shape.parts + part);
        sum.first += parts[at];
        sum.second += parts[at + 1];
    }
    return block_sum(sum);
}

// Sums and sums of squares around the channel's first entry.
KERNEL moment_parts(const Stored* x, const Channels shape, double* parts) {
    Share share(shape);
    Pair sum = {0, 0};
    if (share.inside()) {
        double origin = (double)load(x[share.channel * shape.plane]);
        // Around an entry of its own no thread loses digits to a mean far from 0.
        Compute centre = load(x[share.place()]);
        Compute plain = 0, squares = 0;
        double count = 0;
        for (; share.inside(); share.walk.next()) {
            Compute distance = load(x[share.place()]) - centre;
            plain += distance;
            squares += distance * distance;
            count += 1;
        }
        double shift = (double)centre - origin;
        sum.first = (double)plain + count * shift;
        sum.second = (double)squares + shift * (2 * (double)plain + count * shift);
    }
    write_part(sum, parts);
}

// Rows of `statistics`: mean, biased variance, 1 / sqrt(variance + eps).
KERNEL moments(const double* parts, const Stored* x, const Channels shape, double eps, Compute* statistics) {
    Pair sum = add_parts(parts, shape);
    if (threadIdx.x == 0) {
        double count = (double)(shape.outer * shape.plane);
        double mean = sum.first / count;
        double variance = sum.second / count - mean * mean;
        // Rounding may leave less than 0; NaN stays.
        variance = variance < 0 ? 0 : variance;
        statistics[blockIdx.x] = (Compute)((double)load(x[blockIdx.x * shape.plane]) + mean);
        statistics[shape.channels + blockIdx.x] = (Compute)variance;
        statistics[2 * shape.channels + blockIdx.x] = (Compute)(1.0 / sqrt(variance + eps));
    }
}

// `y = (x - mean) inverse weight + bias`.
KERNEL normalise(const Stored* x, const Compute* mean, const Compute* inverse, const Compute* weight, const Compute* bias,
                 const Channels shape, Stored* y) {
    u64 count = entries(shape);
    for (Everywhere walk(shape); walk.at < count; walk.next()) {
        u64 c = walk.channel;
        y[walk.at] = store((load(x[walk.at]) - mean[c]) * (inverse[c] * weight[c]) + bias[c]);
    }
}

// Sums of `g` and of `g (x - mean)`.
KERNEL gradient_parts(const Stored* x, const Stored* g, const Compute* mean, const Channels shape, double* parts) {
    Share share(shape);
    Compute centre = mean[share.channel];
    Compute plain = 0, products = 0;
    for (; share.inside(); share.walk.next()) {
        Compute slope = load(g[share.place()]);
        plain += slope;
        products += slope * (load(x[share.place()]) - centre);
    }
    write_part({(double)plain, (double)products}, parts);
}

// Rows of `rows`: the gradients of bias and weight, then `scale`, `slope` and `offset` of `normalise_backward`.
KERNEL gradients(const double* parts, const Compute* inverse, const Compute* weight, const Channels shape, u32 own, Compute* rows) {
    Pair sum = add_parts(parts, shape);
    if (threadIdx.x == 0) {
        u64 c = blockIdx.x;
        double count = (double)(shape.outer * shape.plane);
        double inv = (double)inverse[c];
        double scale = inv * (double)weight[c];
        rows[c] = (Compute)sum.first;
        rows[shape.channels + c] = (Compute)(sum.second * inv);
        rows[2 * shape.channels + c] = (Compute)scale;
        rows[3 * shape.channels + c] = own ? (Compute)(-scale * inv * inv * sum.second / count) : (Compute)0;
        rows[4 * shape.channels + c] = own ? (Compute)(-scale * sum.first / count) : (Compute)0;
    }
}

// `dx = scale g + slope (x - mean) + offset`, the latter two where the statistics are the batch's own.
KERNEL normalise_backward(const Stored* x, const Stored* g, const Compute* mean, const Compute* rows, const Channels shape, u32 own,
                          Stored* dx) {
    const Compute* scale = rows + 2 * shape.channels;
    const Compute* slope = rows + 3 * shape.channels;
    const Compute* offset = rows + 4 * shape.channels;
    u64 count = entries(shape);
    for (Everywhere walk(shape); walk.at < count; walk.next()) {
        u64 c = walk.channel;
        Compute value = scale[c] * load(g[walk.at]);
        if (own) value += slope[c] * (load(x[walk.at]) - mean[c]) + offset[c];
        dx[walk.at] = store(value);
    }
}

KERNEL add_bias(const Stored* x, const Stored* bias, const Channels shape, Stored* y) {
    u64 count = entries(shape);
    for (Everywhere walk(shape); walk.at < count; walk.next()) {
        y[walk.at] = store(load(x[walk.at]) + load(bias[walk.channel]));
    }
}

KERNEL channel_parts(const Stored* x, const Channels shape, double* parts) {
    Share share(shape);
    Compute sum = 0;
    for (; share.inside(); share.walk.next()) sum += load(x[share.place()]);
    write_part({(double)sum, 0}, parts);
}

KERNEL channel_sums(const double* parts, const Channels shape, Stored* sums) {
    Pair sum = add_parts(parts, shape);
    if (threadIdx.x == 0) sums[blockIdx.x] = store((Compute)sum.first);
}
