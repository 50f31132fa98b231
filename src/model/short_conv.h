// short_conv.h -- a causal convolution over a few positions, each channel by itself: what Mamba 2 and LFM 2 begin with.
#pragma once
#include <cstdint>

#include "kernels/linear_attention.h"

namespace heed {

struct ShortConv {
  const float* by_tap = nullptr;  // [taps, channels], the newest position's the last
  const float* bias = nullptr;    // [channels] or none
  std::int64_t channels = 0, taps = 0;

  /// Of a sequence: the inputs of the current chunk of positions and those that reach into it.
  std::int64_t history_floats() const noexcept { return (kLinearChunk + taps - 1) * channels; }
};

/// Rows of one sequence at positions first_pos .. first_pos + n - 1, `in` and `out` being strides apart. `history`
/// [chunk + taps - 1, channels] keeps the chunk's inputs behind the last ones before it; these are copied when a chunk
/// is full, which nothing goes back beyond.
void convolve(const ShortConv& conv, const float* in, std::int64_t in_stride, float* out, std::int64_t out_stride,
              std::int64_t n, std::int64_t first_pos, float* history);

}  // namespace heed
