// bpe_test.cc -- byte-level BPE: merges by rank, segments, exact round trips, ids and flags of the file.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/slow_machine.h"
#include "tests/unit/text/small_vocabulary.h"

namespace heed {
namespace {

using namespace testing_text;

std::string spelled(const Tokenizer& tokenizer, const Ids& ids) {
  std::string text;
  for (const std::int32_t id : ids) text += (text.empty() ? "" : "|") + tokenizer.token_bytes(id, true);
  return text;
}

TEST(Bpe, MergesTheLowestRankFirst) {
  const auto t = hello_bpe().build();
  ASSERT_TRUE(t);
  EXPECT_EQ(spelled(*t, t->encode("lower")), "lower");
  EXPECT_EQ(spelled(*t, t->encode("lowe")), "low|e");
  EXPECT_EQ(spelled(*t, t->encode("hello hello  hello")), "hello| hello| | hello");
  EXPECT_EQ(spelled(*t, t->encode("helo")), "he|lo");
}

TEST(Bpe, OfEqualPairsTheLeftmostMergesFirst) {
  SmallVocabulary v = SmallVocabulary::bpe();
  v.merge("a", "a");
  const auto t = v.build();
  EXPECT_EQ(spelled(*t, t->encode("aaaaa")), "aa|aa|a");
  EXPECT_EQ(spelled(*t, t->encode(std::string(41, 'a'))).substr(0, 6), "aa|aa|");
}

TEST(Bpe, EmptyTextHasNoTokens) {
  const auto t = hello_bpe().build();
  EXPECT_TRUE(t->encode("").empty());
  EXPECT_TRUE(t->encode(std::span<const Segment>(), {}).empty());
  EXPECT_EQ(t->decode({}), "");
}

TEST(Bpe, SegmentsAreJoinedBeforeTheyAreCut) {
  const auto t = hello_bpe().build();
  for (std::size_t cut = 0; cut <= 11; ++cut) {
    const std::string text = "hello lower";
    const Segment parts[] = {{text.substr(0, cut), true}, {text.substr(cut), false}};
    EXPECT_EQ(t->encode(parts, {}), t->encode(text)) << cut;
  }
}

TEST(Bpe, DecodeOfEncodeIsTheTextForAnyBytes) {
  for (const char* pre : {"gpt-2", "llama-bpe", "qwen2", "smollm", "deepseek-coder"}) {
    SmallVocabulary v = hello_bpe(pre);
    v.add("<tool>", kUserDefined);
    const auto t = v.build();
    ASSERT_TRUE(t) << pre;
    RandomText random(11);
    for (int i = 0; i < 3000; ++i) {
      std::string text = random.bytes(random.below(60));
      if (i % 5 == 0) text.insert(text.size() / 2, "<tool>");
      ASSERT_EQ(t->decode(t->encode(text)), text) << pre;
    }
  }
}

TEST(Bpe, EveryByteAloneComesBack) {
  const auto t = hello_bpe("qwen2").build();
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    EXPECT_EQ(t->encode(text).size(), 1u);
    EXPECT_EQ(t->decode(t->encode(text)), text) << byte;
  }
}

TEST(Bpe, LongTextsGiveTheTokensOfTheirLines) {  // the memo of words works from 2 KiB on
  const auto t = hello_bpe("qwen2").build();
  RandomText random(12);
  std::string text;
  Ids want;
  for (int i = 0; i < 4000; ++i) {
    const std::string line = "x" + random.valid(random.below(8)) + ".\n";  // no piece reaches over ".\n" and a letter
    const Ids ids = t->encode(line);
    want.insert(want.end(), ids.begin(), ids.end());
    text += line;
  }
  EXPECT_EQ(t->encode(text), want);
  EXPECT_EQ(t->decode(want), text);
}

TEST(Bpe, AMegabyteOfOneCharacterIsNotQuadratic) {
  SmallVocabulary v = SmallVocabulary::bpe();
  std::string run = "a";
  for (int i = 0; i < 6; ++i, run += run) v.merge(run, run);
  const auto t = v.build();
  for (const char* unit : {"a", " ", "\n", "'", "1"}) {
    std::string text;
    for (int i = 0; i < 1 << 20; ++i) text += unit;
    const auto begin = std::chrono::steady_clock::now();
    const Ids ids = t->encode(text);
    // Linear takes about a second on a slow machine, quadratic takes hours.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, time_limit(std::chrono::seconds(60))) << unit;
    EXPECT_EQ(t->decode(ids).size(), text.size());
  }
  EXPECT_EQ(t->encode(std::string(1 << 20, 'a')).size(), std::size_t{1} << 14);
}

TEST(Bpe, WholePiecesComeFirstOnlyWhereTheModelSaysSo) {
  for (const auto& [pre, count] : {std::pair{"llama-bpe", 1u}, std::pair{"qwen2", 4u}}) {
    SmallVocabulary v = SmallVocabulary::bpe(pre);
    v.add(stand_ins(" abc"), kNormal);  // no merge leads there
    EXPECT_EQ(v.build()->encode(" abc", false, {.add_bos = false}).size(), count) << pre;
  }
}

TEST(Bpe, BytesWithoutATokenBecomeUnknownOrNothing) {
  SmallVocabulary v = SmallVocabulary::bpe();
  v.tokens['x'] = "not-x";
  const std::int32_t end = v.add("<|end|>", kControl);
  EXPECT_EQ(v.build()->encode("axb"), v.build()->encode("ab"));
  v.set("tokenizer.ggml.unknown_token_id", std::int64_t{end});  // control: never out of a text
  EXPECT_EQ(v.build()->encode("axb"), v.build()->encode("ab"));
  v.others.clear();
  v.set("tokenizer.ggml.unknown_token_id", std::int64_t{v.add("<unk>", kUnknown)});
  const Ids ids = v.build()->encode("axb");
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(v.build()->kind(ids[1]), TokenKind::unknown);
  EXPECT_EQ(v.build()->decode(ids),
            "a\xEF\xBF\xBD"
            "b");
}

TEST(Bpe, MergesOfUnknownOrControlTokensNeverHappen) {
  SmallVocabulary v = SmallVocabulary::bpe();
  v.add("ab", kControl);
  v.merges = {"a b", "nothing here", "a nothing", "c d"};
  const auto t = v.build();
  ASSERT_TRUE(t);
  EXPECT_EQ(spelled(*t, t->encode("abcd")), "a|b|c|d");
}

TEST(Bpe, ASpaceOfAMergeIsItsStandIn) {
  SmallVocabulary v = SmallVocabulary::bpe();
  v.merge(" ", " ");
  v.merge("  ", "x");
  const auto t = v.build();
  EXPECT_EQ(spelled(*t, t->encode("    ")), "  |  ");
}

// --- who wrote the text ---------------------------------------------------------------------------------------------

struct Chat {
  SmallVocabulary v = hello_bpe("qwen2");
  std::int32_t start = v.add("<|im_start|>", kControl), end = v.add("<|im_end|>", kControl);
  std::int32_t tool = v.add("<tool_call>", kUserDefined);
  std::unique_ptr<Tokenizer> t = v.build();

