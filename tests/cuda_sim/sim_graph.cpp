// Capture of streams into graphs. The nodes of a graph run one after the other, in an order that
// depends only on their dependencies and ALEXNET_SIM_ORDER, so that a missing dependency shows.
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "sim.h"

using namespace cuda_sim;

struct SimGraphExec {
  struct Node {
    std::shared_ptr<KernelWork> kernel;  // null: `task`
    Task task;
    std::vector<size_t> after;

    Accesses touches() const { return kernel ? kernel->touches() : task.touches; }
  };
  std::vector<Node> nodes;  // in the order of the graph
  Accesses touches;         // accesses of all nodes
  bool checked = false;
};

SimGraph::SimGraph() { count("graph", 1); }
SimGraph::~SimGraph() { count("graph", -1); }

namespace {

SimNode* add_node(SimStream& stream, std::shared_ptr<KernelWork> kernel, Task task) {
  auto node = std::make_unique<SimNode>();
  node->kernel = std::move(kernel);
  node->task = std::move(task);
  node->after = stream.last;
  node->index = stream.capture->nodes.size();
  stream.last = {node.get()};
  stream.capture->nodes.push_back(std::move(node));
  return stream.last[0];
}

void check_order(SimGraphExec& exec) {
  std::vector<Accesses> touches;
  std::vector<const Accesses*> pointers;
  std::vector<std::vector<size_t>> after;
  exec.touches.clear();
  for (const SimGraphExec::Node& node : exec.nodes) {
    touches.push_back(node.touches());
    exec.touches.insert(exec.touches.end(), touches.back().begin(), touches.back().end());
    after.push_back(node.after);
  }
  for (const Accesses& one : touches) pointers.push_back(&one);
  check_graph(pointers, after);
  exec.checked = true;
}

void run_all(const std::vector<SimGraphExec::Node>& nodes) {
  std::vector<bool> done(nodes.size());
  for (size_t ran = 0; ran < done.size(); ++ran) {
    std::vector<unsigned> ready;
    for (unsigned i = 0; i < done.size(); ++i)
      if (!done[i] && std::all_of(nodes[i].after.begin(), nodes[i].after.end(),
                                  [&](size_t before) { return done[before]; }))
        ready.push_back(i);
    put_in_order(ready, ran);
    const SimGraphExec::Node& node = nodes[ready[0]];
    if (node.kernel) {
      node.kernel->run();
    } else {
      node.task.run();
    }
    done[ready[0]] = true;
  }
}

}  // namespace

bool cuda_sim::graphs_fail_at(const char* where) {
  static const char* chosen = std::getenv("ALEXNET_SIM_GRAPH_FAILS");
  return chosen && std::string_view(chosen) == where;
}

void cuda_sim::enqueue(SimStream& stream, Task task) {
  if (stream.capture) {
    add_node(stream, nullptr, std::move(task));
  } else {
    stream.add(std::move(task));
  }
}

void cuda_sim::enqueue(SimStream& stream, std::shared_ptr<KernelWork> work) {
  if (stream.capture) {
    add_node(stream, std::move(work), {});
  } else {
    Accesses touches = work->touches();
    stream.add({[work = std::move(work)] { work->run(); }, std::move(touches)});
  }
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (event->device != stream->device) return error(cudaErrorInvalidResourceHandle);
  event->capture = stream->capture;
  event->capturing = stream->capture ? stream->capture->capturing : nullptr;
  if (stream->capture) {
    event->nodes = stream->last;
    return cudaSuccess;
  }
  const uint64_t ticket = ++event->recorded;
  stream->add({[=, point = event->point] { point->complete(ticket, stream->party.told()); }});
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (event->capture) {
    if (!*event->capturing) die("a stream waits for an event of a capture that has ended");
    if (stream->capture && stream->capture != event->capture) die("two captures were joined");
    if (!stream->capture) {  // it joins the capture
      stream->capture = event->capture;
      stream->capture->streams.push_back(stream);
      stream->last.clear();
    }
    for (SimNode* node : event->nodes)
      if (std::find(stream->last.begin(), stream->last.end(), node) == stream->last.end())
        stream->last.push_back(node);
    return cudaSuccess;
  }
  if (stream->capture) die("a captured stream waits for an event recorded outside the capture");
  stream->add({[=, point = event->point, ticket = event->recorded] {
    stream->party.learn(point->wait_for(ticket));
  }});
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->capture) die("a stream is captured twice");
  stream->capture = new SimGraph;
  stream->capture->streams = {stream};
  stream->capture_origin = true;
  stream->last.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!stream->capture || !stream->capture_origin) return error(cudaErrorInvalidValue);
  *graph = stream->capture;
  *(*graph)->capturing = false;
  // The last node of every other stream must be before the last node of the first stream.
  std::vector<bool> seen((*graph)->nodes.size());
  std::vector<const SimNode*> open(stream->last.begin(), stream->last.end());
  while (!open.empty()) {
    const SimNode* node = open.back();
    open.pop_back();
    if (seen[node->index]) continue;
    seen[node->index] = true;
    open.insert(open.end(), node->after.begin(), node->after.end());
  }
  bool joined = true;
  for (SimStream* s : (*graph)->streams) {
    for (const SimNode* node : s->last) joined &= seen[node->index];
    s->capture = nullptr;
    s->capture_origin = false;
    s->last.clear();
  }
  if (joined && !graphs_fail_at("end")) return cudaSuccess;
  delete *graph;
  *graph = nullptr;
  return error(joined ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnjoined);
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                     unsigned long long*, cudaGraph_t*,
                                     const cudaGraphNode_t** dependencies,
                                     const cudaGraphEdgeData**, size_t* count) {
  *status = stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  if (dependencies) *dependencies = stream->last.data();
  if (count) *count = stream->last.size();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* result, cudaGraph_t graph, unsigned long long) {
  if (graphs_fail_at("instantiate")) return error(cudaErrorNotSupported);
  auto exec = std::make_unique<SimGraphExec>();
  for (const auto& node : graph->nodes) {
    exec->nodes.push_back({node->kernel, node->task, {}});
    for (const SimNode* before : node->after) exec->nodes.back().after.push_back(before->index);
  }
  *result = exec.release();
  count("graph", 1);
  return cudaSuccess;
}

// An earlier launch may still be waiting to run; it keeps the old arguments.
cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                             const cudaKernelNodeParams* p) {
  if (graphs_fail_at("update")) return error(cudaErrorNotSupported);
  auto& kernel = exec->nodes.at(node->index).kernel;
  if (!kernel || kernel->kernel != p->func) return error(cudaErrorInvalidValue);
  kernel = std::make_shared<KernelWork>(p->func, *kernel->type, p->gridDim, p->blockDim,
                                        p->kernelParams, p->sharedMemBytes, kernel->device);
  kernel->check();
  exec->checked = false;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  if (stream->capture) die("a graph was launched during a capture");
  if (graphs_fail_at("launch")) return error(cudaErrorMemoryAllocation);
  for (const SimGraphExec::Node& node : exec->nodes)
    if (node.kernel) node.kernel->check();  // its memory may have been freed since the capture
  if (!exec->checked) check_order(*exec);
  stream->add({[nodes = exec->nodes] { run_all(nodes); }, exec->touches});
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  count("graph", -1);
  return cudaSuccess;
}
