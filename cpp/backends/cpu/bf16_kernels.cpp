// The kernels that AVX512-BF16 makes faster, compiled with it. As in kernels.cpp, everything has
// internal linkage.
#include "backends/cpu/bf16_gemm.h"
#include "backends/cpu/bf16_terms.h"
#include "backends/cpu/direct_conv.h"
#include "backends/cpu/dot_gemm.h"
#include "backends/cpu/kernels.h"

namespace alexnet {

extern constexpr Bf16Kernels bf16_kernels_avx512 = {direct_kernels<PairTerms>(),
                                                    &dot_gemm<PairTerms>, &bf16_gemm};

}  // namespace alexnet