  int controls(const Ids& ids) const {
    int count = 0;
    for (const std::int32_t id : ids) count += t->kind(id) == TokenKind::control ? 1 : 0;
    return count;
  }
};

TEST(Segments, ControlTokensAreParsedInTrustedTextOnly) {
  const Chat chat;
  EXPECT_EQ(chat.t->encode("<|im_end|>", true), Ids{chat.end});
  EXPECT_EQ(chat.controls(chat.t->encode("<|im_end|>", false)), 0);
  EXPECT_EQ(chat.t->decode(chat.t->encode("a<|im_end|>b", false)), "a<|im_end|>b");
  const Segment parts[] = {{"<|im_start|>", true}, {"<|im_start|>hello<|im_end|>", false}, {"<|im_end|>", true}};
  const Ids ids = chat.t->encode(parts, {});
  EXPECT_EQ(chat.controls(ids), 2);
  EXPECT_EQ(ids.front(), chat.start);
  EXPECT_EQ(ids.back(), chat.end);
}

TEST(Segments, AControlTokenAcrossABorderIsText) {
  const Chat chat;
  const std::string text = "<|im_end|>";
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    const Segment before[] = {{text.substr(0, cut), true}, {text.substr(cut), false}};
    const Segment after[] = {{text.substr(0, cut), false}, {text.substr(cut), true}};
    const Segment middle[] = {{text.substr(0, cut), true}, {text.substr(cut, 1), false}, {text.substr(cut + 1), true}};
    const Segment whole[] = {{text.substr(0, cut), true}, {text.substr(cut), true}};
    EXPECT_EQ(chat.controls(chat.t->encode(before, {})), 0) << cut;
    EXPECT_EQ(chat.controls(chat.t->encode(after, {})), 0) << cut;
    EXPECT_EQ(chat.controls(chat.t->encode(middle, {})), 0) << cut;
    EXPECT_EQ(chat.t->encode(whole, {}), Ids{chat.end}) << cut;
  }
}

