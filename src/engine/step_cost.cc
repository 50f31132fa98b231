// step_cost.cc -- moving averages, and a line through what was measured.
#include "engine/step_cost.h"

#include <algorithm>
#include <bit>

namespace heed {
namespace {

constexpr double kAssumedSlope = 0.15;     // of one more row, in plain steps of one sequence; before measurements
constexpr double kLeastWeight = 0.2;       // of a new measurement
constexpr double kMostSurprise = 3;        // a measurement counts at most so many times the average
constexpr std::int32_t kFirstPlain = 3;    // plain steps before the first draft
constexpr std::int32_t kRefreshPlain = 2;  // ... and again after kPlainAge steps
constexpr std::int64_t kPlainAge = 256;
constexpr std::int64_t kForgottenAfter = 4096;  // steps: a ratio that turned out bad gets another chance

}  // namespace

std::size_t StepCost::class_of(std::int32_t sequences) noexcept {
  const auto n = static_cast<std::uint32_t>(std::max(sequences, 1));
  if (n <= kExact) return n - 1;
  return std::min<std::size_t>(kExact + static_cast<std::size_t>(std::bit_width(n - 1)) - 4, kClasses - 1);
}

void StepCost::add(Cell& cell, double value, std::int64_t step) noexcept {
  ++cell.count;
  cell.at = step;
  if (cell.count > 1) value = std::min(value, kMostSurprise * cell.value);
  cell.value += (value - cell.value) * std::max(1.0 / cell.count, kLeastWeight);
}

bool StepCost::knows(std::int32_t sequences) const noexcept {
  const Class& c = classes_[class_of(sequences)];
  return c.cells[0].count >= kFirstPlain && c.refresh == 0 && c.steps - c.cells[0].at < kPlainAge;
}

void StepCost::observe(std::int32_t sequences, std::int32_t extra, std::int64_t ns) noexcept {
  if (ns <= 0 || extra < 0 || extra > kMostExtra) return;
  Class& c = classes_[class_of(sequences)];
  Cell& cell = c.cells[static_cast<std::size_t>(extra)];
  ++c.steps;
  if (extra == 0) {
    const bool was_old = c.steps - cell.at > kPlainAge && cell.count >= kFirstPlain;
    if (was_old) c.refresh = kRefreshPlain;
    if (c.refresh > 0) --c.refresh;
    return add(cell, static_cast<double>(ns), c.steps);
  }
  if (c.cells[0].count == 0) return;
  if (c.steps - cell.at > kForgottenAfter) cell.count = 0;
  add(cell, static_cast<double>(ns) / c.cells[0].value, c.steps);
}

double StepCost::ratio(std::int32_t sequences, std::int32_t extra) const noexcept {
  const Class& c = classes_[class_of(sequences)];
  const auto is_measured = [&](std::int32_t i) {
    const Cell& cell = c.cells[static_cast<std::size_t>(i)];
    return i == 0 || (cell.count > 0 && c.steps - cell.at <= kForgottenAfter);
  };
  const auto value = [&](std::int32_t i) { return i == 0 ? 1.0 : c.cells[static_cast<std::size_t>(i)].value; };
  extra = std::clamp(extra, 0, kMostExtra);
  std::int32_t below = extra, above = extra;
  while (!is_measured(below)) --below;
  if (below == extra) return value(extra);
  while (above <= kMostExtra && !is_measured(above)) ++above;
  if (above <= kMostExtra) {
    const double part = static_cast<double>(extra - below) / (above - below);
    return value(below) + part * (value(above) - value(below));
  }
  const double assumed = kAssumedSlope / (1 + kAssumedSlope * (std::max(sequences, 1) - 1));
  const double slope = below > 0 ? std::max(value(below) - 1, 0.0) / below : assumed;
  return value(below) + slope * (extra - below);
}

}  // namespace heed
