// cuBLAS's matrix products as plain loops: column-major, on the stream of the handle.
#include <cublas_v2.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "core/bf16.h"
#include "sim.h"

using alexnet::bf16;
using namespace cuda_sim;

struct SimBlas {
  int device;
  SimStream* stream = nullptr;
  bool has_workspace = false;
};

namespace {

struct Product {
  bool ta, tb;
  int64_t m, n, k, lda, ldb, ldc;
  long long stride_a, stride_b, stride_c;
  int count;
};

// C = alpha * op(A) * op(B) + beta * C, with factors X, sums T and results Y. op(A) is packed for a
// block of rows, so that the innermost loop accesses memory in order.
template <class X, class T, class Y>
void multiply(const Product& p, T alpha, const X* a, const X* b, T beta, Y* c) {
  constexpr int64_t kRows = 64, kDepth = 128;
  std::vector<T> packed(size_t(kRows * kDepth)), sums(size_t(kRows * p.n));
  for (int64_t i0 = 0; i0 < p.m; i0 += kRows) {
    const int64_t rows = std::min(kRows, p.m - i0);
    std::fill(sums.begin(), sums.end(), T(0));
    for (int64_t l0 = 0; l0 < p.k; l0 += kDepth) {
      const int64_t depth = std::min(kDepth, p.k - l0);
      for (int64_t l = 0; l < depth; ++l)
        for (int64_t i = 0; i < rows; ++i)
          packed[size_t(l * kRows + i)] =
              p.ta ? a[(i0 + i) * p.lda + l0 + l] : a[(l0 + l) * p.lda + i0 + i];
      for (int64_t j = 0; j < p.n; ++j) {
        T* sum = &sums[size_t(j * kRows)];
        for (int64_t l = 0; l < depth; ++l) {
          const T factor = p.tb ? b[(l0 + l) * p.ldb + j] : b[j * p.ldb + l0 + l];
          const T* column = &packed[size_t(l * kRows)];
          for (int64_t i = 0; i < rows; ++i) sum[i] += column[i] * factor;
        }
      }
    }
    for (int64_t j = 0; j < p.n; ++j)
      for (int64_t i = 0; i < rows; ++i) {
        Y& out = c[j * p.ldc + i0 + i];
        // with beta 0 the old value is not read, so that a NaN in it has no effect
        out = Y(alpha * sums[size_t(j * kRows + i)] + (beta == 0 ? T(0) : beta * T(out)));
      }
  }
}

// Bytes from the first element of the first of `count` matrices to the last element of the last
// one.
template <class T>
size_t span(int64_t rows, int64_t cols, int64_t ld, long long stride, int count) {
  return size_t((count - 1) * stride + (cols - 1) * ld + rows) * sizeof(T);
}

// ALEXNET_SIM_PRODUCT_FAILS=N: the product after the next N products fails, once.
bool must_fail() {
  constexpr const char* kName = "ALEXNET_SIM_PRODUCT_FAILS";
  const char* given = std::getenv(kName);
  if (!given) return false;
  const long left = std::atol(given);
  if (left == 0) {
    unsetenv(kName);
  } else {
    setenv(kName, std::to_string(left - 1).c_str(), 1);
  }
  return left == 0;
}

template <class X, class T, class Y = T>
cublasStatus_t enqueue_product(SimBlas* handle, const Product& p, const void* alpha, const void* a,
                               const void* b, const void* beta, void* c) {
  if (must_fail() || (handle->stream->capture && graphs_fail_at("product")))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  const int64_t a_rows = p.ta ? p.k : p.m, b_rows = p.tb ? p.n : p.k;
  if (p.m <= 0 || p.n <= 0 || p.k <= 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (p.lda < a_rows || p.ldb < b_rows || p.ldc < p.m) return CUBLAS_STATUS_INVALID_VALUE;
  const int device = handle->device;
  const Accesses touches = {
      {a, span<X>(a_rows, p.ta ? p.m : p.k, p.lda, p.stride_a, p.count), false, "a product"},
      {b, span<X>(b_rows, p.tb ? p.k : p.n, p.ldb, p.stride_b, p.count), false, "a product"},
      {c, span<Y>(p.m, p.n, p.ldc, p.stride_c, p.count), true, "a product"}};
  for (const Access& operand : touches) check_range(operand.who, device, operand.at, operand.bytes);
  const T by = *static_cast<const T*>(alpha), keep = *static_cast<const T*>(beta);
  const auto multiply_all = [=] {
    for (int i = 0; i < p.count; ++i)
      multiply<X, T, Y>(p, by, static_cast<const X*>(a) + i * p.stride_a,
                        static_cast<const X*>(b) + i * p.stride_b, keep,
                        static_cast<Y*>(c) + i * p.stride_c);
  };
  enqueue(*handle->stream, {multiply_all, touches});
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

const char* cublasGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_INVALID_VALUE ? "an invalid value" : "not supported";
}
size_t cublasGetCudartVersion() { return 13000; }

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  *handle = new SimBlas{current_device()};
  count("cuBLAS handle", 1);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  delete handle;
  count("cuBLAS handle", -1);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  if (stream->device != handle->device) die("a cuBLAS handle was given a stream of another device");
  handle->stream = stream;
  handle->has_workspace = false;  // setting the stream resets it
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, size_t bytes) {
  check_range("cublasSetWorkspace", handle->device, workspace, bytes);
  handle->has_workspace = true;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb,
                            int m, int n, int k, const void* alpha, const void* a,
                            cudaDataType_t a_type, int lda, const void* b, cudaDataType_t b_type,
                            int ldb, const void* beta, void* c, cudaDataType_t c_type, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
  return cublasGemmStridedBatchedEx(handle, ta, tb, m, n, k, alpha, a, a_type, lda, 0, b, b_type,
                                    ldb, 0, beta, c, c_type, ldc, 0, 1, compute, algorithm);
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t ta,
                                          cublasOperation_t tb, int m, int n, int k,
                                          const void* alpha, const void* a, cudaDataType_t a_type,
                                          int lda, long long stride_a, const void* b,
                                          cudaDataType_t b_type, int ldb, long long stride_b,
                                          const void* beta, void* c, cudaDataType_t c_type, int ldc,
                                          long long stride_c, int count,
                                          cublasComputeType_t compute, cublasGemmAlgo_t) {
  if (handle->device != current_device()) die("a cuBLAS handle was used on another device");
  if (!handle->has_workspace) die("a cuBLAS product without an explicit workspace");
  const Product p{ta == CUBLAS_OP_T, tb == CUBLAS_OP_T, m,        n,    k, lda, ldb, ldc,
                  stride_a,          stride_b,          stride_c, count};
  if (a_type != b_type) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (a_type == CUDA_R_16BF && c_type == CUDA_R_32F && compute == CUBLAS_COMPUTE_32F)
    return enqueue_product<bf16, float>(handle, p, alpha, a, b, beta, c);
  if (a_type == CUDA_R_16BF && c_type == CUDA_R_16BF && compute == CUBLAS_COMPUTE_32F)
    return enqueue_product<bf16, float, bf16>(handle, p, alpha, a, b, beta, c);
  if (a_type != c_type) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (a_type == CUDA_R_64F && compute == CUBLAS_COMPUTE_64F)
    return enqueue_product<double, double>(handle, p, alpha, a, b, beta, c);
  if (a_type == CUDA_R_32F &&
      (compute == CUBLAS_COMPUTE_32F || compute == CUBLAS_COMPUTE_32F_FAST_TF32))
    return enqueue_product<float, float>(handle, p, alpha, a, b, beta, c);
  return CUBLAS_STATUS_NOT_SUPPORTED;
}
