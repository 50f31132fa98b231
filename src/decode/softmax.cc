// softmax.cc -- one-pass argmax and log-sum-exp over a vocabulary.
#include "decode/softmax.h"

#include <algorithm>
#include <cmath>

namespace heed {
namespace {

constexpr std::size_t kLanes = 16;           // independent maxima, so that the compiler may use vector registers
constexpr std::size_t kWide = 8;             // partial sums, added in a fixed order on every machine
constexpr std::size_t kSoftmaxBlock = 1024;  // values per block; stays in L1 for the second look

/// Maximum of a block whose size is a multiple of kLanes. NaN loses every comparison.
float block_max(const float* x, std::size_t n) noexcept {
  float lane[kLanes];
  std::fill(lane, lane + kLanes, -std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < n; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
  }
  return *std::max_element(lane, lane + kLanes);
}

void take_higher(std::span<const float> logits, std::size_t begin, std::size_t end, Peak& best) noexcept {
  for (std::size_t i = begin; i < end; ++i) {
    const bool is_higher = is_usable(logits[i]) && (best.token < 0 || logits[i] > best.logit);
    if (is_higher) best = {static_cast<std::int32_t>(i), logits[i]};
  }
}

}  // namespace

Peak find_peak(std::span<const float> logits) noexcept {
  Peak best;
  for (std::size_t begin = 0; begin < logits.size(); begin += kSoftmaxBlock) {
    const std::size_t end = std::min(begin + kSoftmaxBlock, logits.size());
    const std::size_t whole = (end - begin) / kLanes * kLanes;
    // +Inf passes the test too and is then skipped one by one.
    if (whole > 0 && block_max(logits.data() + begin, whole) > best.logit)
      take_higher(logits, begin, begin + whole, best);
    take_higher(logits, begin + whole, end, best);
  }
  return best;
}

double sum_weights(std::span<const float> logits, float peak, double scale, double floor) noexcept {
  double lane[kWide] = {};
  const auto add = [&](const float* x, std::size_t n) {
    for (std::size_t j = 0; j < n; ++j) {
      const float logit = is_usable(x[j]) ? x[j] : -std::numeric_limits<float>::infinity();
      const double weight = exp_of_negative((static_cast<double>(logit) - static_cast<double>(peak)) * scale);
      lane[j] += weight >= floor ? weight : 0.0;
    }
  };
  const std::size_t whole = logits.size() / kWide * kWide;
  for (std::size_t i = 0; i < whole; i += kWide) add(logits.data() + i, kWide);
  add(logits.data() + whole, logits.size() - whole);
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

double log_sum_above(std::span<const float> logits, float peak) noexcept {
  return std::log(sum_weights(logits, peak, 1.0, 0.0));
}

}  // namespace heed
