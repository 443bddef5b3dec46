// The list of ops. To add one, include its header here and add its name to OpsOf (or MixedOps).
#pragma once

#include <array>

#include "ops/activation.h"
#include "ops/augment.h"
#include "ops/avg_pool.h"
#include "ops/batch_norm.h"
#include "ops/dropout.h"
#include "ops/elementwise.h"
#include "ops/local.h"
#include "ops/lrn.h"
#include "ops/lrn_pool.h"
#include "ops/lrn_within.h"
#include "ops/max_pool.h"
#include "ops/op.h"
#include "ops/pad.h"
#include "ops/reorder.h"
#include "ops/sgd.h"
#include "ops/softmax.h"
#include "ops/state.h"
#include "ops/sum_of_ranks.h"

namespace alexnet {

template <class T>
using OpsOf = OpList<                                                                             //
    Add<T>, AddBias<T>, BiasGradient<T>, SliceChannels<T>, PlaceChannels<T>, Reorder<T>, Pad<T>,  //
    ActivationForward<Relu<T>>, ActivationBackward<Relu<T>>,                                      //
    ActivationForward<Tanh<T>>, ActivationBackward<Tanh<T>>,                                      //
    ActivationForward<Logistic<T>>, ActivationBackward<Logistic<T>>,                              //
    ActivationForward<Softplus<T>>, ActivationBackward<Softplus<T>>,                              //
    ActivationForward<Abs<T>>, ActivationBackward<Abs<T>>,                                        //
    ActivationForward<AbsTanh<T>>, ActivationBackward<AbsTanh<T>>,                                //
    LrnForward<T>, LrnBackward<T>, LrnWithinForward<T>, LrnWithinBackward<T>,                     //
    MaxPoolForward<T>, MaxPoolBackward<T>, AvgPoolForward<T>, AvgPoolBackward<T>,
    LrnMaxPoolForward<T>, LrnMaxPoolBackward<T>,                                           //
    BatchNormForward<T>, BatchNormBackward<T>, BatchNormInference<T>,                      //
    Dropout<T>, Scale<T>,                                                                  //
    LocalForward<T>, LocalBackwardData<T>, LocalBackwardWeights<T>, LocalBackwardBias<T>,  //
    SoftmaxForward<T>, SoftmaxBackward<T>, SgdUpdate<T>, SgdUpdateAll<T>>;

using MixedOps = OpList<Augment<float>, Cast<float, bf16>, Cast<bf16, float>, Add<float, bf16>,
                        AddBias<bf16, bf16>, SumOfRanks<float>, SumOfRanks<double>,
                        ApplyChange<float>, ApplyChange<double>>;

using AllOps = JoinLists<JoinLists<JoinLists<OpsOf<float>, OpsOf<double>>::type, MixedOps>::type,
                         OpsOf<bf16>>::type;

// The names of the ops of a list, by index.
template <class... Ops>
constexpr std::array<const char*, sizeof...(Ops)> names_of(OpList<Ops...>) {
  return {Ops::name...};
}

template <class Op>
inline constexpr int op_index = IndexOf<Op, AllOps>::value;

}  // namespace alexnet
