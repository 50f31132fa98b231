// special_tokens_test.cc -- leftmost, longest, and who may be recognised where.
#include "text/special_tokens.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace heed {
namespace {

std::string show(const std::vector<TextPart>& parts, std::string_view text) {
  std::string shown;
  for (const TextPart& part : parts) {
    if (!shown.empty()) shown += '|';
    if (part.token >= 0) shown += std::to_string(part.token) + ":";
    shown += text.substr(part.begin, part.end - part.begin);
  }
  return shown;
}

std::string partition(const SpecialTokens& tokens, std::string_view text, std::vector<TextRun> trusted = {}) {
  return show(tokens.partition(text, trusted), text);
}

TEST(SpecialTokens, LeftmostThenLongest) {
  const SpecialTokens tokens({{"ab", 1, false}, {"abc", 2, false}, {"bcde", 3, false}, {"a", 4, false}});
  EXPECT_EQ(partition(tokens, "xabcdex"), "x|2:abc|dex");
  EXPECT_EQ(partition(tokens, "abxa"), "1:ab|x|4:a");
  EXPECT_EQ(partition(tokens, "bcde"), "3:bcde");
  EXPECT_EQ(partition(tokens, "bcd"), "bcd");
  EXPECT_EQ(partition(tokens, ""), "");
}

TEST(SpecialTokens, WithoutTokensTheTextIsOnePart) {
  EXPECT_EQ(partition(SpecialTokens(), "text", {{0, 4}}), "text");
  EXPECT_EQ(partition(SpecialTokens({{"", 1, false}}), "text"), "text");
}

TEST(SpecialTokens, TrustDecides) {
  const SpecialTokens tokens({{"<e>", 1, true}, {"<e>>", 2, false}, {"\xFF", 3, true}});
  EXPECT_EQ(partition(tokens, "<e><e>>", {}), "<e>|2:<e>>");
  EXPECT_EQ(partition(tokens, "<e><e>", {{0, 3}}), "1:<e>|<e>");
  EXPECT_EQ(partition(tokens, "<e><e>", {{0, 6}}), "1:<e>|1:<e>");
  EXPECT_EQ(partition(tokens, "<e>>", {{0, 3}}), "1:<e>|>");  // what is trusted wins over a longer match across
  EXPECT_EQ(partition(tokens, "<e>>", {{0, 4}}), "2:<e>>");
  EXPECT_EQ(partition(tokens, "<e>", {{1, 3}}), "<e>");
  EXPECT_EQ(partition(tokens, "\xFF", {{0, 1}}), "3:\xFF");
}

TEST(SpecialTokens, EqualSpellingsAreControl) {
  const SpecialTokens tokens({{"x", 1, false}, {"x", 2, true}});
  EXPECT_EQ(partition(tokens, "x"), "x");
  EXPECT_EQ(partition(tokens, "x", {{0, 1}}), "2:x");
}

TEST(SpecialTokens, EqualsAPlainSearchOnRandomText) {
  std::mt19937 random(4);
  const auto text_of = [&](std::size_t longest) {
    std::string text(random() % (longest + 1), 'a');
    for (char& c : text) c = "ab<>"[random() % 4];
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<SpecialToken> list;
    for (std::int32_t i = 0; i < 8; ++i) list.push_back({text_of(4), i, false});
    const SpecialTokens tokens(list);
    const std::string text = text_of(40);
    std::string want;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t longest = 0;
      for (const SpecialToken& token : list) {
        if (text.compare(at, token.spelled.size(), token.spelled) == 0)
          longest = std::max(longest, token.spelled.size());
      }
      want += longest > 0 ? "[" + text.substr(at, longest) + "]" : text.substr(at, 1);
      at += std::max<std::size_t>(longest, 1);
    }
    std::string got;
    for (const TextPart& part : tokens.partition(text, {})) {
      const std::string piece = text.substr(part.begin, part.end - part.begin);
      got += part.token >= 0 ? "[" + piece + "]" : piece;
    }
    ASSERT_EQ(got, want);
  }
}

}  // namespace
}  // namespace heed
