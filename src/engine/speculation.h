// speculation.h -- how many drafted tokens join the next step: as many as the expected tokens per second rise.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "engine/scheduler.h"
#include "engine/step_cost.h"

namespace heed {

/// Between planning and running a step, on the engine's thread. Steps that compute prompts are left alone: their time
/// tells nothing of decoding, and a prompt is worth more than a guess.
class Speculator {
 public:
  Speculator(LanguageModel& model, const EngineOptions& options);
  /// Adds drafts to decoding sequences where they pay, and reserves memory for them. Never takes memory from anyone.
  void add_drafts(std::span<Planned> plan);
  /// How long the step took that add_drafts() saw last.
  void observe(std::int64_t step_ns) noexcept;

 private:
  struct Candidate {
    Planned* planned = nullptr;
    std::span<const float> odds;  // of its guesses
    std::size_t taken = 0;
  };
  void collect(std::span<Planned> plan, std::int32_t most);
  Candidate* likeliest() noexcept;
  std::size_t choose(std::int32_t most);
  bool grant(Planned& planned, std::int32_t drafts);

  LanguageModel& model_;
  SpeculationMode mode_;
  StepCost cost_;
  std::vector<Candidate> candidates_;
  std::vector<Candidate*> picks_;  // guesses in the order of their odds
  std::int32_t sequences_ = 0;     // of the last step; 0: it was not a plain decode step
  std::int32_t drafted_ = 0;       // guesses in it
};

}  // namespace heed
