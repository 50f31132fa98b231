// position_bias_test.cc -- slopes and buckets against figures of the papers' own code.
#include "kernels/position_bias.h"

#include <gtest/gtest.h>

#include <cmath>

namespace heed {
namespace {

TEST(PositionBias, AlibiSlopesAreThePapers) {
  const auto eight = alibi_slopes(8);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_FLOAT_EQ(eight[i], std::exp2(-static_cast<float>(i + 1)));
  // 12 heads: those of 8, then the 1st, 3rd, 5th and 7th of 16 (get_slopes of the paper's repository).
  const auto twelve = alibi_slopes(12);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_FLOAT_EQ(twelve[i], eight[i]);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_FLOAT_EQ(twelve[8 + i], alibi_slopes(16)[2 * i]);
}

// Figures of transformers' T5Attention._relative_position_bucket.
TEST(PositionBias, T5BucketsAreTransformers) {
  struct Row {
    std::int32_t distance, bucket;
  };
  const Row k0[] = {{-5000, 31}, {-128, 31}, {-127, 31}, {-100, 30}, {-64, 26}, {-33, 21}, {-17, 16},
                    {-16, 16},   {-15, 15},  {-8, 8},    {-7, 7},    {-3, 3},   {-1, 1},   {0, 0},
                    {1, 0},      {2, 0},     {7, 0},     {8, 0},     {9, 0},    {15, 0},   {16, 0},
                    {31, 0},     {90, 0},    {127, 0},   {128, 0},   {999, 0}};
  for (const Row& row : k0) EXPECT_EQ((T5Buckets{32, 128, false}.bucket(row.distance)), row.bucket) << row.distance;
  const Row k1[] = {{-5000, 15}, {-128, 15}, {-127, 15}, {-100, 15}, {-64, 14}, {-33, 12}, {-17, 10},
                    {-16, 10},   {-15, 9},   {-8, 8},    {-7, 7},    {-3, 3},   {-1, 1},   {0, 0},
                    {1, 17},     {2, 18},    {7, 23},    {8, 24},    {9, 24},   {15, 25},  {16, 26},
                    {31, 27},    {90, 30},   {127, 31},  {128, 31},  {999, 31}};
  for (const Row& row : k1) EXPECT_EQ((T5Buckets{32, 128, true}.bucket(row.distance)), row.bucket) << row.distance;
  const Row k2[] = {{-5000, 7}, {-128, 7}, {-127, 7}, {-100, 7}, {-64, 7}, {-33, 7}, {-17, 7}, {-16, 7}, {-15, 7},
                    {-8, 5},    {-7, 5},   {-3, 3},   {-1, 1},   {0, 0},   {1, 0},   {2, 0},   {7, 0},   {8, 0},
                    {9, 0},     {15, 0},   {16, 0},   {31, 0},   {90, 0},  {127, 0}, {128, 0}, {999, 0}};
  for (const Row& row : k2) EXPECT_EQ((T5Buckets{8, 20, false}.bucket(row.distance)), row.bucket) << row.distance;
}

TEST(PositionBias, TablesHoldEveryDistance) {
  const T5Buckets spec{.buckets = 8, .max_distance = 20, .is_bidirectional = true};
  std::vector<float> table;
  for (int i = 0; i < 8 * 3; ++i) table.push_back(static_cast<float>(i));
  const auto by_distance = t5_by_distance(spec, table, 3);
  ASSERT_EQ(by_distance.size(), 3u * 41u);
  for (std::int32_t h = 0; h < 3; ++h)
    for (std::int32_t d = -20; d <= 20; ++d)
      EXPECT_EQ(by_distance[static_cast<std::size_t>(h * 41 + 20 + d)],
                table[static_cast<std::size_t>(spec.bucket(d) * 3 + h)]);
  EXPECT_EQ(spec.bucket(20), spec.bucket(4000));
  EXPECT_EQ(spec.bucket(-20), spec.bucket(-4000));
}

}  // namespace
}  // namespace heed
