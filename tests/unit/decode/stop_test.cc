// stop_test.cc -- stop strings: the answer must not depend on how the text was cut into pieces.
#include "decode/stop.h"

#include <gtest/gtest.h>

#include <random>

namespace heed {
namespace {

/// Byte by byte over the whole text: the first stop complete wins, the longest of several.
std::string oracle(const std::string& text, const std::vector<std::string>& stops) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::size_t longest = 0;
    for (const auto& s : stops) {
      if (text.substr(0, end).ends_with(s)) longest = std::max(longest, s.size());
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  return text;
}

struct Outcome {
  std::string text;
  bool has_matched = false;
};

Outcome run(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  auto matcher = StopMatcher::make(stops);
  EXPECT_TRUE(matcher);
  Outcome out;
  for (const auto& piece : pieces) out.text += matcher->push(piece);
  out.has_matched = matcher->has_matched();
  out.text += matcher->finish();
  return out;
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBeAStop) {
  auto m = StopMatcher::make({"<end>"});
  ASSERT_TRUE(m);
  EXPECT_EQ(m->push("hello <"), "hello ");
  EXPECT_EQ(m->push("en"), "");
  EXPECT_EQ(m->push("x"), "<enx");
  EXPECT_EQ(m->push("a<<e"), "a<");
  EXPECT_FALSE(m->has_matched());
  EXPECT_EQ(m->push("nd> tail"), "");
  EXPECT_TRUE(m->has_matched());
  EXPECT_EQ(m->matched(), 0);
  EXPECT_EQ(m->push("more"), "");
  EXPECT_EQ(m->finish(), "");
}

TEST(StopMatcher, FinishReleasesWhatWasHeld) {
  EXPECT_EQ(run({"\n\nUser:"}, {"yes", "\n", "\nUse"}).text, "yes\n\nUse");
}

TEST(StopMatcher, EarliestCompleteWinsAndLongestOfThose) {
  EXPECT_EQ(run({"abcd", "bc"}, {"xabcd"}).text, "xa");
  EXPECT_EQ(run({"abcd", "bc"}, {"xab", "c", "d"}).text, "xa");
  EXPECT_EQ(run({"bc", "abc"}, {"xabc"}).text, "x");
  EXPECT_EQ(run({"aab"}, {"a", "a", "a", "b"}).text, "a");
  EXPECT_EQ(run({"late", "early"}, {"is early and late"}).text, "is ");
}

TEST(StopMatcher, NoStopsPassEverything) {
  const Outcome out = run({}, {"a", "", "b"});
  EXPECT_EQ(out.text, "ab");
  EXPECT_FALSE(out.has_matched);
}

TEST(StopMatcher, Refusals) {
  EXPECT_FALSE(StopMatcher::make({"ok", ""}));
  EXPECT_FALSE(StopMatcher::make({std::string(StopMatcher::kMaxStopBytes + 1, 'x')}));
  EXPECT_FALSE(StopMatcher::make(std::vector<std::string>(StopMatcher::kMaxStops + 1, "x")));
  EXPECT_FALSE(StopMatcher::make({"\x9c rest"}));
  EXPECT_EQ(StopMatcher::make({""}).error().where, "stop");
  EXPECT_TRUE(StopMatcher::make({std::string(StopMatcher::kMaxStopBytes, 'x')}));
}

TEST(StopMatcher, EveryCutOfATextGivesTheSame) {
  const std::string text = "aXabXXabcXa\xC3\xA4\xC3\xB6#tail";
  const std::vector<std::string> stops = {"abcX\x61\xC3\xA4\xC3\xB6#", "XXabd", "\xC3\xB6!"};
  for (std::uint32_t cuts = 0; cuts < (1u << 14); ++cuts) {
    std::vector<std::string> pieces = {""};
    for (std::size_t i = 0; i < text.size(); ++i) {
      const bool is_inside_character = (static_cast<unsigned char>(text[i]) & 0xC0u) == 0x80u;
      if (i < 14 && (cuts >> i & 1u) && !is_inside_character) pieces.emplace_back();
      pieces.back() += text[i];
    }
    ASSERT_EQ(run(stops, pieces).text, "aXabXX");
  }
}

TEST(StopMatcher, RandomTextsAgreeWithTheOracle) {
  std::mt19937 random(1);
  const std::vector<std::string> alphabet = {"a", "b", "\xC3\xA4", "\xF0\x9F\x98\x80"};
  const auto word = [&](std::size_t most) {
    std::string s;
    for (std::size_t n = 1 + random() % most; n > 0; --n) s += alphabet[random() % (random() % 2 ? 2 : 4)];
    return s;
  };
  int matches = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::string> stops, pieces;
    for (std::size_t n = 1 + random() % 4; n > 0; --n) stops.push_back(word(8));
    std::string text;
    for (std::size_t n = random() % 20; n > 0; --n) {
      pieces.push_back(random() % 8 ? word(3) : "");
      text += pieces.back();
    }
    auto matcher = StopMatcher::make(stops);
    std::string out, fed;
    for (const auto& piece : pieces) {
      const std::string released = matcher->push(piece);
      fed += piece;
      out += released;
      // Whole characters only, never a byte that a longer text could take back.
      ASSERT_TRUE(released.empty() || (static_cast<unsigned char>(released[0]) & 0xC0u) != 0x80u);
      ASSERT_TRUE(oracle(fed, stops).starts_with(out));
    }
    matches += matcher->has_matched();
    ASSERT_EQ(out + matcher->finish(), oracle(text, stops));
  }
  EXPECT_GT(matches, 5000);
  EXPECT_LT(matches, 19'500);
}

}  // namespace
}  // namespace heed
