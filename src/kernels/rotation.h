// rotation.h -- keys and queries turned by one orthogonal matrix, values turned and turned back: nothing changes but
// how rounding errors are spread.
//
// A row of integers has one scale, set by its largest number. After a Hadamard rotation every dimension holds an equal
// share, so that the largest is hardly larger than the others (QuaRot, Ashkboos et al. 2024).
#pragma once
#include <array>
#include <cstdint>

namespace heed {

/// Numbers that are rotated together: the largest power of two that divides dim (a multiple of 16), 256 at most.
constexpr std::int64_t rotation_block(std::int64_t dim) noexcept {
  const std::int64_t power = dim & -dim;
  return power < 256 ? power : 256;
}

/// x [dim] becomes H x, block by block: H [n, n], H_ij = (-1)^(bits that i and j share), so H H = n. Multiples of 16.
inline void rotate(float* x, std::int64_t dim) noexcept {
  const std::int64_t n = rotation_block(dim), half = n / 2;
  std::array<float, 256> other;
  for (float* const end = x + dim; x < end; x += n) {
    float *from = x, *to = other.data();
    for (std::int64_t pass = 1; pass < n; pass *= 2) {  // every pass turns the bits of all indices by one place
      for (std::int64_t i = 0; i < half; ++i) {
        const float a = from[i], b = from[half + i];
        to[2 * i] = a + b;
        to[2 * i + 1] = a - b;
      }
      float* const read = from;
      from = to;
      to = read;
    }
    if (from == x) continue;
    for (std::int64_t i = 0; i < n; ++i) x[i] = from[i];
  }
}

/// What a product of rotated rows, or a row rotated twice, is multiplied by.
constexpr float rotation_factor(bool is_rotated, std::int64_t dim) noexcept {
  return is_rotated ? 1.0f / static_cast<float>(rotation_block(dim)) : 1.0f;
}

}  // namespace heed
