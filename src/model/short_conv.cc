// short_conv.cc -- row after row: a row's sum goes from its oldest position to its newest, however the text was cut.
#include "model/short_conv.h"

#include <algorithm>

namespace heed {

void convolve(const ShortConv& conv, const float* in, std::int64_t in_stride, float* out, std::int64_t out_stride,
              std::int64_t n, std::int64_t first_pos, float* history) {
  const std::int64_t before = conv.taps - 1, channels = conv.channels;
  if (first_pos == 0) std::fill_n(history, before * channels, 0.0f);
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t in_chunk = (first_pos + i) % kLinearChunk;
    float* y = out + i * out_stride;
    std::copy_n(in + i * in_stride, channels, history + (before + in_chunk) * channels);
    if (conv.bias)
      std::copy_n(conv.bias, channels, y);
    else
      std::fill_n(y, channels, 0.0f);
    for (std::int64_t tap = 0; tap <= before; ++tap) {
      const float *x = history + (in_chunk + tap) * channels, *weight = conv.by_tap + tap * channels;
      for (std::int64_t c = 0; c < channels; ++c) y[c] += weight[c] * x[c];
    }
    if (in_chunk == kLinearChunk - 1) std::copy_n(history + kLinearChunk * channels, before * channels, history);
  }
}

}  // namespace heed
