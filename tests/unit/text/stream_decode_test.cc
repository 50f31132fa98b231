// stream_decode_test.cc -- whole characters only, invalid bytes as U+FFFD by maximal subparts, the same as all at once.
#include "text/stream_decode.h"

#include <gtest/gtest.h>

#include "tests/unit/text/small_vocabulary.h"

namespace heed {
namespace {

using namespace testing_text;

const std::string kBad = "\xEF\xBF\xBD";

std::string all_at_once(const Tokenizer& tokenizer, const Ids& ids) {
  const std::string bytes = tokenizer.decode(ids);
  std::string text;
  if (utf8_append_valid(bytes, text) < bytes.size()) text += kBad;
  return text;
}

Ids bytes_as_tokens(std::string_view bytes) {
  Ids ids;
  for (const char byte : bytes) ids.push_back(static_cast<unsigned char>(byte));  // SmallVocabulary::bpe: id = byte
  return ids;
}

std::string streamed(StreamDecoder& stream, const Ids& ids) {
  std::string text;
  for (const std::int32_t id : ids) text += stream.push(id);
  return text + stream.finish();
}

TEST(StreamDecode, HoldsBackUnfinishedCharacters) {
  const auto t = SmallVocabulary::bpe().build();
  StreamDecoder stream(*t);
  EXPECT_EQ(stream.push(0xF0), "");
  EXPECT_EQ(stream.push(0x9F), "");
  EXPECT_EQ(stream.push(0xA6), "");
  EXPECT_EQ(stream.push(0x99), "🦙");
  EXPECT_EQ(stream.push('a'), "a");
  EXPECT_EQ(stream.push(0xC3), "");
  EXPECT_EQ(stream.finish(), kBad);
  EXPECT_EQ(stream.finish(), "");
}

TEST(StreamDecode, InvalidBytesByMaximalSubparts) {
  const auto t = SmallVocabulary::bpe().build();
  struct Row {
    std::string bytes, text;
  };
  // The first is the example of the Unicode standard, table 3-8 ff.
  for (const Row& row : std::initializer_list<Row>{
           {"\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64",
            "a" + kBad + kBad + kBad + "b" + kBad + "c" + kBad + kBad + "d"},
           {"\xC0\xAF", kBad + kBad},
           {"\xE0\x80\xAF", kBad + kBad + kBad},
           {"\xED\xA0\x80", kBad + kBad + kBad},
           {"\xF4\x90\x80\x80", kBad + kBad + kBad + kBad},
           {"\xF5\xFF", kBad + kBad},
           {"\xE2\x82", kBad},
           {"\xF0\x9F\xA6", kBad},
           {"\xF0\x9F\xA6\x41", kBad + "A"},
           {"\xE2\x82\xE2\x82\xAC", kBad + "€"},
       }) {
    StreamDecoder stream(*t);
    EXPECT_EQ(streamed(stream, bytes_as_tokens(row.bytes)), row.text);
  }
}

TEST(StreamDecode, OneByOneEqualsAllAtOnce) {
  SmallVocabulary bpe = hello_bpe();
  bpe.merge("\xF0", "\x9F");
  bpe.merge("\x99", "a");
  bpe.add("<|end|>", kControl);
  bpe.add("<tool>", kUserDefined);
  SmallVocabulary spm = SmallVocabulary::spm();
  for (const char* piece : {"▁", "▁a", "a", "▁▁", "漢"}) spm.add(piece, kNormal, -1);
  RandomText random(9);
  for (const auto* v : {&bpe, &spm}) {
    const auto t = v->build();
    for (int i = 0; i < 4000; ++i) {
      Ids ids;
      for (std::uint32_t n = random.below(12); n-- > 0;) {
        ids.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(t->vocab_size()) + 3)));
      }
      StreamDecoder stream(*t);
      ASSERT_EQ(streamed(stream, ids), all_at_once(*t, ids));
    }
    for (int i = 0; i < 1000; ++i) {
      const Ids ids = t->encode(random.bytes(random.below(40)));
      StreamDecoder stream(*t);
      ASSERT_EQ(streamed(stream, ids), all_at_once(*t, ids));
    }
  }
}

TEST(StreamDecode, EveryPushIsValidUtf8) {
  const auto t = SmallVocabulary::bpe().build();
  RandomText random(10);
  StreamDecoder stream(*t);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = stream.push(static_cast<std::int32_t>(random.below(256)));
    std::string copy;
    ASSERT_EQ(utf8_append_valid(text, copy), text.size());
    ASSERT_EQ(copy, text);
  }
}

TEST(StreamDecode, TheFirstSpaceGoesOnlyAtTheStart) {
  SmallVocabulary v = SmallVocabulary::spm();
  const std::int32_t a = v.add("▁a", kNormal, -1);
  const auto t = v.build();
  StreamDecoder stream(*t);
  EXPECT_EQ(stream.push(t->bos()), "");
  EXPECT_EQ(stream.push(a), "a");
  EXPECT_EQ(stream.push(a), " a");
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(stream.push(a), "a");  // a finished stream begins anew
  StreamDecoder middle(*t, TextPlace::middle);
  EXPECT_EQ(middle.push(a), " a");  // the text before it is another's
}

}  // namespace
}  // namespace heed
