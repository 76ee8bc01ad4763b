// Layers on CUDA devices: the stored type, sums over a block, and walks through tensors.
//
// Compiled by NVRTC without any header, in front of the other sources of this folder, once for each type that tensors are
// stored in: one of STORED_F64, STORED_F32, STORED_F16 and STORED_BF16 is defined. Every sum has one order, there are no
// atomic operations: results have the same bits in every run.

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#if defined(STORED_F64)
typedef double Stored;
typedef double Compute;
__device__ Compute load(Stored value) { return value; }
__device__ Stored store(Compute value) { return value; }
#elif defined(STORED_F32)
typedef float Stored;
typedef float Compute;
__device__ Compute load(Stored value) { return value; }
__device__ Stored store(Compute value) { return value; }
#elif defined(STORED_F16)
struct Stored { u16 bits; };
typedef float Compute;
__device__ Compute load(Stored value) {
    float result;
    asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
    return result;
}
__device__ Stored store(Compute value) {
    Stored result;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
    return result;
}
#elif defined(STORED_BF16)
struct Stored { u16 bits; };
typedef float Compute;
__device__ Compute load(Stored value) { return __uint_as_float((u32)value.bits << 16); }
__device__ Stored store(Compute value) {
    // To the nearest, to even at the middle; a NaN could else be rounded to infinity.
    u32 bits = __float_as_uint(value);
    Stored result;
    result.bits = value != value ? 0x7fff : (u16)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    return result;
}
#endif

#define MAX_THREADS 256
#define KERNEL extern "C" __global__ void __launch_bounds__(MAX_THREADS)

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
