// rope_test.cc -- norm and rotation of head rows against double precision, and angles that come from positions alone.
#include "kernels/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/unit/kernels/emulated_tables.h"

namespace heed {
namespace {

constexpr std::int32_t kHeadDim = 48, kDims = 32;
constexpr std::int64_t kRows = 19, kStride = 5 * kHeadDim;  // the fifth head belongs to someone else
constexpr float kEps = 1e-6f;

std::vector<float> some_rows() {
  std::vector<float> x(static_cast<std::size_t>(kRows * kStride));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 3.0f * std::sin(static_cast<float>(7 * i + 1));
  return x;
}

// One head as the definition says: x / rms(x) * weight, then pairs turned by position * frequency.
std::vector<double> by_definition(const RopeSpec& spec, const float* head, const float* norm, std::int32_t position) {
  std::vector<double> y(head, head + kHeadDim);
  if (norm) {
    double squares = 0;
    for (const double v : y) squares += v * v;
    const double factor = 1.0 / std::sqrt(squares / kHeadDim + double{kEps});
    for (std::size_t d = 0; d < y.size(); ++d) y[d] *= factor * double{norm[d]};
  }
  for (std::size_t i = 0; i < kDims / 2; ++i) {
    const std::size_t first = spec.interleaved ? 2 * i : i, second = spec.interleaved ? 2 * i + 1 : kDims / 2 + i;
    const double angle = position * rope_frequency(spec, static_cast<std::int64_t>(i)), a = y[first], b = y[second];
    y[first] = a * std::cos(angle) - b * std::sin(angle);
    y[second] = b * std::cos(angle) + a * std::sin(angle);
  }
  return y;
}

TEST(Rope, NormsAndRotatesEveryHeadOfItsGroups) {
  std::vector<float> norm(kHeadDim);
  for (std::size_t d = 0; d < norm.size(); ++d) norm[d] = 0.5f + 0.01f * static_cast<float>(d);
  std::vector<std::int32_t> positions;
  for (std::int32_t r = 0; r < kRows; ++r) positions.push_back(r < 10 ? r : 30000 + r);  // two sequences of a batch
  for (const Kernels* kernels : attention_and_layer_kernels())
    for (const bool interleaved : {false, true}) {
      ThreadPool pool(2);
      Counters counters;
      Arena arena = *Arena::make(1 << 20);
      Exec exec{pool, arena, *kernels, counters};
      const RopeSpec spec{.dims = kDims, .base = 1e6f, .scale = 0.25f, .interleaved = interleaved};
      const auto angles = rope_angles(spec, positions, exec);
      ASSERT_TRUE(angles);
      const std::vector<float> before = some_rows();
      std::vector<float> x = before;
      const HeadGroup groups[] = {{3, norm.data()}, {1, nullptr}};
      norm_and_rotate(
          spec, *angles,
          {.x = x.data(), .rows = kRows, .stride = kStride, .head_dim = kHeadDim, .groups = groups, .norm_eps = kEps},
          exec);
      for (std::int64_t r = 0; r < kRows; ++r)
        for (std::int64_t h = 0; h < 5; ++h) {
          const auto at = static_cast<std::size_t>(r * kStride + h * kHeadDim);
          std::vector<double> want(before.begin() + static_cast<std::ptrdiff_t>(at),
                                   before.begin() + static_cast<std::ptrdiff_t>(at) + kHeadDim);
          if (h < 4)
            want = by_definition(spec, before.data() + at, h < 3 ? norm.data() : nullptr,
                                 positions[static_cast<std::size_t>(r)]);
          for (std::size_t d = 0; d < kHeadDim; ++d)
            ASSERT_NEAR(x[at + d], want[d], 3e-6) << kernels->name << " row " << r << " head " << h << " dim " << d;
        }
    }
}

TEST(Rope, SameAnglesDoNotDependOnHowPairsStand) {
  const RopeSpec a{.dims = 32, .base = 1e4f}, turned{.dims = 32, .base = 1e4f, .interleaved = true},
      slower{.dims = 32, .base = 1e4f, .scale = 0.5f};
  EXPECT_TRUE(a.same_angles(turned));
  EXPECT_FALSE(a.same_angles(slower));
}

}  // namespace
}  // namespace heed
