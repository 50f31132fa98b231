// disk_pages_test.cc -- conversations whose pages come back from disk: the same answers, and nobody else's.
#include "engine/disk_pages.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "tests/unit/engine/harness.h"

namespace heed::testing {
namespace {

class DiskPagesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory = ::testing::TempDir() + "heed_disk_" + std::to_string(::getpid()) + "_" +
                ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory);
  }
  void TearDown() override { std::filesystem::remove_all(directory); }
  std::shared_ptr<PageFiles> open() {
    auto opened = PageFiles::open(directory, 1 << 24);
    EXPECT_TRUE(opened);
    return std::move(*opened);
  }
  /// As after a restart.
  Answer ask_anew(const GenerationRequest& request, bool has_disk = true, FakeModelOptions how = {}) {
    FakeModel model(how);
    EngineOptions options;
    if (has_disk) options.page_files = open();
    Engine engine(model, options);
    return run(engine, request);
  }

  std::string directory;
};

std::string long_text(int seed, std::size_t bytes) {
  std::mt19937 random(static_cast<std::uint32_t>(seed));
  std::string text;
  while (text.size() < bytes) text += static_cast<char>('a' + random() % 26);
  return text;
}

TEST_F(DiskPagesTest, ARestartComputesNoWholePageAgain) {
  const GenerationRequest r = ask(long_text(1, 500), 40);
  const Answer cold = ask_anew(r);
  EXPECT_EQ(cold.usage.cached_tokens, 0);
  const Answer warm = ask_anew(r);
  EXPECT_EQ(warm.usage.cached_tokens, 499 / 16 * 16);
  EXPECT_EQ(ids(warm.tokens), ids(cold.tokens));
  EXPECT_EQ(ids(ask_anew(r, false).tokens), ids(cold.tokens));
}

TEST_F(DiskPagesTest, TheNextTurnFindsTheAnswersPages) {
  const GenerationRequest first = ask(chat(long_text(2, 100)), 200);
  const Answer a = ask_anew(first, true, {.mode = FakeMode::echo});
  const std::string so_far = chat(long_text(2, 100)) + a.text;
  const GenerationRequest second = ask(so_far + "<|im_end|>\n" + chat("go on"), 20);
  const Answer b = ask_anew(second, true, {.mode = FakeMode::echo});
  EXPECT_EQ(b.text, "go on");
  EXPECT_EQ(b.usage.cached_tokens, static_cast<std::int32_t>(to_tokens(so_far).size()) / 16 * 16);
}

TEST_F(DiskPagesTest, AnswersAreTheSameColdAndWarmAndDamaged) {
  std::mt19937 random(5);
  for (int i = 0; i < 60; ++i) {
    GenerationRequest r = ask(long_text(static_cast<int>(random() % 3), 40 + random() % 300), 25);
    if (random() % 3 == 0) r.prompt[random() % r.prompt.size()] = 'X';
    const Answer want = ask_anew(r, false), got = ask_anew(r);
    ASSERT_EQ(ids(got.tokens), ids(want.tokens)) << i;
    if (i % 5 != 4) continue;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
      if (random() % 4 != 0) continue;
      std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
      bytes.seekp(static_cast<std::streamoff>(random() % file.file_size()));
      bytes.put(static_cast<char>(random()));
    }
  }
}

TEST_F(DiskPagesTest, NobodyFindsAnothersPages) {
  GenerationRequest r = ask(long_text(3, 300), 5);
  r.tenant = "a";
  ask_anew(r);
  for (const char* other : {"", "b", "A", "a "}) {
    r.tenant = other;
    EXPECT_EQ(ask_anew(r).usage.cached_tokens, 0) << other;
  }
  r.tenant = "a";
  EXPECT_GT(ask_anew(r).usage.cached_tokens, 0);
  r.attention = {AttentionKept::window, 256, 64, 64};
  EXPECT_EQ(ask_anew(r).usage.cached_tokens, 0);
  EXPECT_EQ(ask_anew(r).usage.cached_tokens, 0) << "a lossy policy's pages stay in memory";
}

TEST_F(DiskPagesTest, MemoryGoesFirstAndDiskContinuesIt) {
  const std::string text = long_text(4, 400);
  ask_anew(ask(text, 5));
  FakeModel model;
  EngineOptions options;
  options.page_files = open();
  Engine engine(model, options);
  EXPECT_EQ(run(engine, ask(text.substr(0, 100) + "!", 5)).usage.cached_tokens, 96);
  // 100 tokens in memory, then the disk has more from 96 on.
  EXPECT_EQ(run(engine, ask(text, 5)).usage.cached_tokens, 399 / 16 * 16);
  EXPECT_EQ(run(engine, ask(text, 5)).usage.cached_tokens, 399);
}

TEST_F(DiskPagesTest, ShortMemoryIsNoHindrance) {
  const GenerationRequest r = ask(long_text(6, 300), 10);
  const Answer want = ask_anew(r);
  FakeModel model({.pages = 21});
  EngineOptions options;
  options.page_files = open();
  options.max_running = 4;
  {
    Engine engine(model, options);
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (int i = 0; i < 8; ++i) sinks.push_back(submit(engine, i % 2 == 0 ? r : ask(long_text(10 + i, 200), 60)));
    for (std::size_t i = 0; i < sinks.size(); ++i) {
      const Answer a = sinks[i]->wait();
      EXPECT_NE(a.reason, FinishReason::error) << a.error.text;
      if (i % 2 == 0) {
        EXPECT_EQ(ids(a.tokens), ids(want.tokens));
      }
    }
  }
  EXPECT_EQ(model.pages_used(), 0);
  EXPECT_LE(model.peak_pages(), 21);
}

}  // namespace
}  // namespace heed::testing
