// gguf_test.cc -- GGUF files well formed, cut at every byte, and malformed in every way we know, each named.
#include "formats/gguf.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "formats/byte_reader.h"
#include "tests/unit/formats/gguf_builder.h"

namespace heed {
namespace {

using namespace testing_gguf;

Expected<GgufFile> parse(const GgufBuilder& b) { return GgufFile::parse(b.bytes()); }

TEST(Gguf, EveryValueTypeArrivesInEveryVersion) {
  for (const std::uint32_t version : {1u, 2u, 3u}) {
    const GgufBuilder b = every_value(version);
    const auto file = parse(b);
    ASSERT_TRUE(file) << file.error().text;
    EXPECT_EQ(file->version(), static_cast<int>(version));
    const Metadata& m = file->metadata();
    EXPECT_EQ(*m.need_integer("u8"), 255);
    EXPECT_EQ(*m.need_integer("i8", -200), -128);
    EXPECT_EQ(*m.need_integer("u16"), 65535);
    EXPECT_EQ(*m.need_integer("i16", -40000), -32768);
    EXPECT_EQ(*m.need_integer("u32"), 4294967295);
    EXPECT_EQ(*m.need_integer("i32", -10), -5);
    EXPECT_EQ(*m.need_integer("i64", -10), -7);
    EXPECT_EQ(std::get<std::uint64_t>(*m.find("u64")), std::uint64_t{1} << 63);
    EXPECT_EQ(*m.real("f32", 0), 0.5);
    EXPECT_EQ(*m.real("f64", 0), 0.1);
    EXPECT_TRUE(*m.flag("flag", false));
    EXPECT_EQ(*m.need_text("text"), "h\xC3\xA9 \xF0\x9F\x98\x80");
    EXPECT_EQ(*m.strings("words"), TextList({"a", "", "a word of more than fifteen bytes"}));
    EXPECT_EQ(*m.integers("numbers"), (std::vector<std::int64_t>{-1, 2}));
    EXPECT_EQ(*m.reals("scores"), (std::vector<double>{1.5, -2.5}));
  }
}

TEST(Gguf, EveryArrayTypeArrives) {
  GgufBuilder b;
  b.header(0, 9);
  const auto items = [&](const char* name, Value type, auto first, auto second) {
    b.array(name, type, 2).number(Field::value, first).number(Field::value, second);
  };
  items("u8", kU8, std::uint8_t{200}, std::uint8_t{1});
  items("i8", kI8, std::int8_t{-3}, std::int8_t{1});
  items("u16", kU16, std::uint16_t{60000}, std::uint16_t{1});
  items("i16", kI16, std::int16_t{-3}, std::int16_t{1});
  items("u32", kU32, std::uint32_t{4000000000u}, std::uint32_t{1});
  items("u64", kU64, std::uint64_t{5}, std::uint64_t{1});
  items("i64", kI64, std::int64_t{-3}, std::int64_t{1});
  items("flags", kBool, std::uint8_t{0}, std::uint8_t{1});
  items("f64", kF64, 0.25, 1.0);
  const auto file = parse(b);
  ASSERT_TRUE(file) << file.error().text;
  using Numbers = std::vector<std::int64_t>;
  EXPECT_EQ(*file->metadata().integers("u8"), (Numbers{200, 1}));
  EXPECT_EQ(*file->metadata().integers("i8"), (Numbers{-3, 1}));
  EXPECT_EQ(*file->metadata().integers("u16"), (Numbers{60000, 1}));
  EXPECT_EQ(*file->metadata().integers("i16"), (Numbers{-3, 1}));
  EXPECT_EQ(*file->metadata().integers("u32"), (Numbers{4000000000, 1}));
  EXPECT_EQ(*file->metadata().integers("u64"), (Numbers{5, 1}));
  EXPECT_EQ(*file->metadata().integers("i64"), (Numbers{-3, 1}));
  EXPECT_EQ(*file->metadata().integers("flags"), (Numbers{0, 1}));
  EXPECT_EQ(*file->metadata().reals("f64"), (std::vector<double>{0.25, 1.0}));
}

class GgufVersions : public testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Versions, GgufVersions, testing::Values(1u, 2u, 3u));

TEST_P(GgufVersions, EveryTensorTypeIsAViewOutermostFirst) {
  const GgufBuilder b = every_tensor(GetParam());
  const auto file = parse(b);
  ASSERT_TRUE(file) << file.error().text;
  ASSERT_EQ(file->tensors().size(), std::size(kTensorTypes));
  const std::byte* next = nullptr;
  for (std::size_t i = 0; i < std::size(kTensorTypes); ++i) {
    const Tensor& t = file->tensors()[i].tensor;
    EXPECT_EQ(t.dtype, kTensorTypes[i].dtype);
    EXPECT_EQ(t.rank, 2);
    EXPECT_EQ(t.shape[0], 2);
    EXPECT_EQ(t.shape[1], 256);
    EXPECT_GE(t.data, next);
    next = t.data + t.bytes();
    EXPECT_EQ(file->find(file->tensors()[i].name), &t);
  }
  EXPECT_LE(next, b.bytes().data() + b.bytes().size());
  EXPECT_EQ(file->find("blk.0"), nullptr);
  EXPECT_EQ(file->find(""), nullptr);
}

TEST(Gguf, AlignmentIsHonouredAndMovesKeepTheIndex) {
  const GgufBuilder b = small_model();
  auto file = parse(b);
  ASSERT_TRUE(file) << file.error().text;
  const GgufFile moved = std::move(*file);
  const Tensor* norm = moved.find("output_norm.weight");
  ASSERT_NE(norm, nullptr);
  EXPECT_EQ(norm->data, b.bytes().data() + b.bytes().size() - 128);
  EXPECT_EQ((*moved.metadata().strings("tokenizer.ggml.tokens"))[1], "\xFF") << "token bytes need not be UTF-8";
}

TEST(Gguf, AFileCutAnywhereIsANamedError) {
  for (const GgufBuilder& b : {every_value(), every_tensor(), small_model(2), small_model(1), split_part(0, 2, 2)}) {
    for (std::size_t n = 0; n < b.bytes().size(); ++n) {
      const std::vector<std::byte> cut(b.bytes().begin(), b.bytes().begin() + static_cast<std::ptrdiff_t>(n));
      const auto file = GgufFile::parse(cut);
      ASSERT_FALSE(file) << n;
      ASSERT_EQ(file.error().code, Code::malformed) << n << file.error().text;
      ASSERT_NE(file.error().text.find("at byte"), std::string::npos);
    }
    EXPECT_TRUE(parse(b));
  }
}

struct Malformed {
  const char* name;
  std::function<GgufBuilder()> make;
  Code code;
  const char* text;
};

GgufBuilder one_tensor(const std::vector<std::int64_t>& dims, std::uint32_t type, std::uint64_t offset,
                       std::size_t data = 4096) {
  GgufBuilder b;
  return b.header(1, 0).tensor("w", dims, type, offset).align().data(data);
}

GgufBuilder two_tensors(const char* second, std::uint64_t offset) {
  GgufBuilder b;
  return b.header(2, 0).tensor("a", {32}, 0, 0).tensor(second, {32}, 0, offset).align().data(4096);
}

GgufBuilder with_alignment(std::uint32_t alignment) {
  GgufBuilder b;
  return b.header(0, 1).scalar("general.alignment", kU32, alignment);
}

GgufBuilder with_header(const char* magic, std::uint32_t version) {
  GgufBuilder b = every_value();
  std::memcpy(b.bytes().data(), magic, 4);
  std::memcpy(b.bytes().data() + 4, &version, 4);
  return b;
}

std::vector<Malformed> malformed_headers() {
  return {
      {"magic", [] { return with_header("GGML", 3); }, Code::malformed, "not a GGUF file"},
      {"version 0", [] { return with_header("GGUF", 0); }, Code::unsupported, "expected version 1, 2 or 3, got 0"},
      {"version 99", [] { return with_header("GGUF", 99); }, Code::unsupported, "expected version 1, 2 or 3, got 99"},
      {"big endian 1", [] { return with_header("GGUF", 0x01000000); }, Code::unsupported, "big-endian (version 1)"},
      {"big endian", [] { return with_header("GGUF", 0x03000000); }, Code::unsupported, "big-endian (version 3)"},
      {"key count 1", [] { return GgufBuilder().header(0, ~0u, 1); }, Code::malformed,
       "4294967295 metadata keys, but only"},
      {"key count", [] { return GgufBuilder().header(0, ~0ull); }, Code::malformed, "metadata keys, but only"},
      {"tensor count", [] { return GgufBuilder().header(~0ull, 0); }, Code::malformed, "tensors, but only"},
      {"alignment 0", [] { return with_alignment(0); }, Code::malformed, "expected a power of two from 8"},
      {"alignment 4", [] { return with_alignment(4); }, Code::malformed, "expected a power of two from 8"},
      {"alignment 24", [] { return with_alignment(24); }, Code::malformed, "expected a power of two from 8"},
      {"alignment 2^31", [] { return with_alignment(1u << 31); }, Code::malformed, "expected a power of two from 8"},
      {"alignment type", [] { return GgufBuilder().header(0, 1).text("general.alignment", "32"); }, Code::malformed,
       "key 'general.alignment': expected an integer, got a text"},
  };
}

std::vector<Malformed> malformed_metadata() {
  const auto one_key = [](const std::string& name) {
    return GgufBuilder().header(0, 1).scalar(name, kU32, std::uint32_t{1});
  };
  return {
      {"empty key", [=] { return one_key(""); }, Code::malformed, "a metadata key is empty"},
      {"key of 64 KiB + 1", [=] { return one_key(std::string(65537, 'k')); }, Code::malformed,
       "at most 65536 bytes, got 65537"},
      {"key UTF-8", [=] { return one_key("bad\xC0\xAF"); }, Code::malformed, "'bad\\xc0\\xaf' is not UTF-8"},
      {"key control", [=] { return one_key("a\x1b[2J"); }, Code::malformed, "holds a control character"},
      {"key twice",
       [] { return GgufBuilder().header(0, 2).scalar("k", kU8, std::uint8_t{1}).scalar("k", kU8, std::uint8_t{1}); },
       Code::malformed, "metadata key 'k' appears twice"},
      {"value type", [] { return GgufBuilder().header(0, 1).scalar("k", 13, std::uint32_t{1}); }, Code::malformed,
       "key 'k': expected a value type from 0 to 12, got 13"},
      {"bool of 2", [] { return GgufBuilder().header(0, 1).scalar("k", kBool, std::uint8_t{2}); }, Code::malformed,
       "key 'k': expected a bool of 0 or 1, got 2"},
      {"bool in array",
       [] { return GgufBuilder().header(0, 1).array("k", kBool, 1).number(Field::value, std::uint8_t{9}); },
       Code::malformed, "key 'k': expected a bool of 0 or 1, got 9"},
      {"nested array", [] { return GgufBuilder().header(0, 1).array("k", kArray, 1).data(64); }, Code::unsupported,
       "key 'k': nested arrays are not supported"},
      {"array type", [] { return GgufBuilder().header(0, 1).array("k", 77, 1).data(64); }, Code::malformed,
       "key 'k': expected a value type from 0 to 12, got 77"},
      {"array length", [] { return GgufBuilder().header(0, 1).array("k", kU8, ~0ull).data(64); }, Code::malformed,
       "key 'k': the array says 18446744073709551615 items"},
      {"array of texts", [] { return GgufBuilder().header(0, 1).array("k", kString, 9).data(64); }, Code::malformed,
       "key 'k': the array says 9 items"},
      {"big item", [] { return GgufBuilder().header(0, 1).array("k", kU64, 1).number(Field::value, ~0ull); },
       Code::unsupported, "key 'k': an array item is over 2^63"},
      {"text length", [] { return GgufBuilder().header(0, 1).key("k", kString).number(Field::length, ~0ull); },
       Code::malformed, "the file ends inside a text"},
  };
}

std::vector<Malformed> malformed_tensors() {
  const std::int64_t big = std::int64_t{1} << 40;
  return {
      {"rank 0", [] { return one_tensor({}, 0, 0); }, Code::malformed,
       "tensor 'w': expected a rank from 1 to 4, got 0"},
      {"rank 5", [] { return one_tensor({1, 1, 1, 1, 1}, 0, 0); }, Code::malformed,
       "expected a rank from 1 to 4, got 5"},
      {"dim 0", [] { return one_tensor({32, 0}, 0, 0); }, Code::malformed, "expected dimensions of at least 1, got 0"},
      {"dim -1", [] { return one_tensor({-1}, 0, 0); }, Code::malformed, "expected dimensions of at least 1, got -1"},
      {"values overflow", [=] { return one_tensor({big, big}, 8, 0); }, Code::malformed, "multiply to more than 2^63"},
      {"2^62 bytes", [=] { return one_tensor({big, 1 << 19}, 28, 0); }, Code::malformed, "pass the file's end"},
      {"bytes overflow", [=] { return one_tensor({big, 1 << 22}, 28, 0); }, Code::malformed,
       "multiply to more than 2^63"},
      {"unknown type", [] { return one_tensor({32}, 4, 0); }, Code::unsupported,
       "tensor 'w': heed has no code for tensor type 4"},
      {"type 2^32-1", [] { return one_tensor({32}, ~0u, 0); }, Code::unsupported, "tensor type 4294967295"},
      {"part of a block", [] { return one_tensor({100, 2}, 12, 0); }, Code::malformed,
       "tensor 'w': Q4_K rows hold a multiple of 256 values, got 100"},
      {"misaligned", [] { return one_tensor({32}, 0, 16); }, Code::malformed,
       "its offset 16 is not a multiple of the alignment 32"},
      {"offset past the end", [] { return one_tensor({32}, 0, 1 << 20); }, Code::malformed, "pass the file's end"},
      {"offset 2^64-32", [] { return one_tensor({32}, 0, ~std::uint64_t{31}); }, Code::malformed,
       "pass the file's end"},
      {"size past the end", [] { return one_tensor({4096}, 0, 0); }, Code::malformed, "pass the file's end"},
      {"no data", [] { return GgufBuilder().header(1, 0).tensor("w", {1}, 0, 0); }, Code::malformed,
       "pass the file's end"},
      {"overlap", [] { return two_tensors("b", 96); }, Code::malformed, "tensor 'b' overlaps tensor 'a'"},
      {"same place", [] { return two_tensors("b", 0); }, Code::malformed, "tensor 'b' overlaps tensor 'a'"},
      {"name twice", [] { return two_tensors("a", 128); }, Code::malformed, "tensor name 'a' appears twice"},
      {"empty name", [] { return two_tensors("", 128); }, Code::malformed, "a tensor name is empty"},
      {"name UTF-8", [] { return two_tensors("\xED\xA0\x80", 128); }, Code::malformed, "is not UTF-8"},
      {"name of 64 KiB + 1", [] { return GgufBuilder().header(1, 0).tensor(std::string(65537, 'n'), {1}, 0, 0); },
       Code::malformed, "a tensor name is too long"},
  };
}

TEST(Gguf, EachMalformedClassHasItsOwnError) {
  for (const auto& classes : {malformed_headers(), malformed_metadata(), malformed_tensors()}) {
    for (const Malformed& bad : classes) {
      const GgufBuilder b = bad.make();
      const auto file = parse(b);
      ASSERT_FALSE(file) << bad.name;
      EXPECT_EQ(file.error().code, bad.code) << bad.name << ": " << file.error().text;
      EXPECT_NE(file.error().text.find(bad.text), std::string::npos) << bad.name << ": " << file.error().text;
      EXPECT_TRUE(file.error().text.starts_with("gguf: ")) << file.error().text;
    }
  }
}

TEST(Gguf, LimitsAreInclusive) {
  EXPECT_TRUE(parse(GgufBuilder().header(0, 1).scalar(std::string(65536, 'k'), kU32, std::uint32_t{1})));
  EXPECT_TRUE(parse(one_tensor({1024}, 0, 0)));
  EXPECT_TRUE(parse(one_tensor({2, 2, 2, 2}, 0, 4096 - 64)));
  EXPECT_TRUE(parse(two_tensors("b", 128)));
  EXPECT_TRUE(parse(with_alignment(8)));
  EXPECT_TRUE(parse(with_alignment(1 << 20)));
}

TEST(Gguf, DecodedMetadataThatOutgrowsTheBudgetIsRefused) {
  // Bytes become int64: 8 MiB of file would be 64 MiB of memory.
  GgufBuilder bytes;
  bytes.header(0, 1).array("k", kU8, 8 << 20).data(8 << 20);
  const auto file = parse(bytes);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::too_long);
  EXPECT_NE(file.error().text.find("key 'k' would take more memory"), std::string::npos) << file.error().text;
}

