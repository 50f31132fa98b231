// llama2c_test.cc -- the format's order, heads and ffn filled up with zeros, and hostile files.
#include "formats/llama2c.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace heed {
namespace {

using testing::HasSubstr;

struct Model {
  std::int32_t dim = 32, ffn = 40, layers = 2, heads = 4, kv_heads = 2, vocab = -5, context = 3;

  std::vector<std::byte> checkpoint() const {
    const std::int32_t header[] = {dim, ffn, layers, heads, kv_heads, vocab, context};
    const int head = dim / heads, kv = head * kv_heads, words = std::abs(vocab);
    const int values = words * dim * (vocab < 0 ? 2 : 1) + dim + context * head +
                       layers * (2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * ffn * dim);
    std::vector<std::byte> out(sizeof header + static_cast<std::size_t>(values) * 4);
    std::memcpy(out.data(), header, sizeof header);
    for (int i = 0; i < values; ++i) {
      const float value = static_cast<float>(i + 1);
      std::memcpy(out.data() + sizeof header + static_cast<std::size_t>(i) * 4, &value, 4);
    }
    return out;
  }
};

std::vector<std::byte> tokenizer(const std::vector<std::string>& tokens) {
  std::vector<std::byte> out(4);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const float score = -static_cast<float>(i);
    const auto length = static_cast<std::int32_t>(tokens[i].size());
    const std::size_t at = out.size();
    out.resize(at + 8 + tokens[i].size());
    std::memcpy(out.data() + at, &score, 4);
    std::memcpy(out.data() + at + 4, &length, 4);
    std::memcpy(out.data() + at + 8, tokens[i].data(), tokens[i].size());
  }
  return out;
}

const std::vector<std::string> kTokens = {"<unk>", "\n<s>\n", "\n</s>\n", "<0x41>", " a"};

float value(const Tensor& t, std::int64_t row, std::int64_t col) {
  float f = 0;
  std::memcpy(&f, t.row(row) + col * 4, 4);
  return f;
}

TEST(Llama2c, HeadsAndFfnAreFilledUpWithZeros) {
  const auto checkpoint = Model{}.checkpoint();
  EXPECT_TRUE(is_llama2c(checkpoint));
  const auto file = Llama2cFile::parse(checkpoint, tokenizer(kTokens));
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(*file->metadata().integer("llama.attention.key_length", 0), 16);
  EXPECT_EQ(*file->metadata().integer("llama.rope.dimension_count", 0), 8);
  EXPECT_NEAR(*file->metadata().real("llama.attention.scale", 0), 1 / std::sqrt(8.0), 1e-12);
  const Tensor &q = *file->find("blk.1.attn_q.weight"), &o = *file->find("blk.1.attn_output.weight");
  ASSERT_EQ(q.rows(), 4 * 16);
  ASSERT_EQ(o.cols(), 4 * 16);
  const float first_q = 5 * 32 + 2 * 32 + 32 * 32 + 1;  // after the tokens, the norms and layer 0
  EXPECT_EQ(value(q, 0, 0), first_q);
  EXPECT_EQ(value(q, 7, 31), first_q + 8 * 32 - 1);
  EXPECT_EQ(value(q, 8, 0), 0);
  EXPECT_EQ(value(q, 16, 0), first_q + 8 * 32);
  const float first_o = 5 * 32 + 2 * 32 + 2 * (32 * 32 + 2 * 16 * 32) + 32 * 32 + 1;
  EXPECT_EQ(value(o, 0, 7), first_o + 7);
  EXPECT_EQ(value(o, 0, 8), 0);
  EXPECT_EQ(value(o, 1, 16), first_o + 32 + 8);
  EXPECT_EQ(file->find("blk.0.ffn_gate.weight")->rows(), 64);
  EXPECT_EQ(file->find("blk.0.ffn_down.weight")->cols(), 64);
  float last = 0;
  std::memcpy(&last, checkpoint.data() + checkpoint.size() - 4, 4);
  EXPECT_EQ(value(*file->find("output.weight"), 4, 31), last);
}

TEST(Llama2c, VocabularyIsSpelledAsSentencePieceDoes) {
  const auto file = Llama2cFile::parse(Model{}.checkpoint(), tokenizer(kTokens));
  ASSERT_TRUE(file) << file.error().text;
  const TextList& tokens = *file->metadata().strings("tokenizer.ggml.tokens");
  EXPECT_EQ(tokens[1], "<s>");
  EXPECT_EQ(tokens[2], "</s>");
  EXPECT_EQ(tokens[4],
            "\xE2\x96\x81"
            "a");
  EXPECT_EQ(*file->metadata().integers("tokenizer.ggml.token_type"), (std::vector<std::int64_t>{2, 3, 3, 6, 1}));
}

TEST(Llama2c, TruncationAnywhereIsAnError) {
  const auto checkpoint = Model{}.checkpoint(), words = tokenizer(kTokens);
  for (std::size_t n = 0; n < checkpoint.size(); ++n) {
    EXPECT_FALSE(is_llama2c(std::span(checkpoint).first(n)));
    ASSERT_FALSE(Llama2cFile::parse(std::span(checkpoint).first(n), words)) << n;
  }
  for (std::size_t n = 0; n < words.size(); ++n)
    ASSERT_FALSE(Llama2cFile::parse(checkpoint, std::span(words).first(n))) << n;
}

TEST(Llama2c, ImpossibleHeadersAreRefusedByName) {
  const std::pair<Model, const char*> kCases[] = {{{.dim = 0}, "dim"},           {{.ffn = 1 << 30}, "hidden_dim"},
                                                  {{.layers = -1}, "n_layers"},  {{.heads = 3}, "n_heads"},
                                                  {{.heads = 16}, "at least 8"}, {{.kv_heads = 3}, "n_kv_heads"},
                                                  {{.vocab = 0}, "vocab_size"},  {{.context = 0}, "seq_len"}};
  for (const auto& [model, says] : kCases) {
    std::vector<std::byte> bytes(4096);
    const std::int32_t header[] = {model.dim,      model.ffn,   model.layers, model.heads,
                                   model.kv_heads, model.vocab, model.context};
    std::memcpy(bytes.data(), header, sizeof header);
    const auto file = Llama2cFile::parse(bytes, tokenizer(kTokens));
    ASSERT_FALSE(file) << says;
    EXPECT_THAT(file.error().text, HasSubstr(says));
  }
  std::vector<std::byte> later(4096);
  std::memcpy(later.data(), "24ka", 4);
  const auto file = Llama2cFile::parse(later, tokenizer(kTokens));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::unsupported) << file.error().text;
}

TEST(Llama2c, MutationsGiveAModelOrANamedError) {
  const auto checkpoint = Model{}.checkpoint(), words = tokenizer(kTokens);
  std::mt19937 random(5);
  const char* asked = std::getenv("HEED_MUTATIONS");
  const int rounds = asked ? std::atoi(asked) : 5000;
  for (int i = 0; i < rounds; ++i) {
    auto a = checkpoint, b = words;
    if (random() % 2 == 0) a[random() % 28] = static_cast<std::byte>(random());
    b[random() % b.size()] = static_cast<std::byte>(random());
    const auto file = Llama2cFile::parse(a, b);
    if (file) continue;
    EXPECT_FALSE(file.error().text.empty());
  }
}

}  // namespace
}  // namespace heed
