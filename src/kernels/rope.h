// rope.h -- what happens to query and key heads before they meet: their own norm, and rotary position embedding.
#pragma once
#include <cstdint>
#include <span>

#include "core/expected.h"
#include "kernels/exec.h"

namespace heed {

/// Rotary position embedding (Su et al. 2021). Pairs are (i, i + dims/2) when split ("neox"), (2i, 2i+1) when
/// interleaved.
struct RopeSpec {
  std::int32_t dims = 0;  // rotated dims of a head; 0: none
  float base = 10000.0f;
  float scale = 1.0f;  // positions are multiplied by it (linear scaling: 1/factor)
  bool interleaved = false;
  std::span<const float> factors;  // [dims/2] divides each frequency (Llama 3, YaRN, long-rope); empty: ones
  float magnitude = 1.0f;          // of every rotated pair: cosines and sines are multiplied by it (YaRN, long-rope)

  /// Whether both turn every position alike.
  bool same_angles(const RopeSpec& other) const noexcept {
    return dims == other.dims && base == other.base && scale == other.scale && factors.data() == other.factors.data() &&
           magnitude == other.magnitude;
  }
};

/// Radians a position of pair i.
double rope_frequency(const RopeSpec& spec, std::int64_t i) noexcept;

/// Cosines and sines of a step's rows: made once, used by every block that turns by the same angles.
struct RopeAngles {
  const float* cos = nullptr;  // [rows, dims/2]
  const float* sin = nullptr;  // [rows, dims/2]
};

/// The angles of positions [rows], computed in double, kept in the arena.
Expected<RopeAngles> rope_angles(const RopeSpec& spec, std::span<const std::int32_t> positions, Exec& exec);

/// Neighbouring heads of every row that share a norm.
struct HeadGroup {
  std::int32_t heads = 0;
  const float* norm = nullptr;  // [head_dim], RMS norm of each head; none: not normed
};

/// Rows of heads: the groups stand side by side, head_dim floats a head.
struct HeadRows {
  float* x = nullptr;
  std::int64_t rows = 0, stride = 0;  // floats between rows
  std::int32_t head_dim = 0;
  std::span<const HeadGroup> groups;
  float norm_eps = 0.0f;
};

/// Norms every head that has a norm, then rotates it, in place and in one region.
void norm_and_rotate(const RopeSpec& spec, const RopeAngles& angles, const HeadRows& heads, Exec& exec);

}  // namespace heed
