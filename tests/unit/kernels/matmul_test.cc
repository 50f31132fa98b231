// matmul_test.cc -- packed matmul against double precision, and the promise that a row's bits depend on that row alone.
#include "kernels/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/dequantize.h"
#include "kernels/reference/matmul_reference.h"
#include "tests/unit/kernels/tested_kernels.h"

namespace heed {
namespace {

constexpr DType kTypes[] = {DType::q4_0,   DType::q4_1,    DType::q5_0,  DType::q5_1,  DType::q8_0,    DType::q2_k,
                            DType::q3_k,   DType::q4_k,    DType::q5_k,  DType::q6_k,  DType::q8_1,    DType::q8_k,
                            DType::iq4_nl, DType::iq4_xs,  DType::mxfp4, DType::iq3_s, DType::iq3_xxs, DType::iq2_s,
                            DType::iq2_xs, DType::iq2_xxs, DType::iq1_s, DType::iq1_m, DType::tq1_0,   DType::tq2_0,
                            DType::f32,    DType::f64,     DType::f16,   DType::bf16};

struct Weights {
  std::vector<std::byte> bytes;
  Tensor tensor;
};

// Where a block's half-precision factors stand.
std::vector<int> half_offsets(DType type) {
  switch (type) {
    case DType::q4_1:
    case DType::q5_1:
    case DType::q4_k:
    case DType::q5_k:
    case DType::q8_1:
      return {0, 2};
    case DType::q2_k:
      return {80, 82};
    case DType::q3_k:
      return {108};
    case DType::q6_k:
      return {208};
    case DType::tq1_0:
      return {52};
    case DType::tq2_0:
      return {64};
    case DType::q8_k:
    case DType::mxfp4:
    case DType::iq1_m:
      return {};
    default:
      return {0};
  }
}

template <class T>
void put(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

void put_factors(DType type, std::byte* block, std::normal_distribution<float>& normal, std::mt19937& random) {
  for (const int offset : half_offsets(type)) put(block + offset, float_to_half(normal(random)));
  const float factor = normal(random);
  if (type == DType::q8_k) put(block, factor);
  if (type == DType::mxfp4) put(block, static_cast<std::uint8_t>(128 + std::ilogb(factor)));
  if (type == DType::iq1_m)  // a nibble at the top of each of the last four words
    for (int i = 0; i < 4; ++i) {
      const int nibble = float_to_half(factor) >> 4 * i & 15;
      block[49 + 2 * i] = (block[49 + 2 * i] & std::byte{15}) | static_cast<std::byte>(nibble << 4);
    }
}

enum class Fill { random, ones, zeros, lowest };  // of the bytes that hold quants: any, 0xff, 0x00, 0x80

struct WeightOptions {
  Fill fill = Fill::random;
  float spread = 0.05f;  // of the factors
};

Weights random_weights(DType type, std::int64_t n, std::int64_t k, std::mt19937& random, WeightOptions options = {}) {
  Weights w;
  w.bytes.resize(static_cast<std::size_t>(n * row_bytes(type, k)));
  std::normal_distribution<float> normal(0.0f, options.spread);
  const DTypeInfo& t = info(type);
  if (t.block == 1) {
    for (std::int64_t i = 0; i < n * k; ++i) {
      const float f = normal(random);
      std::byte* at = w.bytes.data() + i * t.block_bytes;
      if (type == DType::f32)
        put(at, f);
      else if (type == DType::f64)
        put(at, f + 1e-12);
      else
        put(at, type == DType::f16 ? float_to_half(f) : float_to_bf16(f));
    }
  } else {
    constexpr std::byte kFixed[] = {std::byte{}, std::byte{0xff}, std::byte{0}, std::byte{0x80}};
    const bool any = options.fill == Fill::random;
    for (auto& b : w.bytes) b = any ? static_cast<std::byte>(random()) : kFixed[static_cast<int>(options.fill)];
    for (std::size_t at = 0; at < w.bytes.size(); at += static_cast<std::size_t>(t.block_bytes))
      put_factors(type, w.bytes.data() + at, normal, random);
  }
  w.tensor = {.data = w.bytes.data(), .dtype = type, .rank = 2, .shape = {n, k}};
  return w;
}

// Every test runs in both modes.
ActivationMode mode_under_test = ActivationMode::exact;
class Matmul : public testing::TestWithParam<ActivationMode> {
 protected:
  void SetUp() override { mode_under_test = GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Modes, Matmul, testing::Values(ActivationMode::exact, ActivationMode::fast),
                         [](const auto& p) { return p.param == ActivationMode::exact ? "exact" : "fast"; });

struct Bench {
  explicit Bench(const Kernels& k, int threads = 2) : pool(threads), kernels(k) {
    arena = std::move(*Arena::make(std::size_t{64} << 20));
  }
  Exec exec() { return {pool, arena, kernels, counters, mode_under_test}; }

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
    last = *a;
    return out;
  }

  ThreadPool pool;
  const Kernels& kernels;
  Arena arena;
  Counters counters;
  Activations last;  // in the arena
};

std::vector<float> random_rows(std::int64_t rows, std::int64_t k, std::mt19937& random) {
  std::vector<float> x(static_cast<std::size_t>(rows * k));
  std::normal_distribution<float> normal;
  for (auto& v : x) v = normal(random);
  return x;
}

// Float sums of k/32 terms err by k/32 roundings at most; floats sum k terms.
void expect_near(const MatmulReference& want, const std::vector<float>& got, const std::string& what) {
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want.value[i], 2e-6 * want.magnitude[i] + 1e-30) << what << " at " << i;
}

MatmulReference oracle(const Bench& b, const Weights& w, const std::vector<float>& x, std::int64_t rows) {
  return info(w.tensor.dtype).block == 1 ? matmul_reference(w.tensor, x.data(), rows)
                                         : matmul_reference(w.tensor, b.last.quantized, rows);
}

std::string name_of(DType type, const Kernels& kernels, std::int64_t rows) {
  return std::string(info(type).name) + " " + kernels.name + " rows " + std::to_string(rows);
}

// Every encoding, depths below and above the stretch that is unpacked at once, every tile height, odd widths.
TEST_P(Matmul, EqualsTheOracle) {
  std::mt19937 random(1);
  for (const DType type : kTypes)
    for (const std::int64_t k : {32, 96, 256, 768, 1536}) {
      if (k % info(type).block != 0) continue;
      for (const std::int64_t rows : {1, 2, 3, 4, 5, 6, 7, 9, 13, 64}) {
        const std::int64_t n = 1 + static_cast<std::int64_t>(random() % (rows == 64 ? 40 : 70));
        const Weights w = random_weights(type, n, k, random);
        const auto x = random_rows(rows, k, random);
        MatmulReference want;
        for (const Kernels* kernels : matmul_kernels()) {
          Bench b(*kernels);
          const auto got = b.run(w, x, rows);
          if (want.value.empty()) want = oracle(b, w, x, rows);
          expect_near(want, got, name_of(type, *kernels, rows) + " n " + std::to_string(n) + " k " + std::to_string(k));
        }
      }
    }
}

// The int8 blocks themselves: what quantizing the activations costs against exact ones.
TEST_P(Matmul, StaysNearTheProductOfFloats) {
  std::mt19937 random(7);
  for (const DType type : kTypes) {
    const Weights w = random_weights(type, 32, 768, random);
    const auto x = random_rows(5, 768, random);
    Bench b(best_kernels());
    const auto got = b.run(w, x, 5);
    const MatmulReference want = matmul_reference(w.tensor, x.data(), 5);
    double error = 0, size = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      error += std::pow(got[i] - want.value[i], 2);
      size += std::pow(want.value[i], 2);
    }
    EXPECT_LT(std::sqrt(error / size), info(type).block == 1 ? 1e-6 : 0.01) << info(type).name;
  }
}

// Quants and activations at their largest, lowest and zero: 16-bit sums must not overflow, nothing becomes NaN.
TEST_P(Matmul, ExtremesDoNotOverflow) {
  std::mt19937 random(2);
  for (const DType type : kTypes)
    for (const Fill fill : {Fill::ones, Fill::zeros, Fill::lowest, Fill::random})
      for (const float spread : {1e-6f, 0.05f, 6000.0f})
        for (const float sign : {1.0f, -1.0f, 0.0f}) {
          const std::int64_t rows = 13;
          const Weights w = random_weights(type, 16, 512, random, {fill, spread});
          const std::vector<float> x(static_cast<std::size_t>(rows) * 512, sign * 3.0f);
          for (const Kernels* kernels : matmul_kernels()) {
            Bench b(*kernels, 1);
            const auto got = b.run(w, x, rows);
            expect_near(oracle(b, w, x, rows), got, name_of(type, *kernels, rows));
            const auto one = b.run(w, x, 1);  // the loop for few rows is another one
            expect_near(oracle(b, w, x, 1), one, name_of(type, *kernels, 1));
          }
        }
}

TEST_P(Matmul, RowsDoNotDependOnTheBatchOrTheThreads) {
  std::mt19937 random(3);
  for (const Kernels* kernels : matmul_kernels())
    for (const DType type : kTypes) {
      const std::int64_t k = 1024, n = 50, rows = 70;
      const Weights w = random_weights(type, n, k, random);
      const auto x = random_rows(rows, k, random);
      Bench b(*kernels, 3), alone(*kernels, 1);
      const auto together = b.run(w, x, rows);
      std::int64_t first = 0;
      for (const std::int64_t part : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13}) {
        const std::vector<float> some(x.begin() + first * k, x.begin() + (first + part) * k);
        const auto got = alone.run(w, some, part);
        ASSERT_EQ(0, std::memcmp(got.data(), together.data() + first * n, static_cast<std::size_t>(part * n) * 4))
            << name_of(type, *kernels, part);
        first += part;
      }
    }
}

