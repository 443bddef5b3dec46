// The "copy" layer: copies values to another device. The graph inserts it where a layer reads the
// other tower. Each direction runs on the stream of the device that it reads.
#include "layers/registry.h"

namespace alexnet {
namespace {

template <class T>
class Copy final : public Layer {
 public:
  explicit Copy(const Attrs&) {}

  bool crosses_devices() const override { return true; }

  // A GPU stores arrays in planes, so a CPU sends planes.
  int input_block(int given, const Shape&, const PlanContext& context) const override {
    return context.device.channel_block(context.dtype) == 1 ? 1 : given;
  }

  LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) override {
    return {.outputs = {in[0]}, .block = context.block};
  }

  void forward(Stream& stream, const ForwardIO& io) override { stream.copy(io.in[0], io.out[0]); }

  void backward(Stream& stream, const BackwardIO& io) override {
    stream.copy(io.d_out[0], io.d_in[0]);
  }
};

}  // namespace

ANX_LAYER(copy, Copy)

}  // namespace alexnet
