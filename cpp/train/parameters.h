// The parameters of a network and the state of its layers (LayerPlan::state). The user reads and
// writes whole parameters by name; the program uses their parts on the devices. A part is a range
// of rows (output channels) of the whole parameter, so files do not depend on the placement.
//
// Values, momenta and gradients have the network's compute type (core/dtype.h). If the network's
// dtype differs (bf16), layers read weights from a shadow copy in that dtype, which is updated at
// every change.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "graph/executor.h"
#include "graph/program.h"

namespace alexnet {

// v <- momentum * v - decay * lr * w - lr * g;  w <- w + v. With lr 0 nothing changes.
struct UpdateRule {
  double lr = 0.01, momentum = 0.9, decay = 0;

  friend bool operator==(const UpdateRule&, const UpdateRule&) = default;
};

enum class ParamKind { value, momentum, gradient };  // state has a value only

class Parameters {
 public:
  // The parameters of the nodes of a planned program of any batch size. Initial values are drawn on
  // `threads` host threads.
  Parameters(const Program& program, const std::vector<Device*>& devices,
             const std::vector<Stream*>& streams, uint64_t seed, int threads);

  const std::vector<std::string>& names() const { return names_; }  // without state
  const std::vector<std::string>& state_names() const { return state_names_; }
  Shape shape(const std::string& name) const { return find(name).shape; }

  // Throws ConfigError if there is no such parameter, or if it is state and `kind` is not `value`.
  void require_kind(const std::string& name, ParamKind kind) const;
  // Blocking. `data` holds the whole parameter in the compute type.
  void read(const std::string& name, ParamKind kind, void* data);
  void write(const std::string& name, ParamKind kind, const void* data);

  // With `gradient`, includes the accumulated gradient or the change of state; else it is empty.
  ParamViews views(const ParamUse& use, bool gradient);
  void set_rule(const std::string& name, const UpdateRule& rule);
  const UpdateRule& rule(const std::string& name) const { return find(name).rule; }

  // The device and number of elements of each part of a parameter.
  struct Shard {
    size_t device = 0;
    int64_t count = 0;
  };
  std::vector<Shard> shards(const std::string& name) const;
  AnyView gradient(const std::string& name, size_t part) {
    return view(find(name).parts[part], ParamKind::gradient);
  }
  void zero_gradients();           // blocking
  void drop_gradients() noexcept;  // after a failed step; blocking

  // Enqueues one update of all state and all parameters that are not frozen, and zeroes gradients
  // and changes. A GPU updates all parameters in one kernel; a CPU runs one op per parameter, under
  // its name in the profile.
  void update();
  void update_state();          // updates state only
  void forget_state_changes();  // enqueued
  // The first part of update(). Blocks only if the rules have changed.
  void prepare_update();
  // Enqueues the update of one part with a gradient outside this object, and zeroes that gradient.
  void update(const ParamUse& use, const AnyView& gradient);

  // Whether a backward pass has added to the gradients of this object since the last update, or is
  // about to.
  void will_accumulate() { accumulated_ = true; }
  bool accumulated() const { return accumulated_; }

  // Changes with every write and update; never 0.
  uint64_t version() const { return version_; }

  int64_t count() const;  // number of elements, without state
  DType compute_type() const { return compute_; }
  // Memory of `copies` copies (of value, momentum, gradient) and of the shadows.
  size_t bytes(size_t device, int copies) const;
  double init_std(const std::string& name) const { return find(name).init_std; }

 private:
  struct Part {
    size_t device = 0;
    Shape shape;
    bool compute_type = false;
    Tensor value, momentum, gradient;  // for state, `gradient` is its change
    Tensor shadow;  // of a weight, if the network's dtype is not the compute type
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
  void upload(Part& part, const void* from);  // sets the values; blocking
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
  // By device: the pieces that its update kernel updates.
  struct Table {
    Tensor pieces;
    int count = 0;
  };
  std::vector<Table> tables_;
  bool tables_are_current_ = false;
};

}  // namespace alexnet
