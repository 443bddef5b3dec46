#include "backends/cuda/cuda_stream.h"

#include <cstdlib>
#include <string_view>

#include "backends/cuda/cuda_device.h"
#include "backends/cuda/kernels.h"
#include "backends/cuda/peer.h"

namespace alexnet {

CudaStream::CudaStream(CudaDevice& device) : device_(device) {
  const OnDevice here(device_.id().index);
  ANX_CUDA(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking));
}

CudaStream::~CudaStream() {
  if (!handle_) return;
  cudaStreamSynchronize(handle_);
  blas_.reset();
  staged_.reset();
  cudnn_.reset();
  profile_.reset();
  cudaStreamDestroy(handle_);
}

DeviceId CudaStream::device() const { return device_.id(); }
int64_t CudaStream::block_threads() const { return device_.block_threads(); }
int64_t CudaStream::most_blocks() const { return int64_t(device_.processors()) * 16; }

void CudaStream::launch(int index, const void* op, size_t, Grid grid) {
  op_launcher(index)(*this, op, grid);
}

void CudaStream::gemm(const Gemm& g) { gemm_batch(g, 1, 0, 0, 0); }

void CudaStream::gemm_batch(const Gemm& g, int count, int64_t stride_a, int64_t stride_b,
                            int64_t stride_c) {
  const uint64_t key =
      key_of(1, g.transpose_a, g.transpose_b, g.m, g.n, g.k, g.a, g.b, g.c, g.lda, g.ldb, g.ldc,
             g.alpha, g.beta, g.dtype, count, stride_a, stride_b, stride_c);
  fixed(key, "gemm", [&](cudaStream_t) {
    if (!blas_) blas_ = std::make_unique<Blas>(device().index, handle_, device_.memory());
    blas_->gemm(g, count, stride_a, stride_b, stride_c, device_.tf32());
  });
}

void CudaStream::fill_zero(AnyView dst) {
  fixed(key_of(2, dst.data, dst.bytes()), "zero", [&](cudaStream_t stream) {
    return cudaMemsetAsync(dst.data, 0, size_t(dst.bytes()), stream);
  });
}

void CudaStream::copy(AnyView src, AnyView dst) {
  require<DeviceError>(src.device == device(), "a copy from {} was enqueued on a stream of {}",
                       to_string(src.device), to_string(device()));
  require<InternalError>(src.bytes() == dst.bytes(), "a copy from {} to {} differs in size",
                         to_string(src.shape), to_string(dst.shape));
  const size_t bytes = size_t(src.bytes());
  const int from = src.device.index, to = dst.device.index;
  fixed(key_of(3, src.data, dst.data, bytes), "copy", [&](cudaStream_t stream) {
    if (dst.device.kind == DeviceKind::cpu) {
      ANX_CUDA(cudaMemcpyAsync(dst.data, src.data, bytes, cudaMemcpyDeviceToHost, stream));
    } else if (from == to) {
      ANX_CUDA(cudaMemcpyAsync(dst.data, src.data, bytes, cudaMemcpyDeviceToDevice, stream));
    } else if (peer_access(from, to)) {
      ANX_CUDA(cudaMemcpyPeerAsync(dst.data, to, src.data, from, bytes, stream));
    } else {
      if (!staged_ || staged_->to() != to) staged_ = std::make_unique<StagedCopy>(from, to);
      staged_->copy(stream, src.data, dst.data, bytes);
    }
  });
}

void CudaStream::upload(const void* src, AnyView dst) {
  fixed(key_of(4, src, dst.data, dst.bytes()), "upload", [&](cudaStream_t stream) {
    return cudaMemcpyAsync(dst.data, src, size_t(dst.bytes()), cudaMemcpyHostToDevice, stream);
  });
}

void CudaStream::download(AnyView src, void* dst) {
  fixed(key_of(5, src.data, dst, src.bytes()), "download", [&](cudaStream_t stream) {
    return cudaMemcpyAsync(dst, src.data, size_t(src.bytes()), cudaMemcpyDeviceToHost, stream);
  });
}

std::unique_ptr<Event> CudaStream::make_event() {
  return std::make_unique<CudaEvent>(device().index);
}

void CudaStream::record(Event& event) {
  auto& own = static_cast<CudaEvent&>(event);
  fixed(key_of(6, &own), nullptr, [&](cudaStream_t stream) { own.record(stream); });
}

void CudaStream::wait(Event& event) {
  if (auto* own = dynamic_cast<CudaEvent*>(&event)) {
    fixed(key_of(7, own), kWait, [&](cudaStream_t stream) {
      if (own->is_recorded()) ANX_CUDA(cudaStreamWaitEvent(stream, own->last(), 0));
    });
    return;
  }
  // An event of another back end: a thread of the driver waits for it.
  auto* wait = new std::function<void()>(event.host_wait());
  const auto call = [](void* data) {
    const std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()>*>(data));
    (*owned)();
  };
  fixed(0, kWait, [&](cudaStream_t stream) { ANX_CUDA(cudaLaunchHostFunc(stream, call, wait)); });
}

std::unique_ptr<StepGraph> CudaStream::make_step_graph(const std::vector<Stream*>& streams) {
  const char* wanted = std::getenv("ALEXNET_CUDA_GRAPH");
  if (wanted && std::string_view(wanted) == "0") return nullptr;
  std::vector<CudaStream*> own;
  for (Stream* stream : streams) {
    auto* cuda = dynamic_cast<CudaStream*>(stream);
    if (!cuda) return nullptr;  // a CPU stream cannot be captured
    own.push_back(cuda);
  }
  return std::make_unique<CudaGraph>(own);
}

void CudaStream::profile(bool on) {
  if (on && !profile_) profile_ = std::make_unique<CudaProfile>(device().index, handle_);
  if (on && !profiling_) profile_->start();
  profiling_ = on;
}

std::vector<TaskRecord> CudaStream::take_profile() {
  return profile_ ? profile_->take() : std::vector<TaskRecord>();
}

void CudaStream::synchronize() {
  const cudaError_t result = cudaStreamSynchronize(handle_);
  if (result == cudaSuccess) return;
  cudaGetLastError();
  fail<DeviceError>("{}: {} ({}), in layer '{}' or before it; this process must be restarted",
                    to_string(device()), cudaGetErrorString(result), cudaGetErrorName(result),
                    label_);
}

}  // namespace alexnet
