// regex_split_test.cc -- pre-tokenizers that are expressions: pieces by hand, broken expressions, hostile texts.
#include "text/regex_split.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/text/small_vocabulary.h"
#include "text/expressions.h"

namespace heed {
namespace {

using Pieces = std::vector<std::string_view>;

constexpr std::string_view kNames[] = {"falcon", "deepseek-llm", "deepseek-v3", "gpt-4o", "tekken", "bloom"};

RegexSplit named(std::string_view name) {
  auto made = RegexSplit::compile(expressions_named(name));
  EXPECT_TRUE(made) << name;
  EXPECT_FALSE(made->is_empty()) << name;
  return std::move(*made);
}

Pieces cut(std::string_view name, std::string_view text) {
  Pieces pieces;
  named(name).cut(text, pieces);
  return pieces;
}

TEST(RegexSplit, PiecesByHand) {
  EXPECT_EQ(cut("falcon", "a+b 1234 don't"), (Pieces{"a", "+", "b", " ", "123", "4", " don", "'", "t"}));
  EXPECT_EQ(cut("deepseek-llm", "Hi there\n漢字12  "), (Pieces{"Hi", " there", "\n", "漢字", "12", "  "}));
  EXPECT_EQ(cut("deepseek-v3", "x=1234 (abc) 你好"), (Pieces{"x", "=", "123", "4", " (", "abc", ")", " ", "你好"}));
  EXPECT_EQ(cut("gpt-4o", "HelloWorld's IT'S 12345"), (Pieces{"Hello", "World's", " IT'S", " ", "123", "45"}));
  EXPECT_EQ(cut("bloom", "Hi there,  you (x)."), (Pieces{"Hi", " there", ", ", " you", " (", "x", ")."}));
  EXPECT_EQ(cut("tekken", "HelloWorld 12"), (Pieces{"Hello", "World", " ", "1", "2"}));
  EXPECT_EQ(cut("gpt-4o", ""), Pieces{});
}

TEST(RegexSplit, UnknownNamesHaveNone) { EXPECT_TRUE(expressions_named("gpt-2").empty()); }

TEST(RegexSplit, ABrokenExpressionIsANamedError) {
  for (const std::string_view broken : {"(", "[a", "a{2,1}", "\\p{Nonsense}", "(?<n>a)(?<n>b)", "*"}) {
    const auto made = RegexSplit::compile(std::span(&broken, 1));
    ASSERT_FALSE(made) << broken;
    EXPECT_EQ(made.error().code, Code::invalid_argument);
    EXPECT_NE(made.error().text.find("byte "), std::string::npos) << made.error().text;
  }
}

TEST(RegexSplit, MatchesThatAreEmptyOrTurnedRoundEndToo) {
  for (const std::string_view odd : {"", "a*", "(?=b)", "(?=ab\\K)", "\\b"}) {
    auto made = RegexSplit::compile(std::span(&odd, 1));
    if (!made) continue;  // newer libraries refuse \K in an assertion
    Pieces pieces;
    made->cut("xaab ab", pieces);
    std::string joined;
    for (const std::string_view piece : pieces) joined += piece;
    EXPECT_EQ(joined, "xaab ab") << odd;
  }
}

TEST(RegexSplit, PiecesAreTheTextWithoutGaps) {
  testing_text::RandomText random(5);
  for (const std::string_view name : kNames) {
    const RegexSplit split = named(name);
    for (int i = 0; i < 4000; ++i) {
      const std::string text = i % 2 == 0 ? random.bytes(random.below(50)) : random.valid(random.below(50));
      Pieces pieces;
      split.cut(text, pieces);
      std::size_t at = 0;
      for (const std::string_view piece : pieces) {
        ASSERT_FALSE(piece.empty());
        ASSERT_EQ(piece.data(), text.data() + at) << name;
        at += piece.size();
      }
      ASSERT_EQ(at, text.size()) << name;
    }
  }
}

// Runs of one kind are what makes expressions slow; a quadratic one would take hours.
TEST(RegexSplit, LongRunsTakeLinearTime) {
  constexpr std::size_t kLong = 1 << 20;
  for (const std::string_view name : kNames) {
    const RegexSplit split = named(name);
    for (const char c : {' ', 'A', 'a', '1', '!', '\n', '\''}) {
      Pieces pieces;
      split.cut(std::string(kLong, c) + "x", pieces);
      EXPECT_FALSE(pieces.empty()) << name;
    }
  }
}

TEST(RegexSplit, AnExpressionThatExplodesLeavesItsPieceWhole) {
  const std::string_view explodes = "(a+)+\\z";
  const auto made = RegexSplit::compile(std::span(&explodes, 1));
  ASSERT_TRUE(made);
  Pieces pieces;
  made->cut(std::string(64, 'a') + "b", pieces);
  EXPECT_EQ(pieces.size(), 1u);
}

// Each piece by itself would take all the steps that a match may.
TEST(RegexSplit, AnExpressionExplodesOnce) {
  const std::string_view patterns[] = {" ", "(a+)+\\z"};
  const auto made = RegexSplit::compile(patterns);
  ASSERT_TRUE(made);
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::string(64, 'a') + "b ";
  Pieces pieces;
  made->cut(text, pieces);
  EXPECT_EQ(pieces.size(), 200'000u);
}

}  // namespace
}  // namespace heed
