// pretokenize_test.cc -- each scanner against pieces worked out from its regular expression.
#include "text/pretokenize.h"

#include <gtest/gtest.h>

#include "tests/unit/text/small_vocabulary.h"
#include "text/unicode_tables.h"

namespace heed {
namespace {

using Pieces = std::vector<std::string_view>;

Pieces pieces_of(PreTokenizer scanner, std::string_view text) {
  Pieces pieces;
  pretokenize(scanner, text, pieces);
  return pieces;
}

TEST(Pretokenize, Gpt2) {
  const auto cut = [](std::string_view text) { return pieces_of(PreTokenizer::gpt2, text); };
  EXPECT_EQ(cut(""), Pieces{});
  EXPECT_EQ(cut("Hello world"), (Pieces{"Hello", " world"}));
  EXPECT_EQ(cut("don't I'll WE'LL x's"), (Pieces{"don", "'t", " I", "'ll", " WE", "'", "LL", " x", "'s"}));
  EXPECT_EQ(cut("a  b"), (Pieces{"a", " ", " b"}));
  EXPECT_EQ(cut("a\t\tb"), (Pieces{"a", "\t", "\t", "b"}));
  EXPECT_EQ(cut("a   "), (Pieces{"a", "   "}));
  EXPECT_EQ(cut("a\n\n b"), (Pieces{"a", "\n\n", " b"}));
  EXPECT_EQ(cut("12345 !?x"), (Pieces{"12345", " !?", "x"}));
  EXPECT_EQ(cut(" '"), (Pieces{" '"}));
  EXPECT_EQ(cut(" 's"), (Pieces{" '", "s"}));  // at the space no contraction can begin
  EXPECT_EQ(cut("été ①"), (Pieces{"été", " ①"}));
  EXPECT_EQ(cut("a\u00a0b"), (Pieces{"a", "\u00a0", "b"}));
}

TEST(Pretokenize, Digits) {
  const auto cut = [](std::string_view text) { return pieces_of(PreTokenizer::digits, text); };
  EXPECT_EQ(cut("a12 34"), (Pieces{"a", "1", "2", " ", "3", "4"}));
  EXPECT_EQ(cut("a   5"), (Pieces{"a", "   ", "5"}));  // spaces before a number are at an end
  EXPECT_EQ(cut("a   b"), (Pieces{"a", "  ", " b"}));
}

TEST(Pretokenize, Llama3) {
  const auto cut = [](std::string_view text) { return pieces_of(PreTokenizer::llama3, text); };
  EXPECT_EQ(cut("Hello world"), (Pieces{"Hello", " world"}));
  EXPECT_EQ(cut("WE'LL 'Re"), (Pieces{"WE", "'LL", " '", "Re"}));
  EXPECT_EQ(cut("1234567"), (Pieces{"123", "456", "7"}));
  EXPECT_EQ(cut("(word)\n\n  x"), (Pieces{"(word", ")\n\n", " ", " x"}));
  EXPECT_EQ(cut("a \n \n  b"), (Pieces{"a", " \n \n", " ", " b"}));
  EXPECT_EQ(cut("\tx\t\ty"), (Pieces{"\tx", "\t", "\ty"}));
  EXPECT_EQ(cut("\nx"), (Pieces{"\n", "x"}));
  EXPECT_EQ(cut("a  "), (Pieces{"a", "  "}));
  EXPECT_EQ(cut(" 12"), (Pieces{" ", "12"}));
  EXPECT_EQ(cut("x\u017f 'ſt"), (Pieces{"x\u017f", " '", "ſt"}));
  EXPECT_EQ(cut("x'ſt"), (Pieces{"x", "'ſ", "t"}));  // the long s folds to s
}

TEST(Pretokenize, Qwen2) {
  const auto cut = [](std::string_view text) { return pieces_of(PreTokenizer::qwen2, text); };
  EXPECT_EQ(cut("x=123;"), (Pieces{"x", "=", "1", "2", "3", ";"}));
  EXPECT_EQ(cut("He'S 漢字。次"), (Pieces{"He", "'S", " 漢字", "。次"}));
}

TEST(Pretokenize, DeepseekCoder) {
  const auto cut = [](std::string_view text) { return pieces_of(PreTokenizer::deepseek_coder, text); };
  EXPECT_EQ(cut("a b\n\nc"), (Pieces{"a", " b", "\n", "\n", "c"}));
  EXPECT_EQ(cut("x 12"), (Pieces{"x", " ", "1", "2"}));
  EXPECT_EQ(cut("abc漢字d"), (Pieces{"abc", "漢字", "d"}));
  EXPECT_EQ(cut(" !? +="), (Pieces{" !?", " +="}));
}

TEST(Pretokenize, PiecesAreTheTextWithoutGaps) {
  testing_text::RandomText random(3);
  for (const PreTokenizer scanner : {PreTokenizer::gpt2, PreTokenizer::digits, PreTokenizer::llama3,
                                     PreTokenizer::qwen2, PreTokenizer::deepseek_coder}) {
    for (int i = 0; i < 4000; ++i) {
      const std::string text = random.bytes(random.below(50));
      std::size_t at = 0;
      for (const std::string_view piece : pieces_of(scanner, text)) {
        ASSERT_FALSE(piece.empty());
        ASSERT_EQ(piece.data(), text.data() + at);
        at += piece.size();
      }
      ASSERT_EQ(at, text.size());
    }
  }
}

TEST(Pretokenize, NamesOfModelFiles) {
  EXPECT_EQ(choose_pre_tokenizer("qwen2")->scanner, PreTokenizer::qwen2);
  EXPECT_EQ(choose_pre_tokenizer("default")->scanner, PreTokenizer::gpt2);
  EXPECT_EQ(choose_pre_tokenizer("smollm")->scanner, PreTokenizer::digits);
  EXPECT_TRUE(choose_pre_tokenizer("llama-bpe")->whole_pieces_first);
  EXPECT_TRUE(choose_pre_tokenizer("llama-bpe")->adds_bos);
  EXPECT_FALSE(choose_pre_tokenizer("bert-bge"));
  EXPECT_FALSE(choose_pre_tokenizer(""));
}

TEST(UnicodeTables, ClassesOfKnownCharacters) {
  EXPECT_STREQ(unicode_version(), "16.0.0");
  struct Row {
    std::uint32_t code_point;
    CharClass kind;
  };
  for (const Row& row : std::initializer_list<Row>{
           {'a', CharClass::letter},         {'Z', CharClass::letter},       {0xE9, CharClass::letter},
           {0x4E00, CharClass::letter},      {0x3400, CharClass::letter},    {0x2A6DF, CharClass::letter},
           {0x105C0, CharClass::letter},     {'0', CharClass::number},       {0xB2, CharClass::number},
           {0x2167, CharClass::number},      {0x663, CharClass::number},     {'_', CharClass::punctuation},
           {0x2026, CharClass::punctuation}, {'$', CharClass::symbol},       {0x1F999, CharClass::symbol},
           {0xFFFD, CharClass::symbol},      {0x301, CharClass::mark},       {' ', CharClass::space},
           {'\t', CharClass::space},         {0x0B, CharClass::space},       {0x85, CharClass::space},
           {0xA0, CharClass::space},         {0x3000, CharClass::space},     {0x2028, CharClass::space},
           {0x1C, CharClass::other},         {0x200B, CharClass::other},     {0xFEFF, CharClass::other},
           {0xE000, CharClass::other},       {0xD800, CharClass::other},     {0x10FFFF, CharClass::other},
           {0x110000, CharClass::other},     {0xFFFFFFFF, CharClass::other}, {0, CharClass::other}}) {
    EXPECT_EQ(char_class(row.code_point), row.kind) << std::hex << row.code_point;
  }
}

}  // namespace
}  // namespace heed
