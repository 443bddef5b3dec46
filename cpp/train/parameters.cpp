#include "train/parameters.h"

#include <algorithm>

#include "core/philox.h"
#include "ops/run.h"
#include "train/initial_values.h"

namespace alexnet {
namespace {

// Number of initial values drawn and uploaded at a time: those of AlexNet's fc6 take 151 MB.
constexpr int64_t kDrawn = 1 << 22;

// T: the type of the shadow or, if there is none, of the values.
template <class T>
void run_update(Stream& stream, const UpdateRule& rule, const AnyView& w, const AnyView& v,
                const AnyView& g, const AnyView& shadow) {
  using C = Compute<T>;
  View<T> rounded;
  if (shadow) rounded = shadow;
  run(stream, SgdUpdate<T>{C(rule.lr), C(rule.momentum), C(rule.decay), w, v, g, rounded});
}

}  // namespace

Parameters::Parameters(const Program& program, const std::vector<Device*>& devices,
                       const std::vector<Stream*>& streams, uint64_t seed, int threads)
    : devices_(devices),
      streams_(streams),
      dtype_(program.dtype),
      compute_(compute_dtype(program.dtype)),
      seed_(seed),
      threads_(threads) {
  for (const Node& node : program.nodes) {
    for (const ParamUse& use : node.params) add(use, size_t(node.device));
    for (const ParamUse& use : node.state) add(use, size_t(node.device));
  }
}

void Parameters::add(const ParamUse& use, size_t device) {
  Param& p = params_[use.name];
  if (p.parts.empty()) {
    (use.is_state ? state_names_ : names_).push_back(use.name);
    p.shape = use.spec.shape;
    p.shape.n *= use.parts;
    p.init_std = use.spec.init_std;
    p.init_value = use.spec.init_value;
    p.is_state = use.is_state;
    p.parts.resize(size_t(use.parts));
  }
  Part& part = p.parts[size_t(use.part)];
  part.device = device;
  part.shape = use.spec.shape;
  part.compute_type = use.spec.compute_type || use.is_state;
}

Parameters::Param& Parameters::find(const std::string& name) {
  const auto found = params_.find(name);
  require<ConfigError>(found != params_.end(), "there is no parameter '{}'", name);
  return found->second;
}

const Parameters::Param& Parameters::find(const std::string& name) const {
  return const_cast<Parameters*>(this)->find(name);
}

void Parameters::ensure_values() {
  if (ready_) return;
  for_dtype(dtype_, [&](auto t) {
    using C = Compute<decltype(t)>;
    int64_t longest = 0;
    for (const auto& [name, p] : params_) longest = std::max(longest, p.shape.count());
    std::vector<C> drawn(size_t(std::min(longest, kDrawn)));
    for (const std::string& name : names_) start(name, params_.at(name), drawn);
    for (const std::string& name : state_names_) start(name, params_.at(name), drawn);
  });
  ready_ = true;  // set last, so that the next call retries if memory runs out
}

template <class T>
void Parameters::start(const std::string& name, Param& p, std::vector<T>& drawn) {
  const InitialValues initial{{seed_, site_of(name)}, p.init_value, p.init_std};
  int64_t first = 0;  // index of the part's first element in the whole parameter
  for (Part& part : p.parts) {
    if (!part.value) part.value = Tensor(*devices_[part.device], part.shape, compute_);
    if (has_shadow(part) && !part.shadow)
      part.shadow = Tensor(*devices_[part.device], part.shape, dtype_);
    const int64_t count = part.shape.count();
    for (int64_t at = 0; at < count; at += kDrawn) {
      const int64_t n = std::min(kDrawn, count - at);
      AnyView to = part.value.view();
      to.data = static_cast<T*>(to.data) + at;
      to.shape = {int(n), 1, 1, 1};
      initial.draw(first + at, n, threads_, drawn.data());
      streams_[part.device]->upload(drawn.data(), to);
      streams_[part.device]->synchronize();
    }
    renew_shadow(part);
    streams_[part.device]->synchronize();
    first += count;
  }
}

bool Parameters::has_shadow(const Part& part) const {
  return dtype_ != compute_ && !part.compute_type;
}

void Parameters::upload(Part& part, const void* from) {
  Stream& stream = *streams_[part.device];
  stream.upload(from, part.value.view());
  renew_shadow(part);
  stream.synchronize();
}

void Parameters::renew_shadow(Part& part) {
  if (!part.shadow) return;
  run(*streams_[part.device], Cast<float, bf16>{part.value.view(), part.shadow.view()});
}

AnyView Parameters::view(Part& part, ParamKind kind) {
  ensure_values();
  Tensor& tensor = kind == ParamKind::value      ? part.value
                   : kind == ParamKind::momentum ? part.momentum
                                                 : part.gradient;
  if (!tensor) {
    tensor = Tensor(*devices_[part.device], part.shape, compute_);
    streams_[part.device]->fill_zero(tensor.view());
  }
  return tensor.view();
}

void Parameters::require_kind(const std::string& name, ParamKind kind) const {
  require<ConfigError>(kind == ParamKind::value || !find(name).is_state,
                       "'{}' is the state of a layer, which has no momentum and no gradient", name);
}

void Parameters::read(const std::string& name, ParamKind kind, void* data) {
  require_kind(name, kind);
  char* to = static_cast<char*>(data);
  for (Part& part : find(name).parts) {
    const AnyView v = view(part, kind);
    streams_[part.device]->download(v, to);
    streams_[part.device]->synchronize();
    to += v.bytes();
  }
}

void Parameters::write(const std::string& name, ParamKind kind, const void* data) {
  require_kind(name, kind);
  ++version_;
  accumulated_ |= kind == ParamKind::gradient;
  const char* from = static_cast<const char*>(data);
  for (Part& part : find(name).parts) {
    const AnyView v = view(part, kind);
    if (kind == ParamKind::value) {
      upload(part, from);
    } else {
      streams_[part.device]->upload(from, v);
      streams_[part.device]->synchronize();
    }
    from += v.bytes();
  }
}

ParamViews Parameters::views(const ParamUse& use, bool gradient) {
  Part& part = find(use.name).parts[size_t(use.part)];
  ParamViews v{view(part, ParamKind::value), {}};
  if (part.shadow) v.value = part.shadow.view();
  if (gradient && (use.trainable || use.is_state)) v.gradient = view(part, ParamKind::gradient);
  return v;
}

void Parameters::set_rule(const std::string& name, const UpdateRule& rule) {
  require<ConfigError>(!find(name).is_state,
                       "'{}' is the state of a layer, which has no update rule", name);
  UpdateRule& own = find(name).rule;
  if (own == rule) return;
  own = rule;
  tables_are_current_ = false;
}

std::vector<Parameters::Shard> Parameters::shards(const std::string& name) const {
  std::vector<Shard> all;
  for (const Part& part : find(name).parts) all.push_back({part.device, part.shape.count()});
  return all;
}

void Parameters::zero_gradients() {
  for (auto& [name, p] : params_)
    for (Part& part : p.parts)
      if (part.gradient) streams_[part.device]->fill_zero(part.gradient.view());
  for (Stream* stream : streams_) stream->synchronize();
  accumulated_ = false;
}

void Parameters::drop_gradients() noexcept {
  try {
    zero_gradients();
  } catch (const Error&) {  // the device has failed: the step's error reports it
  }
}

void Parameters::update() {
  ++version_;
  accumulated_ = false;
  prepare_update();
  for (const std::string& name : names_) {
    Param& p = params_.at(name);
    if (p.rule.lr != 0) update_each(name, p);
  }
  for (size_t d = 0; d < tables_.size(); ++d) {
    if (tables_[d].count == 0) continue;
    streams_[d]->set_label("update", Phase::update);
    for_dtype(dtype_, [&](auto t) {
      using Piece = SgdPiece<decltype(t)>;
      const View<const Piece> pieces{static_cast<const Piece*>(tables_[d].pieces.view().data),
                                     {tables_[d].count, 1, 1, 1},
                                     devices_[d]->id()};
      run(*streams_[d], SgdUpdateAll<decltype(t)>{pieces});
    });
  }
  update_state();
}

void Parameters::update_state() {
  ++version_;
  for (const std::string& name : state_names_) {
    for (Part& part : params_.at(name).parts) {
      Stream& stream = *streams_[part.device];
      stream.set_label(name.c_str(), Phase::update);
      const AnyView state = view(part, ParamKind::value), change = view(part, ParamKind::gradient);
      if (compute_ == DType::f64)
        run(stream, ApplyChange<double>{state, change});
      else
        run(stream, ApplyChange<float>{state, change});
    }
  }
}

void Parameters::forget_state_changes() {
  for (const std::string& name : state_names_)
    for (Part& part : params_.at(name).parts)
      if (part.gradient) streams_[part.device]->fill_zero(part.gradient.view());
}

void Parameters::update_each(const std::string& name, Param& p) {
  for (Part& part : p.parts) {
    if (in_one_kernel(part.device)) continue;
    enqueue_update(name, p, part, view(part, ParamKind::gradient));
  }
}

void Parameters::update(const ParamUse& use, const AnyView& gradient) {
  ++version_;
  Param& p = find(use.name);
  enqueue_update(use.name, p, p.parts[size_t(use.part)], gradient);
}

void Parameters::enqueue_update(const std::string& name, Param& p, Part& part,
                                const AnyView& gradient) {
  Stream& stream = *streams_[part.device];
  stream.set_label(name.c_str(), Phase::update);
  const AnyView w = view(part, ParamKind::value), v = view(part, ParamKind::momentum);
  for_dtype(part.shadow ? dtype_ : compute_, [&](auto t) {
    run_update<decltype(t)>(stream, p.rule, w, v, gradient, part.shadow.view());
  });
}

void Parameters::prepare_update() {
  if (tables_are_current_) return;
  ensure_values();
  tables_.resize(devices_.size());
  for (size_t d = 0; d < devices_.size(); ++d)
    if (in_one_kernel(d)) for_dtype(dtype_, [&](auto t) { make_table<decltype(t)>(d); });
  tables_are_current_ = true;
}

template <class T>
void Parameters::make_table(size_t device) {
  using C = Compute<T>;
  using Piece = SgdPiece<T>;
  constexpr int64_t longest = SgdUpdateAll<T>::kLongest;
  std::vector<Piece> pieces;
  for (const std::string& name : names_) {
    Param& p = params_.at(name);
    if (p.rule.lr == 0) continue;
    const SgdRates<C> rates{C(p.rule.lr), C(p.rule.momentum), C(p.rule.decay)};
    for (Part& part : p.parts) {
      if (part.device != device) continue;
      C *w = static_cast<C*>(view(part, ParamKind::value).data),
        *v = static_cast<C*>(view(part, ParamKind::momentum).data),
        *g = static_cast<C*>(view(part, ParamKind::gradient).data);
      T* shadow = has_shadow(part) ? static_cast<T*>(part.shadow.view().data) : nullptr;
      const int64_t count = part.shape.count();
      for (int64_t at = 0; at < count; at += longest)
        pieces.push_back({rates, w + at, v + at, g + at, shadow ? shadow + at : nullptr,
                          std::min(longest, count - at)});
    }
  }
  Table& table = tables_[device];
  Stream& stream = *streams_[device];
  stream.synchronize();  // an update may still read the table
  table.count = int(pieces.size());
  if (pieces.empty()) return;
  const int words = int(pieces.size() * sizeof(Piece) / sizeof(int32_t));
  if (!table.pieces || table.pieces.view().shape.n != words)
    table.pieces = Tensor(*devices_[device], {words, 1, 1, 1}, DType::i32);
  stream.upload(pieces.data(), table.pieces.view());
  stream.synchronize();
}

int64_t Parameters::count() const {
  int64_t total = 0;
  for (const std::string& name : names_) total += find(name).shape.count();
  return total;
}

size_t Parameters::bytes(size_t device, int copies) const {
  size_t total = 0;
  for (const auto& [name, p] : params_)
    for (const Part& part : p.parts)
      if (part.device == device)
        total += size_t(part.shape.count()) *
                 (size_of(compute_) * size_t(p.is_state ? std::min(copies, 2) : copies) +
                  (has_shadow(part) ? size_of(dtype_) : 0));
  return total;
}

}  // namespace alexnet
