// tokenizer_hostile_test.cc -- broken vocabularies: a named error or a tokenizer that works, never anything else.
#include <gtest/gtest.h>

#include "tests/unit/text/small_vocabulary.h"

namespace heed {
namespace {

using namespace testing_text;

struct VocabularyFault {
  const char* what;
  const char* where;
  Code code;
  void (*breaks)(SmallVocabulary&);
};

class BrokenVocabulary : public testing::TestWithParam<VocabularyFault> {};

TEST_P(BrokenVocabulary, IsANamedError) {
  SmallVocabulary v = hello_bpe();
  GetParam().breaks(v);
  const auto t = Tokenizer::from_metadata(v.metadata());
  ASSERT_FALSE(t);
  EXPECT_EQ(t.error().where, GetParam().where);
  EXPECT_EQ(t.error().code, GetParam().code);
  EXPECT_FALSE(t.error().text.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Tokenizer, BrokenVocabulary,
    testing::Values(
        VocabularyFault{"UnknownModel", "tokenizer.ggml.model", Code::unsupported,
                        [](SmallVocabulary& v) { v.model = "rwkv"; }},
        VocabularyFault{"UnknownPre", "tokenizer.ggml.pre", Code::unsupported,
                        [](SmallVocabulary& v) { v.others = {{"tokenizer.ggml.pre", std::string("martian")}}; }},
        VocabularyFault{"PreIsANumber", "tokenizer.ggml.pre", Code::malformed,
                        [](SmallVocabulary& v) { v.others = {{"tokenizer.ggml.pre", std::int64_t{1}}}; }},
        VocabularyFault{"NoTokens", "tokenizer.ggml.tokens", Code::malformed,
                        [](SmallVocabulary& v) {
                          v.tokens.clear();
                          v.types.clear();
                        }},
        VocabularyFault{"FewTypes", "tokenizer.ggml.token_type", Code::malformed,
                        [](SmallVocabulary& v) { v.types.pop_back(); }},
        VocabularyFault{"BadType", "tokenizer.ggml.token_type", Code::malformed,
                        [](SmallVocabulary& v) { v.types[5] = 7; }},
        VocabularyFault{"NegativeType", "tokenizer.ggml.token_type", Code::malformed,
                        [](SmallVocabulary& v) { v.types[5] = -1; }},
        VocabularyFault{"EmptyMerge", "tokenizer.ggml.merges", Code::malformed,
                        [](SmallVocabulary& v) { v.merges[1] = ""; }},
        VocabularyFault{"MergeWithoutASpace", "tokenizer.ggml.merges", Code::malformed,
                        [](SmallVocabulary& v) { v.merges[1] = "ab"; }},
        VocabularyFault{"MergeWithOneSide", "tokenizer.ggml.merges", Code::malformed,
                        [](SmallVocabulary& v) { v.merges[1] = "a "; }},
        VocabularyFault{"BosOutOfRange", "tokenizer.ggml.bos_token_id", Code::malformed,
                        [](SmallVocabulary& v) {
                          v.set("tokenizer.ggml.bos_token_id", static_cast<std::int64_t>(v.tokens.size()));
                        }},
        VocabularyFault{"EosNegative", "tokenizer.ggml.eos_token_id", Code::malformed,
                        [](SmallVocabulary& v) { v.set("tokenizer.ggml.eos_token_id", std::int64_t{-1}); }},
        VocabularyFault{"EosIsText", "tokenizer.ggml.eos_token_id", Code::malformed,
                        [](SmallVocabulary& v) { v.set("tokenizer.ggml.eos_token_id", std::string("</s>")); }},
        VocabularyFault{"EotOutOfRange", "tokenizer.ggml.eot_token_id", Code::malformed,
                        [](SmallVocabulary& v) { v.set("tokenizer.ggml.eot_token_id", std::int64_t{1} << 32); }},
        VocabularyFault{"FimOutOfRange", "tokenizer.ggml.fim_mid_token_id", Code::malformed,
                        [](SmallVocabulary& v) { v.set("tokenizer.ggml.fim_mid_token_id", std::int64_t{1} << 20); }},
        VocabularyFault{"AddBosIsANumber", "tokenizer.ggml.add_bos_token", Code::malformed,
                        [](SmallVocabulary& v) { v.set("tokenizer.ggml.add_bos_token", std::int64_t{1}); }},
        VocabularyFault{"LongSpecialToken", "tokenizer.ggml.tokens", Code::too_long,
                        [](SmallVocabulary& v) { v.add(std::string(10000, 'x'), kControl); }}),
    [](const auto& row) { return std::string(row.param.what); });

Metadata without(std::string_view gone) {
  const Metadata all = hello_bpe().metadata();
  Metadata kept;
  for (const auto& [key, value] : all.all()) {
    if (key != gone) kept.insert(key, value);
  }
  return kept;
}

TEST(HostileVocabulary, MissingKeysAreNamed) {
  for (const char* gone : {"tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.merges"}) {
    const auto t = Tokenizer::from_metadata(without(gone));
    ASSERT_FALSE(t);
    EXPECT_EQ(t.error().where, gone);
  }
}

TEST(HostileVocabulary, WithoutTypesEveryTokenIsPlain) {
  const auto t = Tokenizer::from_metadata(without("tokenizer.ggml.token_type"));
  ASSERT_TRUE(t);
  EXPECT_EQ((*t)->encode("hello").size(), 1u);
}

TEST(HostileVocabulary, AByteTokenMustSpellAByte) {
  for (const char* spelled : {"", "<0x>", "<0xGG>", "<0x0a>", "<0x0A", "0x0A>", "<0x0AA>"}) {
    SmallVocabulary v = SmallVocabulary::spm();
    v.tokens[3 + 10] = spelled;
    const auto t = Tokenizer::from_metadata(v.metadata());
    ASSERT_FALSE(t) << spelled;
    EXPECT_EQ(t.error().where, "tokenizer.ggml.tokens");
  }
}

TEST(HostileVocabulary, OfEqualSpellingsTheFirstIsFound) {
  SmallVocabulary v = hello_bpe();
  const std::int32_t again = v.add("hello", kNormal);
  const auto t = v.build();
  ASSERT_TRUE(t);
  EXPECT_LT(t->find("hello"), again);
  EXPECT_EQ(t->encode("hello"), Ids{t->find("hello")});
  EXPECT_EQ(t->token_bytes(again), "hello");
}

/// BERT's files call [UNK] a control token.
TEST(HostileVocabulary, UnknownWordsGiveNoControlToken) {
  SmallVocabulary v = SmallVocabulary::bpe();
  v.model = "bert";
  v.tokens = {"[CLS]", "[SEP]", "[UNK]", "\u2581a"};
  v.types = {kControl, kControl, kControl, kNormal};
  v.others = {{"tokenizer.ggml.cls_token_id", std::int64_t{0}}, {"tokenizer.ggml.seperator_token_id", std::int64_t{1}}};
  const auto t = v.build();
  ASSERT_TRUE(t);
  EXPECT_EQ(t->encode("a zzz", false, {.add_bos = false}), (Ids{3, 2}));
  EXPECT_EQ(t->kind(2), TokenKind::unknown);
  for (const std::int64_t role : {0, 1}) {
    v.set("tokenizer.ggml.unknown_token_id", role);
    const auto other = v.build();
    ASSERT_TRUE(other);
    EXPECT_EQ(other->encode("a zzz", false, {.add_bos = false}), Ids{3});
    v.others.pop_back();
  }
}

TEST(HostileVocabulary, OneTokenIsAVocabulary) {
  SmallVocabulary v = SmallVocabulary::bpe();
  v.tokens = {""};
  v.types = {kNormal};
  const auto t = v.build();
  ASSERT_TRUE(t);
  EXPECT_TRUE(t->encode("any text").empty());
  EXPECT_EQ(t->decode(Ids{0, 0}), "");
}

/// Random damage to every array. Whatever loads must encode and decode anything without control tokens out of text.
TEST(HostileVocabulary, RandomDamage) {
  RandomText random(21);
  int loaded = 0;
  for (int round = 0; round < 1500; ++round) {
    SmallVocabulary v = round % 2 == 0 ? hello_bpe(round % 4 == 0 ? "qwen2" : "llama-bpe") : SmallVocabulary::spm();
    for (std::uint32_t n = 1 + random.below(20); n-- > 0;) {
      const std::size_t i = random.below(static_cast<std::uint32_t>(v.tokens.size()));
      switch (random.below(6)) {
        case 0:
          v.tokens[i] = random.bytes(random.below(6));
          break;
        case 1:
          v.types[i] = random.below(7);
          break;
        case 2:
          v.scores[i] = static_cast<double>(random.below(9)) - 4;
          break;
        case 3:
          v.add(random.bytes(random.below(9)), static_cast<Type>(1 + random.below(5)), random.below(5));
          break;
        case 4:
          v.merges.push_back(random.valid(3) + " " + random.valid(3));
          break;
        default:
          v.tokens[i] = v.tokens[random.below(static_cast<std::uint32_t>(v.tokens.size()))];
          break;
      }
    }
    const auto t = Tokenizer::from_metadata(v.metadata());
    if (!t) {
      ASSERT_FALSE(t.error().where.empty());
      continue;
    }
    ++loaded;
    for (int i = 0; i < 8; ++i) {
      std::string text = random.bytes(random.below(80));
      text += v.tokens[random.below(static_cast<std::uint32_t>(v.tokens.size()))];
      for (const std::int32_t id : (*t)->encode(text, false, {.add_bos = false})) {
        ASSERT_TRUE(id >= 0 && id < (*t)->vocab_size());
        ASSERT_NE((*t)->kind(id), TokenKind::control);
      }
      (void)(*t)->decode((*t)->encode(text, true), true);
    }
  }
  EXPECT_GT(loaded, 300);
}

}  // namespace
}  // namespace heed
