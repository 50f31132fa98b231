// position_bias.cc -- computed once at load; the kernels look up or multiply.
#include "kernels/position_bias.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace heed {

std::vector<float> alibi_slopes(std::int32_t heads, float max_bias) {
  const auto even = static_cast<std::int32_t>(std::bit_floor(static_cast<std::uint32_t>(std::max(heads, 1))));
  std::vector<float> slopes;
  for (std::int32_t h = 0; h < heads; ++h) {
    const double step = h < even ? h + 1.0 : (h - even) + 0.5;
    slopes.push_back(static_cast<float>(std::exp2(-double{max_bias} * step / even)));
  }
  return slopes;
}

std::int32_t T5Buckets::bucket(std::int32_t distance) const noexcept {
  const std::int32_t count = is_bidirectional ? buckets / 2 : buckets;
  const std::int32_t first = is_bidirectional && distance > 0 ? count : 0;
  const std::int32_t apart = is_bidirectional ? std::abs(distance) : std::max(-distance, 0);
  const std::int32_t exact = count / 2;
  if (apart < exact) return first + apart;
  const float share = std::log(static_cast<float>(apart) / static_cast<float>(exact)) /
                      std::log(static_cast<float>(max_distance) / static_cast<float>(exact));
  const auto far = exact + static_cast<std::int32_t>(share * static_cast<float>(count - exact));
  return first + std::min(far, count - 1);
}

std::vector<float> t5_by_distance(const T5Buckets& spec, std::span<const float> table, std::int32_t heads) {
  const std::int32_t reach = spec.reach();
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(heads) * static_cast<std::size_t>(2 * reach + 1));
  for (std::int32_t h = 0; h < heads; ++h)
    for (std::int32_t d = -reach; d <= reach; ++d)
      out.push_back(table[static_cast<std::size_t>(spec.bucket(d)) * static_cast<std::size_t>(heads) +
                          static_cast<std::size_t>(h)]);
  return out;
}

}  // namespace heed
