// speculation.cc -- the likeliest guesses of all sequences first, up to where the expected speed is highest.
#include "engine/speculation.h"

#include <algorithm>

namespace heed {
namespace {

constexpr double kLeastGain = 1.03;     // expected speed-up below which a step stays plain
constexpr float kHopelessOdds = 0.02f;  // guesses less likely than that are not looked at

}  // namespace

Speculator::Speculator(LanguageModel& model, const EngineOptions& options) : model_(model), mode_(options.speculation) {
  candidates_.reserve(static_cast<std::size_t>(std::max(options.max_running, 1)));
  picks_.reserve(StepCost::kMostExtra);
}

void Speculator::collect(std::span<Planned> plan, std::int32_t most) {
  candidates_.clear();
  for (Planned& planned : plan) {
    const std::span<const float> odds = planned.sequence->draft(most);
    if (!odds.empty()) candidates_.push_back({&planned, odds, 0});
  }
}

Speculator::Candidate* Speculator::likeliest() noexcept {
  Candidate* best = nullptr;
  float odds = mode_ == SpeculationMode::always ? 0.0f : kHopelessOdds;
  for (Candidate& c : candidates_) {
    if (c.taken < c.odds.size() && c.odds[c.taken] > odds) best = &c, odds = c.odds[c.taken];
  }
  return best;
}

/// Fills picks_ and returns how many of them to take.
std::size_t Speculator::choose(std::int32_t most) {
  const auto plain = static_cast<double>(sequences_);
  double expected = plain, best_speed = plain * kLeastGain;
  std::size_t best = 0;
  picks_.clear();
  while (picks_.size() < static_cast<std::size_t>(most)) {
    Candidate* c = likeliest();
    if (!c) break;
    expected += static_cast<double>(c->odds[c->taken++]);
    picks_.push_back(c);
    if (mode_ == SpeculationMode::always) continue;
    const double speed = expected / cost_.ratio(sequences_, static_cast<std::int32_t>(picks_.size()));
    if (speed > best_speed) best_speed = speed, best = picks_.size();
  }
  return mode_ == SpeculationMode::always ? picks_.size() : best;
}

bool Speculator::grant(Planned& planned, std::int32_t drafts) {
  if (!model_.reserve(*planned.sequence->state, planned.tokens + drafts)) return false;
  planned.drafts = drafts;
  drafted_ += drafts;
  return true;
}

void Speculator::add_drafts(std::span<Planned> plan) {
  drafted_ = 0;
  sequences_ = static_cast<std::int32_t>(plan.size());
  const bool is_plain =
      std::all_of(plan.begin(), plan.end(), [](const Planned& p) { return p.sequence->is_decoding(); });
  if (!is_plain) sequences_ = 0;
  if (mode_ == SpeculationMode::off || !is_plain) return;
  if (mode_ == SpeculationMode::automatic && !cost_.knows(sequences_)) return;
  const std::int32_t most = std::min(model_.max_step_tokens() - sequences_, StepCost::kMostExtra);
  if (most <= 0) return;
  collect(plan, most);
  const std::size_t count = choose(most);
  for (Candidate& c : candidates_) {
    const auto drafts = std::count(picks_.begin(), picks_.begin() + static_cast<std::ptrdiff_t>(count), &c);
    if (drafts > 0) grant(*c.planned, static_cast<std::int32_t>(drafts));
  }
}

void Speculator::observe(std::int64_t step_ns) noexcept {
  if (sequences_ > 0) cost_.observe(sequences_, drafted_, step_ns);
}

}  // namespace heed
