#include "backends/cuda/blas.h"

#include <limits>

#include "backends/cuda/check.h"
#include "backends/cuda/memory_pool.h"

namespace alexnet {
namespace {

constexpr size_t kWorkspaceBytes = size_t(32) << 20;  // NVIDIA's recommendation for Hopper

void check(cublasStatus_t status, const char* call) {
  require<DeviceError>(status == CUBLAS_STATUS_SUCCESS, "{} failed: {}", call,
                       cublasGetStatusString(status));
}

int to_int(int64_t value) {
  require<ShapeError>(value <= std::numeric_limits<int>::max(),
                      "a matrix dimension of {} is too large for cuBLAS", value);
  return int(value);
}

}  // namespace

Blas::Blas(int device, cudaStream_t stream, MemoryPool& memory) : device_(device), memory_(memory) {
  const OnDevice here(device_);
  check(cublasCreate(&handle_), "cublasCreate");
  workspace_ = memory_.allocate(kWorkspaceBytes);
  check(cublasSetStream(handle_, stream), "cublasSetStream");
  check(cublasSetWorkspace(handle_, workspace_, kWorkspaceBytes), "cublasSetWorkspace");
}

Blas::~Blas() {
  if (handle_) cublasDestroy(handle_);
  memory_.release(workspace_);
}

// cuBLAS is column-major: the row-major product C = A B is the column-major product C^T = B^T A^T.
void Blas::gemm(const Gemm& g, int count, int64_t stride_a, int64_t stride_b, int64_t stride_c,
                bool tf32, bool narrow) {
  const OnDevice here(device_);
  const bool wide = g.dtype == DType::f64;
  const float alpha = float(g.alpha), beta = float(g.beta);
  const void* a = wide ? static_cast<const void*>(&g.alpha) : &alpha;
  const void* b = wide ? static_cast<const void*>(&g.beta) : &beta;
  const auto type = wide ? CUDA_R_64F : g.dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
  const auto result_type = wide ? CUDA_R_64F : narrow ? type : CUDA_R_32F;
  const auto compute = wide   ? CUBLAS_COMPUTE_64F
                       : tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                              : CUBLAS_COMPUTE_32F;  // also for bf16: sums are float
  const auto ta = g.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  const auto tb = g.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  const int m = to_int(g.n), n = to_int(g.m), k = to_int(g.k);
  const int lda = to_int(g.ldb), ldb = to_int(g.lda), ldc = to_int(g.ldc);
  if (count == 1) {
    check(cublasGemmEx(handle_, ta, tb, m, n, k, a, g.b, type, lda, g.a, type, ldb, b, g.c,
                       result_type, ldc, compute, CUBLAS_GEMM_DEFAULT),
          "cublasGemmEx");
  } else {
    check(cublasGemmStridedBatchedEx(handle_, ta, tb, m, n, k, a, g.b, type, lda, stride_b, g.a,
                                     type, ldb, stride_a, b, g.c, result_type, ldc, stride_c, count,
                                     compute, CUBLAS_GEMM_DEFAULT),
          "cublasGemmStridedBatchedEx");
  }
}

}  // namespace alexnet
