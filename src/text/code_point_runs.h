// code_point_runs.h -- a class for every code point, looked up in runs of equal class.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace heed {

/// Of an enumeration of at most 16 values, the first of which is for what is no code point. Lives as long as its runs.
template <class Class>
class CodePointRuns {
 public:
  /// One entry a run: first code point << 4 | class, ascending, from 0.
  template <std::size_t kRuns>
  constexpr explicit CodePointRuns(const std::uint32_t (&runs)[kRuns]) : begin_(runs), end_(runs + kRuns) {
    for (const std::uint32_t run : runs)
      for (std::uint32_t code_point = run >> 4; code_point < kAscii; ++code_point)
        ascii_[code_point] = static_cast<Class>(run & 0xF);
  }

  constexpr Class operator()(std::uint32_t code_point) const noexcept {
    if (code_point < kAscii) return ascii_[code_point];
    if (code_point > 0x10FFFF) return Class{};
    return static_cast<Class>(*(std::upper_bound(begin_, end_, code_point << 4 | 0xF) - 1) & 0xF);
  }

 private:
  static constexpr std::uint32_t kAscii = 128;  // nine of ten characters: a table instead of a search

  const std::uint32_t *begin_, *end_;
  std::array<Class, kAscii> ascii_{};
};

}  // namespace heed
