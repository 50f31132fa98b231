// conversations_test.cc -- documents by tenant and id, limits, threads, reopening, hostile files.
#include "store/conversations.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace heed {
namespace {

class ConversationsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "heed_conversations_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string path() const { return directory_ + "/c.sqlite"; }
  std::unique_ptr<ConversationStore> open(ConversationLimits limits = {}) const {
    auto made = ConversationStore::open(path(), limits);
    EXPECT_TRUE(made) << (made ? "" : made.error().text);
    return made ? std::move(*made) : nullptr;
  }
  std::string directory_;
};

using Documents = std::vector<std::string>;

TEST_F(ConversationsTest, EachTenantSeesItsOwnInOrderOfIds) {
  const auto store = open();
  ASSERT_TRUE(store->put("a", "2", "two"));
  ASSERT_TRUE(store->put("a", "1", "one"));
  ASSERT_TRUE(store->put("", "1", "of nobody"));
  ASSERT_TRUE(store->put("a", "2", "two, later"));
  EXPECT_EQ(store->list("a", "")->documents, (Documents{"one", "two, later"}));
  EXPECT_EQ(store->list("a", "1")->documents, Documents{"two, later"});
  EXPECT_EQ(store->list("", "")->documents, Documents{"of nobody"});
  EXPECT_TRUE(store->list("b", "")->documents.empty());
  EXPECT_EQ(*store->remove("b", "1"), false);
  EXPECT_EQ(*store->remove("a", "1"), true);
  EXPECT_EQ(*store->remove("a", "1"), false);
  EXPECT_EQ(store->list("a", "")->documents, Documents{"two, later"});
}

TEST_F(ConversationsTest, DocumentsComeBackBitByBitFromAFileOfTheOwnersAlone) {
  const std::string document =
      std::string("{\"text\":\"'; DROP TABLE conversations; -- \xf0\x9f\x90\x88\"}") + std::string(1, '\0') + "x";
  ASSERT_TRUE(open()->put("t", "id", document));
  EXPECT_EQ(open()->list("t", "")->documents, Documents{document});
  struct stat info{};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(ConversationsTest, LimitsAreKeptAndNothingChangesBeyondThem) {
  const auto store = open({.document_bytes = 100, .tenant_bytes = 150, .page_bytes = 60});
  EXPECT_EQ(store->put("t", "a", std::string(101, 'x')).error().code, Code::too_long);
  ASSERT_TRUE(store->put("t", "a", std::string(100, 'a')));
  EXPECT_EQ(store->put("t", "b", std::string(51, 'b')).error().code, Code::too_long);
  ASSERT_TRUE(store->put("t", "b", std::string(50, 'b')));
  EXPECT_EQ(store->put("t", "b", std::string(51, 'c')).error().code, Code::too_long);
  ASSERT_TRUE(store->put("t", "a", std::string(99, 'd')));  // its own old size does not count
  ASSERT_TRUE(store->put("other", "b", std::string(100, 'x')));
  const auto page = store->list("t", "");
  EXPECT_EQ(page->documents, Documents{std::string(99, 'd')});
  EXPECT_TRUE(page->has_more);
  const auto rest = store->list("t", "a");
  EXPECT_EQ(rest->documents, Documents{std::string(50, 'b')});
  EXPECT_FALSE(rest->has_more);
}

TEST_F(ConversationsTest, BytesCountAndNotCharacters) {
  const auto store = open({.document_bytes = 100, .tenant_bytes = 10});
  EXPECT_FALSE(store->put("t", "a", "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"));  // 6 characters, 12 bytes
}

TEST_F(ConversationsTest, IdsArePlain) {
  const auto store = open();
  for (const char* id : {"", "a/b", "..", "a b", "\xc3\xa4", "a'b"}) {
    EXPECT_EQ(store->put("t", id, "x").error().code, Code::invalid_argument) << id;
  }
  EXPECT_FALSE(store->put("t", std::string(65, 'a'), "x"));
  EXPECT_TRUE(store->put("t", std::string(64, 'a'), "x"));
  EXPECT_TRUE(is_conversation_id("aZ09-_"));
}

TEST_F(ConversationsTest, ThreadsWriteAtOnceAndTheLimitHolds) {
  const auto store = open({.document_bytes = 10, .tenant_bytes = 500});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        (void)store->put("t", std::to_string(t) + "-" + std::to_string(i), std::string(10, 'x'));
        EXPECT_TRUE(store->list("t", ""));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store->list("t", "")->documents.size(), 50u);
}

TEST_F(ConversationsTest, WhatIsNoDatabaseIsAnErrorThatNamesTheFile) {
  std::ofstream(path()) << std::string(4096, 'x');
  const auto opened = ConversationStore::open(path());
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().text.find(path()), std::string::npos) << opened.error().text;
  EXPECT_FALSE(ConversationStore::open(directory_ + "/missing/c.sqlite"));
}

}  // namespace
}  // namespace heed
