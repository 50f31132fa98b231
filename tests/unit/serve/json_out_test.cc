// json_out_test.cc -- appended JSON is JSON, whatever the text holds.
#include "serve/json_out.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "serve/http_grammar.h"
#include "serve/router.h"

namespace heed {
namespace {

TEST(JsonOut, NestsAndSeparates) {
  JsonOut out;
  out.open_object()
      .member("a", 1)
      .key("b")
      .open_array()
      .value("x")
      .value(true)
      .null()
      .open_object()
      .close_object()
      .close_array();
  out.member("c", -2.5).member("d", std::numeric_limits<double>::infinity()).member("e", 0.1f).close_object();
  EXPECT_EQ(out.text(), R"({"a":1,"b":["x",true,null,{}],"c":-2.5,"d":null,"e":0.1})");
}

TEST(JsonOut, EveryByteStringBecomesValidJson) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 12, ' ');
    for (char& c : text) c = static_cast<char>(round % 2 == 0 ? random() % 256 : 0xc0 + random() % 64);
    std::string out;
    append_json_string(out, text);
    const auto parsed = nlohmann::json::parse(out, nullptr, false);
    ASSERT_FALSE(parsed.is_discarded()) << out;
  }
}

TEST(JsonOut, Utf8StaysAndBrokenBytesAreReplaced) {
  const auto as_json = [](std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
  };
  EXPECT_EQ(as_json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
  EXPECT_EQ(as_json("\"\\\n\t\r\x01\x7f"), R"("\"\\\n\t\r\u0001\u007f")");
  const std::string replacement = "\xef\xbf\xbd";
  EXPECT_EQ(as_json("a\xff"
                    "b"),
            "\"a" + replacement + "b\"");
  EXPECT_EQ(as_json("\xed\xa0\x80"), "\"" + replacement + replacement + replacement + "\"") << "a surrogate";
  EXPECT_EQ(as_json("\xc0\x80"), "\"" + replacement + replacement + "\"") << "an overlong form";
  EXPECT_EQ(as_json("\xf4\x90\x80\x80").size(), 2 + 4 * 3u) << "above U+10FFFF";
}

TEST(Router, FindsWithAndWithoutVersion) {
  Router router;
  router.add({"GET", "/models/{}", Access::keyed, nullptr});
  router.add({"POST", "/chat/completions", Access::keyed, nullptr});
  router.add({"GET", "/", Access::open, nullptr});
  const auto find = [&](const char* method, const char* path) { return router.find(method, *split_path(path)); };
  EXPECT_EQ(find("GET", "/v1/models/a%2Fb").arguments, std::vector<std::string>{"a/b"});
  EXPECT_NE(find("GET", "/models/x").route, nullptr);
  EXPECT_NE(find("HEAD", "/models/x").route, nullptr);
  EXPECT_NE(find("POST", "/v1/chat/completions").route, nullptr);
  EXPECT_NE(find("GET", "/").route, nullptr);
  EXPECT_EQ(find("GET", "/v1").allowed.size(), 0u);
  EXPECT_EQ(find("GET", "/v1/v1/models/x").allowed.size(), 0u);
  EXPECT_EQ(find("POST", "/v1/ch%61t/completions").allowed.size(), 0u);
  const auto wrong = find("DELETE", "/models/x");
  EXPECT_EQ(wrong.route, nullptr);
  EXPECT_EQ(wrong.allowed, (std::vector<std::string>{"GET", "HEAD"}));
}

}  // namespace
}  // namespace heed
