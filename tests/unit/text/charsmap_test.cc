// charsmap_test.cc -- the trie of replacements, and tables that lie about themselves; keys that begin a text.
#include "text/charsmap.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "text/byte_trie.h"
#include "text/utf8.h"

namespace heed {
namespace {

std::string words(const std::vector<std::uint32_t>& units) {
  std::string out;
  for (const std::uint32_t unit : units)
    for (int shift = 0; shift < 32; shift += 8)
      out += static_cast<char>(static_cast<unsigned char>(unit >> shift & 0xFF));
  return out;
}

std::string table(const std::vector<std::uint32_t>& units, const std::string& texts) {
  return words({static_cast<std::uint32_t>(units.size() * 4)}) + words(units) + texts;
}

constexpr std::uint32_t offset(std::uint32_t to) { return to << 10; }
constexpr std::uint32_t kHasValue = 0x100, kValue = 0x80000000;

/// "a" -> "x" and "ab" -> "yz": the root's children lie at 1 ^ byte.
std::string two_keys() {
  std::vector<std::uint32_t> units(512);
  units[0] = offset(1);
  const std::uint32_t a = 1 ^ 'a';
  units[a] = 'a' | kHasValue | offset(a ^ 256);  // its value at 256, its children at 256 ^ byte
  units[256] = kValue | 0;
  const std::uint32_t ab = 256 ^ 'b';
  units[ab] = 'b' | kHasValue | offset(ab ^ 300);
  units[300] = kValue | 2;
  return table(units, std::string("x\0yz\0", 5));
}

TEST(Charsmap, FindsTheLongestAndTheShortestKey) {
  const auto map = Charsmap::read(two_keys());
  ASSERT_TRUE(map) << map.error().text;
  EXPECT_EQ(map->longest("abc").size, 2U);
  EXPECT_EQ(map->longest("abc").text, "yz");
  EXPECT_EQ(map->shortest("abc").size, 1U);
  EXPECT_EQ(map->shortest("abc").text, "x");
  EXPECT_EQ(map->longest("ac").text, "x");
  EXPECT_EQ(map->longest("b").size, 0U);
  EXPECT_EQ(map->longest("").size, 0U);
}

TEST(Charsmap, AbsentIsEmpty) {
  const auto map = Charsmap::read("");
  ASSERT_TRUE(map);
  EXPECT_TRUE(map->is_empty());
  EXPECT_EQ(map->longest("a").size, 0U);
}

TEST(Charsmap, BrokenTablesAreRefused) {
  EXPECT_FALSE(Charsmap::read("abc"));
  EXPECT_FALSE(Charsmap::read(words({0})));
  EXPECT_FALSE(Charsmap::read(words({8, 0})));
  EXPECT_FALSE(Charsmap::read(words({0xFFFFFFFC, 0})));
  EXPECT_FALSE(Charsmap::read(words({3, 0})));
  EXPECT_FALSE(Charsmap::read(table({0}, "\xFF")));
  EXPECT_FALSE(Charsmap::read(table({0}, std::string(1025, 'x'))));
  EXPECT_TRUE(Charsmap::read(table({0}, std::string(1024, 'x'))));
}

/// Whatever the units say, a look-up ends, and what it gives is UTF-8.
TEST(Charsmap, AnyUnitsAreSafe) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::uint32_t> units(1 + random() % 300);
    for (std::uint32_t& unit : units)
      unit =
          round % 2 == 0 ? static_cast<std::uint32_t>(random()) : random() % 64 << 10 | kHasValue | (random() & 0x7F);
    const auto map = Charsmap::read(table(units, std::string("ab\0\xC3\xA9\0c", 7)));
    ASSERT_TRUE(map);
    std::string text;
    for (int i = 0; i < 40; ++i) text += static_cast<char>(random() % 128);
    for (const Charsmap::Match match : {map->longest(text), map->shortest(text)}) {
      ASSERT_LE(match.size, text.size());
      std::string valid;
      utf8_append_valid(match.text, valid);
      ASSERT_EQ(valid, match.text);
    }
  }
}

TEST(ByteTrie, FindsEveryPrefixAsAMapDoes) {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    std::map<std::string, std::int32_t> keys;
    const int letters = round % 3 == 0 ? 2 : round % 3 == 1 ? 5 : 256;
    for (int i = 0; i < 400; ++i) {
      std::string key;
      for (std::size_t n = random() % 7; n > 0; --n)
        key += static_cast<char>(random() % static_cast<unsigned>(letters));
      keys.emplace(key, i);
    }
    std::vector<ByteTrie::Entry> entries;
    for (const auto& [key, value] : keys) entries.push_back({key, value});
    std::shuffle(entries.begin(), entries.end(), random);
    const ByteTrie trie(entries);
    for (int i = 0; i < 300; ++i) {
      std::string text;
      for (std::size_t n = random() % 9; n > 0; --n)
        text += static_cast<char>(random() % static_cast<unsigned>(letters));
      std::vector<std::pair<std::size_t, std::int32_t>> want, got;
      for (std::size_t n = 1; n <= text.size(); ++n)
        if (const auto it = keys.find(text.substr(0, n)); it != keys.end()) want.emplace_back(n, it->second);
      trie.each_prefix(text, [&](std::size_t bytes, std::int32_t value) { got.emplace_back(bytes, value); });
      ASSERT_EQ(got, want);
    }
  }
}

TEST(ByteTrie, EmptyFindsNothing) {
  int found = 0;
  ByteTrie().each_prefix("abc", [&](std::size_t, std::int32_t) { ++found; });
  EXPECT_EQ(found, 0);
}

}  // namespace
}  // namespace heed
