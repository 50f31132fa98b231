// disk_test.cc -- contents shared by names, what they take, how they go, and what a killed process leaves.
#include <sys/wait.h>

#include <csignal>
#include <thread>

#include "store/blobs.h"
#include "tests/unit/store/loopback_server.h"
#include "tests/unit/store/store_fixture.h"

namespace heed {
namespace {

using namespace testing_store;

class Disk : public StoreTest {
 protected:
  CatalogEntry named(const std::string& name, const std::string& content, const std::string& url) const {
    CatalogEntry e = https_entry(content, {url});
    e.name = name;
    e.file = name + ".gguf";
    e.is_default = false;
    return e;
  }
  std::string path_of(const std::string& name) const { return home_ + "/models/" + name + ".gguf"; }
  /// Every model of the store is whole, and nothing but stopped downloads lies beside.
  void expect_consistent(const Store& s) const {
    const auto list = s.list();
    ASSERT_TRUE(list);
    for (const StoredModel& model : *list) {
      const auto verified = s.verify(model.name, go_on);
      EXPECT_TRUE(verified) << (verified ? "" : verified.error().text);
    }
  }

  std::string content_ = content_of(300'000);
};

TEST_F(Disk, TwoNamesOfOneContentShareIt) {
  LoopbackServer server([&](const std::string& r, int) { return ranged(r, content_); });
  Store s(home_, {named("a", content_, server.url()), named("b", content_, server.url())}, files_);
  ASSERT_TRUE(s.pull("a", go_on));
  ASSERT_TRUE(s.pull("b", go_on));
  EXPECT_EQ(server.requests().size(), 1u) << "the second name costs no download";
  EXPECT_TRUE(fs::equivalent(path_of("a"), path_of("b")));
  const auto use = s.disk_use();
  EXPECT_EQ(use->models_bytes, 300'000);
  EXPECT_EQ(use->shared_bytes, 300'000);
  EXPECT_EQ(*s.remove("a"), 0) << "b still has it";
  EXPECT_EQ(slurp(path_of("b")), content_);
  EXPECT_EQ(*s.remove("b"), 300'000);
  EXPECT_FALSE(fs::exists(blob_path(content_)));
  EXPECT_EQ(s.disk_use()->models_bytes, 0);
}

TEST_F(Disk, AModelFromBeforeThereWereBlobsIsSharedToo) {
  Store s(home_, {named("a", content_, "http://127.0.0.1:1/x"), named("b", content_, "http://127.0.0.1:1/x")}, files_);
  spill(path_of("a"), content_);
  ASSERT_TRUE(s.pull("b", go_on));
  EXPECT_TRUE(fs::equivalent(path_of("a"), path_of("b")));
  fs::remove(blob_path(content_));
  fs::remove(path_of("b"));
  std::string wrong = content_;
  wrong[9] ^= 1;
  spill(path_of("a"), wrong);
  EXPECT_FALSE(s.pull("b", go_on)) << "a damaged twin is no source";
}

TEST_F(Disk, WhatIsUnknownOrInUseStays) {
  Store s(home_, {named("a", content_, "http://127.0.0.1:1/x")}, files_);
  spill(path_of("a"), content_);
  spill(path_of("own"), "mine");
  const auto unknown = s.remove("zzz");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::not_found);
  EXPECT_NE(unknown.error().text.find("there is a, own"), std::string::npos) << unknown.error().text;
  {
    const auto mapped = system_files().map(path_of("a"));
    ASSERT_TRUE(mapped);
    const auto used = s.remove("a");
    ASSERT_FALSE(used);
    EXPECT_EQ(used.error().code, Code::busy);
    EXPECT_NE(used.error().text.find(std::to_string(::getpid())), std::string::npos) << used.error().text;
  }
  EXPECT_EQ(*s.remove("a"), 300'000);
  EXPECT_EQ(*s.remove("own"), 4);
  EXPECT_EQ(s.remove("own").error().text.find("there is none") == std::string::npos, false);
}

TEST_F(Disk, WhatStoppedDownloadsLeftIsShownAndSwept) {
  Store s(home_, {named("a", content_, "http://127.0.0.1:1/x")}, files_);
  spill(blob_path(content_) + ".partial", std::string(1000, 'x'));
  spill(blob_path("orphan"), "orphan");
  spill(blobs_directory() + "/.link-999999999-1", "x");
  EXPECT_EQ(s.disk_use()->partial_bytes, 1000);
  EXPECT_EQ(s.disk_use()->unused_bytes, 6);
  spill(path_of("own"), "mine");
  EXPECT_EQ(*s.remove("own"), 4 + 6) << "a content without a name goes with the next rm, a download may go on";
  EXPECT_EQ(s.disk_use()->partial_bytes, 1000);
  EXPECT_EQ(*s.sweep(), 1000);
  EXPECT_TRUE(fs::is_empty(blobs_directory()));
}

TEST_F(Disk, AModelOfAnotherFormatCountsAlike) {
  LoopbackServer server([&](const std::string& r, int) { return ranged(r, content_); });
  CatalogEntry e = named("a", content_, server.url());
  e.file = "a.onnx";
  Store s(home_, {e}, files_);
  ASSERT_TRUE(s.pull("a", go_on));
  EXPECT_EQ(s.disk_use()->models_bytes, 300'000);
  EXPECT_EQ(s.disk_use()->unused_bytes, 0);
  EXPECT_EQ(*s.sweep(), 0);
  EXPECT_TRUE(fs::exists(blob_path(content_)));
  EXPECT_EQ(*s.remove("a"), 300'000);
}

TEST_F(Disk, AnOrphanedContentIsNamedWithoutADownload) {
  Store s(home_, {named("a", content_, "http://127.0.0.1:1/x")}, files_);
  spill(blob_path(content_), content_);
  ::setenv("HEED_OFFLINE", "1", 1);
  ASSERT_TRUE(s.pull("a", go_on));
  EXPECT_EQ(slurp(path_of("a")), content_);
}

TEST_F(Disk, ConcurrentPullsOfOneContentAndRemovalsStayConsistent) {
  LoopbackServer server([&](const std::string& r, int) { return ranged(r, content_); });
  const std::vector<CatalogEntry> catalog = {named("a", content_, server.url()), named("b", content_, server.url())};
  std::vector<std::thread> threads;
  for (const char* name : {"a", "b", "a", "b"}) {
    threads.emplace_back([&, name] {
      Store mine(home_, catalog);
      for (int i = 0; i < 25; ++i) {
        EXPECT_TRUE(mine.pull(name, go_on));
        static_cast<void>(mine.remove(name).has_value());  // another thread may have been quicker
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Store s(home_, catalog, files_);
  expect_consistent(s);
  EXPECT_TRUE(s.sweep());
  EXPECT_TRUE(left_behind().empty());
}

/// Runs `work` in a process of its own and kills it after `us`.
template <class Work>
void killed_after(int us, const Work& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  std::this_thread::sleep_for(std::chrono::microseconds(us));
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
}

TEST_F(Disk, AKilledPullLeavesAStoreThatGoesOn) {
  LoopbackServer server([&](const std::string& r, int) {
    Answer answer = ranged(r, content_);
    answer.pause_ms_every_64k = 1;
    return answer;
  });
  const std::vector<CatalogEntry> catalog = {named("a", content_, server.url()), named("b", content_, server.url())};
  for (int i = 0; i < 40; ++i) {
    killed_after(i * 500, [&] { static_cast<void>(Store(home_, catalog).pull("a", go_on).has_value()); });
    Store s(home_, catalog, files_);
    expect_consistent(s);
    if (i % 4 != 3) continue;  // some tries continue what the one before left
    ASSERT_TRUE(s.pull("a", go_on));
    EXPECT_EQ(slurp(path_of("a")), content_);
    ASSERT_TRUE(s.remove("a"));
    ASSERT_TRUE(s.sweep());
    EXPECT_TRUE(left_behind().empty()) << left_behind().front();
    EXPECT_FALSE(fs::exists(blob_path(content_)));
  }
}

TEST_F(Disk, AKilledRemovalLeavesTheModelOrNothing) {
  LoopbackServer server([&](const std::string& r, int) { return ranged(r, content_); });
  const std::vector<CatalogEntry> catalog = {named("a", content_, server.url()), named("b", content_, server.url())};
  int gone = 0;
  for (int i = 0; i < 60; ++i) {
    Store s(home_, catalog, files_);
    ASSERT_TRUE(s.pull("a", go_on));
    if (i % 2 == 0) {
      ASSERT_TRUE(s.pull("b", go_on));
    }
    killed_after(i * 250, [&] { static_cast<void>(Store(home_, catalog).remove("a").has_value()); });
    expect_consistent(s);
    gone += fs::exists(path_of("a")) ? 0 : 1;
    if (i % 2 == 0) {
      EXPECT_EQ(slurp(path_of("b")), content_) << "the other name is untouched";
    }
    ASSERT_TRUE(s.sweep());
    EXPECT_EQ(s.disk_use()->unused_bytes, 0);
  }
  EXPECT_GT(gone, 0) << "the kills came too early to show anything";
}

}  // namespace
}  // namespace heed
