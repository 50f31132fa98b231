// ceilings_test.cc -- the ceiling loops do what their figures say: the reads touch every byte, time grows with rounds.
#include "kernels/ceilings.h"

#include <gtest/gtest.h>

#include <vector>

namespace heed {
namespace {

TEST(Ceilings, EveryRunnableTableHasThem) {
  for (const Kernels* kernels : runnable_kernels()) {
    const CeilingTable& table = ceilings_for(*kernels);
    for (const Ceiling* c : {&table.int8, &table.int16, &table.bf16, &table.f32}) {
      ASSERT_NE(c->run, nullptr) << kernels->name;
      EXPECT_GT(c->operations, 0) << kernels->name;
      EXPECT_STRNE(c->instructions, "") << kernels->name;
      c->run(3);
    }
  }
}

TEST(Ceilings, WiderInstructionSetsClaimMoreOperationsARound) {
  const auto all = runnable_kernels();
  for (std::size_t i = 1; i < all.size(); ++i)
    EXPECT_GE(ceilings_for(*all[i]).f32.operations, ceilings_for(*all[i - 1]).f32.operations) << all[i]->name;
}

// Every bit of the memory shows in what the read returns: bit b of any byte changes it when all else is zero.
TEST(Ceilings, ReadsTouchEveryVector) {
  constexpr std::int64_t kBytes = 2048;
  std::vector<std::byte> memory(kBytes);
  for (const Kernels* kernels : runnable_kernels()) {
    const CeilingTable& table = ceilings_for(*kernels);
    const std::uint64_t nothing = table.read(memory.data(), kBytes);
    for (std::int64_t at = 0; at < kBytes; at += 64) {
      memory[static_cast<std::size_t>(at)] = std::byte{0x40};
      EXPECT_NE(table.read(memory.data(), kBytes), nothing) << kernels->name << " at " << at;
      memory[static_cast<std::size_t>(at)] = std::byte{0};
    }
  }
}

}  // namespace
}  // namespace heed
