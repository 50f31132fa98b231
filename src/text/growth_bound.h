// growth_bound.h -- what a file's steps may make of a text: hostile ones double it again and again.
#pragma once
#include <cstddef>

namespace heed {

inline constexpr std::size_t kMostSteps = 64;             // of a normalizer or a pre-tokenizer
inline constexpr std::size_t kLongestReplacement = 1024;  // bytes

/// Real files stay far below (the longest compatibility decomposition is eleven times its character): beyond the bound
/// no further step is taken.
class GrowthBound {
 public:
  explicit GrowthBound(std::size_t bytes) : most_(bytes * 64 + 65536) {}
  bool holds(std::size_t bytes) const noexcept { return bytes <= most_; }

 private:
  std::size_t most_;
};

}  // namespace heed
