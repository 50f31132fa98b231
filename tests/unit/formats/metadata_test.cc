// metadata_test.cc -- typed look-ups and what they say when the type or the range is wrong.
#include "formats/metadata.h"

#include <gtest/gtest.h>

#include <limits>

namespace heed {
namespace {

Metadata sample() {
  Metadata m;
  m.insert("n", MetaValue(std::int64_t{7}));
  m.insert("huge", MetaValue(std::numeric_limits<std::uint64_t>::max()));
  m.insert("x", MetaValue(0.5));
  m.insert("t", MetaValue(std::string("text")));
  m.insert("b", MetaValue(true));
  m.insert("a", MetaValue(MetaArray(std::vector<std::int64_t>{1, 2})));
  return m;
}

TEST(Metadata, AbsentKeysGiveTheDefaultOrAnErrorThatNamesThem) {
  const Metadata m = sample();
  EXPECT_EQ(*m.integer("none", 3), 3);
  EXPECT_EQ(*m.real("none", 1.5), 1.5);
  EXPECT_EQ(*m.text("none", "d"), "d");
  EXPECT_TRUE(*m.flag("none", true));
  EXPECT_EQ(m.find("none"), nullptr);
  EXPECT_EQ(m.integers("none"), nullptr);
  for (const auto& error : {m.need_integer("none").error(), m.need_text("none").error()}) {
    EXPECT_EQ(error.code, Code::malformed);
    EXPECT_EQ(error.where, "none");
    EXPECT_NE(error.text.find("the file has no such key"), std::string::npos);
  }
}

TEST(Metadata, WrongTypesAreRefusedByName) {
  const Metadata m = sample();
  EXPECT_NE(m.integer("t", 0).error().text.find("key 't': expected an integer, got a text"), std::string::npos);
  EXPECT_NE(m.integer("x", 0).error().text.find("got a number"), std::string::npos);
  EXPECT_NE(m.need_integer("b").error().text.find("got a bool"), std::string::npos);
  EXPECT_NE(m.real("b", 0).error().text.find("expected a number, got a bool"), std::string::npos);
  EXPECT_NE(m.text("n", "").error().text.find("expected a text, got an integer"), std::string::npos);
  EXPECT_NE(m.need_text("a").error().text.find("got an array"), std::string::npos);
  EXPECT_NE(m.flag("n", false).error().text.find("expected a bool, got an integer"), std::string::npos);
  EXPECT_EQ(m.strings("a"), nullptr);
  EXPECT_EQ(m.reals("a"), nullptr);
  EXPECT_EQ(m.integers("n"), nullptr);
  EXPECT_EQ(m.integers("a")->size(), 2u);
}

TEST(Metadata, RangesAreInclusiveAndNameTheBounds) {
  const Metadata m = sample();
  EXPECT_EQ(*m.integer("n", 0, 7, 7), 7);
  EXPECT_FALSE(m.integer("n", 0, 8, 9));
  const auto error = m.need_integer("n", 0, 6).error();
  EXPECT_NE(error.text.find("expected an integer from 0 to 6, got 7"), std::string::npos) << error.text;
  EXPECT_NE(m.integer("huge", 0).error().text.find("got 18446744073709551615"), std::string::npos);
}

TEST(Metadata, AWholeNumberServesAsAReal) { EXPECT_EQ(*sample().real("n", 0), 7.0); }

TEST(Metadata, InsertKeepsTheFirst) {
  Metadata m = sample();
  EXPECT_FALSE(m.insert("n", MetaValue(std::int64_t{8})));
  EXPECT_EQ(*m.need_integer("n"), 7);
}

TEST(Metadata, ATextListKeepsEveryText) {
  const std::vector<std::string> texts = {"", "a", std::string(1000, 'b'), "", std::string("c\0d", 3)};
  TextList list;
  EXPECT_TRUE(list.empty());
  for (const std::string& text : texts) list.push_back(text);
  ASSERT_EQ(list.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(list[i], texts[i]);
  EXPECT_EQ(list.bytes(), 1004u);
  EXPECT_EQ(list, TextList(texts));
  EXPECT_FALSE(list == TextList({"", "a"}));
}

}  // namespace
}  // namespace heed
