// Matrix products by cuBLAS on one stream.
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

  // `count` products whose operands are `stride_*` elements apart. `tf32`: operands of float
  // products may be rounded to a 10-bit mantissa, for tensor cores. `narrow`: results of bf16
  // products are bf16 instead of float.
  void gemm(const Gemm& gemm, int count, int64_t stride_a, int64_t stride_b, int64_t stride_c,
            bool tf32, bool narrow = false);

 private:
  int device_;
  MemoryPool& memory_;
  cublasHandle_t handle_ = nullptr;
  // Set explicitly, so that cuBLAS allocates nothing during a capture and chooses the same
  // algorithms in every run.
  void* workspace_ = nullptr;
};

}  // namespace alexnet
