// quantize_k.cc -- K types: scales of sub-blocks are themselves integers under one float of 256 values.
//
// Each level is a weighted least-squares fit with the other level held fixed, as in Lloyd's method (Lloyd 1982): steps
// for given scales are the nearest ones; a scale (and minimum) for given steps solves the normal equations. Sub-blocks
// are fitted from several ranges, since the fit ends in a nearby optimum; then their scales become integers, each
// compared with its neighbours by the error that remains; then the two floats of the super-block are fitted to all
// 256 values as the integers have it. Weights |x| + rms favour what is large without giving up the rest.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/dequantize.h"
#include "kernels/quantize.h"

namespace heed {
namespace {

constexpr int kValues = 256;

/// To the nearest, of what is not negative; the compiler makes one conversion of it.
int rounded(float value) noexcept {
  constexpr float kHalf = 0.5f;
  return static_cast<int>(value + kHalf);
}

float as_half(float value) noexcept { return half_to_float(float_to_half(value)); }

void put_half(std::byte* at, float value) noexcept {
  const std::uint16_t half = float_to_half(value);
  std::memcpy(at, &half, sizeof half);
}

void weigh(const float* x, float* w) noexcept {
  float power = 0;
  for (int i = 0; i < kValues; ++i) power += x[i] * x[i];
  const float rms = std::sqrt(power / kValues);
  for (int i = 0; i < kValues; ++i) w[i] = rms + std::fabs(x[i]);
}

// ---- Q4_K and Q5_K: value = scale * step - minimum, scale and minimum >= 0, 8 sub-blocks of 32 ----

constexpr int kSub = 32, kSubs = kValues / kSub;
constexpr int kMostScale = 63;  // 6 bits

struct Affine {
  float scale = 0, minimum = 0, error = 0;
};

/// Sums of the normal equations of x = scale * q - minimum.
struct Sums {
  float w = 0, x = 0, xx = 0, q = 0, qq = 0, xq = 0;
};

Sums sums_of(const float* x, const float* w, float scale, float minimum, int steps) noexcept {
  const float inverse = scale > 0 ? 1.0f / scale : 0.0f, most = static_cast<float>(steps);
  Sums s;
  for (int i = 0; i < kSub; ++i) {
    const float at = std::clamp((x[i] + minimum) * inverse, 0.0f, most);
    const auto q = static_cast<float>(rounded(at));
    s.w += w[i];
    s.x += w[i] * x[i];
    s.xx += w[i] * x[i] * x[i];
    s.q += w[i] * q;
    s.qq += w[i] * q * q;
    s.xq += w[i] * x[i] * q;
  }
  return s;
}

float error_of(const Sums& s, float scale, float minimum) noexcept {
  return s.xx - 2 * scale * s.xq + 2 * minimum * s.x + scale * scale * s.qq - 2 * scale * minimum * s.q +
         minimum * minimum * s.w;
}

/// The scale and minimum that fit given steps best.
Affine fit(const Sums& s) noexcept {
  const float determinant = s.w * s.qq - s.q * s.q;
  Affine a;
  if (determinant > 1e-12f * s.w * s.qq) {
    a.scale = (s.w * s.xq - s.x * s.q) / determinant;
    a.minimum = (s.q * s.xq - s.qq * s.x) / determinant;
  }
  if (a.minimum < 0 || a.scale <= 0) a = {.scale = s.qq > 0 ? std::max(s.xq / s.qq, 0.0f) : 0.0f, .minimum = 0};
  a.error = error_of(s, a.scale, a.minimum);
  return a;
}

Affine fit_sub_block(const float* x, const float* w, int steps) noexcept {
  const auto [low, high] = std::minmax_element(x, x + kSub);
  const float minimum = std::max(-*low, 0.0f), range = *high + minimum;
  if (!(range > 0)) return {.scale = 0, .minimum = minimum};
  Affine best;
  bool is_first = true;
  for (int widen = -4; widen <= 8; ++widen) {  // fewer or more steps than there are: clipped or wasted ends
    Affine a = {.scale = range / (static_cast<float>(steps) + 0.2f * static_cast<float>(widen)), .minimum = minimum};
    for (int round = 0; round < 2; ++round) a = fit(sums_of(x, w, a.scale, a.minimum, steps));
    if (is_first || a.error < best.error) best = a;
    is_first = false;
  }
  return best;
}

struct AffineBlock {
  float d = 0, d_min = 0;  // as halves have them
  std::array<int, kSubs> scale{}, minimum{};
};

float sub_error(const float* x, const float* w, float scale, float minimum, int steps) noexcept {
  const float inverse = scale > 0 ? 1.0f / scale : 0.0f, most = static_cast<float>(steps);
  float error = 0;
  for (int i = 0; i < kSub; ++i) {
    const float at = std::clamp((x[i] + minimum) * inverse, 0.0f, most);
    const float off = scale * static_cast<float>(rounded(at)) - minimum - x[i];
    error += w[i] * off * off;
  }
  return error;
}

/// Integers for the scales and minima under b.d and b.d_min: the nearest, or neighbours of them. Returns the error.
float choose_integers(const float* x, const float* w, const std::array<Affine, kSubs>& fits, int steps,
                      AffineBlock& b) noexcept {
  const auto nearest = [](float value, float unit) {
    return unit > 0 ? std::clamp(rounded(value / unit), 0, kMostScale) : 0;
  };
  float total = 0;
  for (int s = 0; s < kSubs; ++s) {
    const auto at = static_cast<std::size_t>(s);
    const int scale = nearest(fits[at].scale, b.d), minimum = nearest(fits[at].minimum, b.d_min);
    float best = -1;
    for (int i = std::max(scale - 1, 0); i <= std::min(scale + 1, kMostScale); ++i)
      for (int j = std::max(minimum - 1, 0); j <= std::min(minimum + 1, kMostScale); ++j) {
        const float error =
            sub_error(x + s * kSub, w + s * kSub, b.d * static_cast<float>(i), b.d_min * static_cast<float>(j), steps);
        if (best >= 0 && error >= best) continue;
        best = error;
        b.scale[at] = i;
        b.minimum[at] = j;
      }
    total += best;
  }
  return total;
}

/// d and d_min anew, for the integers and steps as they are.
void refit(const float* x, const float* w, int steps, AffineBlock& b) noexcept {
  double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;  // of a = scale * step, b = -minimum
  for (int s = 0; s < kSubs; ++s) {
    const auto at = static_cast<std::size_t>(s);
    const auto scale = static_cast<float>(b.scale[at]), minimum = static_cast<float>(b.minimum[at]);
    const Sums t = sums_of(x + s * kSub, w + s * kSub, b.d * scale, b.d_min * minimum, steps);
    aa += double{scale} * scale * t.qq;
    ab -= double{scale} * minimum * t.q;
    bb += double{minimum} * minimum * t.w;
    ax += double{scale} * t.xq;
    bx -= double{minimum} * t.x;
  }
  const double determinant = aa * bb - ab * ab;
  if (determinant > 1e-9 * aa * bb) {
    b.d = static_cast<float>((ax * bb - bx * ab) / determinant);
    b.d_min = static_cast<float>((bx * aa - ax * ab) / determinant);
  } else if (aa > 0) {
    b.d = static_cast<float>(ax / aa);
  }
  b.d = as_half(std::max(b.d, 0.0f));
  b.d_min = as_half(std::max(b.d_min, 0.0f));
}

AffineBlock fit_affine(const float* x, int steps) noexcept {
  std::array<float, kValues> w;
  weigh(x, w.data());
  std::array<Affine, kSubs> fits;
  float most_scale = 0, most_minimum = 0;
  for (int s = 0; s < kSubs; ++s) {
    const Affine& a = fits[static_cast<std::size_t>(s)] = fit_sub_block(x + s * kSub, w.data() + s * kSub, steps);
    most_scale = std::max(most_scale, a.scale);
    most_minimum = std::max(most_minimum, a.minimum);
  }
  AffineBlock b = {.d = as_half(most_scale / kMostScale), .d_min = as_half(most_minimum / kMostScale)};
  float error = choose_integers(x, w.data(), fits, steps, b);
  for (int round = 0; round < 2; ++round) {
    AffineBlock next = b;
    refit(x, w.data(), steps, next);
    const float next_error = choose_integers(x, w.data(), fits, steps, next);
    if (next_error >= error) break;
    b = next;
    error = next_error;
  }
  return b;
}

/// Scale j and minimum j of 6 bits each in 12 bytes: the first four whole, the others' high bits above those.
void put_scales(const AffineBlock& b, std::byte* out) noexcept {
  std::array<int, 12> bytes{};
  for (std::size_t j = 0; j < 4; ++j) {
    bytes[j] = b.scale[j] | (b.scale[j + 4] >> 4) << 6;
    bytes[j + 4] = b.minimum[j] | (b.minimum[j + 4] >> 4) << 6;
    bytes[j + 8] = (b.scale[j + 4] & 15) | (b.minimum[j + 4] & 15) << 4;
  }
  for (std::size_t j = 0; j < bytes.size(); ++j) out[j] = static_cast<std::byte>(bytes[j]);
}

void steps_of(const float* x, const AffineBlock& b, int steps, std::array<int, kValues>& q) noexcept {
  for (int i = 0; i < kValues; ++i) {
    const auto s = static_cast<std::size_t>(i / kSub);
    const float scale = b.d * static_cast<float>(b.scale[s]), minimum = b.d_min * static_cast<float>(b.minimum[s]);
    const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
    const float at = std::clamp((x[i] + minimum) * inverse, 0.0f, static_cast<float>(steps));
    q[static_cast<std::size_t>(i)] = rounded(at);
  }
}

/// Heads and low nibbles: of each 64 values the first 32 in the low halves of 32 bytes, the others in the high ones.
void put_affine(const AffineBlock& b, const std::array<int, kValues>& q, std::byte* block,
                std::byte* nibbles) noexcept {
  put_half(block, b.d);
  put_half(block + 2, b.d_min);
  put_scales(b, block + 4);
  for (std::size_t i = 0; i < kValues / 2; ++i) {
    const std::size_t first = i / kSub * 2 * kSub + i % kSub;
    nibbles[i] = static_cast<std::byte>((q[first] & 15) | (q[first + kSub] & 15) << 4);
  }
}

// ---- Q6_K: value = d * scale * step, 16 sub-blocks of 16, scales of 8 bits, steps -32 .. 31 ----

constexpr int kSmall = 16, kSmalls = kValues / kSmall;
constexpr float kLowest = -32.0f, kHighest = 31.0f;

float step_of(float x, float inverse) noexcept {
  const float at = std::clamp(x * inverse, kLowest, kHighest);
  return static_cast<float>(rounded(at - kLowest)) + kLowest;
}

/// The scale that fits the steps of a given one best, and its error in `error`.
float refit_scale(const float* x, const float* w, float scale, float& error) noexcept {
  const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  float xx = 0, xq = 0, qq = 0;
  for (int i = 0; i < kSmall; ++i) {
    const float q = step_of(x[i], inverse);
    xx += w[i] * x[i] * x[i];
    xq += w[i] * x[i] * q;
    qq += w[i] * q * q;
  }
  error = qq > 0 ? xx - xq * xq / qq : xx;
  return qq > 0 ? xq / qq : 0.0f;
}

float fit_small_block(const float* x, const float* w) noexcept {
  float extreme = 0;
  for (int i = 0; i < kSmall; ++i)
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  float best = 0, best_error = -1;
  for (int widen = -6; widen <= 10; ++widen) {
    float error = 0, scale = extreme / (kLowest + 0.25f * static_cast<float>(widen));
    for (int round = 0; round < 2; ++round) scale = refit_scale(x, w, scale, error);
    if (best_error >= 0 && error >= best_error) continue;
    best = scale;
    best_error = error;
  }
  return best;
}

float small_error(const float* x, const float* w, float scale) noexcept {
  const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  float error = 0;
  for (int i = 0; i < kSmall; ++i) {
    const float off = scale * step_of(x[i], inverse) - x[i];
    error += w[i] * off * off;
  }
  return error;
}

struct SymmetricBlock {
  float d = 0;
  std::array<int, kSmalls> scale{};
};

float choose_small_integers(const float* x, const float* w, const std::array<float, kSmalls>& fits,
                            SymmetricBlock& b) noexcept {
  float total = 0;
  for (int s = 0; s < kSmalls; ++s) {
    const auto at = static_cast<std::size_t>(s);
    const int nearest = b.d != 0 ? static_cast<int>(std::lround(std::clamp(fits[at] / b.d, -128.0f, 127.0f))) : 0;
    float best = -1;
    for (int i = std::max(nearest - 1, -128); i <= std::min(nearest + 1, 127); ++i) {
      const float error = small_error(x + s * kSmall, w + s * kSmall, b.d * static_cast<float>(i));
      if (best >= 0 && error >= best) continue;
      best = error;
      b.scale[at] = i;
    }
    total += best;
  }
  return total;
}

void refit(const float* x, const float* w, SymmetricBlock& b) noexcept {
  double aa = 0, ax = 0;
  for (int i = 0; i < kValues; ++i) {
    const auto scale = static_cast<float>(b.scale[static_cast<std::size_t>(i / kSmall)]);
    const float unit = b.d * scale, a = scale * step_of(x[i], unit != 0 ? 1.0f / unit : 0.0f);
    aa += double{w[i]} * a * a;
    ax += double{w[i]} * a * x[i];
  }
  if (aa > 0) b.d = as_half(static_cast<float>(ax / aa));
}

SymmetricBlock fit_symmetric(const float* x) noexcept {
  std::array<float, kValues> w;
  weigh(x, w.data());
  std::array<float, kSmalls> fits;
  float extreme = 0;
  for (int s = 0; s < kSmalls; ++s) {
    const float scale = fits[static_cast<std::size_t>(s)] = fit_small_block(x + s * kSmall, w.data() + s * kSmall);
    if (std::fabs(scale) > std::fabs(extreme)) extreme = scale;
  }
  SymmetricBlock b = {.d = as_half(extreme / -128.0f)};
  float error = choose_small_integers(x, w.data(), fits, b);
  for (int round = 0; round < 2; ++round) {
    SymmetricBlock next = b;
    refit(x, w.data(), next);
    const float next_error = choose_small_integers(x, w.data(), fits, next);
    if (next_error >= error) break;
    b = next;
    error = next_error;
  }
  return b;
}

}  // namespace

void quantize_q4_k(const float* x, std::byte* block) noexcept {
  const AffineBlock b = fit_affine(x, 15);
  std::array<int, kValues> q;
  steps_of(x, b, 15, q);
  put_affine(b, q, block, block + 16);
}

void quantize_q5_k(const float* x, std::byte* block) noexcept {
  const AffineBlock b = fit_affine(x, 31);
  std::array<int, kValues> q;
  steps_of(x, b, 31, q);
  put_affine(b, q, block, block + 48);
  for (std::size_t i = 0; i < kSub; ++i) {  // bit s: the fifth bit of value i of sub-block s
    int bits = 0;
    for (std::size_t s = 0; s < kSubs; ++s) bits |= q[s * kSub + i] >> 4 << s;
    block[16 + i] = static_cast<std::byte>(bits);
  }
}

void quantize_q6_k(const float* x, std::byte* block) noexcept {
  const SymmetricBlock b = fit_symmetric(x);
  std::array<int, kValues> q;
  for (std::size_t i = 0; i < kValues; ++i) {
    const float scale = b.d * static_cast<float>(b.scale[i / kSmall]);
    q[i] = static_cast<int>(step_of(x[i], scale != 0 ? 1.0f / scale : 0.0f)) + 32;
  }
  std::byte *low = block, *high = block + 128, *scales = block + 192;
  for (std::size_t half = 0; half < 2; ++half)
    for (std::size_t i = 0; i < 32; ++i) {
      const int* v = q.data() + half * 128 + i;  // values i, i + 32, i + 64, i + 96 share a byte of high bits
      low[half * 64 + i] = static_cast<std::byte>((v[0] & 15) | (v[64] & 15) << 4);
      low[half * 64 + i + 32] = static_cast<std::byte>((v[32] & 15) | (v[96] & 15) << 4);
      high[half * 32 + i] = static_cast<std::byte>(v[0] >> 4 | v[32] >> 4 << 2 | v[64] >> 4 << 4 | v[96] >> 4 << 6);
    }
  for (std::size_t s = 0; s < kSmalls; ++s) scales[s] = static_cast<std::byte>(static_cast<std::int8_t>(b.scale[s]));
  put_half(block + 208, b.d);
}

}  // namespace heed
