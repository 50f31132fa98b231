// gguf_memory_test.cc -- the densest files that are legal: what they decode to is bounded by their size.
#include <gtest/gtest.h>

#include "formats/gguf.h"
#include "tests/unit/counted_bytes.h"
#include "tests/unit/formats/gguf_builder.h"

namespace heed {
namespace {

using namespace testing_gguf;

TEST(GgufMemory, TheBudgetHoldsForTheWorstFiles) {
  // Each of these decodes to many times its size.
  const auto measure = [](const GgufBuilder& b) {
    bool is_loaded = false;
    const std::int64_t used = peak_of([&] { is_loaded = static_cast<bool>(GgufFile::parse(b.bytes())); });
    EXPECT_LE(used, static_cast<std::int64_t>(b.bytes().size()) + (16 << 20));
    return is_loaded;
  };
  GgufBuilder keys;
  keys.header(0, 400'000);
  for (int i = 0; i < 400'000; ++i) keys.scalar(std::to_string(i), kU8, std::uint8_t{0});
  EXPECT_FALSE(measure(keys));
  GgufBuilder texts;
  texts.header(0, 1).array("k", kString, 400'000);
  for (int i = 0; i < 400'000; ++i) texts.item("sixteen bytes ok");
  EXPECT_TRUE(measure(texts));
  GgufBuilder bytes;
  bytes.header(0, 1).array("k", kI8, 1'900'000).data(1'900'000);
  EXPECT_TRUE(measure(bytes));
  GgufBuilder tensors;
  tensors.header(100'000, 0);
  for (int i = 0; i < 100'000; ++i) tensors.tensor(std::to_string(i), {1}, 24, static_cast<std::uint64_t>(i) * 32);
  tensors.align().data(3'200'000);
  EXPECT_TRUE(measure(tensors));
}

}  // namespace
}  // namespace heed