TEST(Segments, UserDefinedTokensAreParsedEverywhere) {
  const Chat chat;
  EXPECT_EQ(chat.t->encode("<tool_call>", false), Ids{chat.tool});
  const Segment parts[] = {{"<tool_", false}, {"call>", true}};
  EXPECT_EQ(chat.t->encode(parts, {}), Ids{chat.tool});
  EXPECT_EQ(chat.t->decode(Ids{chat.tool}), "<tool_call>");
}

TEST(Segments, UntrustedTextCannotEatIntoATrustedToken) {
  SmallVocabulary v = hello_bpe();
  const std::int32_t end = v.add("<end>", kControl);
  v.add("!<e", kUserDefined);
  const auto t = v.build();
  const Segment parts[] = {{"!", false}, {"<end>", true}};
  EXPECT_EQ(t->encode(parts, {}).back(), end);
}

TEST(Segments, ControlTokensAreSilentUnlessShown) {
  const Chat chat;
  const Ids ids = chat.t->encode("<|im_start|>hello<|im_end|>", true);
  EXPECT_EQ(chat.t->decode(ids), "hello");
  EXPECT_EQ(chat.t->decode(ids, true), "<|im_start|>hello<|im_end|>");
  EXPECT_EQ(chat.t->token_bytes(chat.end), "");
}

// --- ids and flags --------------------------------------------------------------------------------------------------

TEST(Ids, BeginningIsAddedOnceAndOnlyWhenTheFileAsks) {
  SmallVocabulary v = hello_bpe();
  const std::int32_t bos = v.add("<s>", kControl), eos = v.add("</s>", kControl);
  v.set("tokenizer.ggml.bos_token_id", std::int64_t{bos});
  v.set("tokenizer.ggml.eos_token_id", std::int64_t{eos});
  EXPECT_FALSE(v.build()->adds_bos());
  EXPECT_NE(v.build()->encode("hello").front(), bos);
  v.set("tokenizer.ggml.add_bos_token", true);
  v.set("tokenizer.ggml.add_eos_token", true);
  const auto t = v.build();
  const std::int32_t hello = t->encode("hello", false, {.add_bos = false}).front();
  EXPECT_TRUE(t->adds_bos());
  EXPECT_EQ(t->encode("hello"), (Ids{bos, hello}));
  EXPECT_EQ(t->encode("<s>hello", true), (Ids{bos, hello}));
  EXPECT_EQ(t->encode("hello", false, {.add_bos = true, .add_eos = true}), (Ids{bos, hello, eos}));
  EXPECT_EQ(t->encode(""), Ids{bos});
}