TEST_P(Matmul, InstructionSetsAgreeBitForBit) {
  std::mt19937 random(4);
  for (const DType type : kTypes)
    for (const std::int64_t rows : {1, 3, 29}) {
      const Weights w = random_weights(type, 33, 1280, random);
      const auto x = random_rows(rows, 1280, random);
      Bench first(*runnable_kernels()[0]);
      const auto want = first.run(w, x, rows);
      for (const Kernels* kernels : matmul_kernels()) {
        Bench b(*kernels);
        EXPECT_EQ(want, b.run(w, x, rows)) << name_of(type, *kernels, rows);
      }
    }
}

TEST_P(Matmul, ManyJobsShareOneRegion) {
  std::mt19937 random(8);
  const std::int64_t rows = 14, k = 256;
  const auto x = random_rows(rows, k, random);
  for (const Kernels* kernels : matmul_kernels()) {
    Bench b(*kernels, 2);
    Exec e = b.exec();
    std::vector<PackedMatrix> packed;
    std::vector<std::vector<float>> want, out;
    for (const DType type :
         {DType::q4_k, DType::q8_0, DType::q6_k, DType::f16, DType::q5_0, DType::q2_k, DType::q3_k}) {
      const Weights w = random_weights(type, 20 + static_cast<std::int64_t>(want.size()) * 17, k, random);
      want.push_back(b.run(w, x, rows));
      out.emplace_back(want.back().size());
      packed.push_back(std::move(*PackedMatrix::pack(w.tensor, e)));
    }
    std::vector<MatmulJob> jobs;
    for (std::size_t i = 0; i < packed.size(); ++i)
      jobs.push_back({.w = &packed[i], .out = out[i].data(), .out_stride = packed[i].n()});
    auto a = quantize_activations(x.data(), rows, k, e);
    const std::int64_t regions = b.counters.regions;
    ASSERT_TRUE(matmul(*a, jobs, e));
    EXPECT_EQ(b.counters.regions, regions + 1);
    EXPECT_EQ(out, want) << kernels->name;
  }
}

