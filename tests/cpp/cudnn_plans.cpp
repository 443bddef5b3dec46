// Makes cuDNN plans for the convolutions of the named networks for an H100, without a GPU: cuDNN
// can plan for the properties of a device instead of the device. Needs libcudnn.so.9, 9.19 or
// later.
//   cudnn_plans FOLDER...    folders to search for libraries, such as nvidia/*/lib
#include <dlfcn.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cuda/cudnn_plan.h"
#include "backends/cuda/module_host.h"
#include "core/libraries.h"
#include "train/precision.h"

using namespace alexnet;

namespace alexnet {

const ModuleHost& module_host() {
  static const ModuleHost host = {&open_library};
  return host;
}

}  // namespace alexnet

namespace {

constexpr std::string_view kH100 =
    R"({"cudaDeviceId": 0, "deviceVer": 900, "driverVer": 13000, "totalGlobalMem": 85899345920,
    "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64],
    "regsPerBlock": 65536, "multiProcessorCount": 132, "warpSize": 32,
    "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448,
    "reservedSharedMemoryPerBlock": 1024, "maxRegistersPerSM": 65536, "maxCtasPerSM": 32,
    "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "pciDeviceId": 9008, "isTccDriver": 0,
    "supportCoopLaunch": 1, "smClockRateKHz": 1980000, "memClockRateKHz": 2619000,
    "l2CacheSize": 52428800, "deviceName": "NVIDIA H100 80GB HBM3"})";

struct Layer {
  const char* name;
  int channels, size, out_channels, out_size, kernel, stride, pad, groups;
};

// 224 in, 55 out: the last window of conv1 extends three pixels beyond the edge (ceil).
constexpr Layer kLayers[] = {
    {"conv1, 224 and a window over the edge", 3, 224, 96, 55, 11, 4, 0, 1},
    {"conv1, half", 3, 224, 48, 55, 11, 4, 0, 1},
    {"conv1 of torchvision", 3, 224, 64, 55, 11, 4, 2, 1},
    {"conv2 in two groups", 96, 27, 256, 27, 5, 1, 2, 2},
    {"conv2, half", 48, 27, 128, 27, 5, 1, 2, 1},
    {"conv2 of one tower", 64, 27, 192, 27, 5, 1, 2, 1},
    {"conv3", 256, 13, 384, 13, 3, 1, 1, 1},
    {"conv4 in two groups", 384, 13, 384, 13, 3, 1, 1, 2},
    {"conv5 in two groups", 384, 13, 256, 13, 3, 1, 1, 2},
    {"a window more than fits, odd sizes", 5, 9, 7, 5, 3, 2, 0, 1},
};
constexpr CudnnPass kPasses[] = {CudnnPass::forward, CudnnPass::forward_bias_relu,
                                 CudnnPass::backward_data, CudnnPass::backward_weights};
constexpr std::pair<const char*, Precision> kPrecisions[] = {
    {"fp32", {}}, {"tf32", {DType::f32, true}}, {"bf16", {DType::bf16}}};

ConvProblem problem(const Layer& l, int images, DType dtype) {
  ConvProblem p;
  p.x = {images, l.channels, l.size, l.size};
  p.y = {images, l.out_channels, l.out_size, l.out_size};
  p.kernel_h = p.kernel_w = l.kernel;
  p.stride_h = p.stride_w = l.stride;
  p.pad_h = p.pad_w = l.pad;
  p.groups = l.groups;
  p.dtype = dtype;
  return is_padded_evenly(p) ? p : with_padding_in_image(p);
}

// Whether NVRTC can compile in this process, as cuDNN's runtime-compiled engines need. It can only
// if it finds its builtins.
bool nvrtc_compiles() {
  void* nvrtc = dlopen("libnvrtc.so.13", RTLD_NOW | RTLD_NOLOAD);
  if (!nvrtc) return false;
  using Create =
      int (*)(void**, const char*, const char*, int, const char* const*, const char* const*);
  using Compile = int (*)(void*, int, const char* const*);
  const auto create = reinterpret_cast<Create>(dlsym(nvrtc, "nvrtcCreateProgram"));
  const auto compile = reinterpret_cast<Compile>(dlsym(nvrtc, "nvrtcCompileProgram"));
  void* program = nullptr;
  return create(&program, "__global__ void nothing() {}", "nothing.cu", 0, nullptr, nullptr) == 0 &&
         compile(program, 0, nullptr) == 0;
}

// The passes of "alexnet" on one device, as checked by test_conv_passes.cpp: the image has no
// gradient, and the ReLU after conv5 is fused into the pooling.
struct Asked {
  int layer;  // of kLayers
  ConvPasses forward;
  bool backward_data;
};
constexpr Asked kAlexNet[] = {{0, {.forward_bias_relu = true}, false},
                              {3, {.forward_bias_relu = true}, true},
                              {6, {.forward_bias_relu = true}, true},
                              {7, {.forward_bias_relu = true}, true},
                              {8, {.forward = true}, true}};

// Number of plans that the engine makes for it; 0: a plan is missing.
int made_for_alexnet(const CudnnTarget& target, const Precision& how, bool training) {
  int made = 0;
  for (const Asked& asked : kAlexNet) {
    ConvPasses passes = asked.forward;
    passes.backward_data = training && asked.backward_data;
    passes.backward_weights = training;
    const auto plans =
        plans_of<CudnnPlan>(passes, [&](CudnnPass pass) -> std::shared_ptr<CudnnPlan> {
          ++made;
          return make_cudnn_plan(target, problem(kLayers[asked.layer], 128, how.dtype), pass,
                                 how.tf32, size_t(1) << 30);
        });
    if (plans.missing) return 0;
  }
  return made;
}

int run() {
  std::string why;
  if (!find_cudnn(why)) {
    std::printf("skipped: %s\n", why.c_str());
    return 77;
  }
  std::printf("NVRTC %s\n", nvrtc_compiles() ? "compiles" : "cannot compile");
  CudnnDescriptor h100(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  const std::string properties(kH100);
  h100.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
           int64_t(properties.size()) + 1, properties.c_str());
  h100.finalize();
  int missing = 0;
  for (const Layer& layer : kLayers)
    for (const int images : {1, 128, 256})
      for (const auto& [precision, how] : kPrecisions)
        for (const CudnnPass pass : kPasses) {
          const auto plan =
              make_cudnn_plan({.properties = &h100}, problem(layer, images, how.dtype), pass,
                              how.tf32, size_t(1) << 30);
          if (images == 128)
            std::printf("%-38s %s %-26s %s\n", layer.name, precision, name_of(pass),
                        plan ? format("workspace {} KiB", plan->workspace_bytes() >> 10).c_str()
                             : "no plan");
          missing += !plan;
        }
  bool as_asked = true;
  for (const auto& [precision, how] : kPrecisions) {
    const int training = made_for_alexnet({.properties = &h100}, how, true);
    const int testing = made_for_alexnet({.properties = &h100}, how, false);
    std::printf("alexnet in %s: %d plans to train, %d to evaluate\n", precision, training, testing);
    as_asked &= training == 14 && testing == 5;
  }
  std::printf("%d without a plan\n", missing);
  return missing != 0 || !as_asked;
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> folders(arguments + 1, arguments + count);
  set_library_folders([folders] { return folders; });
  try {
    return run();
  } catch (const std::exception& e) {
    std::printf("%s\n", e.what());
    return 1;
  }
}
