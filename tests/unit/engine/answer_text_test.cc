// answer_text_test.cc -- tokens leave with the text they complete, and never before it is certain.
#include "engine/answer_text.h"

#include "tests/unit/engine/harness.h"

namespace heed::testing {
namespace {

struct Feed {
  explicit Feed(std::vector<std::string> stops) : text(tokenizer, *StopMatcher::make(std::move(stops))) {}
  Delta push(const std::string& byte) {
    Delta d;
    text.push({static_cast<unsigned char>(byte[0]), 0, {}}, d);
    return d;
  }
  Delta finish() {
    Delta d;
    text.finish(d);
    return d;
  }
  FakeTokenizer tokenizer;
  AnswerText text;
};

TEST(AnswerText, CharactersAreWholeAndBringTheirTokens) {
  Feed f({});
  EXPECT_EQ(f.push("a").tokens.size(), 1u);
  Delta d = f.push("\xC3");
  EXPECT_TRUE(d.text.empty() && d.tokens.empty());
  d = f.push("\xA4");
  EXPECT_EQ(d.text, "\xC3\xA4");
  EXPECT_EQ(ids(d.tokens), (std::vector<std::int32_t>{0xC3, 0xA4}));
  f.push("\xF0");
  d = f.finish();
  EXPECT_EQ(d.text, "\xEF\xBF\xBD");
  EXPECT_EQ(ids(d.tokens), (std::vector<std::int32_t>{0xF0}));
}

TEST(AnswerText, HeldTokensFollowTheirText) {
  Feed f({"END"});
  EXPECT_EQ(f.push("x").text, "x");
  EXPECT_TRUE(f.push("E").tokens.empty());
  EXPECT_TRUE(f.push("N").tokens.empty());
  const Delta d = f.push("o");
  EXPECT_EQ(d.text, "ENo");
  EXPECT_EQ(ids(d.tokens), (std::vector<std::int32_t>{'E', 'N', 'o'}));
}

TEST(AnswerText, TokensOfAStopStringNeverLeave) {
  Feed f({"END"});
  std::vector<std::int32_t> out;
  for (const char* c : {"a", "E", "E", "N", "D"}) {
    for (const auto& t : f.push(c).tokens) out.push_back(t.token);
  }
  EXPECT_TRUE(f.text.has_stopped());
  EXPECT_EQ(out, (std::vector<std::int32_t>{'a', 'E'}));
  const Delta d = f.finish();
  EXPECT_TRUE(d.text.empty() && d.tokens.empty());
}

TEST(AnswerText, FinishReleasesAnOpenStop) {
  Feed f({"END"});
  f.push("E");
  const Delta d = f.finish();
  EXPECT_EQ(d.text, "E");
  EXPECT_EQ(d.tokens.size(), 1u);
}

TEST(AnswerText, ControlTokensWithoutTextAreNotLost) {
  Feed f({});
  Delta d;
  f.text.push({FakeTokenizer::im_start, 0, {}}, d);
  EXPECT_TRUE(d.tokens.empty());
  d = f.push("a");
  EXPECT_EQ(ids(d.tokens), (std::vector<std::int32_t>{FakeTokenizer::im_start, 'a'}));
}

}  // namespace
}  // namespace heed::testing
