// tile_height.h -- rows that a tile instruction multiplies at once, and how they are laid out for it.
#pragma once
#include <cstdint>

namespace heed {

inline constexpr std::int32_t kTileHeight = 16;

// A unit (32 k) of sixteen rows, so that all of it is one stretch of memory: q [16, 32]; in exact mode low [16, 32], in
// fast mode scale [16]; then the sums that weights' mins are multiplied by, as floats times that scale: of the unit
// [16], of its halves [2, 16].
struct TileUnit {
  static constexpr std::int64_t kHalfBytes = kTileHeight * 32, kLineBytes = kTileHeight * 4;
  bool is_exact;

  constexpr std::int64_t floats() const noexcept { return is_exact ? 2 * kHalfBytes : kHalfBytes; }
  constexpr std::int64_t sums() const noexcept { return is_exact ? floats() : floats() + kLineBytes; }
  constexpr std::int64_t bytes() const noexcept { return sums() + 3 * kLineBytes; }
};

}  // namespace heed
