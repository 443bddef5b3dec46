// Matrix products by cuBLAS, for one stream.
#pragma once

#include <cublas_v2.h>

#include "core/device.h"

namespace alexnet {

class MemoryPool;

class Blas {
 public:
  Blas(int device, cudaStream_t stream, MemoryPool& memory);
  ~Blas();
  Blas(const Blas&) = delete;

  // `count` products whose operands lie `stride` elements apart. `tf32`: float products may be
  // rounded to 10 bits of mantissa, on the tensor cores. `narrow`: results of bf16 products are
  // bf16, not float.
  void gemm(const Gemm& gemm, int count, int64_t stride_a, int64_t stride_b, int64_t stride_c,
            bool tf32, bool narrow = false);

 private:
  int device_;
  MemoryPool& memory_;
  cublasHandle_t handle_ = nullptr;
  // Of our own: cuBLAS then allocates nothing during a capture, and its choices are the same in
  // every run.
  void* workspace_ = nullptr;
};

}  // namespace alexnet
