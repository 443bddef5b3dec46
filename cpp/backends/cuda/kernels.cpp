#include "backends/cuda/kernels.h"

namespace alexnet {
namespace {

struct Table {
  OpLaunchers launchers = {};

  Table() {
    add_kernels_f32(launchers);
    add_kernels_f64(launchers);
    add_kernels_bf16(launchers);
    add_kernels_mixed(launchers);
  }
};

}  // namespace

OpLauncher op_launcher(int index) {
  static const Table table;
  return table.launchers[index];
}

}  // namespace alexnet
