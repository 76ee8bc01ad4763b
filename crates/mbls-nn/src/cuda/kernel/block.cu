// Layers on CUDA devices: sums over a block, and walks through tensors.
//
// Stands behind the header of mbls-cuda and in front of the other sources of this folder. Every sum has one order, there are no
// atomic operations: results have the same bits in every run.

// Two sums at once.
struct Pair {
    double first;
    double second;
};

// The sums over all threads of a block, in one order; all of them get the result. All threads of a block must call it.
__device__ Pair block_sum(Pair sum) {
    __shared__ Pair of_warps[MAX_THREADS / 32];
    for (u32 offset = 16; offset > 0; offset /= 2) {
        sum.first += __shfl_xor_sync(0xffffffffu, sum.first, offset);
        sum.second += __shfl_xor_sync(0xffffffffu, sum.second, offset);
    }
    // The last sums may still be read.
    __syncthreads();
    if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = of_warps[0];
    for (u32 warp = 1; warp < blockDim.x / 32; ++warp) {
        sum.first += of_warps[warp].first;
        sum.second += of_warps[warp].second;
    }
    return sum;
}

// The entries `start`, `start + step`, .. of a tensor [outer, plane], without a division for each.
struct Walk {
    u64 at;
    u64 outer;
    u64 inner;
    u64 step;
    u64 outer_step;
    u64 inner_step;
    u64 plane;

    __device__ Walk(u64 start, u64 step, u64 plane)
        : at(start), outer(start / plane), inner(start % plane), step(step), outer_step(step / plane), inner_step(step % plane),
          plane(plane) {}

    __device__ void next() {
        at += step;
        outer += outer_step;
        inner += inner_step;
        if (inner >= plane) {
            inner -= plane;
            ++outer;
        }
    }
};

__device__ u64 first_of_grid() { return (u64)blockIdx.x * blockDim.x + threadIdx.x; }

__device__ u64 step_of_grid() { return (u64)gridDim.x * blockDim.x; }

// `values` where the switch is above 0 (or NaN), else 0.
KERNEL gate(const Stored* gates, const Stored* values, u64 count, Stored* result) {
    for (u64 i = first_of_grid(); i < count; i += step_of_grid()) {
        result[i] = load(gates[i]) <= (Compute)0 ? store((Compute)0) : values[i];
    }
}
