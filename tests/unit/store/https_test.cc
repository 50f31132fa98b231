// https_test.cc -- pull over HTTP from a loopback server: whole, resumed, broken, wrong, cancelled, disk full.
#include <chrono>

#include "core/file_lock.h"
#include "tests/unit/store/loopback_server.h"
#include "tests/unit/store/store_fixture.h"

namespace heed {
namespace {

using namespace testing_store;

const std::string& content() {
  static const std::string text = content_of(1 << 20);
  return text;
}

class HttpsPull : public StoreTest {
 protected:
  std::string partial_path() const { return blob_path(content()) + ".partial"; }
};

TEST_F(HttpsPull, GetsTheFileAndLeavesNothingElse) {
  LoopbackServer server([](const std::string& r, int) { return ranged(r, content()); });
  Store s = store(https_entry(content(), {server.url()}));
  std::int64_t last = 0;
  bool is_monotonic = true;
  const auto path = s.pull("tiny", [&](const Store::Progress& p) {
    is_monotonic = is_monotonic && p.done >= last && p.total == 1 << 20;
    last = p.done;
    return true;
  });
  ASSERT_TRUE(path) << path.error().text;
  EXPECT_TRUE(is_monotonic);
  EXPECT_EQ(slurp(*path), content());
  EXPECT_EQ(left_behind(), std::vector<std::string>{"tiny.gguf"});
  ASSERT_TRUE(s.pull("default", go_on));
  EXPECT_EQ(server.requests().size(), 1u) << "a file that is here is not fetched again";
  EXPECT_TRUE(s.verify("tiny", go_on));
}

TEST_F(HttpsPull, ContinuesWhereAnEarlierTryStopped) {
  for (const std::size_t have : {std::size_t{1}, std::size_t{500'000}, content().size() - 1}) {
    LoopbackServer server([](const std::string& r, int) { return ranged(r, content()); });
    forget(content());
    spill(partial_path(), content().substr(0, have));
    Store s = store(https_entry(content(), {server.url()}));
    ASSERT_TRUE(s.pull("tiny", go_on));
    EXPECT_EQ(range_of(server.requests().at(0)), have);
    EXPECT_EQ(slurp(model_path()), content());
  }
}

TEST_F(HttpsPull, AWholePartialNeedsNoNetwork) {
  spill(partial_path(), content());
  Store s = store(https_entry(content(), {"http://127.0.0.1:1/x"}));
  ASSERT_TRUE(s.pull("tiny", go_on));
  EXPECT_EQ(left_behind(), std::vector<std::string>{"tiny.gguf"});
}

TEST_F(HttpsPull, APartialThatIsTooLongStartsAnew) {
  LoopbackServer server([](const std::string& r, int) { return ranged(r, content()); });
  spill(partial_path(), content() + "more");
  Store s = store(https_entry(content(), {server.url()}));
  ASSERT_TRUE(s.pull("tiny", go_on));
  EXPECT_EQ(slurp(model_path()), content());
}

TEST_F(HttpsPull, AServerThatIgnoresRangeServesToo) {
  LoopbackServer server([](const std::string&, int) { return ranged("", content()); });
  spill(partial_path(), content().substr(0, 300'000));
  Store s = store(https_entry(content(), {server.url()}));
  ASSERT_TRUE(s.pull("tiny", go_on));
  EXPECT_EQ(slurp(model_path()), content());
}

TEST_F(HttpsPull, BrokenConnectionsAreResumed) {
  LoopbackServer server([](const std::string& r, int number) {
    Answer answer = ranged(r, content());
    if (number <= 6) answer.body.resize(150'000);  // more breaks than tries without progress
    return answer;
  });
  Store s = store(https_entry(content(), {server.url()}));
  const auto path = s.pull("tiny", go_on);
  ASSERT_TRUE(path) << path.error().text;
  EXPECT_EQ(slurp(*path), content());
  EXPECT_EQ(server.requests().size(), 7u);
}

TEST_F(HttpsPull, AConnectionThatBringsNothingEnds) {
  LoopbackServer server([](const std::string& r, int) {
    Answer answer = ranged(r, content());
    answer.body.resize(std::min<std::size_t>(answer.body.size(), range_of(r) == 0 ? 1000 : 0));
    return answer;
  });
  Store s = store(https_entry(content(), {server.url()}));
  const auto path = s.pull("tiny", go_on);
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, Code::io);
  EXPECT_NE(path.error().text.find("no source worked"), std::string::npos);
  EXPECT_EQ(fs::file_size(partial_path()), 1000u) << "what came stays";
}

TEST_F(HttpsPull, RedirectsAreFollowed) {
  LoopbackServer target([](const std::string& r, int) { return ranged(r, content()); });
  LoopbackServer first([&](const std::string&, int) {
    return Answer{"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + target.url(), ""};
  });
  spill(partial_path(), content().substr(0, 77));
  Store s = store(https_entry(content(), {first.url()}));
  ASSERT_TRUE(s.pull("tiny", go_on));
  EXPECT_EQ(range_of(target.requests().at(0)), 77u);
}

TEST_F(HttpsPull, AWrongHashNamesBothAndRemovesTheFile) {
  std::string wrong = content();
  wrong[77] ^= 1;
  LoopbackServer server([&](const std::string& r, int) { return ranged(r, wrong); });
  Store s = store(https_entry(content(), {server.url()}));
  const auto path = s.pull("tiny", go_on);
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, Code::malformed);
  EXPECT_NE(path.error().text.find(sha256_of(content())), std::string::npos);
  EXPECT_NE(path.error().text.find(sha256_of(wrong)), std::string::npos);
  EXPECT_TRUE(left_behind().empty());
}

TEST_F(HttpsPull, AnAnswerOfAnotherSizeIsRefusedBeforeAByteIsWritten) {
  LoopbackServer longer([](const std::string& r, int) { return ranged(r, content() + "x"); });
  LoopbackServer good([](const std::string& r, int) { return ranged(r, content()); });
  spill(partial_path(), content().substr(0, 1000));
  Store s = store(https_entry(content(), {longer.url(), good.url()}));
  const auto path = s.pull("tiny", go_on);
  ASSERT_TRUE(path) << path.error().text;
  EXPECT_EQ(range_of(good.requests().at(0)), 1000u) << "the prefix survived the wrong source";
  Store alone = store(https_entry(content(), {longer.url()}));
  forget(content());
  const auto refused = alone.pull("tiny", go_on);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("expected a file of 1048576 bytes, the server has one of 1048577"),
            std::string::npos)
      << refused.error().text;
}

TEST_F(HttpsPull, AnUnannouncedLengthIsCheckedAtItsEnd) {
  const auto unannounced = [](const std::string& body) {
    return [=](const std::string&, int) { return Answer{"HTTP/1.1 200 OK\r\nContent-Type: text/html", body}; };
  };
  LoopbackServer page(unannounced("<html>please log in</html>")), flood(unannounced(content() + content()));
  LoopbackServer good([](const std::string& r, int) { return ranged(r, content()); });
  Store s = store(https_entry(content(), {page.url(), flood.url(), good.url()}));
  const auto path = s.pull("tiny", go_on);
  ASSERT_TRUE(path) << path.error().text;
  EXPECT_EQ(range_of(good.requests().at(0)), 0u) << "nothing of the wrong answers may stay";
}

TEST_F(HttpsPull, AWrongRangeIsRefused) {
  LoopbackServer server([](const std::string&, int) {
    return Answer{"HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\nContent-Range: bytes 0-3/1048576", "abcd"};
  });
  spill(partial_path(), content().substr(0, 1000));
  Store s = store(https_entry(content(), {server.url()}));
  const auto path = s.pull("tiny", go_on);
  ASSERT_FALSE(path);
  EXPECT_NE(path.error().text.find("asked for bytes from 1000, got them from 0"), std::string::npos)
      << path.error().text;
  EXPECT_EQ(fs::file_size(partial_path()), 1000u);
}

TEST_F(HttpsPull, EachSourcesReasonIsInTheError) {
  LoopbackServer gone(
      [](const std::string&, int) { return Answer{"HTTP/1.1 404 Not Found\r\nContent-Length: 4", "none"}; });
  LoopbackServer sick([](const std::string&, int) { return Answer{"HTTP/1.1 503 Busy\r\nContent-Length: 0", ""}; });
  Store s = store(https_entry(content(), {gone.url(), sick.url(), "http://127.0.0.1:1/x"}));
  const auto path = s.pull("tiny", go_on);
  ASSERT_FALSE(path);
  for (const char* part : {"the server answered 404", "the server answered 503", "127.0.0.1:1", "check the network"})
    EXPECT_NE(path.error().text.find(part), std::string::npos) << path.error().text;
}

TEST_F(HttpsPull, AnUnreachableHostIsRemembered) {
  Store s = store(https_entry(content(), {"http://127.0.0.1:1/x"}));
  EXPECT_FALSE(s.pull("tiny", go_on));
  const auto again = s.pull("tiny", go_on);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().text.find("could not be reached a moment ago"), std::string::npos) << again.error().text;
}

TEST_F(HttpsPull, CancelKeepsWhatCame) {
  LoopbackServer server([](const std::string& r, int number) {
    Answer answer = ranged(r, content());
    answer.pause_ms_every_64k = number == 1 ? 30 : 0;
    return answer;
  });
  Store s = store(https_entry(content(), {server.url(), server.url()}));
  const auto path = s.pull("tiny", [](const Store::Progress& p) { return p.done < 200'000; });
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, Code::cancelled);
  EXPECT_EQ(server.requests().size(), 1u) << "no other source after a cancel";
  const auto kept = fs::file_size(partial_path());
  EXPECT_GE(kept, 200'000u);
  EXPECT_LT(kept, content().size());
  ASSERT_TRUE(s.pull("tiny", go_on));
  EXPECT_EQ(range_of(server.requests().at(1)), kept);
  EXPECT_EQ(slurp(model_path()), content());
}

TEST_F(HttpsPull, AFullDiskIsFoundBeforeOrSaidAfter) {
  LoopbackServer server([](const std::string& r, int) { return ranged(r, content()); });
  Store s = store(https_entry(content(), {server.url(), server.url()}));
  files_.free = content().size();  // not the spare as well
  const auto before = s.pull("tiny", go_on);
  ASSERT_FALSE(before);
  EXPECT_NE(before.error().text.find("the disk is short"), std::string::npos) << before.error().text;
  EXPECT_TRUE(server.requests().empty());

  files_.free = std::int64_t{1} << 40;
  files_.fail_write = 3;
  const auto during = s.pull("tiny", go_on);
  ASSERT_FALSE(during);
  EXPECT_NE(during.error().text.find("No space left"), std::string::npos) << during.error().text;
  EXPECT_EQ(server.requests().size(), 1u) << "another source cannot mend a disk";
  ASSERT_TRUE(s.pull("tiny", go_on)) << "half a write is still a prefix";
  EXPECT_EQ(slurp(model_path()), content());
}

TEST_F(HttpsPull, FailedSyncAndRenameLeaveNoModel) {
  LoopbackServer server([](const std::string& r, int) { return ranged(r, content()); });
  Store s = store(https_entry(content(), {server.url()}));
  files_.fail_sync = 1;
  EXPECT_FALSE(s.pull("tiny", go_on));
  EXPECT_FALSE(fs::exists(model_path()));
  files_.fail_rename = 1;
  EXPECT_FALSE(s.pull("tiny", go_on));
  EXPECT_FALSE(fs::exists(model_path()));
  EXPECT_TRUE(s.pull("tiny", go_on));
}

TEST_F(HttpsPull, TwoPullsOfOneModelDownloadItOnce) {
  LoopbackServer server([](const std::string& r, int) {
    Answer answer = ranged(r, content());
    answer.pause_ms_every_64k = 10;
    return answer;
  });
  Store one = store(https_entry(content(), {server.url()})), two = store(https_entry(content(), {server.url()}));
  std::atomic<bool> first_is_on = false;
  std::thread other([&] {
    EXPECT_TRUE(one.pull("tiny", [&](const Store::Progress&) {
      first_is_on = true;
      return true;
    }));
  });
  while (!first_is_on) std::this_thread::yield();
  bool waited = false;
  EXPECT_TRUE(two.pull("tiny", [&](const Store::Progress& p) {
    waited = waited || p.what.find("another process") != std::string::npos;
    return true;
  }));
  other.join();
  EXPECT_TRUE(waited);
  EXPECT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(left_behind(), std::vector<std::string>{"tiny.gguf"});
}

TEST_F(HttpsPull, WaitingForAnotherPullCanBeCancelled) {
  const auto lock = FileLock::try_lock(blobs_directory() + "/.sha256-" + sha256_of(content()) + ".lock");
  ASSERT_TRUE(lock && lock->has_value());
  Store s = store(https_entry(content(), {"http://127.0.0.1:1/x"}));
  int asked = 0;
  const auto path = s.pull("tiny", [&](const Store::Progress&) { return ++asked < 2; });
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, Code::cancelled);
  EXPECT_EQ(asked, 2);
}

TEST_F(HttpsPull, OfflineSaysWhatToDo) {
  Store s = store(https_entry(content(), {"http://127.0.0.1:1/x"}));
  ::setenv("HEED_OFFLINE", "1", 1);
  const auto path = s.pull("tiny", go_on);
  ASSERT_FALSE(path);
  EXPECT_NE(path.error().text.find("HEED_OFFLINE is set: unset it, or copy the file to " + model_path()),
            std::string::npos);
  spill(model_path(), content());
  EXPECT_TRUE(s.pull("tiny", go_on));
}

}  // namespace
}  // namespace heed
