// step_runner.cc -- one logits buffer for a whole step; sinks are told after the pass, in plan order.
#include "engine/step_runner.h"

#include <algorithm>

#include "engine/step_cost.h"

namespace heed {
namespace {

// 16 MiB: more is given back when a step needs less than a quarter, unless the next one may draft that much.
constexpr std::size_t kIdleFloats = std::size_t{4} << 20;

}  // namespace

std::size_t StepRunner::logits_floats(const Planned& planned) const noexcept {
  const Sequence& s = *planned.sequence;
  const auto vocab = static_cast<std::size_t>(model_.vocab_size());
  if (planned.scores_prompt) return static_cast<std::size_t>(planned.tokens) * vocab;
  if (planned.drafts > 0) return static_cast<std::size_t>(1 + planned.drafts) * vocab;
  const bool samples = planned.tokens == s.left() && s.total() < s.limit();
  return samples ? vocab : 0;
}

void StepRunner::build(std::span<const Planned> plan) {
  std::size_t floats = 0;
  for (const Planned& planned : plan) floats += logits_floats(planned);
  const std::size_t drafted = (plan.size() + StepCost::kMostExtra) * static_cast<std::size_t>(model_.vocab_size());
  const bool is_far_too_large = logits_.size() > std::max(kIdleFloats, drafted) && floats < logits_.size() / 4;
  if (is_far_too_large) logits_ = {};
  if (logits_.size() < floats) logits_.resize(floats);
  items_.clear();
  std::size_t at = 0;
  for (const Planned& planned : plan) {
    Sequence& s = *planned.sequence;
    const std::size_t n = logits_floats(planned);
    const auto tokens = s.feed(planned.tokens, planned.drafts);
    items_.push_back({s.state.get(), tokens, std::span(logits_).subspan(at, n)});
    at += n;
  }
}

void StepRunner::settle(const Planned& planned, const StepItem& item) {
  Sequence& s = *planned.sequence;
  const std::int32_t vocab = model_.vocab_size();
  if (planned.drafts > 0) {
    const std::int32_t before = s.accepted();
    s.accept_draft(planned.drafts, item.logits, model_.tokenizer());
    drafted_ += planned.drafts;
    accepted_ += s.accepted() - before;
    return;
  }
  if (planned.scores_prompt) s.score_prompt(s.fed() - planned.tokens, planned.tokens, item.logits, vocab);
  s.report_prefill(clock_.now_ns());
  if (s.finished || s.left() > 0) return;
  s.accept(item.logits.last(static_cast<std::size_t>(vocab)), model_.tokenizer());
}

Expected<void> StepRunner::run(std::span<const Planned> plan) {
  build(plan);
  HEED_TRY(model_.step(items_));
  for (std::size_t i = 0; i < plan.size(); ++i) settle(plan[i], items_[i]);
  return {};
}

}  // namespace heed