TEST(Ids, WhatEndsAnAnswer) {
  SmallVocabulary v = hello_bpe();
  const std::int32_t eos = v.add("<done>", kControl), eot = v.add("<turn>", kControl), eom = v.add("<more>", kControl);
  const std::int32_t im_end = v.add("<|im_end|>", kControl);
  v.add("</s>", kUserDefined);
  v.add("<|end|>", kNormal);
  v.set("tokenizer.ggml.eos_token_id", std::int64_t{eos});
  v.set("tokenizer.ggml.eot_token_id", std::int64_t{eot});
  v.set("tokenizer.ggml.eom_token_id", std::int64_t{eom});
  const auto t = v.build();
  const auto ends = t->end_tokens();
  EXPECT_EQ(Ids(ends.begin(), ends.end()), (Ids{eos, eot, eom, im_end}));
  EXPECT_EQ(t->eos(), eos);
  EXPECT_EQ(t->bos(), -1);
}

TEST(Ids, ATokenWithARoleIsControlWhateverItsType) {
  SmallVocabulary v = hello_bpe();
  const std::int32_t eos = v.add("<done>", kUserDefined), prefix = v.add("<fim_prefix>", kUserDefined);
  v.set("tokenizer.ggml.eos_token_id", std::int64_t{eos});
  const auto t = v.build();
  EXPECT_EQ(t->kind(eos), TokenKind::control);
  EXPECT_EQ(t->kind(prefix), TokenKind::control);
  EXPECT_EQ(t->decode(t->encode("<done><fim_prefix>")), "<done><fim_prefix>");
}

TEST(Ids, AWordNamedAsTheEndStaysAWord) {
  SmallVocabulary v = hello_bpe();
  v.set("tokenizer.ggml.eos_token_id", std::int64_t{'a'});
  const auto t = v.build();
  EXPECT_EQ(t->kind(t->eos()), TokenKind::normal);
}

TEST(Ids, FillInTheMiddleByKeyAndBySpelling) {
  SmallVocabulary spelled_so = hello_bpe();
  const std::int32_t p = spelled_so.add("<|fim_prefix|>", kControl), m = spelled_so.add("<|fim_middle|>", kControl);
  const std::int32_t s = spelled_so.add("<|fim_suffix|>", kControl);
  const auto by_spelling = spelled_so.build();
  EXPECT_EQ(by_spelling->fim().prefix, p);
  EXPECT_EQ(by_spelling->fim().middle, m);
  EXPECT_EQ(by_spelling->fim().suffix, s);

  SmallVocabulary keyed = hello_bpe();
  const std::int32_t a = keyed.add("<a>", kControl), b = keyed.add("<b>", kControl);
  keyed.set("tokenizer.ggml.fim_pre_token_id", std::int64_t{a});
  keyed.set("tokenizer.ggml.suffix_token_id", std::int64_t{b});
  const auto by_key = keyed.build();
  EXPECT_EQ(by_key->fim().prefix, a);
  EXPECT_EQ(by_key->fim().suffix, b);
  EXPECT_EQ(by_key->fim().middle, -1);
}

TEST(Ids, FindAndKind) {
  const Chat chat;
  EXPECT_EQ(chat.t->find("<|im_end|>"), chat.end);
  EXPECT_EQ(chat.t->find("<|im_end|"), -1);
  EXPECT_EQ(chat.t->vocab_size(), static_cast<std::int32_t>(chat.v.tokens.size()));
  for (const std::int32_t bad : {-1, chat.t->vocab_size(), std::int32_t{1} << 30, -2147483647 - 1}) {
    EXPECT_EQ(chat.t->token_bytes(bad), "");
    EXPECT_EQ(chat.t->token_bytes(bad, true), "");
    EXPECT_EQ(chat.t->kind(bad), TokenKind::unknown);
  }
}

}  // namespace
}  // namespace heed
