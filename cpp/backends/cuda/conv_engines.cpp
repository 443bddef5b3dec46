#include "backends/cuda/conv_engines.h"

#include <cstdio>
#include <mutex>
#include <set>
#include <vector>

#include "backends/cuda/cuda_device.h"
#include "core/errors.h"

namespace alexnet {
namespace {

struct Engine {
  const char* name;
  std::unique_ptr<ConvEngine> (*make)(CudaDevice& device, const ConvProblem& problem,
                                      const ConvPasses& passes, std::string& why);
};

// In the order in which "auto" tries them.
const Engine kEngines[] = {{"cudnn", &make_conv_cudnn}, {"gemm", &make_conv_gemm}};

// "auto, cudnn or gemm", without the engine that has just failed.
std::string choices(const std::string& failed = "") {
  std::vector<std::string> all = {"auto"};
  for (const Engine& engine : kEngines)
    if (engine.name != failed) all.push_back(engine.name);
  std::string text = all[0];
  for (size_t i = 1; i < all.size(); ++i)
    text += format("{}{}", i + 1 == all.size() ? " or " : ", ", all[i]);
  return text;
}

// Reports that "auto" falls back to the next engine; each reason is printed once.
void say(const std::string& why) {
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard lock(mutex);
  if (said.insert(why).second)
    std::fprintf(stderr, "alexnet-native: %s: using the engine gemm instead\n", why.c_str());
}

}  // namespace

std::unique_ptr<ConvEngine> make_conv_engine(CudaDevice& device, const std::string& name,
                                             const ConvProblem& problem, const ConvPasses& passes) {
  require<InternalError>(problem.block == 1, "CUDA engines do not support blocked inputs");
  bool known = name == "auto";
  for (const Engine& engine : kEngines) {
    if (name != "auto" && name != engine.name) continue;
    known = true;
    std::string why;
    if (auto made = engine.make(device, problem, passes, why)) return made;
    require<ConfigError>(name == "auto", "engine {}: {}: choose {}", name, why, choices(name));
    if (problem.dtype != DType::f64) say(why);
  }
  require<InternalError>(!known, "no engine supports this convolution");
  fail<ConfigError>("there is no convolution engine '{}' on {}: choose {}", name,
                    to_string(device.id()), choices());
}

}  // namespace alexnet
