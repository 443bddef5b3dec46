// Marks for functions that run on the host and on the device.
//
// On the host they are always inlined: the CPU kernels are compiled once per instruction set, and
// an out-of-line copy of an AVX-512 build must never be the one that the linker keeps for all of
// them.
#pragma once

#if defined(__CUDACC__)
#define ANX_HD __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define ANX_HD inline __attribute__((always_inline))
#else
#define ANX_HD inline
#endif
