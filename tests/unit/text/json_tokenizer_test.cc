// json_tokenizer_test.cc -- tokenizer.json: who may write control tokens, and what is refused by name.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "text/tokenizer.h"

namespace heed {
namespace {

using SortedJson = nlohmann::json;
using Ids = std::vector<std::int32_t>;

/// a 0, b 1, ab 2, a space's mark 3, <s> 4 (special), <tool> 5 (not), <end> 6 (special, normalized).
SortedJson small_file() {
  return SortedJson::parse(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [
      {"id": 4, "content": "<s>", "special": true, "normalized": false},
      {"id": 5, "content": "<tool>", "special": false, "normalized": false},
      {"id": 6, "content": "<end>", "special": true, "normalized": true}],
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    "pre_tokenizer": null,
    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
      {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}}},
    "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
      "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
      "vocab": {"a": 0, "b": 1, "ab": 2, "▁": 3}, "merges": [["a", "b"]]}})");
}

std::unique_ptr<Tokenizer> load(const SortedJson& file) {
  auto t = Tokenizer::from_json(file.dump());
  EXPECT_TRUE(t) << t.error().text;
  return t ? std::move(*t) : nullptr;
}

TEST(JsonTokenizer, ControlTokensComeFromTrustedTextAlone) {
  const auto t = load(small_file());
  ASSERT_TRUE(t);
  const EncodeOptions bare{.add_bos = false};
  EXPECT_EQ(t->encode("ab<s>a<end><tool>", true, bare), (Ids{2, 4, 0, 6, 5}));
  EXPECT_EQ(t->encode("ab<s>a<end><tool>", false, bare), (Ids{2, 0, 5}));  // its characters have no tokens
  const std::vector<Segment> mixed = {{"<s>", true}, {"<s>a", false}, {"b<end>", true}, {"<end>", false}};
  EXPECT_EQ(t->encode(mixed, bare), (Ids{4, 2, 6}));
  const std::vector<Segment> torn = {{"<", true}, {"s>", false}};
  EXPECT_EQ(t->encode(torn, bare), Ids{});
}

TEST(JsonTokenizer, TheFrameIsNotDoubled) {
  const auto t = load(small_file());
  ASSERT_TRUE(t);
  EXPECT_TRUE(t->adds_bos());
  EXPECT_EQ(t->bos(), 4);
  EXPECT_EQ(t->encode("a"), (Ids{4, 0}));
  EXPECT_EQ(t->encode("<s>a", true), (Ids{4, 0}));
  EXPECT_EQ(t->encode("<s>a", false), (Ids{4, 0}));
}

TEST(JsonTokenizer, KindsAndSpellings) {
  const auto t = load(small_file());
  ASSERT_TRUE(t);
  EXPECT_EQ(t->vocab_size(), 7);
  EXPECT_EQ(t->kind(2), TokenKind::normal);
  EXPECT_EQ(t->kind(4), TokenKind::control);
  EXPECT_EQ(t->kind(5), TokenKind::user_defined);
  EXPECT_EQ(t->find("<end>"), 6);
  EXPECT_EQ(t->decode(Ids{4, 2, 3, 0, 5}), "ab a<tool>");
  EXPECT_EQ(t->decode(Ids{4, 2}, true), "<s>ab");
}

TEST(JsonTokenizer, InvalidBytesAreReplaced) {
  SortedJson file = small_file();
  file["model"]["vocab"]["\uFFFD"] = 7;
  const auto t = load(file);
  ASSERT_TRUE(t);
  EXPECT_EQ(t->encode("a\xE2\x82"
                      "b\xFF\xFF",
                      false, {.add_bos = false}),
            (Ids{0, 7, 1, 7, 7}));
}

struct Broken {
  const char* what;
  Code code;
  const char* where;  // the part that the error names
  void (*breaks)(SortedJson&);
};

class BrokenTokenizerJson : public testing::TestWithParam<Broken> {};

TEST_P(BrokenTokenizerJson, IsANamedError) {
  SortedJson file = small_file();
  GetParam().breaks(file);
  const auto t = Tokenizer::from_json(file.dump());
  ASSERT_FALSE(t);
  EXPECT_EQ(t.error().code, GetParam().code) << t.error().text;
  EXPECT_EQ(t.error().where, GetParam().where) << t.error().text;
}

SortedJson typed(const char* type) { return {{"type", type}}; }
SortedJson split(const char* regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}

