#include "backends/cuda/cuda_graph.h"

#include <cstdio>
#include <cstring>

#include "backends/cuda/cuda_stream.h"

namespace alexnet {
namespace {

uint64_t shape_key(const KernelLaunch& c) {
  return key_of(c.kernel, c.grid.x, c.grid.y, c.grid.z, c.block.x, c.block.y, c.block.z, c.shared,
                c.count);
}

std::vector<std::byte> bytes_of(const KernelLaunch& call) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < call.count; ++i) {
    const auto* from = static_cast<const std::byte*>(call.arguments[i]);
    bytes.insert(bytes.end(), from, from + call.sizes[i]);
  }
  return bytes;
}

// Copies the arguments to `bytes`; returns whether they were equal.
bool take_over(const KernelLaunch& call, std::vector<std::byte>& bytes) {
  bool same = true;
  size_t at = 0;
  for (size_t i = 0; i < call.count; at += call.sizes[i++]) {
    if (std::memcmp(bytes.data() + at, call.arguments[i], call.sizes[i]) == 0) continue;
    std::memcpy(bytes.data() + at, call.arguments[i], call.sizes[i]);
    same = false;
  }
  return same;
}

}  // namespace

CudaGraph::CudaGraph(const std::vector<CudaStream*>& streams) : streams_(streams) {
  forked_ = std::make_unique<CudaEvent>(streams[0]->device().index);
  for (size_t i = 1; i < streams.size(); ++i)
    joined_.push_back(std::make_unique<CudaEvent>(streams[i]->device().index));
}

CudaGraph::~CudaGraph() {
  cancel();
  drop();
}

void CudaGraph::attach(CudaGraph* replay) {
  for (CudaStream* stream : streams_) stream->attach(replay);
}

// Later work on the other streams waits for the earlier work on the first stream.
void CudaGraph::fork() {
  if (streams_.size() == 1) return;
  streams_[0]->record(*forked_);
  for (size_t i = 1; i < streams_.size(); ++i) streams_[i]->wait(*forked_);
}

// Later work on the first stream waits for the earlier work on the other streams.
void CudaGraph::join() {
  for (size_t i = 1; i < streams_.size(); ++i) {
    streams_[i]->record(*joined_[i - 1]);
    streams_[0]->wait(*joined_[i - 1]);
  }
}

void CudaGraph::begin() {
  at_ = 0;
  differs_ = false;
  if (state_ == State::recording) {
    join();
    const OnDevice here(streams_[0]->device().index);
    ANX_CUDA(cudaStreamBeginCapture(streams_[0]->handle(), cudaStreamCaptureModeThreadLocal));
    capturing_ = true;
    entries_.clear();
    fork();
    attach(this);
  } else if (state_ == State::playing) {
    attach(this);
  }
}

bool CudaGraph::end() {
  attach(nullptr);
  switch (state_) {
    case State::broken:
      return true;
    case State::first:
      state_ = State::recording;
      return true;
    case State::recording: {
      join();
      const OnDevice here(streams_[0]->device().index);
      capturing_ = false;
      cudaError_t result = cudaStreamEndCapture(streams_[0]->handle(), &graph_);
      if (result == cudaSuccess) result = cudaGraphInstantiate(&exec_, graph_, 0);
      if (result != cudaSuccess) {
        cudaGetLastError();
        return !give_up(cudaGetErrorString(result));
      }
      state_ = State::playing;
      break;
    }
    case State::playing:
      if (differs_ || at_ != entries_.size()) {
        drop();
        state_ = State::recording;
        return false;
      }
      join();
  }
  const OnDevice here(streams_[0]->device().index);
  if (const cudaError_t result = cudaGraphLaunch(exec_, streams_[0]->handle());
      result != cudaSuccess) {
    cudaGetLastError();
    return !give_up(cudaGetErrorString(result));
  }
  fork();
  return true;
}

void CudaGraph::cancel() noexcept {
  attach(nullptr);
  if (!capturing_) return;
  capturing_ = false;
  cudaGraph_t unfinished = nullptr;
  cudaStreamEndCapture(streams_[0]->handle(), &unfinished);
  if (unfinished) cudaGraphDestroy(unfinished);
  cudaGetLastError();
}

bool CudaGraph::give_up(const std::string& why) noexcept {
  if (state_ != State::recording && state_ != State::playing) return false;
  cancel();
  drop();
  state_ = State::broken;
  std::fprintf(
      stderr,
      "alexnet-native: the training step could not be captured or launched as a CUDA graph "
      "(%s): training continues without one\n",
      why.c_str());
  return true;
}

void CudaGraph::drop() {
  if (exec_) cudaGraphExecDestroy(exec_);
  if (graph_) cudaGraphDestroy(graph_);
  exec_ = nullptr;
  graph_ = nullptr;
}

void CudaGraph::record(cudaStream_t stream, const KernelLaunch& call) {
  // The node captured last on this stream is the only dependency of the next one.
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  const cudaGraphNode_t* last = nullptr;
  size_t count = 0;
  ANX_CUDA(cudaStreamGetCaptureInfo(stream, &status, nullptr, nullptr, &last, nullptr, &count));
  require<InternalError>(status == cudaStreamCaptureStatusActive && count == 1,
                         "a kernel was launched on a stream that is not being captured");
  entries_.push_back({last[0], shape_key(call), bytes_of(call)});
}

void CudaGraph::record(uint64_t key) { entries_.push_back({nullptr, key, {}}); }

void CudaGraph::play(const KernelLaunch& call) {
  if (differs_) return;
  Entry* entry = at_ < entries_.size() ? &entries_[at_++] : nullptr;
  if (!entry || !entry->node || entry->key != shape_key(call)) {
    differs_ = true;
    return;
  }
  if (take_over(call, entry->arguments)) return;
  cudaKernelNodeParams parameters = {};
  parameters.func = call.kernel;
  parameters.gridDim = call.grid;
  parameters.blockDim = call.block;
  parameters.sharedMemBytes = unsigned(call.shared);
  parameters.kernelParams = call.arguments;
  ANX_CUDA(cudaGraphExecKernelNodeSetParams(exec_, entry->node, &parameters));
}

void CudaGraph::play(uint64_t key) {
  if (differs_) return;
  differs_ = at_ >= entries_.size() || entries_[at_].node || entries_[at_].key != key;
  ++at_;
}

}  // namespace alexnet
