// json_reader_test.cc -- limits and duplicate keys.
#include "formats/json_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace heed {
namespace {

using testing::HasSubstr;

TEST(JsonReader, BuildsTheTree) {
  const std::string text = R"({"a":[1,-2,0.5,true,null,"x"],"b":{"c":{"d":[]}}})";
  const auto value = read_json(text, "config.json");
  ASSERT_TRUE(value) << value.error().text;
  EXPECT_EQ(value->dump(), text);
}

TEST(JsonReader, RefusesByName) {
  const std::pair<std::string, const char*> kCases[] = {{R"({"a":1,"a":2})", "key 'a' appears twice"},
                                                        {R"({"b":{"a":1,"c":1,"a":2}})", "key 'a' appears twice"},
                                                        {std::string(100000, '['), "deep"},
                                                        {R"({"a":)", "no JSON"},
                                                        {"", "no JSON"},
                                                        {"1 2", "no JSON"},
                                                        {"\"\xC0\x80\"", "no JSON"}};
  for (const auto& [text, says] : kCases) {
    const auto value = read_json(text, "config.json");
    ASSERT_FALSE(value) << text.substr(0, 40);
    EXPECT_THAT(value.error().text, HasSubstr(says));
    EXPECT_THAT(value.error().text, HasSubstr("config.json"));
  }
  const auto many = read_json("[1,2,3,4]", "x", {.depth = 4, .values = 4});
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code, Code::too_long);
  EXPECT_TRUE(read_json("[1,2,3]", "x", {.depth = 4, .values = 4}));
}

}  // namespace
}  // namespace heed
