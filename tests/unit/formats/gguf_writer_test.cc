// gguf_writer_test.cc -- what is written is what the reader reads.
#include "formats/gguf_writer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "formats/gguf.h"

namespace heed {
namespace {

std::vector<std::byte> written(const Metadata& metadata, const std::vector<NamedTensor>& tensors) {
  auto bytes = gguf_head(metadata, tensors);
  EXPECT_TRUE(bytes) << bytes.error().text;
  EXPECT_EQ(bytes->size() % kGgufAlignment, 0U);
  std::byte fill{1};
  for (const NamedTensor& named : tensors) {
    bytes->resize(bytes->size() + static_cast<std::size_t>(named.tensor.bytes()), fill);
    bytes->resize(bytes->size() + static_cast<std::size_t>(gguf_padding(named.tensor.bytes())));
    fill = static_cast<std::byte>(static_cast<int>(fill) + 1);
  }
  return *bytes;
}

TEST(GgufWriter, TheReaderGivesBackEveryValue) {
  Metadata m;
  m.insert("general.architecture", std::string("test"));
  m.insert("flag", true);
  m.insert("small", std::int64_t{7});
  m.insert("most_u32", std::int64_t{4294967295});
  m.insert("wide", std::int64_t{4294967296});
  m.insert("negative", std::int64_t{-5});
  m.insert("low", std::int64_t{-5000000000});
  m.insert("huge", std::uint64_t{1} << 63);
  m.insert("float", 0.5);
  m.insert("double", 0.1);
  m.insert("text", std::string("h\xC3\xA9 \0x", 6));
  m.insert("ints", MetaArray(std::vector<std::int64_t>{-1, 2}));
  m.insert("longs", MetaArray(std::vector<std::int64_t>{1, std::int64_t{1} << 40}));
  m.insert("floats", MetaArray(std::vector<double>{1.5, -2.5}));
  m.insert("doubles", MetaArray(std::vector<double>{1.5, 0.1}));
  m.insert("words", MetaArray(TextList({"a", "", "a longer word than that"})));
  const auto bytes = written(m, {});
  const auto file = GgufFile::parse(bytes);
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(file->version(), 3);
  EXPECT_EQ(file->metadata().all().size(), m.all().size());
  for (const auto& [key, value] : m.all()) {
    const MetaValue* got = file->metadata().find(key);
    ASSERT_NE(got, nullptr) << key;
    EXPECT_TRUE(*got == value) << key;
  }
}

TEST(GgufWriter, TensorsLieWhereTheTableSays) {
  Metadata m;
  m.insert("general.alignment", std::int64_t{64});  // of the file it came from
  std::vector<NamedTensor> tensors = {{"a", {.dtype = DType::f32, .rank = 1, .shape = {3}}},
                                      {"b", {.dtype = DType::q4_k, .rank = 2, .shape = {3, 512}}},
                                      {"c", {.dtype = DType::bf16, .rank = 3, .shape = {2, 3, 5}}}};
  const auto bytes = written(m, tensors);
  const auto file = GgufFile::parse(bytes);
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(file->metadata().find("general.alignment"), nullptr);
  int fill = 1;
  for (const NamedTensor& named : tensors) {
    const Tensor* t = file->find(named.name);
    ASSERT_NE(t, nullptr) << named.name;
    EXPECT_EQ(t->dtype, named.tensor.dtype);
    EXPECT_EQ(t->rank, named.tensor.rank);
    EXPECT_EQ(t->shape, named.tensor.shape);
    EXPECT_EQ(static_cast<int>(t->data[0]), fill) << named.name;
    EXPECT_EQ(static_cast<int>(t->data[t->bytes() - 1]), fill) << named.name;
    ++fill;
  }
}

TEST(GgufWriter, TypesWithoutANumberAreRefused) {
  const std::vector<NamedTensor> tensors = {{"a", {.dtype = DType::i4, .rank = 1, .shape = {2}}}};
  const auto head = gguf_head({}, tensors);
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().code, Code::unsupported);
}

}  // namespace
}  // namespace heed