INSTANTIATE_TEST_SUITE_P(
    Tokenizer, BrokenTokenizerJson,
    testing::Values(
        Broken{"NoModel", Code::malformed, "tokenizer.json", [](SortedJson& f) { f.erase("model"); }},
        Broken{"ModelIsAText", Code::malformed, "tokenizer.json", [](SortedJson& f) { f["model"] = "BPE"; }},
        Broken{"UnknownModel", Code::unsupported, "model", [](SortedJson& f) { f["model"]["type"] = "Lattice"; }},
        Broken{"NoTokens", Code::malformed, "tokenizer.json",
               [](SortedJson& f) {
                 f["model"]["vocab"] = SortedJson::object();
                 f["added_tokens"] = SortedJson::array();
               }},
        Broken{"IdTwice", Code::malformed, "tokenizer.json", [](SortedJson& f) { f["model"]["vocab"]["c"] = 1; }},
        Broken{"IdOfAnAddedTokenTwice", Code::malformed, "tokenizer.json",
               [](SortedJson& f) { f["model"]["vocab"]["c"] = 5; }},
        Broken{"TokenTwice", Code::malformed, "tokenizer.json",
               [](SortedJson& f) { f["added_tokens"][1]["content"] = "a"; }},
        Broken{"HugeId", Code::malformed, "tokenizer.json",
               [](SortedJson& f) { f["model"]["vocab"]["c"] = 4'000'000'000U; }},
        Broken{"NegativeId", Code::malformed, "tokenizer.json", [](SortedJson& f) { f["model"]["vocab"]["c"] = -1; }},
        Broken{"HalfAnId", Code::malformed, "tokenizer.json", [](SortedJson& f) { f["model"]["vocab"]["c"] = 7.5; }},
        Broken{"ScoresForBpe", Code::malformed, "model",
               [](SortedJson& f) { f["model"]["vocab"] = SortedJson::array({{"a", 1}}); }},
        Broken{"IdsForUnigram", Code::malformed, "model", [](SortedJson& f) { f["model"]["type"] = "Unigram"; }},
        Broken{"MergeOfStrangers", Code::malformed, "model",
               [](SortedJson& f) { f["model"]["merges"] = SortedJson::array({"a x"}); }},
        Broken{"MergeToAStranger", Code::malformed, "model",
               [](SortedJson& f) { f["model"]["merges"] = SortedJson::array({"b a"}); }},
        Broken{"Dropout", Code::unsupported, "model", [](SortedJson& f) { f["model"]["dropout"] = 0.1; }},
        Broken{"UnknownIsNoToken", Code::malformed, "model", [](SortedJson& f) { f["model"]["unk_token"] = "<unk>"; }},
        Broken{"FlagIsANumber", Code::malformed, "model", [](SortedJson& f) { f["model"]["fuse_unk"] = 1; }},
        Broken{"AddedTokensAreAnObject", Code::malformed, "",
               [](SortedJson& f) { f["added_tokens"] = SortedJson::object(); }},
        Broken{"AddedTokenWithoutContent", Code::malformed, ".added_tokens[0]",
               [](SortedJson& f) { f["added_tokens"][0].erase("content"); }},
        Broken{"AddedTokenWithoutId", Code::malformed, ".added_tokens[1]",
               [](SortedJson& f) { f["added_tokens"][1].erase("id"); }},
        Broken{"AddedTokenOfNothing", Code::malformed, ".added_tokens[0]",
               [](SortedJson& f) { f["added_tokens"][0]["content"] = ""; }},
        Broken{"AddedTokenOfMuch", Code::malformed, ".added_tokens[0]",
               [](SortedJson& f) { f["added_tokens"][0]["content"] = std::string(513, 'x'); }},
        Broken{"UnknownNormalizer", Code::unsupported, "normalizer",
               [](SortedJson& f) { f["normalizer"] = typed("Nmt"); }},
        Broken{"NormalizerWithoutType", Code::malformed, "normalizer",
               [](SortedJson& f) { f["normalizer"] = SortedJson::object(); }},
        Broken{"UnknownNormalizerWithin", Code::unsupported, "normalizer.normalizers[1]",
               [](SortedJson& f) {
                 f["normalizer"] = {{"type", "Sequence"}, {"normalizers", {typed("NFC"), typed("X")}}};
               }},
        Broken{"CharsmapIsNoBase64", Code::malformed, "normalizer",
               [](SortedJson& f) { f["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "!!!!"}}; }},
        Broken{
            "CharsmapIsCut", Code::malformed, "normalizer",
            [](SortedJson& f) { f["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "AAEAAAAA"}}; }},
        Broken{"UnknownPreTokenizer", Code::unsupported, "pre_tokenizer",
               [](SortedJson& f) { f["pre_tokenizer"] = typed("UnicodeScripts"); }},
        Broken{"UnknownBehavior", Code::unsupported, "pre_tokenizer",
               [](SortedJson& f) {
                 f["pre_tokenizer"] = split("a");
                 f["pre_tokenizer"]["behavior"] = "Torn";
               }},
        Broken{"NoPattern", Code::malformed, "pre_tokenizer.pattern",
               [](SortedJson& f) { f["pre_tokenizer"] = typed("Split"); }},
        Broken{"BrokenRegex", Code::invalid_argument, "pre_tokenizer.pattern",
               [](SortedJson& f) { f["pre_tokenizer"] = split("(a"); }},
        Broken{"BackReference", Code::unsupported, "pre_tokenizer.pattern",
               [](SortedJson& f) { f["pre_tokenizer"] = split(R"((a)\1)"); }},
        Broken{"ClassInAClass", Code::unsupported, "pre_tokenizer.pattern",
               [](SortedJson& f) { f["pre_tokenizer"] = split("[a[bc]]"); }},
        Broken{"HexDigits", Code::unsupported, "pre_tokenizer.pattern",
               [](SortedJson& f) { f["pre_tokenizer"] = split(R"(\h+)"); }},
        Broken{"UnknownProperty", Code::unsupported, "pre_tokenizer.pattern",
               [](SortedJson& f) { f["pre_tokenizer"] = split(R"(\p{Emoji})"); }},
        Broken{"MetaspaceOfTwo", Code::malformed, "pre_tokenizer",
               [](SortedJson& f) { f["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "__"}}; }},
        Broken{"UnknownDecoder", Code::unsupported, "decoder", [](SortedJson& f) { f["decoder"] = typed("CTC"); }},
        Broken{"StripOfLetters", Code::unsupported, "decoder",
               [](SortedJson& f) { f["decoder"] = {{"type", "Strip"}, {"content", "x"}, {"start", 1}, {"stop", 0}}; }},
        Broken{"UnknownPostProcessor", Code::unsupported, "post_processor",
               [](SortedJson& f) { f["post_processor"] = typed("X"); }},
        Broken{"TemplateOfStrangers", Code::malformed, "post_processor.special_tokens.<s>",
               [](SortedJson& f) { f["post_processor"]["special_tokens"]["<s>"]["ids"] = {99}; }},
        Broken{"TemplateWithoutText", Code::unsupported, "post_processor",
               [](SortedJson& f) { f["post_processor"]["single"].erase(1); }},
        Broken{
            "RobertaWithoutPair", Code::malformed, "post_processor",
            [](SortedJson&
                   f) { f["post_processor"] = {{"type", "RobertaProcessing"}, {"cls", "<s>"}, {"sep", {"<s>", 4}}}; }}),
    [](const auto& one) { return std::string(one.param.what); });

/// Sixty steps that double a text, and as many that spell its bytes by two each.
TEST(JsonTokenizer, StepsThatLetATextGrowAreBounded) {
  SortedJson doubles = SortedJson::array(), spells = SortedJson::array();
  for (int i = 0; i < 60; ++i) {
    doubles.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
    spells.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}});
  }
  SortedJson file = small_file();
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", doubles}};
  file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", spells}};
  const auto t = load(file);
  ASSERT_TRUE(t);
  EXPECT_LT(t->encode("a").size(), std::size_t{1} << 24);
  file["normalizer"]["normalizers"].push_back(doubles[0]);
  for (int i = 0; i < 4; ++i) file["normalizer"]["normalizers"].push_back(doubles[0]);
  EXPECT_FALSE(Tokenizer::from_json(file.dump()));
  file["normalizer"] = {{"type", "Prepend"}, {"prepend", std::string(1025, 'a')}};
  EXPECT_FALSE(Tokenizer::from_json(file.dump()));
}

/// A token's spelling grows, too, where the decoder's steps let it: 2^60 times here.
TEST(JsonTokenizer, StepsThatLetATokenGrowAreBounded) {
  SortedJson doubles = SortedJson::array();
  for (int i = 0; i < 60; ++i)
    doubles.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
  SortedJson file = small_file();
  file["decoder"] = {{"type", "Sequence"}, {"decoders", doubles}};
  const auto t = load(file);
  ASSERT_TRUE(t);
  EXPECT_LT(t->decode(Ids{0}).size(), std::size_t{1} << 20);
  for (int i = 0; i < 5; ++i) file["decoder"]["decoders"].push_back(doubles[0]);
  EXPECT_FALSE(Tokenizer::from_json(file.dump()));
  file["decoder"] = doubles[0];
  file["decoder"]["content"] = std::string(1025, 'a');
  EXPECT_FALSE(Tokenizer::from_json(file.dump()));
}

/// Every value of the file once replaced by each of these: a tokenizer or an error, and nothing worse.
TEST(JsonTokenizer, WrongTypesEverywhere) {
  const SortedJson file = small_file(), flat = file.flatten();
  int errors = 0, tokenizers = 0;
  for (const auto& [path, value] : flat.items()) {
    for (const SortedJson& other :
         {SortedJson(), SortedJson(true), SortedJson(-1), SortedJson(1e30), SortedJson("x"), SortedJson(""),
          SortedJson::array(), SortedJson::object(), SortedJson::array({SortedJson::array({"a", "b"})})}) {
      SortedJson broken = file;
      broken[SortedJson::json_pointer(path)] = other;
      const auto t = Tokenizer::from_json(broken.dump());
      if (!t) {
        ++errors;
        EXPECT_TRUE(t.error().text.starts_with("tokenizer.json: ") || t.error().text.starts_with("tokenizer: "))
            << t.error().text;
        continue;
      }
      ++tokenizers;
      (void)(*t)->decode((*t)->encode("ab <s> x", true));
    }
  }
  EXPECT_GT(errors, 100);
  EXPECT_GT(tokenizers, 20);
}

}  // namespace
}  // namespace heed
