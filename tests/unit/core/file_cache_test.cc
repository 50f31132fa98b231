// file_cache_test.cc -- what comes out of a cache is what went in, whatever happened to the files in between.
#include "core/file_cache.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/file_lock.h"
#include "tests/unit/faulty_files.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

class FileCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("heed_cache_" + std::to_string(::getpid()) + "_" +
                                              ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(directory_);
    content_.resize((std::size_t{2} << 20) + 77);
    std::uint32_t x = 1;
    for (char& c : content_) x = x * 1664525u + 1013904223u, c = static_cast<char>(x >> 24);
  }
  void TearDown() override { fs::remove_all(directory_); }

  CachedFileMaker maker() {
    return {.bytes = static_cast<std::int64_t>(content_.size()),
            .is_fit = [this](std::span<const std::byte> bytes) { return bytes[0] == std::byte(content_[0]); },
            .write = [this](OutputFile& out) -> Expected<void> {
              ++made_;
              const auto bytes = std::as_bytes(std::span(content_));
              HEED_TRY(out.write(bytes.first(1'500'000)));  // pieces that are no blocks
              return out.write(bytes.subspan(1'500'000));
            }};
  }
  Expected<void> get(FileCache& cache, const std::string& name = "a") {
    HEED_ASSIGN(const CachedFile file, cache.open_or_make(name, maker(), pool_));
    const std::string came(reinterpret_cast<const char*>(file.content.data()), file.content.size());
    if (came != content_) return fail(Code::internal, "another content");
    return {};
  }
  std::string path(const std::string& name = "a") const { return (directory_ / name).string(); }
  std::string slurp(const std::string& of) const {
    std::ostringstream out;
    out << std::ifstream(of, std::ios::binary).rdbuf();
    return out.str();
  }
  static void spill(const std::string& to, const std::string& text) { std::ofstream(to, std::ios::binary) << text; }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& item : fs::directory_iterator(directory_)) all.push_back(item.path().filename());
    std::sort(all.begin(), all.end());
    return all;
  }
  void age(const std::string& name, int seconds) const {
    fs::last_write_time(directory_ / name, fs::file_time_type::clock::now() - std::chrono::seconds(seconds));
  }

  fs::path directory_;
  std::string content_;
  ThreadPool pool_{2};
  FaultyFiles files_;
  std::atomic<int> made_{0};
};

constexpr std::int64_t kLots = std::int64_t{1} << 30;

TEST_F(FileCacheTest, MakesOnceAndMapsThen) {
  FileCache cache(directory_, kLots);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(get(cache));
  FileCache another(directory_, kLots);
  ASSERT_TRUE(get(another));
  EXPECT_EQ(made_, 1);
  EXPECT_EQ(names(), std::vector<std::string>{"a"}) << "no lock, no partial file";
}

TEST_F(FileCacheTest, EveryDamagedByteIsNoticedAndMadeGood) {
  FileCache cache(directory_, kLots);
  ASSERT_TRUE(get(cache));
  const std::string whole = slurp(path());
  std::vector<std::size_t> places = {0, 1, (1 << 20) - 1, 1 << 20, content_.size() - 1};
  for (std::size_t at = content_.size(); at < whole.size(); ++at) places.push_back(at);  // sums and length
  for (std::size_t i = 1; i < 40; ++i) places.push_back(whole.size() * i / 40);
  int made = 1;
  for (const std::size_t at : places) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    spill(path(), damaged);
    EXPECT_FALSE(cache.open("a", maker(), pool_)) << at;
    ASSERT_TRUE(get(cache)) << at;
    EXPECT_EQ(made_, ++made) << at;
    EXPECT_EQ(slurp(path()), whole);
  }
}

TEST_F(FileCacheTest, TruncatedAndLengthenedFilesAreRefused) {
  FileCache cache(directory_, kLots);
  ASSERT_TRUE(get(cache));
  const std::string whole = slurp(path());
  for (std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{9}, std::size_t{1} << 20,
                           content_.size(), content_.size() + 8, whole.size() - 8, whole.size() - 1}) {
    spill(path(), whole.substr(0, size));
    EXPECT_FALSE(cache.open("a", maker(), pool_)) << size;
  }
  spill(path(), whole + std::string(8, '\0'));
  EXPECT_FALSE(cache.open("a", maker(), pool_));
  spill(path(), whole.substr(0, whole.size() - 8) + std::string(8, '\xff'));  // a length beyond the file
  EXPECT_FALSE(cache.open("a", maker(), pool_));
  EXPECT_TRUE(get(cache));
}

TEST_F(FileCacheTest, AWholeFileThatIsUnfitIsMadeAnew) {
  FileCache cache(directory_, kLots);
  ASSERT_TRUE(get(cache));
  content_[0] = static_cast<char>(content_[0] + 1);
  ASSERT_TRUE(get(cache));
  content_ += "more";
  ASSERT_TRUE(get(cache));
  EXPECT_EQ(made_, 3);
}

