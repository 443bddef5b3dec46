// The parameters of a network, and the state of its layers (LayerPlan::state): whole ones by name
// for the user, parts on devices for the program.
// A part is a range of rows (output channels) of the whole, so files and placements are
// independent.
//
// Values, momenta and gradients are of the network's compute type (core/dtype.h). Where the
// network's own is another one (bf16), layers read the weights from a shadow in it, which every
// change renews.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "graph/executor.h"
#include "graph/program.h"

namespace alexnet {

// v <- momentum * v - decay * lr * w - lr * g;  w <- w + v. With lr 0 nothing moves.
struct UpdateRule {
  double lr = 0.01, momentum = 0.9, decay = 0;

  friend bool operator==(const UpdateRule&, const UpdateRule&) = default;
};

enum class ParamKind { value, momentum, gradient };  // state has a value only

class Parameters {
 public:
  // From the planned nodes of a program of any batch size: what they ask for. The first values are
  // drawn on `threads` threads of the host.
  Parameters(const Program& program, const std::vector<Device*>& devices,
             const std::vector<Stream*>& streams, uint64_t seed, int threads);

  const std::vector<std::string>& names() const { return names_; }  // without state
  const std::vector<std::string>& state_names() const { return state_names_; }
  Shape shape(const std::string& name) const { return find(name).shape; }

  // Throws ConfigError where there is no such parameter, or it is state and has no such kind.
  void require_kind(const std::string& name, ParamKind kind) const;
  // Blocking. `data` holds the whole parameter, of the compute type.
  void read(const std::string& name, ParamKind kind, void* data);
  void write(const std::string& name, ParamKind kind, const void* data);

  // The gradient, or the change of state, is that which accumulates; empty where it is not wanted.
  ParamViews views(const ParamUse& use, bool gradient);
  void set_rule(const std::string& name, const UpdateRule& rule);
  const UpdateRule& rule(const std::string& name) const { return find(name).rule; }

  // The parts of a parameter: on which device, of how many elements.
  struct Shard {
    size_t device = 0;
    int64_t count = 0;
  };
  std::vector<Shard> shards(const std::string& name) const;
  AnyView gradient(const std::string& name, size_t part) {
    return view(find(name).parts[part], ParamKind::gradient);
  }
  void zero_gradients();           // blocking
  void drop_gradients() noexcept;  // of a step that failed; blocking

  // Enqueues one update of every parameter that is not frozen, and of all state, and zeroes the
  // gradients and changes. On a GPU the parameters are one kernel; on a CPU each is its own, and
  // has its name in a profile.
  void update();
  void update_state();          // of the state alone
  void forget_state_changes();  // enqueued
  // What update() does first. Blocking where the rules have changed, and nothing else.
  void prepare_update();
  // Enqueues the update of one part by a gradient that is not one of these, and zeroes it.
  void update(const ParamUse& use, const AnyView& gradient);

  // A backward pass adds to the gradients of this object, or did since the last update.
  void will_accumulate() { accumulated_ = true; }
  bool accumulated() const { return accumulated_; }

  // Changes with every write and update, and is never 0.
  uint64_t version() const { return version_; }

  int64_t count() const;  // of elements, without state
  DType compute_type() const { return compute_; }
  // `copies` of them: values, momenta, gradients; and the shadows.
  size_t bytes(size_t device, int copies) const;
  double init_std(const std::string& name) const { return find(name).init_std; }

 private:
  struct Part {
    size_t device = 0;
    Shape shape;
    bool compute_type = false;
    Tensor value, momentum, gradient;  // of state, `gradient` is its change
    Tensor shadow;  // of a weight in the network's dtype, where that is not the compute type
  };
  struct Param {
    Shape shape;
    double init_std = 0, init_value = 0;
    bool is_state = false;
    UpdateRule rule;
    std::vector<Part> parts;
  };

  void add(const ParamUse& use, size_t device);
  Param& find(const std::string& name);
  const Param& find(const std::string& name) const;
  AnyView view(Part& part, ParamKind kind);  // allocates and fills on first use
  bool has_shadow(const Part& part) const;
  void upload(Part& part, const void* from);  // the values; blocking
  void renew_shadow(Part& part);
  void ensure_values();
  template <class T>
  void start(const std::string& name, Param& p, std::vector<T>& drawn);
  void update_each(const std::string& name, Param& p);
  void enqueue_update(const std::string& name, Param& p, Part& part, const AnyView& gradient);
  bool in_one_kernel(size_t device) const { return devices_[device]->threads() == 0; }
  template <class T>
  void make_table(size_t device);

  std::vector<Device*> devices_;
  std::vector<Stream*> streams_;
  DType dtype_, compute_;
  uint64_t seed_;
  int threads_;
  std::vector<std::string> names_, state_names_;
  std::map<std::string, Param> params_;
  bool ready_ = false, accumulated_ = false;
  uint64_t version_ = 1;
  // By device: what its one kernel updates.
  struct Table {
    Tensor pieces;
    int count = 0;
  };
  std::vector<Table> tables_;
  bool tables_are_current_ = false;
};

}  // namespace alexnet
