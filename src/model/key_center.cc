// key_center.cc -- a mean of rotations in closed form.
#include "model/key_center.h"

#include <cmath>

namespace heed {
namespace {

constexpr double kPositions = 4096;

// The mean of (cos, sin)(frequency * p) over 0 <= p < kPositions, as an integral.
struct MeanTurn {
  double cos, sin;

  explicit MeanTurn(double frequency) {
    const double angle = frequency * kPositions;
    cos = angle > 1e-6 ? std::sin(angle) / angle : 1.0;
    sin = angle > 1e-6 ? (1.0 - std::cos(angle)) / angle : 0.0;
  }
};

}  // namespace

std::vector<float> key_center(const RopeSpec& rope, std::int32_t head_dim, const std::vector<float>& bias) {
  std::vector<float> center = bias;
  const std::int64_t half = rope.dims / 2;
  for (std::int64_t i = 0; i < half; ++i) {
    const MeanTurn turn(rope_frequency(rope, i));
    const std::int64_t first = rope.interleaved ? 2 * i : i, second = rope.interleaved ? 2 * i + 1 : half + i;
    for (auto head = center.begin(); head < center.end(); head += head_dim) {
      const double a = static_cast<double>(head[first]), b = static_cast<double>(head[second]);
      head[first] = static_cast<float>(a * turn.cos - b * turn.sin);
      head[second] = static_cast<float>(b * turn.cos + a * turn.sin);
    }
  }
  return center;
}

}  // namespace heed