TEST_P(Matmul, BiasAndResidual) {
  std::mt19937 random(5);
  const Weights w = random_weights(DType::q8_0, 20, 64, random);
  const auto x = random_rows(2, 64, random);
  Bench b(best_kernels());
  const auto plain = b.run(w, x, 2);
  Exec e = b.exec();
  auto packed = PackedMatrix::pack(w.tensor, e);
  auto a = quantize_activations(x.data(), 2, 64, e);
  const std::vector<float> bias(20, 0.5f);
  for (const bool with_bias : {false, true})
    for (const bool accumulate : {false, true}) {
      std::vector<float> out(2 * 30, 1.0f);
      const MatmulJob job{.w = &*packed,
                          .bias = with_bias ? bias.data() : nullptr,
                          .out = out.data(),
                          .out_stride = 30,
                          .accumulate = accumulate};
      ASSERT_TRUE(matmul(*a, {&job, 1}, e));
      for (std::size_t r = 0; r < 2; ++r)
        for (std::size_t c = 0; c < 30; ++c) {
          const float product = c < 20 ? plain[r * 20 + c] + (with_bias ? 0.5f : 0.0f) : 0.0f;
          EXPECT_EQ(out[r * 30 + c], c >= 20 ? 1.0f : accumulate ? 1.0f + product : product);
        }
    }
}

// gate * up is a stand-in for an activation: what reaches it and where it goes is what is tested.
void multiply_halves(const float* gate, const float* up, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = gate[i] * up[i];
}

