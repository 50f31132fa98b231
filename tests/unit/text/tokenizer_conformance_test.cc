// tokenizer_conformance_test.cc -- real vocabularies: published vectors, control tokens in content, round trips.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "formats/gguf.h"
#include "tests/unit/text/small_vocabulary.h"
#include "text/stream_decode.h"

namespace heed {
namespace {

using namespace testing_text;
namespace fs = std::filesystem;

const fs::path kVectors = HEED_SOURCE_DIR "/../shared/data/tokenizers";

/// Where `heed pull` puts them.
fs::path models_dir() {
  if (const char* dir = std::getenv("HEED_MODELS_DIR")) return dir;
  if (const char* home = std::getenv("HEED_HOME")) return fs::path(home) / "models";
  const char* user = std::getenv("HOME");
  return fs::path(user ? user : "") / ".local/share/heed/models";
}

fs::path model_named(const std::string& name) {
  const fs::path dir = models_dir();
  for (const fs::path& path : {dir / (name + ".gguf"), dir / name / (name + ".gguf")}) {
    if (fs::exists(path)) return path;
  }
  return {};
}

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::unique_ptr<Tokenizer> load(const fs::path& path) {
  const auto file = GgufFile::open(path.string());
  if (!file) {
    ADD_FAILURE() << file.error().text;
    return nullptr;
  }
  auto tokenizer = Tokenizer::from_metadata(file->metadata());
  if (!tokenizer) {
    ADD_FAILURE() << path << ": " << tokenizer.error().text;
    return nullptr;
  }
  return std::move(*tokenizer);
}

std::vector<std::string> vector_texts(const std::string& all) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> texts;
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find(separator, begin), all.size());
    texts.push_back(all.substr(begin, end - begin));
    begin = end + separator.size();
  }
  return texts;
}

std::vector<Ids> vector_ids(const std::string& all) {
  std::vector<Ids> lines;
  std::istringstream in(all);
  for (std::string line; std::getline(in, line);) {
    std::istringstream numbers(line);
    Ids ids;
    for (std::int32_t id = 0; numbers >> id;) ids.push_back(id);
    lines.push_back(ids);
  }
  return lines;
}

/// What holds for every real vocabulary.
void check_text_is_not_control(const Tokenizer& t) {
  int controls = 0;
  for (std::int32_t token = 0; token < t.vocab_size(); ++token) {
    if (t.kind(token) != TokenKind::control) continue;
    ++controls;
    const std::string spelled = t.token_bytes(token, true);
    for (const std::string& text : {spelled, "a" + spelled + " b", spelled + spelled}) {
      for (const std::int32_t id : t.encode(text, false, {.add_bos = false})) {
        ASSERT_NE(t.kind(id), TokenKind::control) << spelled;
      }
    }
    const Ids trusted = t.encode(spelled, true, {.add_bos = false});
    ASSERT_EQ(trusted.size(), 1u) << spelled;
    ASSERT_EQ(t.kind(trusted[0]), TokenKind::control) << spelled;
  }
  EXPECT_GT(controls, 0);
}

/// A vocabulary may lack bytes (SmolLM has none for the upper planes): texts with such are left out.
void check_round_trips(const Tokenizer& t) {
  std::string lost;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    if (t.encode(text, false, {.add_bos = false}).empty()) lost += text;
  }
  const std::string mark = "\xE2\x96\x81";  // SentencePiece's space: cannot come back as itself
  RandomText random(31);
  int checked = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random.valid(random.below(40));
    if (text.find(mark) != std::string::npos || text.find_first_of(lost) != std::string::npos) continue;
    ++checked;
    const Ids ids = t.encode(text);
    StreamDecoder stream(t);
    std::string streamed;
    for (const std::int32_t id : ids) streamed += stream.push(id);
    streamed += stream.finish();
    ASSERT_EQ(t.decode(ids), text);
    ASSERT_EQ(streamed, text);
  }
  EXPECT_GT(checked, 100);
}

struct VectorFile {
  const char* name;
  const char* model;  // of the models folder, where the vocabulary is not among the vectors
};

class Conformance : public testing::TestWithParam<VectorFile> {};

