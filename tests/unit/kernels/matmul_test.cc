// matmul_test.cc -- packed matmul against double precision, and the promise that a row's bits depend on that row alone.
#include "kernels/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernels/dequantize.h"
#include "kernels/kernels.h"

namespace heed {
namespace {

constexpr DType kTypes[] = {DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q8_0, DType::q4_k,
                            DType::q5_k, DType::q6_k, DType::f32,  DType::f16,  DType::bf16};

struct Weights {
  std::vector<std::byte> bytes;
  Tensor tensor;
};

// Where a block's half-precision factors stand.
std::vector<int> half_offsets(DType type) {
  switch (type) {
    case DType::q4_0:
    case DType::q5_0:
    case DType::q8_0:
      return {0};
    case DType::q4_1:
    case DType::q5_1:
    case DType::q4_k:
    case DType::q5_k:
      return {0, 2};
    case DType::q6_k:
      return {208};
    default:
      return {};
  }
}

// Random bits with finite factors; `extreme` sets every quant to its largest stored value.
Weights random_weights(DType type, std::int64_t n, std::int64_t k, std::mt19937& random, bool extreme = false) {
  Weights w;
  w.bytes.resize(static_cast<std::size_t>(n * row_bytes(type, k)));
  std::normal_distribution<float> normal(0.0f, 0.05f);
  const DTypeInfo& t = info(type);
  if (t.block == 1) {
    for (std::int64_t i = 0; i < n * k; ++i) {
      const float f = normal(random);
      const std::uint16_t h = type == DType::f16 ? float_to_half(f) : float_to_bf16(f);
      if (type == DType::f32)
        std::memcpy(w.bytes.data() + 4 * i, &f, 4);
      else
        std::memcpy(w.bytes.data() + 2 * i, &h, 2);
    }
  } else {
    for (auto& b : w.bytes) b = extreme ? std::byte{0xff} : static_cast<std::byte>(random());
    for (std::size_t at = 0; at < w.bytes.size(); at += static_cast<std::size_t>(t.block_bytes))
      for (const int offset : half_offsets(type)) {
        const std::uint16_t h = float_to_half(normal(random));
        std::memcpy(w.bytes.data() + at + static_cast<std::size_t>(offset), &h, 2);
      }
  }
  w.tensor = {.data = w.bytes.data(), .dtype = type, .rank = 2, .shape = {n, k}};
  return w;
}

struct Bench {
  explicit Bench(const Kernels& k, int threads = 2) : pool(threads), kernels(k) {
    arena = std::move(*Arena::make(std::size_t{64} << 20));
  }
  Exec exec() { return {pool, arena, kernels, counters}; }

  std::vector<float> run(const Weights& w, const std::vector<float>& x, std::int64_t rows) {
    Exec e = exec();
    arena.reset();
    auto packed = PackedMatrix::pack(w.tensor, e);
    EXPECT_TRUE(packed);
    auto a = quantize_activations(x.data(), rows, w.tensor.cols(), e);
    EXPECT_TRUE(a);
    std::vector<float> out(static_cast<std::size_t>(rows * w.tensor.rows()));
    const MatmulJob job{.w = &*packed, .out = out.data(), .out_stride = w.tensor.rows()};
    EXPECT_TRUE(matmul(*a, {&job, 1}, e));
    quantized.assign(a->q8.q, a->q8.q + rows * w.tensor.cols());
    scales.assign(a->q8.scale, a->q8.scale + rows * w.tensor.cols() / 32);
    return out;
  }

