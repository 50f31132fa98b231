// layer_table_test.cc -- the inner loops of norms, RoPE and activations on every instruction set, against double
// precision.
#include "kernels/body/layer_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/unit/kernels/emulated_tables.h"

namespace heed {
namespace {

std::vector<float> numbers(std::size_t n, float spread, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

const LayerTable& table_of(const Kernels& kernels) { return *kernels.layers; }

TEST(LayerTable, RmsNorm) {
  for (const Kernels* kernels : attention_and_layer_kernels())
    for (const std::size_t dim : {16u, 64u, 576u, 1536u})
      for (const float spread : {1e-6f, 1.0f, 1e4f}) {
        const auto x = numbers(dim, spread, 1), weight = numbers(dim, 1.0f, 2);
        double squares = 0;
        for (const float v : x) squares += double{v} * v;
        const double factor = 1.0 / std::sqrt(squares / static_cast<double>(dim) + 1e-6);
        auto y = x;  // in place
        table_of(*kernels).rms_norm(y.data(), weight.data(), 1e-6f, static_cast<std::int64_t>(dim), y.data());
        for (std::size_t i = 0; i < dim; ++i) {
          const double want = x[i] * factor * weight[i];
          ASSERT_NEAR(y[i], want, 1e-6 * std::fabs(want) + 1e-30) << kernels->name << " " << dim << " " << i;
        }
      }
}

TEST(LayerTable, RotateSplit) {
  for (const Kernels* kernels : attention_and_layer_kernels())
    for (const std::size_t half : {1u, 8u, 16u, 24u, 32u, 128u}) {
      const auto before = numbers(2 * half, 3.0f, 3), angle = numbers(half, 2.0f, 4);
      std::vector<float> cos(half), sin(half), x = before;
      for (std::size_t i = 0; i < half; ++i) cos[i] = std::cos(angle[i]), sin[i] = std::sin(angle[i]);
      table_of(*kernels).rotate_split(x.data(), cos.data(), sin.data(), static_cast<std::int64_t>(half));
      for (std::size_t i = 0; i < half; ++i) {
        const double a = before[i], b = before[half + i];
        ASSERT_NEAR(x[i], a * cos[i] - b * sin[i], 2e-6) << kernels->name << " " << half;
        ASSERT_NEAR(x[half + i], b * cos[i] + a * sin[i], 2e-6) << kernels->name << " " << half;
      }
    }
}

double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979324) * (x + 0.044715 * x * x * x)));
}

TEST(LayerTable, GatedActivations) {
  constexpr std::size_t kCount = 4096;
  for (const Kernels* kernels : attention_and_layer_kernels())
    for (const float spread : {0.01f, 1.0f, 30.0f, 1000.0f}) {
      const auto gate = numbers(kCount, spread, 5), up = numbers(kCount, 1.0f, 6);
      std::vector<float> silu(kCount), gelu(kCount);
      table_of(*kernels).gated_silu(gate.data(), up.data(), kCount, silu.data());
      table_of(*kernels).gated_gelu_tanh(gate.data(), up.data(), kCount, gelu.data());
      for (std::size_t i = 0; i < kCount; ++i) {
        const double g = gate[i], size = std::fabs(g * up[i]);
        ASSERT_NEAR(silu[i], g / (1 + std::exp(-g)) * up[i], 1e-6 * size + 1e-30) << kernels->name << " " << g;
        ASSERT_NEAR(gelu[i], gelu_tanh(g) * up[i], 1e-6 * size + 1e-30) << kernels->name << " " << g;
      }
    }
}

TEST(LayerTable, Add) {
  for (const Kernels* kernels : attention_and_layer_kernels())
    for (const std::size_t n : {1u, 15u, 16u, 17u, 100u}) {
      const auto before = numbers(n + 1, 1.0f, 7), y = numbers(n + 1, 1.0f, 8);
      auto x = before;
      table_of(*kernels).add(x.data(), y.data(), static_cast<std::int64_t>(n));
      for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(x[i], before[i] + y[i]) << kernels->name;
      EXPECT_EQ(x[n], before[n]) << kernels->name;
    }
}

// A number that is none must stay one where it stands, and touch nothing else.
TEST(LayerTable, NaNStaysInItsPlace) {
  for (const Kernels* kernels : attention_and_layer_kernels()) {
    std::vector<float> gate(32, 1.0f), up(32, 1.0f), out(32);
    up[3] = std::numeric_limits<float>::quiet_NaN();
    table_of(*kernels).gated_silu(gate.data(), up.data(), 32, out.data());
    for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(std::isnan(out[i]), i == 3) << kernels->name;
  }
}

}  // namespace
}  // namespace heed
