// tokenizer_golden_test.cc -- replays tests/golden/tokenizers: small tokenizers of every kind, with the ids that the
// tokenizers and sentencepiece packages gave.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "formats/gguf.h"
#include "text/tokenizer.h"

namespace heed {
namespace {

using SortedJson = nlohmann::json;
using Ids = std::vector<std::int32_t>;
const std::filesystem::path kTokenizerGoldens = std::filesystem::path(HEED_SOURCE_DIR) / "tests/golden/tokenizers";

SortedJson read_golden(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return SortedJson::parse(file);
}

std::vector<std::string> kinds() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kTokenizerGoldens)) {
    const std::string name = entry.path().stem().string();
    if (name.starts_with("kind_")) names.push_back(name.substr(5));
  }
  std::sort(names.begin(), names.end());
  return names;
}

class TokenizerGolden : public testing::TestWithParam<std::string> {
 protected:
  SortedJson golden_ = read_golden(kTokenizerGoldens / ("kind_" + GetParam() + ".json"));

  std::string file() const {
    SortedJson file = golden_["file"];
    file["model"] = read_golden(kTokenizerGoldens / (golden_["model"].get<std::string>() + ".json"));
    return file.dump();
  }
};

/// Each case: a text, its ids, its ids with special tokens around and inside, what the former decode to; null where
/// heed differs by design.
TEST_P(TokenizerGolden, GivesTheLibrarysIds) {
  const auto loaded = Tokenizer::from_json(file());
  ASSERT_TRUE(loaded) << loaded.error().text;
  const Tokenizer& t = **loaded;
  ASSERT_GE(golden_["cases"].size(), 24U);
  for (const SortedJson& one : golden_["cases"]) {
    const std::string text = one[0].get<std::string>();
    const EncodeOptions bare{.add_bos = false}, framed{.add_bos = true, .add_eos = true};
    if (!one[1].is_null()) {
      EXPECT_EQ(t.encode(text, false, bare), one[1].get<Ids>()) << one[0];
    }
    if (!one[2].is_null()) {
      EXPECT_EQ(t.encode(text, true, framed), one[2].get<Ids>()) << one[0];
    }
    if (!one[3].is_null()) {
      EXPECT_EQ(t.decode(one[1].get<Ids>()), one[3].get<std::string>()) << one[0];
    }
  }
}

TEST_P(TokenizerGolden, PartsOfATextAreOneText) {
  const auto loaded = Tokenizer::from_json(file());
  ASSERT_TRUE(loaded) << loaded.error().text;
  for (const SortedJson& one : golden_["cases"]) {
    const std::string text = one[0].get<std::string>();
    std::vector<Segment> segments;  // characters by themselves
    for (std::size_t at = 0; at < text.size();) {
      std::size_t end = at + 1;
      while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
      segments.push_back({text.substr(at, end - at), false});
      at = end;
    }
    EXPECT_EQ((*loaded)->encode(segments, {}), (*loaded)->encode(text)) << one[0];
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenizerGolden, testing::ValuesIn(kinds()), [](const auto& one) { return one.param; });

TEST(TokenizerGoldenKinds, AreAllThere) { EXPECT_GE(kinds().size(), 20U); }

TEST(UnigramGolden, GivesSentencePiecesIds) {
  const auto file = GgufFile::open((kTokenizerGoldens / "unigram.gguf").string());
  ASSERT_TRUE(file) << file.error().text;
  const auto loaded = Tokenizer::from_metadata(file->metadata());
  ASSERT_TRUE(loaded) << loaded.error().text;
  const SortedJson cases = read_golden(kTokenizerGoldens / "unigram.json");
  ASSERT_GE(cases.size(), 300U);
  for (const SortedJson& one : cases)
    EXPECT_EQ((*loaded)->encode(one[0].get<std::string>()), one[1].get<Ids>()) << one[0];
  const Ids end = (*loaded)->encode("", false, {.add_bos = true, .add_eos = true});
  EXPECT_EQ(end, Ids{(*loaded)->eos()});
}

}  // namespace
}  // namespace heed
