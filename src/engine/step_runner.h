// step_runner.h -- carries out one planned step: forward pass, prompt scores, sampling, deltas.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/clock.h"
#include "engine/scheduler.h"

namespace heed {

class StepRunner {
 public:
  StepRunner(LanguageModel& model, const Clock& clock) : model_(model), clock_(clock) {}
  /// On error no sequence moved. Otherwise sequences that are done have `finished` set.
  Expected<void> run(std::span<const Planned> plan);
  /// Guesses so far, and how many were right.
  std::int64_t drafted() const noexcept { return drafted_; }
  std::int64_t accepted() const noexcept { return accepted_; }

 private:
  std::size_t logits_floats(const Planned& planned) const noexcept;
  void build(std::span<const Planned> plan);
  void settle(const Planned& planned, const StepItem& item);

  LanguageModel& model_;
  const Clock& clock_;
  std::vector<float> logits_;    // all rows that this step needs; grows, shrinks after large prompt scores
  std::vector<StepItem> items_;  // one for each planned
  std::int64_t drafted_ = 0, accepted_ = 0;
};

}  // namespace heed
