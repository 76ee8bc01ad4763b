// Per-channel operations on a tensor [outer, channels, plane]: batch normalisation, biases.
//
// Sums over a channel are divided into `parts` blocks. Each thread adds a run of at most 32 entries
// in the computing type; all further sums are in f64.

// Same fields as in `channels.rs`.
struct Channels {
    u64 outer;
    u64 channels;
    u64 plane;
    u64 parts;
};

static_assert(sizeof(Channels) == 32, "the host passes this size");

__device__ u64 entries(const Channels& shape) { return shape.outer * shape.channels * shape.plane; }

// Number of entries in 16 bytes, which are read and written together where possible.
#define PACK ((u32)(16 / sizeof(Stored)))

template <u32 N> struct alignas(N * sizeof(Stored)) Pack {
    Stored at[N];
};

// Returns whether packs are possible: the entries of a pack belong to one channel, and each tensor
// (or null) starts at a multiple of 16 bytes.
__device__ bool packed(const Channels& shape, const void* a, const void* b = 0, const void* c = 0, const void* d = 0) {
    return shape.plane % PACK == 0 && ((u64)a | (u64)b | (u64)c | (u64)d) % 16 == 0;
}

template <u32 N> __device__ Pack<N> pack(const Stored* values, u64 at) { return ((const Pack<N>*)values)[at]; }

template <u32 N> __device__ Channels in_packs(Channels shape) {
    shape.plane /= N;
    return shape;
}

// Iterates over the entries of all channels, or over packs of them, each with its channel.
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

// The block's share of a channel: the positions of its entries or packs in the tensor.
struct Share {
    const Channels shape;
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

// Returns the sums of the parts of a channel, one channel per block.
__device__ Pair add_parts(const double* parts, const Channels& shape) {
    Pair sum = {0, 0};
    for (u64 part = threadIdx.x; part < shape.parts; part += blockDim.x) {
        u64 at = 2 * (blockIdx.x * shape.parts + part);
        sum.first += parts[at];
        sum.second += parts[at + 1];
    }
    return block_sum(sum);
}

template <u32 N> __device__ Pair moments_of_share(const Stored* x, const Channels& shape) {
    Share share(in_packs<N>(shape));
    Pair sum = {0, 0};
    if (share.inside()) {
        double origin = (double)load(x[share.channel * shape.plane]);
        // Sums around an entry of its own, so that no thread loses digits to a mean far from 0.
        Compute centre = load(pack<N>(x, share.place()).at[0]);
        Compute plain = 0, squares = 0;
        double count = 0;
        for (; share.inside(); share.walk.next()) {
            Pack<N> values = pack<N>(x, share.place());
            for (u32 k = 0; k < N; ++k) {
                Compute distance = load(values.at[k]) - centre;
                plain += distance;
                squares += distance * distance;
            }
            count += N;
        }
        double shift = (double)centre - origin;
        sum.first = (double)plain + count * shift;
        sum.second = (double)squares + shift * (2 * (double)plain + count * shift);
    }
    return sum;
}

// Sums and sums of squares around the channel's first entry.
KERNEL moment_parts(const Stored* x, const Channels shape, double* parts) {
    write_part(packed(shape, x) ? moments_of_share<PACK>(x, shape) : moments_of_share<1>(x, shape), parts);
}

// Rows of `statistics`: mean, biased variance, 1 / sqrt(variance + eps).
KERNEL moments(const double* parts, const Stored* x, const Channels shape, double eps, Compute* statistics) {
    Pair sum = add_parts(parts, shape);
    if (threadIdx.x == 0) {
        double count = (double)(shape.outer * shape.plane);
        double mean = sum.first / count;
        double variance = sum.second / count - mean * mean;
        // Rounding may leave a value below 0; NaN stays NaN.
        variance = variance < 0 ? 0 : variance;
        statistics[blockIdx.x] = (Compute)((double)load(x[blockIdx.x * shape.plane]) + mean);
        statistics[shape.channels + blockIdx.x] = (Compute)variance;
        statistics[2 * shape.channels + blockIdx.x] = (Compute)(1.0 / sqrt(variance + eps));
    }
}

// The affine map `y = (x - mean) inverse weight + bias`.
struct Line {
    Compute mean;
    Compute scale;
    Compute shift;

