// Converts Python arrays to batches of a network. The arrays are borrowed.
#pragma once

#include "bindings/convert.h"
#include "train/replica.h"

namespace alexnet {

Batch to_batch(const Replica& net, const py::array& images);
Batch to_batch(const Replica& net, const py::array& images, const py::array& labels);
// `raw`: a dict from Loader.next() with on_device.
Batch to_raw_batch(const Replica& net, const py::dict& raw, const py::array& labels);

// Keeps the arrays of a batch alive for a step that is only enqueued.
Batch kept(Batch batch, const py::array& images, const py::array& labels);
Batch kept(Batch batch, const py::dict& raw, const py::array& labels);

}  // namespace alexnet
