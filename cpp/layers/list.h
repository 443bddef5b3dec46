// All layer types. To add one, add its file to layers/ and its name here (docs/adding-a-layer.md).
#pragma once

// Types that a description may use.
#define ANX_DESCRIBED_LAYERS(X) \
  X(conv)                       \
  X(dense)                      \
  X(local)                      \
  X(relu)                       \
  X(tanh)                       \
  X(logistic)                   \
  X(softplus)                   \
  X(abs)                        \
  X(abs_tanh)                   \
  X(lrn)                        \
  X(lrn_within)                 \
  X(batch_norm)                 \
  X(max_pool)                   \
  X(avg_pool)                   \
  X(dropout)                    \
  X(concat)                     \
  X(slice)                      \
  X(sum)                        \
  X(softmax)

// Types that the graph inserts.
#define ANX_INSERTED_LAYERS(X) \
  X(cast)                      \
  X(reorder)                   \
  X(copy)

#define ANX_LAYERS(X)     \
  ANX_DESCRIBED_LAYERS(X) \
  ANX_INSERTED_LAYERS(X)
