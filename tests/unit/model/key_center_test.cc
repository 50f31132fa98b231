// key_center_test.cc -- the closed form against the mean of what rope() makes of the bias.
#include "model/key_center.h"

#include <gtest/gtest.h>

#include <cmath>

namespace heed {
namespace {

std::vector<float> some_bias(std::size_t n) {
  std::vector<float> bias(n);
  for (std::size_t i = 0; i < n; ++i) bias[i] = 100.0f * std::sin(static_cast<float>(3 * i + 1));
  return bias;
}

TEST(KeyCenter, IsTheMeanOfTheRotatedBias) {
  for (const bool interleaved : {false, true}) {
    const RopeSpec rope{.dims = 24, .base = 1e6f, .interleaved = interleaved};
    const std::vector<float> bias = some_bias(2 * 32);
    const std::vector<float> got = key_center(rope, 32, bias);
    for (std::int64_t head = 0; head < 2; ++head)
      for (std::int64_t i = 0; i < 12; ++i) {
        const auto first = static_cast<std::size_t>(head * 32 + (interleaved ? 2 * i : i)),
                   second = static_cast<std::size_t>(head * 32 + (interleaved ? 2 * i + 1 : 12 + i));
        double a = 0, b = 0;
        for (int p = 0; p < 4096; ++p) {
          const double angle = p * rope_frequency(rope, i);
          a += double{bias[first]} * std::cos(angle) - double{bias[second]} * std::sin(angle);
          b += double{bias[second]} * std::cos(angle) + double{bias[first]} * std::sin(angle);
        }
        EXPECT_NEAR(got[first], a / 4096, 0.05) << i;  // a sum instead of an integral
        EXPECT_NEAR(got[second], b / 4096, 0.05) << i;
      }
    for (std::size_t d = 24; d < 32; ++d) EXPECT_EQ(got[d], bias[d]);  // not rotated
  }
}

TEST(KeyCenter, WithoutRopeIsTheBias) {
  const std::vector<float> bias = some_bias(16);
  EXPECT_EQ(key_center({}, 16, bias), bias);
}

}  // namespace
}  // namespace heed