TEST_P(Matmul, AGateJoinsItsMatrix) {
  std::mt19937 random(12);
  const std::int64_t k = 256, n = 150;  // an odd last panel, several tasks
  const Weights up = random_weights(DType::q4_k, n, k, random), gate = random_weights(DType::q6_k, n, k, random);
  const std::vector<float> bias(static_cast<std::size_t>(n), 0.25f);
  for (const Kernels* kernels : matmul_kernels())
    for (const std::int64_t rows : {1, 2, 29})
      for (const bool with_bias : {false, true}) {
        const auto x = random_rows(rows, k, random);
        Bench b(*kernels, 2);
        std::vector<float> want = b.run(up, x, rows), out(want.size() + 7, 9.0f);
        const std::vector<float> gates = b.run(gate, x, rows);
        const float added = with_bias ? 0.25f : 0.0f;
        for (std::size_t i = 0; i < want.size(); ++i) want[i] = (gates[i] + added) * (want[i] + added);
        want.insert(want.end(), 7, 9.0f);  // nothing is written behind the last row
        Exec e = b.exec();
        const auto packed_up = PackedMatrix::pack(up.tensor, e), packed_gate = PackedMatrix::pack(gate.tensor, e);
        const auto a = quantize_activations(x.data(), rows, k, e);
        MatmulJob job{
            .w = &*packed_up, .out = out.data(), .out_stride = n, .gate = &*packed_gate, .gated = multiply_halves};
        if (with_bias) job.bias = job.gate_bias = bias.data();
        ASSERT_TRUE(matmul(*a, {&job, 1}, e));
        EXPECT_EQ(out, want) << kernels->name << " rows " << rows;
      }
}

// Lattices are laid open (3 or 4 bits for a value and its sign), and so are base-3 digits and exponents.
double most_bytes(DType type) {
  switch (type) {
    case DType::mxfp4:
      return 1.06;
    case DType::iq3_s:
    case DType::iq2_s:
      return 1.30;
    case DType::iq3_xxs:
    case DType::iq2_xs:
      return 1.45;
    case DType::tq1_0:
      return 1.27;
    case DType::iq2_xxs:
      return 1.61;
    case DType::iq1_s:
      return 1.68;
    case DType::iq1_m:
      return 1.90;
    default:
      return 1.05;
  }
}

TEST_P(Matmul, PacksTakeNoMoreThanStated) {
  std::mt19937 random(9);
  for (const DType type : kTypes) {
    const Weights w = random_weights(type, 32, 1536, random);
    Bench b(best_kernels());
    Exec e = b.exec();
    auto packed = PackedMatrix::pack(w.tensor, e);
    ASSERT_TRUE(packed);
    EXPECT_LE(static_cast<double>(packed->bytes()), static_cast<double>(w.bytes.size()) * most_bytes(type))
        << info(type).name;
  }
}

void expect_blocks_as_stated(bool is_exact, std::int64_t rows) {
  std::mt19937 random(10);
  const std::int64_t k = 160;
  auto x = random_rows(rows, k, random);
  for (std::size_t i = 0; i < 32; ++i) x[i] = 0.0f;                                // a zero block
  for (std::size_t i = 32; i < 64; ++i) x[i] *= 1e-42f;                            // subnormal: counts as zeros
  for (std::size_t i = 64; i < 96; ++i) x[i] *= 1e37f;                             // large
  for (std::size_t i = 96; i < 128; ++i) x[i] = static_cast<float>(i % 2) - 0.5f;  // ties of the largest
  std::vector<std::int32_t> first;
  for (const Kernels* kernels : matmul_kernels()) {
    Bench b(*kernels);
    Exec e = b.exec();
    auto a = quantize_activations(x.data(), rows, k, e);
    ASSERT_TRUE(a);
    const QuantizedRows& got = a->quantized;
    ASSERT_EQ(is_exact, got.low != nullptr || got.words != nullptr);
    const float levels = is_exact ? 32512.0f : 127.0f;
    std::vector<std::int32_t> q(static_cast<std::size_t>(rows * k));
    for (std::size_t i = 0; i < q.size(); ++i) q[i] = got.integer(i);
    if (first.empty()) first = q;
    EXPECT_EQ(q, first) << kernels->name;
    const std::size_t scaled = is_exact ? static_cast<std::size_t>(k) : 32;  // values under one scale
    for (std::size_t block = 0; block < q.size() / 32; ++block) {
      const std::size_t from = block * 32 / scaled * scaled;
      float top = 0;
      for (std::size_t i = from; i < from + scaled; ++i) top = std::max(top, std::fabs(x[i]));
      const float scale = got.scale[from / scaled];
      EXPECT_EQ(scale, top / levels);
      std::int32_t sums[2] = {};
      for (std::size_t i = block * 32; i < block * 32 + 32; ++i) {
        sums[i % 32 / 16] += q[i];
        EXPECT_LE(std::abs(q[i]), static_cast<int>(levels));
        EXPECT_LE(std::fabs(double{x[i]} - double{scale} * q[i]), (0.5 + 1e-7 * levels) * top / levels + 1e-36);
      }
      EXPECT_EQ(sums[0], got.sum[2 * block]);
      EXPECT_EQ(sums[1], got.sum[2 * block + 1]);
    }
  }
}

