// quantize_test.cc -- against the Python `gguf` package where it quantizes, by what is lost elsewhere.
#include "kernels/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "kernels/dequantize.h"
#include "tests/unit/kernels/golden_records.h"

namespace heed {
namespace {

TEST(Quantize, EqualsThePythonPackageBitForBit) {
  std::set<std::string> seen;
  for (const GoldenRecord& r : golden_records("quantize.bin")) {
    const DType type = dtype_by_name(r.name);
    ASSERT_TRUE(can_quantize(type)) << r.name;
    std::vector<std::byte> out(r.bytes.size());
    quantize_row(type, r.floats.data(), static_cast<std::int64_t>(r.floats.size()), out.data());
    const auto block = static_cast<std::size_t>(info(type).block_bytes);
    for (std::size_t i = 0; i < out.size(); ++i)
      ASSERT_EQ(out[i], r.bytes[i]) << r.name << " block " << i / block << " byte " << i % block;
    seen.insert(r.name);
  }
  EXPECT_EQ(seen, (std::set<std::string>{"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"}));
}

std::vector<float> through(DType type, const std::vector<float>& x) {
  std::vector<std::byte> coded(static_cast<std::size_t>(row_bytes(type, static_cast<std::int64_t>(x.size()))));
  quantize_row(type, x.data(), static_cast<std::int64_t>(x.size()), coded.data());
  std::vector<float> out(x.size());
  dequantize_row(type, coded.data(), static_cast<std::int64_t>(x.size()), out.data());
  return out;
}

double relative_error(const std::vector<float>& x, const std::vector<float>& y) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    error += (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
    power += double{x[i]} * x[i];
  }
  return std::sqrt(error / power);
}

std::vector<float> normal(std::size_t n, float scale, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw(0, scale);
  std::vector<float> x(n);
  for (float& v : x) v = draw(random);
  return x;
}

// A block of 32 normal values spans about 4.1 deviations: a search must lose less than its plain grid would.
TEST(Quantize, KTypesLoseLittleOfNormalWeights) {
  const auto x = normal(256 * 64, 0.02f, 1);
  EXPECT_LT(relative_error(x, through(DType::q4_k, x)), 0.072);
  EXPECT_LT(relative_error(x, through(DType::q5_k, x)), 0.036);
  EXPECT_LT(relative_error(x, through(DType::q6_k, x)), 0.0185);
  EXPECT_LT(relative_error(x, through(DType::q4_k, x)), relative_error(x, through(DType::q4_0, x)));
  EXPECT_LT(relative_error(x, through(DType::q5_k, x)), relative_error(x, through(DType::q5_0, x)));
}

// Values that an encoding can hold come back: no search may lose what the plain grid has.
TEST(Quantize, KTypesGiveBackWhatTheyCanHold) {
  std::mt19937 random(2);
  std::vector<float> x(256 * 8);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto sub = static_cast<float>(1 + i / 32 % 8);
    x[i] = 0.5f * sub * static_cast<float>(i % 32 < 2 ? i % 32 * 15 : random() % 16) - sub;
  }
  EXPECT_LT(relative_error(x, through(DType::q4_k, x)), 0.01);
  EXPECT_LT(relative_error(x, through(DType::q5_k, x)), 0.02);
}

TEST(Quantize, ExtremesAreNoTrap) {
  for (const DType type : {DType::q4_k, DType::q5_k, DType::q6_k, DType::q8_0, DType::q5_1, DType::q4_0}) {
    const std::string name(info(type).name);
    std::vector<float> x(512, 0.0f);
    EXPECT_EQ(through(type, x), x) << name;
    x[300] = 1.0f;  // one value alone in its super-block
    const auto one = through(type, x);
    EXPECT_NEAR(one[300], 1.0f, 0.02f) << name;
    EXPECT_EQ(one[0], 0.0f) << name;
    for (float& v : x) v = -3.0f;
    for (const float v : through(type, x)) EXPECT_NEAR(v, -3.0f, 0.05f) << name;
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 2 == 0 ? 65504.0f : -65504.0f;
    for (const float v : through(type, x)) EXPECT_TRUE(std::isfinite(v)) << name;
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::numeric_limits<float>::denorm_min() * static_cast<float>(i);
    for (const float v : through(type, x)) EXPECT_LT(std::fabs(v), 1e-6f) << name;
    x = normal(512, 1.0f, 3);
    for (std::size_t i = 0; i < 512; ++i) x[i] *= i % 32 == 0 ? 50.0f : 1.0f;
    EXPECT_LT(relative_error(x, through(type, x)), 0.15) << name;
  }
}

TEST(Quantize, OtherTypesAreRefused) {
  EXPECT_FALSE(can_quantize(DType::q2_k));
  EXPECT_FALSE(can_quantize(DType::i32));
  std::byte untouched{7};
  const float x = 1;
  quantize_row(DType::i8, &x, 1, &untouched);
  EXPECT_EQ(untouched, std::byte{7});
}

}  // namespace
}  // namespace heed
