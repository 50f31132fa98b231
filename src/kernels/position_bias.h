// position_bias.h -- the tables behind Score's position biases, from what model files hold.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace heed {

/// ALiBi (Press et al. 2022): one slope a head, 2^(-max_bias i / heads); head counts that are no power of two take
/// every second slope of the next one.
std::vector<float> alibi_slopes(std::int32_t heads, float max_bias = 8.0f);

/// T5 (Raffel et al. 2020): distances in buckets, exact near by, logarithmic up to max_distance.
struct T5Buckets {
  std::int32_t buckets = 32, max_distance = 128;
  bool is_bidirectional = false;

  /// distance = key position - query position.
  std::int32_t bucket(std::int32_t distance) const noexcept;
  std::int32_t reach() const noexcept { return max_distance; }  // farther keys share the last bucket
};

/// Score::by_distance [heads, 2 * reach + 1] from a table [buckets, heads].
std::vector<float> t5_by_distance(const T5Buckets& spec, std::span<const float> table, std::int32_t heads);

}  // namespace heed
