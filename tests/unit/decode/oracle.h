// oracle.h -- the sampler's rules, spelled out slowly: full sort, long double, one token at a time.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <vector>

#include "decode/sampler.h"

namespace heed::oracle {

/// Probability of every token after penalties were applied: temperature, min_p, top_k, top_p. Zero: filtered out.
inline std::vector<double> probabilities(const std::vector<float>& logits, const SamplingParams& p) {
  const std::size_t n = logits.size();
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isfinite(logits[i])) order.push_back(i);
  }
  std::vector<double> out(n, 0.0);
  if (order.empty()) {
    out[0] = 1;
    return out;
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  if (p.temperature == 0.0f) {
    out[order[0]] = 1;
    return out;
  }
  const auto weight = [&](std::size_t i) {
    return std::exp((static_cast<long double>(logits[i]) - static_cast<long double>(logits[order[0]])) /
                    static_cast<long double>(p.temperature));
  };
  std::erase_if(order, [&](std::size_t i) { return weight(i) < static_cast<long double>(p.min_p); });
  if (p.top_k > 0 && order.size() > static_cast<std::size_t>(p.top_k)) order.resize(static_cast<std::size_t>(p.top_k));
  long double total = 0, mass = 0;
  for (const std::size_t i : order) total += weight(i);
  std::size_t kept = 0;
  while (kept < order.size() && mass < total * static_cast<long double>(p.top_p)) mass += weight(order[kept++]);
  order.resize(std::max<std::size_t>(kept, 1));
  for (const std::size_t i : order) out[i] = static_cast<double>(weight(i) / mass);
  return out;
}

inline std::vector<float> random_logits(std::size_t n, std::uint32_t seed, float spread = 3.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> out(n);
  for (float& x : out) x = normal(random);
  return out;
}

/// Pearson's statistic over buckets with at least 5 expected draws (the rest is one bucket), and its degrees of
/// freedom.
inline std::pair<double, int> chi_square(const std::vector<double>& p, const std::vector<int>& count, int draws) {
  double statistic = 0, rest_expected = 0, rest_count = 0;
  int buckets = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double expected = p[i] * draws;
    if (expected < 5) {
      rest_expected += expected;
      rest_count += count[i];
      continue;
    }
    statistic += (count[i] - expected) * (count[i] - expected) / expected;
    ++buckets;
  }
  if (rest_expected >= 5) {
    statistic += (rest_count - rest_expected) * (rest_count - rest_expected) / rest_expected;
    ++buckets;
  }
  return {statistic, buckets - 1};
}

}  // namespace heed::oracle
