// packed_matrix_test.cc -- packed bytes lie on disk: they stay what their version says, however they were packed.
#include "kernels/packed_matrix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/checksum.h"
#include "kernels/kernels.h"

namespace heed {
namespace {

struct Source {
  std::vector<std::byte> bytes;
  Tensor tensor;
};

Source source_of(DType type, std::int64_t n, std::int64_t k) {
  Source s;
  s.bytes.resize(static_cast<std::size_t>(n * row_bytes(type, k)));
  std::uint32_t x = 7;
  for (std::byte& b : s.bytes) x = x * 1664525u + 1013904223u, b = static_cast<std::byte>(x >> 24);
  s.tensor = {.data = s.bytes.data(), .dtype = type, .rank = 2, .shape = {n, k}};
  return s;
}

struct PackedMatrixTest : ::testing::Test {
  ThreadPool pool{2};
  Arena arena;
  Counters counters;
  Exec exec{pool, arena, best_kernels(), counters};
};

// A row that changes here means: raise kPackVersion, then write the new sums down.
TEST_F(PackedMatrixTest, BytesOfThisVersionStay) {
  ASSERT_EQ(kPackVersion, 1u);
  constexpr std::pair<DType, std::uint64_t> kSums[] = {
      {DType::q4_0, 0xc877b2eaf279b15au},   {DType::q4_1, 0x578177abd8b34f4u},     {DType::q5_0, 0x10e42c73e37f35cu},
      {DType::q5_1, 0xa30b2833f3993023u},   {DType::q8_0, 0xe377865be23f40a5u},    {DType::q2_k, 0x80311a9f1afadcc6u},
      {DType::q3_k, 0xb29ccefa15bca5b0u},   {DType::q4_k, 0x265bf23a6ab6f85bu},    {DType::q5_k, 0xc0ffd875e6c67111u},
      {DType::q6_k, 0xeaddd71fe67704ecu},   {DType::f32, 0xb5a9b1fc9579dca0u},     {DType::f16, 0x66e813ad31b3797au},
      {DType::bf16, 0x66e813ad31b3797au},   {DType::q8_1, 0xd189e178d66cc2fdu},    {DType::q8_k, 0x3eb9f53fea37de93u},
      {DType::iq4_nl, 0x6926c488615d7de5u}, {DType::iq4_xs, 0x21c51bef80fb9a3fu},  {DType::mxfp4, 0x8e24f4330ab17538u},
      {DType::iq3_s, 0xb75d7a8def1921d7u},  {DType::iq3_xxs, 0xc373adc740d2939du}, {DType::iq2_s, 0xc7e9bae98a08873eu},
      {DType::iq2_xs, 0xe312cb4ba0e47d83u}, {DType::iq2_xxs, 0x29a3c33c65914d59u}, {DType::iq1_s, 0xc27980776b182eb4u},
      {DType::iq1_m, 0x89cd8ec2233d45cdu},  {DType::tq1_0, 0x7b1496eff6fbadau},    {DType::tq2_0, 0x5ec475158792d220u},
      {DType::f64, 0x25fa334e54896217u},
  };
  for (const auto& [type, sum] : kSums) {
    const Source s = source_of(type, 40, 512);  // the last panel is half empty
    const auto m = PackedMatrix::pack(s.tensor, exec);
    ASSERT_TRUE(m);
    EXPECT_EQ(checksum({m->data(), m->bytes()}), sum) << info(type).name;
  }
}

TEST_F(PackedMatrixTest, PieceByPieceIsTheSameAsWhole) {
  const Source s = source_of(DType::q4_k, 16 * 5 + 3, 256);
  const auto whole = PackedMatrix::pack(s.tensor, exec);
  const auto layout = PackLayout::of(s.tensor);
  ASSERT_TRUE(whole && layout);
  ASSERT_EQ(layout->panels, 6);
  std::vector<std::byte> pieces(static_cast<std::size_t>(layout->bytes()));
  for (std::int64_t first = 0; first < 6; first += 4)
    pack_panels(s.tensor, first, std::min<std::int64_t>(4, 6 - first), pieces.data() + first * layout->panel_bytes,
                exec);
  EXPECT_TRUE(std::equal(pieces.begin(), pieces.end(), whole->data()));
}

TEST_F(PackedMatrixTest, EveryRowIsGivenBackOnce) {
  const Source s = source_of(DType::q8_0, 5000, 4096);  // 20 MiB: several steps
  std::vector<std::int64_t> firsts, counts;
  const auto given_back = [&](const Tensor& rows) {
    firsts.push_back((rows.data - s.tensor.data) / row_bytes(DType::q8_0, 4096));
    counts.push_back(rows.rows());
  };
  ASSERT_TRUE(PackedMatrix::pack(s.tensor, exec, system_allocator(), given_back));
  ASSERT_GT(firsts.size(), 2u);
  std::int64_t next = 0;
  for (std::size_t i = 0; i < firsts.size(); ++i) {
    EXPECT_EQ(firsts[i], next);
    next += counts[i];
  }
  EXPECT_EQ(next, 5000);
}

TEST_F(PackedMatrixTest, AViewTakesAlignedBytesOfTheRightNumber) {
  const Source s = source_of(DType::q6_k, 32, 256);
  const auto m = PackedMatrix::pack(s.tensor, exec);
  ASSERT_TRUE(m);
  const auto view = PackedMatrix::view(s.tensor, {m->data(), m->bytes()});
  ASSERT_TRUE(view);
  EXPECT_EQ(view->data(), m->data());
  EXPECT_EQ(view->n(), 32);
  EXPECT_EQ(view->k(), 256);
  EXPECT_EQ(view->source(), DType::q6_k);
  EXPECT_FALSE(PackedMatrix::view(s.tensor, {m->data(), m->bytes() - 1}));
  EXPECT_FALSE(PackedMatrix::view(s.tensor, {m->data() + 32, m->bytes()}));
  EXPECT_FALSE(PackedMatrix::view({.data = m->data(), .dtype = DType::i32, .rank = 2, .shape = {32, 256}},
                                  {m->data(), m->bytes()}));
}

}  // namespace
}  // namespace heed