  ThreadPool pool;
  const Kernels& kernels;
  Arena arena;
  Counters counters;
  std::vector<std::int8_t> quantized;
  std::vector<float> scales;
};

std::vector<float> random_rows(std::int64_t rows, std::int64_t k, std::mt19937& random) {
  std::vector<float> x(static_cast<std::size_t>(rows * k));
  std::normal_distribution<float> normal;
  for (auto& v : x) v = normal(random);
  return x;
}

// One pair at a time in double, over what the file and the int8 blocks say.
void expect_equals_oracle(const Bench& b, const Weights& w, const std::vector<float>& x, std::int64_t rows,
                          const std::vector<float>& got) {
  const std::int64_t n = w.tensor.rows(), k = w.tensor.cols();
  const bool is_float = info(w.tensor.dtype).block == 1;
  std::vector<float> row(static_cast<std::size_t>(k));
  for (std::int64_t c = 0; c < n; ++c) {
    dequantize_row(w.tensor.dtype, w.tensor.row(c), k, row.data());
    for (std::int64_t r = 0; r < rows; ++r) {
      double want = 0, size = 0;
      for (std::int64_t i = 0; i < k; ++i) {
        const auto at = static_cast<std::size_t>(r * k + i);
        const double a = is_float ? double{x[at]} : double{b.scales[at / 32]} * b.quantized[at];
        want += a * row[static_cast<std::size_t>(i)];
        size += std::fabs(a * row[static_cast<std::size_t>(i)]);
      }
      ASSERT_NEAR(got[static_cast<std::size_t>(r * n + c)], want, 2e-6 * size + 1e-9)
          << info(w.tensor.dtype).name << " " << b.kernels.name << " row " << r << " column " << c;
    }
  }
}

TEST(Matmul, EqualsTheOracle) {
  std::mt19937 random(1);
  for (const Kernels* kernels : runnable_kernels())
    for (const DType type : kTypes)
      for (const std::int64_t k : {256, 768})
        for (const std::int64_t n : {1, 16, 37})
          for (const std::int64_t rows : {1, 3, 4, 13}) {
            Bench b(*kernels);
            const Weights w = random_weights(type, n, k, random);
            const auto x = random_rows(rows, k, random);
            expect_equals_oracle(b, w, x, rows, b.run(w, x, rows));
          }
}

// Every quant and every activation at its largest: 16-bit sums must not overflow.
TEST(Matmul, ExtremesDoNotOverflow) {
  std::mt19937 random(2);
  for (const Kernels* kernels : runnable_kernels())
    for (const DType type : kTypes)
      for (const float sign : {1.0f, -1.0f}) {
        if (info(type).block == 1) continue;
        Bench b(*kernels);
        const Weights w = random_weights(type, 16, 512, random, true);
        const std::vector<float> x(9 * 512, sign);
        expect_equals_oracle(b, w, x, 9, b.run(w, x, 9));
      }
}

TEST(Matmul, RowsDoNotDependOnTheBatchOrTheThreads) {
  std::mt19937 random(3);
  for (const Kernels* kernels : runnable_kernels())
    for (const DType type : kTypes) {
      const std::int64_t k = 512, n = 50, rows = 21;
      const Weights w = random_weights(type, n, k, random);
      const auto x = random_rows(rows, k, random);
      Bench b(*kernels, 3);
      const auto together = b.run(w, x, rows);
      Bench alone(*kernels, 1);
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::vector<float> one(x.begin() + r * k, x.begin() + (r + 1) * k);
        const auto got = alone.run(w, one, 1);
        ASSERT_EQ(0, std::memcmp(got.data(), together.data() + r * n, static_cast<std::size_t>(n) * 4))
            << info(type).name << " " << r;
      }
    }
}

TEST(Matmul, InstructionSetsAgreeBitForBitOnQuantizedWeights) {
  std::mt19937 random(4);
  for (const DType type : kTypes) {
    const Weights w = random_weights(type, 33, 512, random);
    const auto x = random_rows(6, 512, random);
    Bench first(*runnable_kernels()[0]);
    const auto want = first.run(w, x, 6);
    for (const Kernels* kernels : runnable_kernels()) {
      Bench b(*kernels);
      EXPECT_EQ(want, b.run(w, x, 6)) << kernels->name << " " << info(type).name;
    }
  }
}

TEST(Matmul, BiasAndResidual) {
  std::mt19937 random(5);
  const Weights w = random_weights(DType::q8_0, 20, 64, random);
  const auto x = random_rows(2, 64, random);
  Bench b(best_kernels());
  const auto plain = b.run(w, x, 2);
  Exec e = b.exec();
  auto packed = PackedMatrix::pack(w.tensor, e);
  auto a = quantize_activations(x.data(), 2, 64, e);
  std::vector<float> bias(20, 0.5f), out(2 * 30, 1.0f);
  const MatmulJob job{.w = &*packed, .bias = bias.data(), .out = out.data(), .out_stride = 30, .accumulate = true};
  ASSERT_TRUE(matmul(*a, {&job, 1}, e));
  for (std::size_t r = 0; r < 2; ++r)
    for (std::size_t c = 0; c < 30; ++c) EXPECT_EQ(out[r * 30 + c], c < 20 ? 1.0f + (plain[r * 20 + c] + 0.5f) : 1.0f);
}

TEST(Matmul, WrongShapesAreNamed) {
  std::mt19937 random(6);
  const Weights w = random_weights(DType::q4_k, 16, 256, random);
  Bench b(best_kernels());
  Exec e = b.exec();
  Tensor odd = w.tensor;
  odd.shape = {32, 128};
  EXPECT_EQ(PackedMatrix::pack(odd, e).error().code, Code::invalid_argument);
  odd.dtype = DType::q2_k;
  EXPECT_EQ(PackedMatrix::pack(odd, e).error().code, Code::unsupported);
  auto packed = PackedMatrix::pack(w.tensor, e);
  const std::vector<float> x(64, 1.0f);
  auto a = quantize_activations(x.data(), 1, 64, e);
  std::vector<float> out(16);
  const MatmulJob job{.w = &*packed, .out = out.data(), .out_stride = 16};
  EXPECT_EQ(matmul(*a, {&job, 1}, e).error().code, Code::invalid_argument);
  EXPECT_EQ(quantize_activations(x.data(), 1, 33, e).error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace heed
