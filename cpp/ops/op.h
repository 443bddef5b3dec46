// The interface of an op.
//
// An op is a plain struct of parameters and views: `name`, `visit(f)` over its views, `grid()`, and
// one call operator, compiled by g++ for the CPU and by nvcc for CUDA.
//   plane op:  operator()(Index row, Index col)         any order, in parallel
//   row op:    operator()(Index row, const Team& team)  a loop on the CPU, a block on CUDA
//
// Index is int64_t on the CPU and int32_t on CUDA, where short_index.h checks an op before its
// launch. An op computes memory offsets as Index: const Index at = n * x.shape.per_image() + i.
//
// A Team has sum(n, f) and max(n, f), which combine f(i) over i < n in a fixed order, and
// each(n, f), which calls f(i) for all i < n in parallel and finishes before the next call begins.
// grid().cols is a row op's length, for load balancing.
#pragma once

#include <type_traits>

#include "core/macros.h"
#include "core/view.h"

namespace alexnet {

// Whether an op is a row op, given the Team of a back end.
template <class Op, class Team>
constexpr bool is_row_op = std::is_invocable_v<const Op&, int64_t, const Team&>;

template <class... Ops>
struct OpList {
  static constexpr int size = sizeof...(Ops);
};

template <class Op, class List>
struct IndexOf;
template <class Op, class... Rest>
struct IndexOf<Op, OpList<Op, Rest...>> {
  static constexpr int value = 0;
};
template <class Op, class First, class... Rest>
struct IndexOf<Op, OpList<First, Rest...>> {
  static constexpr int value = 1 + IndexOf<Op, OpList<Rest...>>::value;
};

template <class A, class B>
struct JoinLists;
template <class... A, class... B>
struct JoinLists<OpList<A...>, OpList<B...>> {
  using type = OpList<A..., B...>;
};

// a += b with one rounding.
template <class T>
ANX_HD void add_to(T& a, Compute<T> b) {
  a = Compute<T>(a) + b;
}

}  // namespace alexnet