TEST_F(FileCacheTest, TheLeastRecentlyUsedMakesRoom) {
  const auto one = static_cast<std::int64_t>(content_.size()) + 32;
  FileCache cache(directory_, 3 * one + 100);
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(get(cache, name));
  age("a", 300), age("b", 200), age("c", 100);
  ASSERT_TRUE(get(cache, "a"));  // used just now: b is the oldest
  ASSERT_TRUE(get(cache, "d"));
  EXPECT_EQ(names(), (std::vector<std::string>{"a", "c", "d"}));
  age("d", 50);
  const auto list = cache.list();
  ASSERT_TRUE(list);
  EXPECT_EQ(list->front().name, "a");
  EXPECT_EQ(list->back().name, "c");
  EXPECT_EQ(list->front().bytes, one);
  EXPECT_EQ(*cache.prune(one), 2 * one);
  EXPECT_EQ(names(), std::vector<std::string>{"a"});
  EXPECT_EQ(*cache.prune(0), one);
  EXPECT_TRUE(names().empty());
  FileCache small(directory_, one - 1);
  const auto refused = get(small);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::too_long);
}

TEST_F(FileCacheTest, WhatFailsLeavesNothingBehind) {
  FileCache cache(directory_, kLots, files_);
  for (int* call : {&files_.fail_write, &files_.fail_sync, &files_.fail_rename}) {
    *call = 1;
    const auto failed = get(cache);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::io);
    EXPECT_TRUE(names().empty());
  }
  files_.free = 1000;
  const auto full = get(cache);
  ASSERT_FALSE(full);
  EXPECT_NE(full.error().text.find("1000 are free"), std::string::npos) << full.error().text;
  files_.free = kLots;
  EXPECT_TRUE(get(cache));
}

TEST_F(FileCacheTest, ADirectoryThatCannotBeIsAnError) {
  spill(directory_, "a file");
  FileCache cache(path("packs"), kLots);
  EXPECT_FALSE(get(cache));
  EXPECT_FALSE(cache.noted({.inode = 1}));
  cache.note({.inode = 1}, "a");
}

TEST_F(FileCacheTest, ThreadsThatStartTogetherMakeItOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      FileCache cache(directory_, kLots);
      ThreadPool pool(1);
      const auto file = cache.open_or_make("a", maker(), pool);
      good += file && file->content.size() == content_.size();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 4);
  EXPECT_EQ(made_, 1);
}

TEST_F(FileCacheTest, ProcessesThatStartTogetherMakeItOnce) {
  fs::create_directories(directory_);
  const std::string log = path() + ".made";
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      FileCache cache(directory_, kLots);
      ThreadPool alone(1);
      CachedFileMaker logging = maker();
      logging.write = [&](OutputFile& out) {
        std::ofstream(log, std::ios::app) << "x";
        return maker().write(out);
      };
      const auto file = cache.open_or_make("a", logging, alone);
      ::_exit(file && file->content.size() == content_.size() ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(slurp(log), "x");
}

TEST_F(FileCacheTest, LeftoversGoButNotThoseOfAMakerAtWork) {
  fs::create_directories(directory_);
  spill(path("dead.partial"), "xx");
  spill(path("alive.partial"), "xx");
  const auto lock = FileLock::try_lock(path(".alive.lock"));
  ASSERT_TRUE(lock && *lock);
  FileCache cache(directory_, kLots);
  EXPECT_EQ(*cache.prune(kLots), 2);
  EXPECT_FALSE(fs::exists(path("dead.partial")));
  EXPECT_TRUE(fs::exists(path("alive.partial")));
}

TEST_F(FileCacheTest, NotesHoldForOneStateOfAFile) {
  FileCache cache(directory_, kLots);
  ASSERT_TRUE(get(cache));
  const FileIdentity old = {.device = 1, .inode = 2, .bytes = 3, .modified_ns = 4, .changed_ns = 5};
  cache.note(old, "a");
  EXPECT_EQ(cache.noted(old), "a");
  FileIdentity changed = old;
  ++changed.changed_ns;
  EXPECT_FALSE(cache.noted(changed));
  spill(path("young"), "x");
  const FileIdentity young = *system_files().identity(path("young"));
  cache.note(young, "a");
  EXPECT_FALSE(cache.noted(young)) << "it may change again within the same tick";
  fs::remove(path("young"));
  EXPECT_EQ(names().size(), 2u);
  for (const std::string text : {"", "a", "../a\n", ".a\n", "b.partial\n"}) {
    spill(path(names()[0]), text);
    EXPECT_FALSE(cache.noted(old)) << text;
  }
  ASSERT_TRUE(cache.prune(kLots));
  EXPECT_EQ(names(), std::vector<std::string>{"a"}) << "a note of nothing goes";
}

}  // namespace
}  // namespace heed
