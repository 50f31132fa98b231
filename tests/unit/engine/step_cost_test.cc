// step_cost_test.cc -- what the gate of speculation believes about step times.
#include "engine/step_cost.h"

#include <gtest/gtest.h>

namespace heed {
namespace {

void plain(StepCost& cost, int steps, std::int64_t ns = 1000) {
  for (int i = 0; i < steps; ++i) cost.observe(1, 0, ns);
}

TEST(StepCost, NothingIsKnownBeforeThreePlainSteps) {
  StepCost cost;
  plain(cost, 2);
  EXPECT_FALSE(cost.knows(1));
  plain(cost, 1);
  EXPECT_TRUE(cost.knows(1));
  EXPECT_FALSE(cost.knows(2));
  EXPECT_FALSE(cost.knows(100));
}

TEST(StepCost, MeasuredInterpolatedExtrapolated) {
  StepCost cost;
  plain(cost, 3);
  EXPECT_DOUBLE_EQ(cost.ratio(1, 0), 1.0);
  EXPECT_GT(cost.ratio(1, 2), cost.ratio(1, 1));  // assumed
  cost.observe(1, 4, 2000);
  cost.observe(1, 8, 4000);
  EXPECT_DOUBLE_EQ(cost.ratio(1, 4), 2.0);
  EXPECT_DOUBLE_EQ(cost.ratio(1, 2), 1.5);
  EXPECT_DOUBLE_EQ(cost.ratio(1, 6), 3.0);
  EXPECT_DOUBLE_EQ(cost.ratio(1, 16), 4.0 + 8 * 3.0 / 8);
  EXPECT_DOUBLE_EQ(cost.ratio(1, 1000), cost.ratio(1, StepCost::kMostExtra));
}

TEST(StepCost, FollowsWhatChanges) {
  StepCost cost;
  plain(cost, 3);
  for (int i = 0; i < 5; ++i) cost.observe(1, 3, 1500);
  EXPECT_NEAR(cost.ratio(1, 3), 1.5, 1e-9);
  for (int i = 0; i < 30; ++i) cost.observe(1, 3, 3000);
  EXPECT_NEAR(cost.ratio(1, 3), 3.0, 0.01);
  plain(cost, 40, 2000);
  cost.observe(1, 5, 3000);
  EXPECT_NEAR(cost.ratio(1, 5), 1.5, 0.01);
}

TEST(StepCost, OneHiccupIsBounded) {
  StepCost cost;
  plain(cost, 20);
  for (int i = 0; i < 20; ++i) cost.observe(1, 3, 1500);
  cost.observe(1, 3, 1'000'000'000);
  EXPECT_LT(cost.ratio(1, 3), 1.5 * 1.5);
  cost.observe(1, 0, 1'000'000'000);
  cost.observe(1, 6, 2000);
  EXPECT_GT(cost.ratio(1, 6), 1.0);
}

TEST(StepCost, PlainStepsAreMeasuredAgain) {
  StepCost cost;
  plain(cost, 3);
  int waited = 0;
  while (cost.knows(1)) cost.observe(1, 2, 1200), ++waited;
  EXPECT_GT(waited, 200);
  EXPECT_LT(waited, 300);
  plain(cost, 1);
  EXPECT_FALSE(cost.knows(1));  // one could be a hiccup
  plain(cost, 1);
  EXPECT_TRUE(cost.knows(1));
}

TEST(StepCost, BadNewsIsForgotten) {
  StepCost cost;
  plain(cost, 3);
  const double assumed = cost.ratio(1, 2);
  for (int i = 0; i < 3; ++i) cost.observe(1, 2, 5000);
  EXPECT_GT(cost.ratio(1, 2), 4.9);
  plain(cost, 4000);
  EXPECT_GT(cost.ratio(1, 2), 4.9);
  plain(cost, 200);
  EXPECT_DOUBLE_EQ(cost.ratio(1, 2), assumed);
}

TEST(StepCost, BatchSizesDoNotMix) {
  StepCost cost;
  for (int i = 0; i < 3; ++i) {
    cost.observe(1, 0, 1000);
    cost.observe(4, 0, 2000);
    cost.observe(9, 0, 3000);
  }
  cost.observe(1, 2, 1100);
  cost.observe(4, 2, 5000);
  EXPECT_NEAR(cost.ratio(1, 2), 1.1, 1e-9);
  EXPECT_NEAR(cost.ratio(4, 2), 2.5, 1e-9);
  EXPECT_TRUE(cost.knows(16));  // 9 to 16 are one class
  EXPECT_FALSE(cost.knows(17));
  EXPECT_LT(cost.ratio(16, 2), cost.ratio(2, 2));  // a row more is less beside many
}

TEST(StepCost, NonsenseIsIgnored) {
  StepCost cost;
  cost.observe(1, 0, 0);
  cost.observe(1, -1, 100);
  cost.observe(1, StepCost::kMostExtra + 1, 100);
  cost.observe(1, 2, 100);  // no plain step to compare with
  cost.observe(0, 0, 100);
  cost.observe(1 << 30, 0, 100);
  EXPECT_FALSE(cost.knows(1));
  EXPECT_GT(cost.ratio(1, 2), 1.0);
}

}  // namespace
}  // namespace heed
