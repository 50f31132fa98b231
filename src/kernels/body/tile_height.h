// tile_height.h -- rows that a tile instruction multiplies at once.
#pragma once
#include <cstdint>

namespace heed {

inline constexpr std::int32_t kTileHeight = 16;

}  // namespace heed
