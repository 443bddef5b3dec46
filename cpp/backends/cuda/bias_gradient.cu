#include "backends/cuda/bias_gradient.h"
#include "backends/cuda/launch_op.h"
#include "ops/run.h"

namespace alexnet {
namespace {

constexpr int64_t kElements = 4096;  // minimum number of elements summed by a block

int images_of_a_block(const Shape& dy) {
  return int(std::clamp<int64_t>((kElements + dy.plane() - 1) / dy.plane(), 1, dy.n));
}

int chunks(const Shape& dy) {
  const int images = images_of_a_block(dy);
  return (dy.n + images - 1) / images;
}

// partial[chunk, c] = sum of dy[n, c, p] over the images n of the chunk and all pixels p
template <class T>
struct ChunkSums {
  static constexpr const char* name = "chunk_sums";
  using C = Compute<T>;
  int images;  // of a chunk
  View<const T> dy;
  C* partial;

  template <class F>
  void visit(F&& f) const {
    f(dy), f(View<C>{partial, {chunks(dy.shape), dy.shape.c, 1, 1}});
  }
  Grid grid() const { return {int64_t(chunks(dy.shape)) * dy.shape.c, kElements}; }

  template <class Index, class Team>
  ANX_HD void operator()(Index row, const Team& team) const {
    const Index chunk = row / dy.shape.c, c = row - chunk * dy.shape.c;
    const Index first = chunk * images, plane = dy.shape.plane();
    const Index count = first + images < dy.shape.n ? images : dy.shape.n - first;
    const C sum = team.sum(count * plane, [&](Index i) {
      const Index n = i / plane, p = i - n * plane;
      return C(dy[((first + n) * dy.shape.c + c) * plane + p]);
    });
    team.each(1, [&](Index) { partial[row] = sum; });
  }
};

template <class T>
void add(CudaStream& stream, const AnyView& dy, const AnyView& db, void* workspace) {
  using C = Compute<T>;
  const ChunkSums<T> sums{images_of_a_block(dy.shape), dy, static_cast<C*>(workspace)};
  launch_op(stream, sums, sums.grid());
  const View<const C> partial{
      static_cast<const C*>(workspace), {chunks(dy.shape), dy.shape.c, 1, 1}, dy.device};
  run(stream, BiasGradient<C>{partial, db});
}

}  // namespace

size_t bias_gradient_bytes(const Shape& dy, DType dtype) {
  return dy.n ? size_t(chunks(dy)) * size_t(dy.c) * size_of(compute_dtype(dtype)) : 0;
}

void bias_gradient(CudaStream& stream, const AnyView& dy, const AnyView& db, void* workspace) {
  for_dtype(dy.dtype, [&](auto t) { add<decltype(t)>(stream, dy, db, workspace); });
}

}  // namespace alexnet
