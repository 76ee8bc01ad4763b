// The storage type of numbers and the type of computations. This header precedes every kernel
// source.
//
// Compiled by NVRTC without any other header, once for each storage type: exactly one of
// STORED_F64, STORED_F32, STORED_F16 and STORED_BF16 is defined.

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
    // Rounds to nearest, ties to even. Without this branch a NaN could be rounded to infinity.
    u32 bits = __float_as_uint(value);
    Stored result;
    result.bits = value != value ? 0x7fff : (u16)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    return result;
}
#endif

#define MAX_THREADS 256
#define KERNEL extern "C" __global__ void __launch_bounds__(MAX_THREADS)

