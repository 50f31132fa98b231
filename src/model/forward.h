// forward.h -- the one forward pass of every family: tokens in, logits out, keys and values appended.
#pragma once
#include <cstdint>
#include <span>

#include "cache/attention_policy.h"
#include "cache/kv_cache.h"
#include "core/expected.h"
#include "kernels/exec.h"
#include "model/weights.h"

namespace heed {

/// One sequence's share of a ragged batch.
struct ForwardItem {
  KvCache* cache = nullptr;              // reserved for length() + tokens.size(); advanced by forward
  std::span<const std::int32_t> tokens;  // ids in [0, vocab), at positions cache->length() ...
  std::span<float> logits;               // [vocab] of the last token, [tokens.size() * vocab] of all, or empty
  const AttentionPlan* plan = nullptr;   // what the sequence attends to, the same in all its steps; none: everything
  const KvCache* source = nullptr;       // what encode() filled, of an encoder-decoder
  std::span<const float> embedded = {};  // [tokens.size(), dim]: rows instead of the tokens' embeddings
  std::span<float> vector = {};          // [dim], of read_texts
};

/// Sees the hidden state after the embedding (layer -1), after every block, and after the final norm (layer = blocks).
struct ForwardTrace {
  void* context = nullptr;
  void (*on_layer)(void* context, std::int32_t layer, const float* x, std::int64_t rows, std::int64_t dim) = nullptr;
};

/// What one layer stores per token, for the page pool.
std::vector<KvLayerSpec> kv_layers(const ModelSpec& spec);

/// Upper bound of the arena bytes one step of `rows` tokens with `logit_rows` rows of logits takes.
std::size_t step_bytes(const ModelSpec& spec, std::int64_t rows, std::int64_t logit_rows);

/// The model's memory tokens run through it once: where every sequence begins (KvCache::fork). Empty without any.
Expected<KvCache> remember(const ModelSpec& spec, const ModelWeights& weights, PagePool& pool, Exec& exec);

/// What the decoder's blocks keep of a source text, for the page pool; and the one layer of scratch that encode() and
/// read_texts() need.
std::vector<KvLayerSpec> source_layers(const ModelSpec& spec);
std::vector<KvLayerSpec> scratch_layers(const ModelSpec& spec);

/// Runs the encoder over a whole source text and appends every decoder block's keys and values of it to `source`
/// (empty, of source_layers, reserved). `scratch` is empty, of scratch_layers, reserved; it may be used again at once.
Expected<void> encode(const ModelSpec& spec, const ModelWeights& weights, std::span<const std::int32_t> tokens,
                      KvCache& scratch, KvCache& source, Exec& exec, const ForwardTrace& trace = {});

/// Whole texts to vectors in one pass, as spec.pooling says. Every item's cache is empty, of scratch_layers, reserved;
/// it may be used again at once. Needs a spec that keeps nothing but keys and values, in every block alike.
Expected<void> read_texts(const ModelSpec& spec, const ModelWeights& weights, std::span<ForwardItem> items, Exec& exec,
                          const ForwardTrace& trace = {});

/// One pass over all items. The arena is reset first. On error no cache advanced.
Expected<void> forward(const ModelSpec& spec, const ModelWeights& weights, std::span<ForwardItem> items, Exec& exec,
                       const ForwardTrace& trace = {});

}  // namespace heed