    __device__ Compute at(Compute x) const { return (x - mean) * scale + shift; }
};

__device__ Line line(const Compute* mean, const Compute* inverse, const Compute* weight, const Compute* bias, u64 c) {
    return {mean[c], inverse[c] * weight[c], bias[c]};
}

// ReLU passes values above 0, and NaN.
__device__ bool open(Compute value) { return !(value <= (Compute)0); }

template <u32 N>
__device__ void normalise_all(const Stored* x, const Stored* residual, const Compute* mean, const Compute* inverse, const Compute* weight,
                              const Compute* bias, const Channels& shape, u32 rectified, Stored* y) {
    Channels packs = in_packs<N>(shape);
    u64 count = entries(packs);
    for (Everywhere walk(packs); walk.at < count; walk.next()) {
        Line to = line(mean, inverse, weight, bias, walk.channel);
        Pack<N> values = pack<N>(x, walk.at), added;
        if (residual) added = pack<N>(residual, walk.at);
        for (u32 k = 0; k < N; ++k) {
            Compute value = to.at(load(values.at[k]));
            if (residual) value += load(added.at[k]);
            values.at[k] = store(rectified && !open(value) ? (Compute)0 : value);
        }
        ((Pack<N>*)y)[walk.at] = values;
    }
}

// The affine map, plus `residual` if it is not null, then ReLU if `rectified`.
KERNEL normalise(const Stored* x, const Stored* residual, const Compute* mean, const Compute* inverse, const Compute* weight,
                 const Compute* bias, const Channels shape, u32 rectified, Stored* y) {
    if (packed(shape, x, residual, y)) {
        normalise_all<PACK>(x, residual, mean, inverse, weight, bias, shape, rectified, y);
    } else {
        normalise_all<1>(x, residual, mean, inverse, weight, bias, shape, rectified, y);
    }
}

// The source of ReLU's derivative in the backward pass.
enum Gate : u32 {
    NO_RECTIFIER = 0,
    // From the result: with a residual the derivative does not follow from `x` alone. The gated
    // gradient is also the gradient of the residual.
    BY_RESULT = 1,
    // From the affine map, so that the result need not be read.
    BY_LINE = 2,
};

template <u32 N>
__device__ Pair gradients_of_share(const Stored* x, const Stored* y, const Stored* g, const Compute* mean, const Compute* inverse,
                                   const Compute* weight, const Compute* bias, const Channels& shape, u32 gate, Stored* let_through) {
    Share share(in_packs<N>(shape));
    Line to = line(mean, inverse, weight, bias, share.channel);
    Compute plain = 0, products = 0;
    for (; share.inside(); share.walk.next()) {
        u64 at = share.place();
        Pack<N> slopes = pack<N>(g, at), values = pack<N>(x, at), results;
        if (gate == BY_RESULT) results = pack<N>(y, at);
        for (u32 k = 0; k < N; ++k) {
            Compute slope = load(slopes.at[k]), value = load(values.at[k]);
            // Rounded as in the forward pass.
            if (gate == BY_LINE && !open(load(store(to.at(value))))) slope = 0;
            if (gate == BY_RESULT && !open(load(results.at[k]))) slope = 0;
            slopes.at[k] = store(slope);
            plain += slope;
            products += slope * (value - to.mean);
        }
        if (gate == BY_RESULT) ((Pack<N>*)let_through)[at] = slopes;
    }
    return {(double)plain, (double)products};
}

// Sums of the gated `g`, and of its products with `x - mean`.
KERNEL gradient_parts(const Stored* x, const Stored* y, const Stored* g, const Compute* mean, const Compute* inverse,
                      const Compute* weight, const Compute* bias, const Channels shape, u32 gate, Stored* let_through, double* parts) {
    bool packs = packed(shape, x, y, g, let_through);
    write_part(packs ? gradients_of_share<PACK>(x, y, g, mean, inverse, weight, bias, shape, gate, let_through)
                     : gradients_of_share<1>(x, y, g, mean, inverse, weight, bias, shape, gate, let_through),
               parts);
}

// Rows of `rows`: the gradients of weight and bias, then `scale`, `slope` and `offset` of
// `normalise_backward`.
KERNEL gradients(const double* parts, const Compute* inverse, const Compute* weight, const Channels shape, u32 own, Compute* rows) {
    Pair sum = add_parts(parts, shape);
    if (threadIdx.x == 0) {
        u64 c = blockIdx.x;
        double count = (double)(shape.outer * shape.plane);
        double inv = (double)inverse[c];
        double scale = inv * (double)weight[c];
        rows[c] = (Compute)(sum.second * inv);
        rows[shape.channels + c] = (Compute)sum.first;
        rows[2 * shape.channels + c] = (Compute)scale;
        rows[3 * shape.channels + c] = own ? (Compute)(-scale * inv * inv * sum.second / count) : (Compute)0;
        rows[4 * shape.channels + c] = own ? (Compute)(-scale * sum.first / count) : (Compute)0;
    }
}

template <u32 N>
__device__ void normalise_backward_all(const Stored* x, const Stored* g, const Compute* mean, const Compute* inverse,
                                       const Compute* weight, const Compute* bias, const Compute* rows, const Channels& shape, u32 gate,
                                       u32 own, Stored* dx) {
    Channels packs = in_packs<N>(shape);
    u64 count = entries(packs), channels = shape.channels;
    for (Everywhere walk(packs); walk.at < count; walk.next()) {
        u64 c = walk.channel;
        Compute scale = rows[2 * channels + c], slope = rows[3 * channels + c], offset = rows[4 * channels + c];
        Line to = line(mean, inverse, weight, bias, c);
        Pack<N> values = pack<N>(g, walk.at), inputs;
        if (own || gate == BY_LINE) inputs = pack<N>(x, walk.at);
        for (u32 k = 0; k < N; ++k) {
            Compute value = load(values.at[k]);
            if (gate == BY_LINE && !open(load(store(to.at(load(inputs.at[k])))))) value = 0;
            value *= scale;
            if (own) value += slope * (load(inputs.at[k]) - to.mean) + offset;
            values.at[k] = store(value);
        }
        ((Pack<N>*)dx)[walk.at] = values;
    }
}

// `dx = scale g + slope (x - mean) + offset`, the latter two only if the statistics are the
// batch's.
KERNEL normalise_backward(const Stored* x, const Stored* g, const Compute* mean, const Compute* inverse, const Compute* weight,
                          const Compute* bias, const Compute* rows, const Channels shape, u32 gate, u32 own, Stored* dx) {
    if (packed(shape, x, g, dx)) {
        normalise_backward_all<PACK>(x, g, mean, inverse, weight, bias, rows, shape, gate, own, dx);
    } else {
        normalise_backward_all<1>(x, g, mean, inverse, weight, bias, rows, shape, gate, own, dx);
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
