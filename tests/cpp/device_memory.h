// The device to test, and conversion between tensors and std::vector.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/philox.h"
#include "core/tensor.h"

namespace alexnet::test {

inline std::unique_ptr<Device> cpu(int index, int threads = 2) {
  return backend(DeviceKind::cpu).make_device({DeviceKind::cpu, int16_t(index)}, threads);
}

// Tests that apply to every back end run on the one named by ALEXNET_TEST_DEVICE: cpu or cuda.
inline DeviceKind tested_kind() {
  const char* name = std::getenv("ALEXNET_TEST_DEVICE");
  return parse_device(std::string(name && *name ? name : "cpu") + ":0").kind;
}
inline DeviceId tested_id(int index) { return {tested_kind(), int16_t(index)}; }
inline std::string tested_name(int index) { return to_string(tested_id(index)); }
inline std::unique_ptr<Device> tested(int index, int threads = 2) {
  return backend(tested_kind()).make_device(tested_id(index), threads);
}
// Index of the i-th of any number of devices: CPUs are numbered on, two GPUs alternate.
inline int tested_index(int i) { return tested_kind() == DeviceKind::cpu ? i : i % 2; }

template <class T>
Tensor upload(Device& device, Stream& stream, const Shape& shape, const std::vector<T>& values) {
  Tensor tensor(device, shape, dtype_of<T>);
  stream.upload(values.data(), tensor.view());
  stream.synchronize();
  return tensor;
}

template <class T>
std::vector<T> download(Stream& stream, const AnyView& view) {
  std::vector<T> values(size_t(view.shape.count()));
  stream.download(view, values.data());
  stream.synchronize();
  return values;
}

// Normal draws. Each caller uses a different `site`.
template <class T>
std::vector<T> random_values(int64_t count, uint32_t site) {
  std::vector<double> values(size_t(count), 0.0);
  normals(RandomSite{42, site}, 0, values.data(), values.size());
  return {values.begin(), values.end()};
}

}  // namespace alexnet::test
