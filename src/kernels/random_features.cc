// random_features.cc -- orthogonal random directions for the performer's features.
#include <cmath>
#include <numbers>

#include "kernels/linear_attention.h"

namespace heed {
namespace {

// Normal numbers from a counter: splitmix64 (Steele et al. 2014) and Box-Muller, the same on every machine.
class Normals {
 public:
  explicit Normals(std::uint64_t seed) : state_(seed) {}

  double next() {
    const double radius = std::sqrt(-2.0 * std::log(uniform())), angle = 2.0 * std::numbers::pi * uniform();
    return radius * std::cos(angle);
  }

 private:
  double uniform() {  // in (0, 1]
    std::uint64_t x = state_ += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    return (static_cast<double>(x >> 11) + 1.0) * 0x1p-53;
  }
  std::uint64_t state_;
};

using Vectors = std::vector<std::vector<double>>;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Takes out of `x` what lies along the group's directions (twice: rounding), and gives it length 1.
void make_orthogonal(std::vector<double>& x, const Vectors& group) {
  for (int round = 0; round < 2; ++round)
    for (const auto& other : group) {
      const double along = dot(x, other);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] -= along * other[i];
    }
  const double length = std::sqrt(dot(x, x));
  for (double& value : x) value /= length;
}

}  // namespace

std::vector<float> draw_features(std::int32_t k_dim, std::int32_t features, std::uint64_t seed) {
  const auto dim = static_cast<std::size_t>(k_dim), count = static_cast<std::size_t>(features);
  Normals normals(seed);
  const auto draw = [&] {
    std::vector<double> x(dim);
    for (double& value : x) value = normals.next();
    return x;
  };
  std::vector<float> columns(dim * count);
  Vectors group;
  for (std::size_t j = 0; j < count; ++j) {
    if (group.size() == dim) group.clear();
    std::vector<double> x = draw();
    const std::vector<double> other = draw();
    const double length = std::sqrt(dot(other, other));
    make_orthogonal(x, group);
    for (std::size_t i = 0; i < dim; ++i) columns[i * count + j] = static_cast<float>(length * x[i]);
    group.push_back(std::move(x));
  }
  return columns;
}

}  // namespace heed
