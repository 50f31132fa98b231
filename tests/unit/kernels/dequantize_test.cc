// dequantize_test.cc -- every encoding against the Python `gguf` package, half and bfloat16 against the compiler's own.
#include "kernels/dequantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/kernels/golden_records.h"
#include "tests/unit/kernels/half.h"

namespace heed {
namespace {

std::vector<DType> all_types() {
  std::vector<DType> all;
  for (std::size_t i = 0; i < kDTypes; ++i) all.push_back(static_cast<DType>(i));
  return all;
}

std::uint32_t bits_of(float f) { return std::bit_cast<std::uint32_t>(f); }

// NaN payloads are not numbers' business: which NaN inf - inf makes is up to the processor.
bool same(float a, float b) { return (std::isnan(a) && std::isnan(b)) || bits_of(a) == bits_of(b); }

TEST(Dequantize, EqualsThePythonPackageBitForBit) {
  std::set<std::string> seen;
  for (const GoldenRecord& r : golden_records("dequantize.bin")) {
    const DType type = dtype_by_name(r.name);
    const auto n = static_cast<std::int64_t>(r.floats.size());
    ASSERT_EQ(row_bytes(type, n), static_cast<std::int64_t>(r.bytes.size())) << r.name;
    std::vector<float> out(r.floats.size());
    dequantize_row(type, r.bytes.data(), n, out.data());
    for (std::size_t i = 0; i < out.size(); ++i) {
      ASSERT_TRUE(same(out[i], r.floats[i])) << r.name << " value " << i << ": " << out[i] << " wanted " << r.floats[i];
    }
    seen.insert(r.name);
  }
  EXPECT_EQ(seen.size(), 26u);
}

TEST(Dequantize, ABlockAloneEqualsTheRowAtAnyAddress) {
  for (const GoldenRecord& r : golden_records("dequantize.bin")) {
    const DType type = dtype_by_name(r.name);
    const DTypeInfo& kind = info(type);
    std::vector<std::byte> shifted(r.bytes.size() + 1);
    std::memcpy(shifted.data() + 1, r.bytes.data(), r.bytes.size());
    std::vector<float> block(static_cast<std::size_t>(kind.block));
    for (std::size_t b = 0; b * block.size() < r.floats.size(); ++b) {
      dequantize_row(type, shifted.data() + 1 + b * static_cast<std::size_t>(kind.block_bytes), kind.block,
                     block.data());
      for (std::size_t i = 0; i < block.size(); ++i) ASSERT_TRUE(same(block[i], r.floats[b * block.size() + i]));
    }
  }
}

template <class T>
void expect_numbers(DType type, const std::vector<T>& values) {
  std::vector<float> out(values.size());
  dequantize_row(type, reinterpret_cast<const std::byte*>(values.data()), static_cast<std::int64_t>(values.size()),
                 out.data());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(bits_of(out[i]), bits_of(static_cast<float>(values[i])));
}

TEST(Dequantize, PlainNumbersAreConverted) {
  expect_numbers<float>(DType::f32, {0.0f, -0.0f, 1e-45f, 3.4e38f});
  expect_numbers<double>(DType::f64, {0.1, -1e300, 1e-310});
  expect_numbers<std::int8_t>(DType::i8, {-128, 0, 127});
  expect_numbers<std::int16_t>(DType::i16, {-32768, 32767});
  expect_numbers<std::int32_t>(DType::i32, {std::numeric_limits<std::int32_t>::min(), 16777217});
  expect_numbers<std::int64_t>(DType::i64, {std::numeric_limits<std::int64_t>::max(), -1});
}

TEST(Dequantize, ZeroValuesTouchNothing) {
  for (const DType type : all_types()) dequantize_row(type, nullptr, 0, nullptr);
}

TEST(Half, EveryHalfEqualsTheCompilersAndComesBack) {
  for (std::uint32_t h = 0; h < 65536; ++h) {
    const auto half = static_cast<std::uint16_t>(h);
    const float wanted = static_cast<float>(std::bit_cast<CompilerHalf>(half));
    const float got = half_to_float(half);
    ASSERT_EQ(bits_of(got), bits_of(wanted)) << h;
    if (std::isnan(wanted)) {
      ASSERT_TRUE(std::isnan(half_to_float(float_to_half(got)))) << h;
    } else {
      ASSERT_EQ(float_to_half(got), half);
    }
  }
}

TEST(Half, EveryTieBetweenNeighboursGoesToEven) {
  for (std::uint32_t h = 0; h < 0x7BFF; ++h) {
    const float low = half_to_float(static_cast<std::uint16_t>(h)),
                high = half_to_float(static_cast<std::uint16_t>(h + 1));
    const float middle = low + (high - low) / 2;
    const auto even = static_cast<std::uint16_t>(h % 2 == 0 ? h : h + 1);
    ASSERT_EQ(float_to_half(middle), even);
    ASSERT_EQ(float_to_half(std::nextafter(middle, 0.0f)), h);
    ASSERT_EQ(float_to_half(std::nextafter(middle, 1e9f)), h + 1);
  }
  EXPECT_EQ(float_to_half(65519.996f), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.0f), 0x7C00);
  EXPECT_EQ(float_to_half(-1e30f), 0xFC00);
}

TEST(Half, RandomFloatsEqualTheCompilers) {
  std::mt19937 random(7);
  for (int i = 0; i < 2'000'000; ++i) {
    auto bits = static_cast<std::uint32_t>(random());
    if (i % 2 == 0) bits = (bits & 0x807FFFFFu) | (100u + bits % 44u) << 23;  // around half's range
    const float f = std::bit_cast<float>(bits);
    const auto wanted = std::bit_cast<std::uint16_t>(static_cast<CompilerHalf>(f));
    if (std::isnan(f)) {
      ASSERT_TRUE(std::isnan(half_to_float(float_to_half(f))));
    } else {
      ASSERT_EQ(float_to_half(f), wanted) << f;
    }
  }
}

TEST(Bf16, EveryValueComesBack) {
  for (std::uint32_t h = 0; h < 65536; ++h) {
    const auto bf16 = static_cast<std::uint16_t>(h);
    const float f = bf16_to_float(bf16);
    if (std::isnan(f)) {
      ASSERT_TRUE(std::isnan(bf16_to_float(float_to_bf16(f))));
    } else {
      ASSERT_EQ(float_to_bf16(f), bf16);
    }
  }
}

TEST(Bf16, RandomFloatsGoToTheNearestTiesToEven) {
  std::mt19937 random(11);
  for (int i = 0; i < 2'000'000; ++i) {
    const auto drawn = static_cast<std::uint32_t>(random());
    const std::uint32_t bits = i % 4 == 0 ? (drawn & 0xFFFF0000u) | 0x8000u : drawn;  // a quarter are ties
    const float f = std::bit_cast<float>(bits);
    const std::uint16_t got = float_to_bf16(f);
    if (std::isnan(f)) {
      ASSERT_TRUE(std::isnan(bf16_to_float(got)));
      continue;
    }
    const std::uint32_t down = bits >> 16, rest = bits & 0xFFFFu;
    const bool up = rest > 0x8000u || (rest == 0x8000u && down % 2 == 1);
    ASSERT_EQ(got, down + (up ? 1 : 0)) << f;
  }
}

}  // namespace
}  // namespace heed
