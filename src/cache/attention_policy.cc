// attention_policy.cc -- names, limits and fixed patterns of the policies.
#include "cache/attention_policy.h"

#include <array>

namespace heed {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"full", "window", "topk_pages", "big_bird"};
constexpr std::int32_t kMost = 1 << 24;  // tokens

std::int32_t blocks_of(std::int32_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

Error wrong(const char* field, const std::string& expected, std::int32_t got) {
  return fail(Code::invalid_argument,
              std::string("attention: ") + field + ": expected " + expected + ", got " + std::to_string(got), field);
}

}  // namespace

std::string_view policy_name(AttentionKept kept) noexcept { return kNames[static_cast<std::size_t>(kept)]; }

Expected<AttentionKept> policy_by_name(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<AttentionKept>(i);
  return fail(Code::invalid_argument,
              "attention: policy: expected full, window, topk_pages or big_bird, got \"" + std::string(name) + "\"",
              "policy");
}

Expected<void> check(const AttentionPolicy& p) {
  if (p.window < kPageTokens || p.window > kMost) return wrong("window", "an integer in [64, 16777216]", p.window);
  if (p.sinks < 0 || p.sinks > kMost) return wrong("sinks", "an integer in [0, 16777216]", p.sinks);
  if (p.budget < kPageTokens || p.budget > kMost) return wrong("budget", "an integer in [64, 16777216]", p.budget);
  return {};
}

AttentionPlan plan_attention(const AttentionPolicy& policy, std::int32_t positions) {
  AttentionPlan plan{.policy = policy, .pattern = {}, .labels = {}};
  if (policy.kept == AttentionKept::big_bird)
    plan.pattern = big_bird(
        positions,
        {.global = blocks_of(policy.sinks), .window = blocks_of(policy.window), .random = blocks_of(policy.budget)});
  return plan;
}

}  // namespace heed
