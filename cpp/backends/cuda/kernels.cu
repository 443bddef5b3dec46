#include "backends/cuda/kernels.h"
#include "backends/cuda/launch_op.h"

namespace alexnet {
namespace {

template <class Op>
struct Launcher {
  static void launch(CudaStream& stream, const void* op, Grid grid) {
    launch_op(stream, *static_cast<const Op*>(op), grid);
  }
};

struct Table {
  OpLauncher launch[AllOps::size];
};

template <class... Ops>
constexpr Table make_table(OpList<Ops...>) {
  Table table = {};
  int i = 0;
  ((table.launch[i++] = &Launcher<Ops>::launch), ...);  // nvcc 13.0 cannot expand them in braces
  return table;
}

constexpr Table kTable = make_table(AllOps{});

}  // namespace

OpLauncher op_launcher(int index) { return kTable.launch[index]; }

}  // namespace alexnet
