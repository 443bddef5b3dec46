// Converts Python arrays to batches of a network. The arrays are borrowed.
#pragma once

#include "bindings/convert.h"
#include "train/network.h"

namespace alexnet {

// Labels with images, either as floats or as records that the devices augment. Keeps its arrays
// alive, also while an enqueued step reads them.
struct BoundBatch {
  Batch batch;
  Shape images;  // floats: (N, C, H, W); records: only N and C are set
  DType dtype = DType::f32;

  static BoundBatch of_images(const py::array& images, const py::array& labels);
  static BoundBatch of_records(const py::array& records, const py::array& labels,
                               const py::array& offsets, const py::array& mirror,
                               const py::object& color, float scale);
  // Throws if the batch does not fit the network.
  const Batch& for_network(const Replica& net) const;
};

// Without labels, for inference.
Batch to_batch(const Replica& net, const py::array& images);
Batch to_batch(const Replica& net, const py::array& images, const py::array& labels);

}  // namespace alexnet
