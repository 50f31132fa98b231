// attention_policy.h -- how much of its context one sequence attends to: a request's choice, lossy unless `full`.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "cache/sparse_pattern.h"
#include "core/expected.h"

namespace heed {

enum class AttentionKept : std::uint8_t {
  full,        // what the model was trained with
  window,      // the last `window` tokens and the first `sinks`
  topk_pages,  // these, and `budget` tokens in the pages whose keys promise most to each query (Quest)
  big_bird,    // window and sinks in blocks of 64, and `budget` tokens in blocks drawn once
};

/// Layers with a window of their own keep the smaller one; the policy is for the layers that see everything.
struct AttentionPolicy {
  AttentionKept kept = AttentionKept::full;
  std::int32_t window = 1024;  // at least 64
  std::int32_t sinks = 64;     // first tokens that always stay visible
  std::int32_t budget = 1024;  // tokens, in whole pages: topk_pages, big_bird

  bool is_lossy() const noexcept { return kept != AttentionKept::full; }
  bool operator==(const AttentionPolicy&) const = default;
};

/// "full", "window", "topk_pages", "big_bird".
std::string_view policy_name(AttentionKept kept) noexcept;
Expected<AttentionKept> policy_by_name(std::string_view name);
/// invalid_argument with the field's name.
Expected<void> check(const AttentionPolicy& policy);

/// Labelled spans of one sequence and who sees whom (see SpanLabels), with their memory. Empty: everyone sees everyone.
struct SequenceLabels {
  std::vector<std::int32_t> start;
  std::vector<std::uint8_t> label;
  std::vector<std::uint64_t> sees;

  SpanLabels view() const noexcept { return {start, label, sees}; }
};

/// A policy and what it needs for sequences of at most `positions` tokens; besides, labels of one sequence.
struct AttentionPlan {
  AttentionPolicy policy;
  SparsePattern pattern;  // big_bird
  SequenceLabels labels;
};
AttentionPlan plan_attention(const AttentionPolicy& policy, std::int32_t positions);

}  // namespace heed
