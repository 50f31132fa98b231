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
  constexpr explicit CodePointRuns(const std::uint32_t (&runs)[kRuns]) : begin_(runs) {
    static_assert(kRuns < 65536);
    std::uint16_t last = 0;
    for (std::uint32_t block = 0; block < kBlocks; ++block) {
      while (last + 1U < kRuns && runs[last + 1] >> 4 <= block * kBlock) ++last;
      run_of_[block] = last;
    }
    run_of_[kBlocks] = kRuns - 1;
    for (const std::uint32_t run : runs)
      for (std::uint32_t code_point = run >> 4; code_point < kAscii; ++code_point)
        ascii_[code_point] = static_cast<Class>(run & 0xF);
  }

  constexpr Class operator()(std::uint32_t code_point) const noexcept {
    if (code_point < kAscii) return ascii_[code_point];
    if (code_point > 0x10FFFF) return Class{};
    const std::uint32_t block = code_point / kBlock;
    const auto *low = begin_ + run_of_[block], *high = begin_ + run_of_[block + 1] + 1;
    return static_cast<Class>(*(std::upper_bound(low, high, code_point << 4 | 0xF) - 1) & 0xF);
  }

 private:
  static constexpr std::uint32_t kAscii = 128;  // nine of ten characters: a table instead of a search

  static constexpr std::uint32_t kBlock = 256, kBlocks = 0x110000 / kBlock;  // a block has few runs

  const std::uint32_t* begin_;
  std::array<std::uint16_t, kBlocks + 1> run_of_{};  // of a block's first code point
  std::array<Class, kAscii> ascii_{};
};

}  // namespace heed