TEST_P(Conformance, EveryVector) {
  const std::string base = std::string("ggml-vocab-") + GetParam().name + ".gguf";
  const fs::path vocabulary = GetParam().model == nullptr ? kVectors / base : model_named(GetParam().model);
  if (!fs::exists(kVectors / (base + ".inp"))) GTEST_SKIP() << "no vectors in " << kVectors;
  if (vocabulary.empty() || !fs::exists(vocabulary)) GTEST_SKIP() << "no vocabulary for " << GetParam().name;
  const auto t = load(vocabulary);
  ASSERT_TRUE(t);
  const auto texts = vector_texts(read_text(kVectors / (base + ".inp")));
  const auto want = vector_ids(read_text(kVectors / (base + ".out")));
  ASSERT_GE(want.size(), 40u);
  ASSERT_EQ(texts.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(t->encode(texts[i], false, {.add_bos = false}), want[i]) << "text " << i << ": " << texts[i];
    EXPECT_EQ(t->decode(want[i]), texts[i]) << i;
  }
  check_text_is_not_control(*t);
  check_round_trips(*t);
}

INSTANTIATE_TEST_SUITE_P(Tokenizer, Conformance,
                         testing::Values(VectorFile{"gpt-2", nullptr}, VectorFile{"mpt", nullptr},
                                         VectorFile{"refact", nullptr}, VectorFile{"starcoder", nullptr},
                                         VectorFile{"deepseek-coder", nullptr}, VectorFile{"llama-spm", nullptr},
                                         VectorFile{"phi-3", nullptr},
                                         VectorFile{"qwen2", "qwen2.5-coder-0.5b-instruct"}),
                         [](const auto& row) {
                           std::string name = row.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Case, accents and spaces do not come back from BERT's ids: only the way there has vectors.
TEST(Conformance, EveryVectorOfWordPiece) {
  const std::string base = "ggml-vocab-bert-bge.gguf";
  if (!fs::exists(kVectors / base)) GTEST_SKIP() << "no vectors in " << kVectors;
  const auto t = load(kVectors / base);
  ASSERT_TRUE(t);
  const auto texts = vector_texts(read_text(kVectors / (base + ".inp")));
  const auto want = vector_ids(read_text(kVectors / (base + ".out")));
  ASSERT_GE(want.size(), 40u);
  ASSERT_EQ(texts.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i)
    EXPECT_EQ(t->encode(texts[i], false, {.add_bos = false}), want[i]) << "text " << i << ": " << texts[i];
  const Ids whole = t->encode("H\u00e9llo, unaffable World!", false, {.add_bos = true, .add_eos = true});
  EXPECT_EQ(whole.front(), t->find("[CLS]"));
  EXPECT_EQ(whole.back(), t->find("[SEP]"));
  EXPECT_EQ(t->decode(whole), "hello , unaffable world !");
  check_text_is_not_control(*t);
}

struct RealModel {
  const char* file;
  const char* bos;
  const char* eos;
  bool adds_bos;
  const char* end;  // one more token that ends an answer
  const char* fim_prefix;
};

class RealVocabulary : public testing::TestWithParam<RealModel> {};

TEST_P(RealVocabulary, IdsKindsAndRoundTrips) {
  const RealModel& row = GetParam();
  const fs::path path = model_named(row.file);
  if (path.empty()) GTEST_SKIP() << "no " << row.file << " in " << models_dir();
  const auto t = load(path);
  ASSERT_TRUE(t);
  EXPECT_EQ(t->bos(), t->find(row.bos));
  EXPECT_EQ(t->eos(), t->find(row.eos));
  EXPECT_EQ(t->adds_bos(), row.adds_bos);
  const auto ends = t->end_tokens();
  EXPECT_NE(std::find(ends.begin(), ends.end(), t->find(row.end)), ends.end());
  EXPECT_EQ(t->fim().prefix, row.fim_prefix == nullptr ? -1 : t->find(row.fim_prefix));
  check_text_is_not_control(*t);
  check_round_trips(*t);
}

INSTANTIATE_TEST_SUITE_P(Tokenizer, RealVocabulary,
                         testing::Values(RealModel{"smollm2-135m-instruct", "<|im_start|>", "<|im_end|>", false,
                                                   "<|endoftext|>", nullptr},
                                         RealModel{"qwen2.5-coder-0.5b-instruct", "<|endoftext|>", "<|im_end|>", false,
                                                   "<|endoftext|>", "<|fim_prefix|>"},
                                         RealModel{"qwen2.5-coder-1.5b-instruct", "<|endoftext|>", "<|im_end|>", false,
                                                   "<|endoftext|>", "<|fim_prefix|>"},
                                         RealModel{"gemma-3-270m", "<bos>", "<eos>", true, "<end_of_turn>", nullptr}),
                         [](const auto& row) {
                           std::string name = row.param.file;
                           std::erase_if(name, [](char c) { return c == '-' || c == '.'; });
                           return name;
                         });

}  // namespace
}  // namespace heed
