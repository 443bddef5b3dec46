// Python's arrays as a network's batches, borrowed.
#pragma once

#include "bindings/convert.h"
#include "train/replica.h"

namespace alexnet {

Batch to_batch(const Replica& net, const py::array& images);
Batch to_batch(const Replica& net, const py::array& images, const py::array& labels);
// `raw`: as Loader.next() gives it, with on_device.
Batch to_raw_batch(const Replica& net, const py::dict& raw, const py::array& labels);

// Keeps the arrays of a batch for a step that is not waited for.
Batch kept(Batch batch, const py::array& images, const py::array& labels);
Batch kept(Batch batch, const py::dict& raw, const py::array& labels);

}  // namespace alexnet
