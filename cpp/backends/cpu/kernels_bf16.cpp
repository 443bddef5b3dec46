// The kernels that use AVX512-BF16. As in kernels.cpp, everything has internal linkage.
#include "backends/cpu/direct/register_tiles.h"
#include "backends/cpu/gemm/gemm_bf16.h"
#include "backends/cpu/gemm/gemm_nt.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/terms_bf16.h"

namespace alexnet {

extern constexpr Bf16Kernels bf16_kernels_avx512 = {direct_kernels<PairTerms>(),
                                                    &gemm_nt<PairTerms>, &gemm_bf16};

}  // namespace alexnet