TEST_P(Matmul, BlocksAreWhatTheHeaderSays) {
  for (const std::int64_t rows : {5, 9})  // few and many may take different forms
    expect_blocks_as_stated(GetParam() == ActivationMode::exact, rows);
}

class NoMemory final : public Allocator {
 public:
  void* allocate(std::size_t) noexcept override { return nullptr; }
  void release(void*, std::size_t) noexcept override {}
};

TEST_P(Matmul, MissingMemoryIsAnError) {
  std::mt19937 random(11);
  const Weights w = random_weights(DType::q4_0, 16, 64, random);
  const auto x = random_rows(3, 64, random);
  Bench b(best_kernels());
  Exec e = b.exec();
  NoMemory none;
  EXPECT_EQ(PackedMatrix::pack(w.tensor, e, none).error().code, Code::out_of_memory);
  auto packed = PackedMatrix::pack(w.tensor, e);
  auto a = quantize_activations(x.data(), 3, 64, e);
  std::vector<float> out(48);
  const MatmulJob job{.w = &*packed, .out = out.data(), .out_stride = 16};
  const std::size_t mark = b.arena.mark();
  ASSERT_TRUE(b.arena.allocate(b.arena.capacity() - mark - 192));
  EXPECT_EQ(matmul(*a, {&job, 1}, e).error().code, Code::out_of_memory);
  EXPECT_EQ(quantize_activations(x.data(), 3, 64, e).error().code, Code::out_of_memory);
  b.arena.rewind(mark);
  EXPECT_TRUE(matmul(*a, {&job, 1}, e));
}

TEST_P(Matmul, WrongShapesAreNamed) {
  std::mt19937 random(6);
  const Weights w = random_weights(DType::q4_k, 16, 256, random);
  Bench b(best_kernels());
  Exec e = b.exec();
  Tensor odd = w.tensor;
  odd.shape = {32, 128};
  EXPECT_EQ(PackedMatrix::pack(odd, e).error().code, Code::invalid_argument);
  odd.dtype = DType::i32;
  EXPECT_EQ(PackedMatrix::pack(odd, e).error().code, Code::unsupported);
  auto packed = PackedMatrix::pack(w.tensor, e);
  const std::vector<float> x(64, 1.0f);
  auto a = quantize_activations(x.data(), 1, 64, e);
  std::vector<float> out(16);
  const MatmulJob job{.w = &*packed, .out = out.data(), .out_stride = 16};
  EXPECT_EQ(matmul(*a, {&job, 1}, e).error().code, Code::invalid_argument);
  EXPECT_EQ(quantize_activations(x.data(), 1, 33, e).error().code, Code::invalid_argument);
}

TEST_P(Matmul, AGateThatDoesNotFitIsNamed) {
  std::mt19937 random(13);
  const Weights w = random_weights(DType::q8_0, 32, 64, random), narrow = random_weights(DType::q8_0, 16, 64, random),
                deep = random_weights(DType::q8_0, 32, 96, random);
  Bench b(best_kernels());
  Exec e = b.exec();
  const auto packed = PackedMatrix::pack(w.tensor, e), packed_narrow = PackedMatrix::pack(narrow.tensor, e),
             packed_deep = PackedMatrix::pack(deep.tensor, e);
  const std::vector<float> x(64, 1.0f);
  const auto a = quantize_activations(x.data(), 1, 64, e);
  std::vector<float> out(32);
  MatmulJob job{.w = &*packed, .out = out.data(), .out_stride = 32, .gate = &*packed, .gated = multiply_halves};
  EXPECT_TRUE(matmul(*a, {&job, 1}, e));
  for (const PackedMatrix* gate : {&*packed_narrow, &*packed_deep}) {
    job.gate = gate;
    EXPECT_EQ(matmul(*a, {&job, 1}, e).error().code, Code::invalid_argument);
  }
  job.gate = &*packed;
  job.accumulate = true;
  EXPECT_EQ(matmul(*a, {&job, 1}, e).error().code, Code::invalid_argument);
  job.accumulate = false, job.gated = nullptr;
  EXPECT_EQ(matmul(*a, {&job, 1}, e).error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace heed
