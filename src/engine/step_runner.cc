// step_runner.cc -- one logits buffer for a whole step; sinks are told after the pass, in plan order.
#include "engine/step_runner.h"

namespace heed {
namespace {

constexpr std::size_t kIdleFloats = std::size_t{4}
                                    << 20;  // 16 MiB: more is given back when a step needs less than a quarter

}  // namespace

std::size_t StepRunner::logits_floats(const Planned& planned) const noexcept {
  const Sequence& s = *planned.sequence;
  const auto vocab = static_cast<std::size_t>(model_.vocab_size());
  if (planned.scores_prompt) return static_cast<std::size_t>(planned.tokens) * vocab;
  const bool samples = planned.tokens == s.left() && s.total() < s.limit();
  return samples ? vocab : 0;
}

void StepRunner::build(std::span<const Planned> plan) {
  std::size_t floats = 0;
  for (const Planned& planned : plan) floats += logits_floats(planned);
  const bool is_far_too_large = logits_.size() > kIdleFloats && floats < logits_.size() / 4;
  if (is_far_too_large) logits_ = {};
  if (logits_.size() < floats) logits_.resize(floats);
  items_.clear();
  std::size_t at = 0;
  for (const Planned& planned : plan) {
    Sequence& s = *planned.sequence;
    const std::size_t n = logits_floats(planned);
    const auto tokens =
        std::span(s.tokens()).subspan(static_cast<std::size_t>(s.fed()), static_cast<std::size_t>(planned.tokens));
    items_.push_back({s.state.get(), tokens, std::span(logits_).subspan(at, n)});
    at += n;
  }
}

void StepRunner::settle(const Planned& planned, const StepItem& item) {
  Sequence& s = *planned.sequence;
  const std::int32_t vocab = model_.vocab_size();
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
