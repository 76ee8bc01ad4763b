// Layers on CUDA devices: sums over a block, and iteration over tensors.
//
// This source follows the header of mbls-cuda and precedes the other sources in this folder. Every
// sum has a fixed order and there are no atomic operations, so results are bit-identical in every
// run.

// Two sums.
struct Pair {
    double first;
    double second;
};

// Returns the sums over all threads of a block, in a fixed order, to all of them. All threads of a
// block must call it.
__device__ Pair block_sum(Pair sum) {
    __shared__ Pair of_warps[MAX_THREADS / 32];
    for (u32 offset = 16; offset > 0; offset /= 2) {
        sum.first += __shfl_xor_sync(0xffffffffu, sum.first, offset);
        sum.second += __shfl_xor_sync(0xffffffffu, sum.second, offset);
    }
    // Other threads may still read the previous sums.
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

// Iterates over the entries `start`, `start + step`, .. of a tensor [outer, plane], without a
// division per entry.
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

// `values` where `gates` is above 0 (or NaN), otherwise 0.
KERNEL gate(const Stored* gates, const Stored* values, u64 count, Stored* result) {
    for (u64 i = first_of_grid(); i < count; i += step_of_grid()) {
        result[i] = load(gates[i]) <= (Compute)0 ? store((Compute)0) : values[i];
    }
}
