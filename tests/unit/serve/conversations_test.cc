// conversations_test.cc -- /v1/conversations over the wire: whose they are, what is refused.
#include <cstdlib>
#include <filesystem>

#include "serve/json_out.h"
#include "store/conversations.h"
#include "tests/unit/serve/service_fixture.h"

namespace heed {
namespace {

using nlohmann::json;
using test::call;
using test::Headers;

class ConversationRoutesTest : public test::ServiceTest {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "heed_routes_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    test::ServiceTest::TearDown();
    std::filesystem::remove_all(directory_);
  }
  void start_with_store(std::vector<std::string> keys, ConversationLimits limits = {}) {
    ServiceOptions options{.api_keys = std::move(keys)};
    options.conversations = ConversationStore::open(directory_ + "/c.sqlite", limits).value();
    start({}, std::move(options));
  }
  test::Reply put(const std::string& id, const std::string& body, const Headers& headers = {}) {
    return call(port(), "PUT", "/v1/conversations/" + id, body, headers);
  }
  json list(const Headers& headers = {}, const std::string& query = "") {
    return get("/v1/conversations" + query, headers).json();
  }
  std::string directory_;
};

const std::string kDocument = R"({"id":"a","title":"Größe","turns":[{"id":"1"}],"more":[1,null]})";

TEST_F(ConversationRoutesTest, ADocumentComesBackAsItWasUntilItIsRemoved) {
  start_with_store({});
  const auto kept = put("a", kDocument);
  EXPECT_EQ(kept.status, 200) << kept.body;
  EXPECT_EQ(list(), (json{{"object", "list"}, {"data", {json::parse(kDocument)}}, {"has_more", false}}));
  EXPECT_TRUE(list({}, "?after=a")["data"].empty());
  const auto removed = call(port(), "DELETE", "/v1/conversations/a", "");
  EXPECT_EQ(removed.json(), (json{{"id", "a"}, {"object", "conversation.deleted"}, {"deleted", true}}));
  EXPECT_EQ(call(port(), "DELETE", "/v1/conversations/a", "").json()["deleted"], false);
  EXPECT_TRUE(list()["data"].empty());
}

TEST_F(ConversationRoutesTest, AKeySeesItsOwnAndNothingIsSeenWithoutOne) {
  start_with_store({"key-one", "key-two"});
  const Headers one = {{"Authorization", "Bearer key-one"}}, two = {{"Authorization", "Bearer key-two"}};
  EXPECT_EQ(put("a", kDocument, one).status, 200);
  EXPECT_EQ(put("a", R"({"id":"a","title":"of two"})", two).status, 200);
  EXPECT_EQ(list(one)["data"][0]["title"], "Größe");
  EXPECT_EQ(list(two)["data"][0]["title"], "of two");
  EXPECT_EQ(call(port(), "DELETE", "/v1/conversations/a", "", two).json()["deleted"], true);
  EXPECT_EQ(list(one)["data"].size(), 1u);
  for (const char* method : {"GET", "PUT", "DELETE"}) {
    const std::string path = std::string("/v1/conversations") + (std::string(method) == "GET" ? "" : "/a");
    EXPECT_EQ(call(port(), method, path, std::string(method) == "PUT" ? kDocument : "", {}).status, 401) << method;
  }
}

TEST_F(ConversationRoutesTest, WhatIsNoConversationIsRefused) {
  start_with_store({});
  EXPECT_EQ(put("a", "{").status, 400);
  EXPECT_EQ(put("a", "[]").status, 400);
  EXPECT_EQ(put("a", "{}").json()["error"]["param"], "id");
  EXPECT_EQ(put("b", kDocument).json()["error"]["param"], "id");
  EXPECT_EQ(put("a%20b", R"({"id":"a b"})").status, 400);
  EXPECT_EQ(put("a", R"({"id":"a","x":)" + std::string(200, '[') + std::string(200, ']') + "}").status, 400);
  EXPECT_EQ(get("/v1/conversations?after=a'b").status, 400);
  EXPECT_TRUE(list()["data"].empty());
}

TEST_F(ConversationRoutesTest, AFullStoreSaysSo) {
  start_with_store({}, {.document_bytes = 100, .tenant_bytes = 120});
  EXPECT_EQ(put("a", R"({"id":"a","t":")" + std::string(60, 'x') + "\"}").status, 200);
  const auto full = put("b", R"({"id":"b","t":")" + std::string(60, 'x') + "\"}");
  EXPECT_EQ(full.status, 413);
  EXPECT_EQ(full.json()["error"]["code"], "storage_full");
  EXPECT_EQ(put("c", R"({"id":"c","t":")" + std::string(100, 'x') + "\"}").status, 413);
}

TEST_F(ConversationRoutesTest, AreDescribedWhereTheyAreAndAbsentWhereTheyAreOff) {
  start_with_store({});
  const json paths = get("/openapi.json").json()["paths"];
  EXPECT_TRUE(paths["/v1/conversations"].contains("get"));
  EXPECT_TRUE(paths["/v1/conversations/{id}"].contains("put"));
  EXPECT_TRUE(paths["/v1/conversations/{id}"].contains("delete"));
}

TEST_F(ConversationRoutesTest, AreNotThereWithoutAStore) {
  start();
  EXPECT_EQ(get("/v1/conversations").status, 404);
}

}  // namespace
}  // namespace heed
