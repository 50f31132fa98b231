// tokenizer_json_test.cc -- the lists of tokenizer.json, and what is refused: other shapes, keys twice, depth, size.
#include "formats/tokenizer_json.h"

#include <gtest/gtest.h>

#include <string>

namespace heed {
namespace {

const std::string kFile = R"({"version": "1.0", "added_tokens": [{"id": 2, "content": "<s>"}], "normalizer": null,
  "model": {"type": "BPE", "unk_token": null, "vocab": {"a": 0, "b": 1, "ab": 3}, "merges": ["a b", ["ab", "a"]]}})";

TEST(TokenizerJson, ListsAreTakenOutOfTheTree) {
  const auto file = read_tokenizer_json(kFile);
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(file->tokens, TextList({"a", "b", "ab"}));
  EXPECT_EQ(file->numbers, (std::vector<double>{0, 1, 3}));
  EXPECT_FALSE(file->has_scores);
  EXPECT_EQ(file->merges, TextList({"a", "b", "ab", "a"}));
  EXPECT_EQ(file->parts["model"], nlohmann::json::parse(R"({"type": "BPE", "unk_token": null})"));
  EXPECT_EQ(file->parts["added_tokens"][0]["content"], "<s>");
}

TEST(TokenizerJson, AVocabularyWithScoresIsAnArray) {
  const auto file = read_tokenizer_json(R"({"model": {"vocab": [["<unk>", 0], ["a", -1.5]], "merges": []}})");
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_TRUE(file->has_scores);
  EXPECT_EQ(file->tokens, TextList({"<unk>", "a"}));
  EXPECT_EQ(file->numbers, (std::vector<double>{0, -1.5}));
}

TEST(TokenizerJson, EveryTruncationIsAnError) {
  for (std::size_t size = 0; size < kFile.size(); ++size) {
    const auto file = read_tokenizer_json(std::string_view(kFile).substr(0, size));
    ASSERT_FALSE(file) << size;
    EXPECT_EQ(file.error().code, Code::malformed) << size;
    EXPECT_TRUE(file.error().text.starts_with("tokenizer.json: ")) << file.error().text;
  }
}

TEST(TokenizerJson, OtherShapesAreNamedErrors) {
  for (const char* model : {
           R"({"vocab": {"a": "b"}})",
           R"({"vocab": {"a": [1]}})",
           R"({"vocab": {"a": {"b": 1}}})",
           R"({"vocab": {"a": null}})",
           R"({"vocab": {"a": true}})",
           R"({"vocab": ["a"]})",
           R"({"vocab": [["a"]]})",
           R"({"vocab": [["a", 1, 2]]})",
           R"({"vocab": [[1, "a"]]})",
           R"({"vocab": [["a", "b"]]})",
           R"({"vocab": [[["a", 1]]]})",
           R"({"vocab": [["a", 1, "b", 2]]})",
           R"({"vocab": [{"a": 1}]})",
           R"({"merges": ["a"]})",
           R"({"merges": ["a b c"]})",
           R"({"merges": [["a"]]})",
           R"({"merges": [["a", "b", "c"]]})",
           R"({"merges": [[]]})",
           R"({"merges": [1]})",
           R"({"merges": [["a", 1]]})",
           R"({"merges": {"a": "b"}})",
           R"({"merges": [[["a", "b"]]]})",
           R"({"merges": [{"a": 1}]})",
           R"({"vocab": {}, "vocab": {}})",
           R"({"merges": [], "merges": []})",
           R"({"type": "BPE", "type": "BPE"})",
           R"({"vocab": [[]]})",
       }) {
    const auto file = read_tokenizer_json(std::string(R"({"model": )") + model + "}");
    ASSERT_FALSE(file) << model;
    EXPECT_EQ(file.error().code, Code::malformed) << model;
    EXPECT_EQ(file.error().where, "tokenizer.json") << model;
  }
  for (const char* text : {"", "[]", "1", "\"a\"", "null", "{", "{}{}", "\xff", R"({"a": 1, "a": 2})"}) {
    EXPECT_FALSE(read_tokenizer_json(text)) << text;
  }
}

TEST(TokenizerJson, DepthAndSizeAreBounded) {
  std::string deep = R"({"a": )";
  deep.resize(10'000'000, '[');
  const auto too_deep = read_tokenizer_json(deep);
  ASSERT_FALSE(too_deep);
  EXPECT_EQ(too_deep.error().code, Code::too_long);
  std::string wide = R"({"a": [0)";
  for (int i = 0; i < (1 << 22); ++i) wide += ",0";
  const auto too_wide = read_tokenizer_json(wide + "]}");
  ASSERT_FALSE(too_wide);
  EXPECT_EQ(too_wide.error().code, Code::too_long);
}

}  // namespace
}  // namespace heed
