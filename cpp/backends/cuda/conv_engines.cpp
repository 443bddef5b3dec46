#include "backends/cuda/conv_engines.h"

#include "backends/cuda/cuda_device.h"
#include "core/errors.h"

namespace alexnet {
namespace {

struct Engine {
  const char* name;
  bool (*fits)(const CudaDevice& device, const ConvProblem& problem);
  std::unique_ptr<ConvEngine> (*make)(CudaDevice& device, const ConvProblem& problem);
};

// The order of "auto".
const Engine kEngines[] = {
    {"gemm", [](const CudaDevice&, const ConvProblem&) { return true; }, &make_conv_gemm},
};

std::string names() {
  std::string text = "auto";
  for (const Engine& engine : kEngines)
    text += format("{}{}", &engine == std::end(kEngines) - 1 ? " or " : ", ", engine.name);
  return text;
}

}  // namespace

std::unique_ptr<ConvEngine> make_conv_engine(CudaDevice& device, const std::string& name,
                                             const ConvProblem& problem) {
  require<InternalError>(problem.block == 1, "a CUDA engine was given a blocked input");
  for (const Engine& engine : kEngines)
    if (name == engine.name || (name == "auto" && engine.fits(device, problem)))
      return engine.make(device, problem);
  fail<ConfigError>("there is no convolution engine '{}' on {}: choose {}", name,
                    to_string(device.id()), names());
}

}  // namespace alexnet
