// hash.h -- a fast hash of short texts. It stays in memory: never write it to a file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace heed {

inline std::uint64_t hash_text(std::string_view text) noexcept {
  constexpr std::uint64_t kFactor = 0x9E3779B97F4A7C15ULL;
  std::uint64_t hash = (text.size() + 1) * kFactor;
  for (std::size_t at = 0; at < text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, text.size() - at < 8 ? text.size() - at : 8);
    hash = (hash ^ word) * kFactor;
    hash ^= hash >> 29;
  }
  return hash * kFactor ^ hash >> 32;
}

}  // namespace heed
