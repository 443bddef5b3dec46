#include "sim_order.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "sim.h"

namespace cuda_sim {
namespace {

// The last access of a party to a piece of memory.
struct Deed {
  int party = -1, device = kHost;
  uint64_t time = 0;
  const char* who = "";
};
struct Piece {
  uintptr_t end;
  Deed written;
  std::vector<Deed> read;  // the last read of each party since then
};

// Never destroyed: streams may end after it.
struct World {
  std::mutex mutex;
  std::map<uintptr_t, Piece> pieces;  // by their start address
  std::vector<Party*> living;         // by id
  std::vector<uint64_t> times;        // by id: the last time that was used
};
World& world() {
  static auto* all = new World;
  return *all;
}

// Splits the piece that contains `at` there.
void split(std::map<uintptr_t, Piece>& pieces, uintptr_t at) {
  auto after = pieces.upper_bound(at);
  if (after == pieces.begin()) return;
  const auto piece = std::prev(after);
  if (piece->first == at || piece->second.end <= at) return;
  Piece rest = piece->second;
  piece->second.end = at;
  pieces.emplace_hint(after, at, std::move(rest));
}

[[noreturn]] void unordered(const Deed& before, bool wrote, const Access& now, int device) {
  const std::string place =
      device == kHost ? "the host" : "a stream of device " + std::to_string(device);
  die("%s on %s %s memory that %s on a stream of device %d %s, and no event or wait orders the two",
      now.who, place.c_str(), now.writes ? "writes" : "reads", before.who, before.device,
      wrote ? "writes" : "reads");
}

void check(const Piece& piece, const Clock& clock, int party, const Access& now, int device) {
  const auto open = [&](const Deed& deed) {
    return deed.party >= 0 && deed.party != party && deed.time > clock.of(deed.party);
  };
  if (open(piece.written)) unordered(piece.written, true, now, device);
  if (!now.writes) return;
  for (const Deed& deed : piece.read)
    if (open(deed)) unordered(deed, false, now, device);
}

// Calls f(piece) for all pieces that overlap the range.
template <class F>
void each_piece(uintptr_t begin, uintptr_t end, F&& f) {
  auto& pieces = world().pieces;
  auto piece = pieces.upper_bound(begin);
  if (piece != pieces.begin() && std::prev(piece)->second.end > begin) --piece;
  for (; piece != pieces.end() && piece->first < end; ++piece) f(piece->second);
}

void note(const Access& access, const Deed& deed) {
  auto& pieces = world().pieces;
  const auto begin = reinterpret_cast<uintptr_t>(access.at), end = begin + access.bytes;
  split(pieces, begin);
  split(pieces, end);
  if (access.writes) {
    pieces.erase(pieces.lower_bound(begin), pieces.lower_bound(end));
    pieces[begin] = {end, deed, {}};
    return;
  }
  for (uintptr_t at = begin; at < end;) {
    auto piece = pieces.lower_bound(at);
    if (piece == pieces.end() || piece->first > at)  // this memory has not been accessed yet
      piece = pieces.emplace_hint(
          piece, at, Piece{piece == pieces.end() ? end : std::min(end, piece->first), {}, {}});
    auto& readers = piece->second.read;
    const auto own = std::find_if(readers.begin(), readers.end(),
                                  [&](const Deed& d) { return d.party == deed.party; });
    if (own == readers.end()) {
      readers.push_back(deed);
    } else {
      *own = deed;
    }
    at = piece->second.end;
  }
}

}  // namespace

void Clock::join(const Clock& other) {
  if (known_.size() < other.known_.size()) known_.resize(other.known_.size());
  for (size_t i = 0; i < other.known_.size(); ++i) known_[i] = std::max(known_[i], other.known_[i]);
}

void Clock::set(int party, uint64_t time) {
  if (known_.size() <= size_t(party)) known_.resize(size_t(party) + 1);
  known_[size_t(party)] = time;
}

// Never destroyed: streams may end after it.
Party& Party::host() {
  static auto* host = new Party(true);
  return *host;
}

Party::Party(bool) {
  World& w = world();
  const std::lock_guard lock(w.mutex);
  const auto free = std::find(w.living.begin(), w.living.end(), nullptr);
  id_ = int(free - w.living.begin());
  if (free == w.living.end()) {
    w.living.push_back(this);
    w.times.push_back(0);
  } else {
    *free = this;
  }
  clock_.set(id_, ++w.times[size_t(id_)]);
}

Party::Party() : Party(true) { learn(host().told()); }

Party::~Party() {
  World& w = world();
  const std::lock_guard lock(w.mutex);
  w.living[size_t(id_)] = nullptr;
}

Clock Party::told() {
  World& w = world();
  const std::lock_guard lock(w.mutex);
  Clock clock = clock_;
  clock_.set(id_, ++w.times[size_t(id_)]);
  return clock;
}

void Party::learn(const Clock& clock) {
  Clock known;
  {
    const std::lock_guard lock(world().mutex);
    clock_.join(clock);
    known = clock_;
  }
  if (this == &host()) PinnedRead::end_known(known);
}

Moment Party::now() const {
  const std::lock_guard lock(world().mutex);
  return {id_, clock_.of(id_)};
}

void Party::learn_everything() {
  World& w = world();
  const std::lock_guard lock(w.mutex);
  for (const Party* party : w.living)
    if (party) clock_.join(party->clock_);
}

void Party::touch(const Accesses& accesses, int device) {
  const std::lock_guard lock(world().mutex);
  for (const Access& a : accesses) {
    const auto begin = reinterpret_cast<uintptr_t>(a.at);
    each_piece(begin, begin + a.bytes,
               [&](const Piece& piece) { check(piece, clock_, id_, a, device); });
  }
  for (const Access& a : accesses)
    if (a.bytes > 0) note(a, {id_, device, clock_.of(id_), a.who});
}

// The access is not recorded: the simulator may not see how later work is ordered after it.
void Party::touch_now(const Access& a) {
  const std::lock_guard lock(world().mutex);
  const auto begin = reinterpret_cast<uintptr_t>(a.at);
  each_piece(begin, begin + a.bytes,
             [&](const Piece& piece) { check(piece, clock_, id_, a, kHost); });
}

void forget(const void* at, size_t bytes) {
  World& w = world();
  const std::lock_guard lock(w.mutex);
  const auto begin = reinterpret_cast<uintptr_t>(at), end = begin + bytes;
  split(w.pieces, begin);
  split(w.pieces, end);
  w.pieces.erase(w.pieces.lower_bound(begin), w.pieces.lower_bound(end));
}

void check_graph(const std::vector<const Accesses*>& nodes,
                 const std::vector<std::vector<size_t>>& after) {
  const auto conflict = [](const Access& a, const Access& b) {
    const auto at = reinterpret_cast<uintptr_t>(a.at), bt = reinterpret_cast<uintptr_t>(b.at);
    return (a.writes || b.writes) && at < bt + b.bytes && bt < at + a.bytes;
  };
  std::vector<std::vector<bool>> before(nodes.size(), std::vector<bool>(nodes.size()));
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const size_t j : after[i]) {
      before[i][j] = true;
      for (size_t k = 0; k < j; ++k)
        if (before[j][k]) before[i][k] = true;
    }
    for (size_t j = 0; j < i; ++j) {
      if (before[i][j]) continue;
      for (const Access& a : *nodes[i])
        for (const Access& b : *nodes[j])
          if (conflict(a, b))
            die("%s %s and %s %s the same memory in a graph, and neither depends on the other",
                a.who, a.writes ? "writes" : "reads", b.who, b.writes ? "writes" : "reads");
    }
  }
}

}  // namespace cuda_sim