TEST(Gguf, TextsTakeNoMoreMemoryThanTheyTakeInTheFile) {
  GgufBuilder texts;
  texts.header(0, 1).array("k", kString, 1 << 20);  // empty ones
  texts.bytes().resize(texts.bytes().size() + (8 << 20));
  const auto file = parse(texts);
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(file->metadata().strings("k")->size(), std::size_t{1} << 20);
}

TEST(Gguf, OpenNamesTheFile) {
  const auto missing = GgufFile::open("/nonexistent/model.gguf");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::not_found);

  const auto directory = std::filesystem::temp_directory_path() / ("heed_gguf_" + std::to_string(::getpid()));
  std::filesystem::create_directories(directory);
  const std::string path = (directory / "m.gguf").string();
  const auto write = [&](std::span<const std::byte> bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  };
  write({});
  const auto empty = GgufFile::open(path);
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, Code::malformed);
  EXPECT_NE(empty.error().text.find(path), std::string::npos);

  const GgufBuilder b = small_model();
  write(b.bytes());
  const auto file = GgufFile::open(path);
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(file->file_bytes(), b.bytes().size());
  const Tensor* q = file->find("blk.0.attn_q.weight");
  ASSERT_NE(q, nullptr);
  const std::byte first = *q->data;
  file->drop_pages(*q);
  EXPECT_EQ(*q->data, first) << "dropped pages come back";
  std::filesystem::remove_all(directory);
}

TEST(Utf8, FollowsUnicodeTable37) {
  for (const char* good : {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
                          "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC2g"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
}

}  // namespace
}  // namespace heed
