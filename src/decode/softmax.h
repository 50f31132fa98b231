// softmax.h -- sums and maxima over a vocabulary that come out the same on every machine.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace heed {

/// e^x for x <= 0, relative error below 1e-14; 0 below -700. Only IEEE additions and multiplications in a fixed order
/// (the build forbids contraction), so unlike std::exp it does not depend on the C library or the processor.
inline double exp_of_negative(double x) noexcept {
  constexpr double kShift = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
  const double shifted = x * 1.4426950408889634 + kShift;
  const double k = shifted - kShift;
  const double r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10;  // |r| <= ln(2) / 2
  double p = 1.0 / 479001600.0;  // Taylor to r^12: the first term left out is below 2e-16
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const std::uint64_t exponent = (std::bit_cast<std::uint64_t>(shifted) + 1023) << 52;  // k is in the low bits
  return x >= -700.0 ? p * std::bit_cast<double>(exponent) : 0.0;                       // NaN: 0 too
}

inline bool is_usable(float logit) noexcept {
  constexpr float kMost = std::numeric_limits<float>::max();
  return logit >= -kMost && logit <= kMost;  // false for NaN and infinities
}

struct Peak {
  std::int32_t token = -1;  // -1: no usable logit
  float logit = -std::numeric_limits<float>::infinity();
};

/// The highest usable logit, ties to the lower id. One pass. logits [vocab]
Peak find_peak(std::span<const float> logits) noexcept;

/// Sum of the weights e^((logit - peak) * scale) that reach `floor`, over the usable logits; `scale` > 0. logits [n]
double sum_weights(std::span<const float> logits, float peak, double scale, double floor) noexcept;

/// log(sum of e^(logit - peak)) over the usable logits. logits [vocab]
double log_sum_above(std::span<const float> logits, float peak) noexcept;

}  // namespace heed
