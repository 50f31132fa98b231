// auth_test.cc -- who gets in.
#include "serve/auth.h"

#include <gtest/gtest.h>

namespace heed {
namespace {

HttpRequest with(std::string name, std::string value) {
  HttpRequest request;
  request.headers.emplace_back(std::move(name), std::move(value));
  return request;
}

TEST(Auth, OpenWithoutKeys) {
  const auto auth = Authenticator::make({});
  ASSERT_TRUE(auth);
  EXPECT_TRUE(auth->is_open());
  EXPECT_EQ(auth->tenant(HttpRequest{}), "");
  EXPECT_EQ(auth->tenant(with("authorization", "Bearer anything")), "");
}

TEST(Auth, EachCredentialRow) {
  const auto auth = Authenticator::make({"sk-first-key", "sk-second-key"});
  ASSERT_TRUE(auth);
  struct Row {
    const char* header;
    const char* value;
    bool is_in;
  };
  const Row rows[] = {{"authorization", "Bearer sk-first-key", true},
                      {"authorization", "bearer sk-first-key", true},
                      {"authorization", "BEARER sk-second-key", true},
                      {"x-api-key", "sk-first-key", true},
                      {"authorization", "sk-first-key", false},
                      {"authorization", "Basic sk-first-key", false},
                      {"authorization", "Bearer", false},
                      {"authorization", "Bearer ", false},
                      {"authorization", "Bearer  sk-first-key", false},
                      {"authorization", "Bearer sk-first-ke", false},
                      {"authorization", "Bearer sk-first-keyy", false},
                      {"authorization", "Bearer SK-FIRST-KEY", false},
                      {"authorization", "Bearer sk-first-key,sk-second-key", false},
                      {"x-api-key", "", false},
                      {"x-api-key", "Bearer sk-first-key", false},
                      {"cookie", "sk-first-key", false}};
  for (const Row& row : rows)
    EXPECT_EQ(auth->tenant(with(row.header, row.value)).has_value(), row.is_in) << row.header << " " << row.value;
  EXPECT_FALSE(auth->tenant(HttpRequest{}));
}

TEST(Auth, TenantsDifferByKeyAndAreStable) {
  const auto auth = Authenticator::make({"sk-first-key", "sk-second-key"});
  const auto again = Authenticator::make({"sk-second-key"});
  const auto first = auth->tenant(with("x-api-key", "sk-first-key")),
             second = auth->tenant(with("x-api-key", "sk-second-key"));
  EXPECT_NE(*first, *second);
  EXPECT_EQ(*second, *again->tenant(with("x-api-key", "sk-second-key")));
  EXPECT_EQ(first->find("sk-"), std::string::npos);
}

TEST(Auth, DigestsStandForKeys) {
  const auto empty = Authenticator::make({"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"});
  EXPECT_FALSE(empty->tenant(with("x-api-key", ""))) << "the digest of nothing lets nobody in";
  const auto abc = Authenticator::make({"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"});
  EXPECT_TRUE(abc->tenant(with("x-api-key", "abc")));
  EXPECT_FALSE(
      abc->tenant(with("x-api-key", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")));
}

TEST(Auth, BadKeysAreRefused) {
  for (const char* key : {"", "abc", "with space", "tab\there", "\xc3\xa4\xc3\xa4\xc3\xa4", "sha256:abc", "sha256:"}) {
    EXPECT_FALSE(Authenticator::make({key})) << key;
  }
}

TEST(Auth, KeyFile) {
  EXPECT_EQ(parse_key_lines("# mine\nfirst\r\n\n  \nsecond  \nthird"),
            (std::vector<std::string>{"first", "second", "third"}));
  EXPECT_TRUE(parse_key_lines("").empty());
}

}  // namespace
}  // namespace heed
