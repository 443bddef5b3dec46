// Converts Python arrays to batches of a network. The arrays are borrowed.
#pragma once

#include "bindings/convert.h"
#include "train/network.h"

namespace alexnet {

// Images as floats or as records that the devices augment, with labels. It keeps its arrays alive,
// also for a step that has not been waited for.
struct BoundBatch {
  Batch batch;
  Shape images;  // of floats: (N, C, H, W); of records: N and C
  DType dtype = DType::f32;

  static BoundBatch of_images(const py::array& images, const py::array& labels);
  static BoundBatch of_records(const py::array& records, const py::array& labels,
                               const py::array& offsets, const py::array& mirror,
                               const py::object& color, float scale);
  // Throws where the batch does not fit the network.
  const Batch& for_network(const Replica& net) const;
};

// Images alone, for inference.
Batch to_batch(const Replica& net, const py::array& images);
Batch to_batch(const Replica& net, const py::array& images, const py::array& labels);

}  // namespace alexnet
