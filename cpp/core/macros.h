// Attributes of functions that run on the host and on the device.
//
// On the host they are always inlined: CPU kernels are compiled once per instruction set, and if
// there were out-of-line copies, the linker might keep the AVX-512 copy for all of them.
#pragma once

#if defined(__CUDACC__)
#define ANX_HD __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define ANX_HD inline __attribute__((always_inline))
#else
#define ANX_HD inline
#endif
