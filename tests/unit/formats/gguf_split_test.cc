// gguf_split_test.cc -- models in several GGUF files: joined, or a named error for a part that is missing or another's.
#include "formats/gguf_split.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "formats/gguf.h"
#include "tests/unit/formats/gguf_builder.h"

namespace heed {
namespace {

using namespace testing_gguf;

class GgufSplitTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / ("heed_split_" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  std::string put(const std::string& name, const GgufBuilder& b) const {
    std::ofstream(path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(b.bytes().data()), static_cast<std::streamsize>(b.bytes().size()));
    return path(name);
  }
  void expect_error(const std::string& opened, Code code, const std::string& text) const {
    const auto file = GgufFile::open(opened);
    ASSERT_FALSE(file) << text;
    EXPECT_EQ(file.error().code, code) << file.error().text;
    EXPECT_NE(file.error().text.find(text), std::string::npos) << file.error().text;
    EXPECT_TRUE(file.error().text.starts_with(opened)) << file.error().text;
  }

  std::filesystem::path directory_;
};

TEST_F(GgufSplitTest, TheFirstPartOpensAllOfThem) {
  const std::string first = put("m-00001-of-00003.gguf", split_part(0, 3, 3));
  put("m-00002-of-00003.gguf", split_part(1, 3, 3));
  put("m-00003-of-00003.gguf", split_part(2, 3, 3));
  auto opened = GgufFile::open(first);
  ASSERT_TRUE(opened) << opened.error().text;
  const GgufFile file = std::move(*opened);  // views and the index survive a move
  EXPECT_EQ(*file.metadata().need_text("general.architecture"), "llama");
  ASSERT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.file_bytes(), split_part(0, 3, 3).bytes().size() + 2 * split_part(1, 3, 3).bytes().size());
  EXPECT_TRUE(file.mapped().bytes().empty()) << "several files are not one";
  for (const char* name : {"blk.0.attn_norm.weight", "blk.1.attn_norm.weight", "blk.2.attn_norm.weight"}) {
    const Tensor* t = file.find(name);
    ASSERT_NE(t, nullptr) << name;
    EXPECT_EQ(static_cast<int>(t->data[1]), 38);
    file.drop_pages(*t);
    EXPECT_EQ(static_cast<int>(t->data[1]), 38) << "dropped pages come back";
  }
}

TEST_F(GgufSplitTest, OnePartIsAWholeModelUnderAnyName) {
  const auto file = GgufFile::open(put("whole.gguf", split_part(0, 1, 1)));
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(file->tensors().size(), 1u);
}

TEST_F(GgufSplitTest, AMissingPartIsNamed) {
  const std::string first = put("m-00001-of-00003.gguf", split_part(0, 3, 3));
  put("m-00003-of-00003.gguf", split_part(2, 3, 3));
  expect_error(first, Code::not_found, "part 2 of 3: ");
  expect_error(first, Code::not_found, path("m-00002-of-00003.gguf"));
  put("m-00002-of-00003.gguf", GgufBuilder().header(0, ~0ull));
  expect_error(first, Code::malformed, "part 2 of 3: " + path("m-00002-of-00003.gguf") + ": gguf: the header says");
}

TEST_F(GgufSplitTest, AForeignPartIsNamed) {
  const std::string first = put("m-00001-of-00002.gguf", split_part(0, 2, 2));
  put("m-00002-of-00002.gguf", split_part(0, 2, 2));
  expect_error(first, Code::malformed, "expected part 2 of 2 with 2 tensors in all, got part 1 of 2 with 2");
  put("m-00002-of-00002.gguf", split_part(1, 3, 2));
  expect_error(first, Code::malformed, "expected part 2 of 2 with 2 tensors in all, got part 2 of 3 with 2");
  put("m-00002-of-00002.gguf", split_part(1, 2, 9));
  expect_error(first, Code::malformed, "expected part 2 of 2 with 2 tensors in all, got part 2 of 2 with 9");
  put("m-00002-of-00002.gguf", small_model());
  expect_error(first, Code::malformed, "expected part 2 of 2 with 2 tensors in all, got part 1 of 1 with -1");
}

TEST_F(GgufSplitTest, OtherPartsAndOtherNamesAreRefused) {
  put("m-00001-of-00002.gguf", split_part(0, 2, 2));
  expect_error(put("m-00002-of-00002.gguf", split_part(1, 2, 2)), Code::invalid_argument,
               "this is part 2 of 2; open the first, NAME-00001-of-00002.gguf");
  expect_error(put("m.gguf", split_part(0, 2, 2)), Code::invalid_argument, "is named NAME-00001-of-00002.gguf");
  expect_error(put("m-00001-of-00003.gguf", split_part(0, 2, 2)), Code::invalid_argument,
               "is named NAME-00001-of-00002.gguf");
}

TEST_F(GgufSplitTest, TensorsAreCountedAndNotRepeated) {
  const std::string first = put("m-00001-of-00002.gguf", split_part(0, 2, 3));
  put("m-00002-of-00002.gguf", split_part(1, 2, 3));
  expect_error(first, Code::malformed, "key 'split.tensors.count' says 3 tensors, the parts hold 2");
  GgufBuilder twin;
  twin.header(1, 3).scalar("split.no", kU16, std::uint16_t{1}).scalar("split.count", kU16, std::uint16_t{2});
  twin.scalar("split.tensors.count", kI32, std::int32_t{2});
  twin.tensor("blk.0.attn_norm.weight", {32}, 0, 0).align().data(128);
  put("m-00001-of-00002.gguf", split_part(0, 2, 2));
  put("m-00002-of-00002.gguf", twin);
  expect_error(first, Code::malformed, "tensor name 'blk.0.attn_norm.weight' appears twice");
}

TEST_F(GgufSplitTest, KeysOutOfRangeAreNamed) {
  const auto keys = [](std::int64_t no, std::int64_t count) {
    return GgufBuilder().header(0, 2).scalar("split.no", kI64, no).scalar("split.count", kI64, count);
  };
  expect_error(put("a.gguf", keys(0, 0)), Code::malformed,
               "key 'split.count': expected an integer from 1 to 65535, got 0");
  expect_error(put("b.gguf", keys(0, 1 << 20)), Code::malformed,
               "key 'split.count': expected an integer from 1 to 65535");
  expect_error(put("c.gguf", keys(3, 3)), Code::malformed, "key 'split.no': expected an integer from 0 to 2, got 3");
  expect_error(put("d.gguf", keys(-1, 3)), Code::malformed, "key 'split.no': expected an integer from 0 to 2, got -1");
  expect_error(put("e.gguf", GgufBuilder().header(0, 1).text("split.count", "2")), Code::malformed,
               "key 'split.count': expected an integer, got a text");
}

TEST(GgufJoin, NoPartsAreNoModel) { EXPECT_EQ(GgufFile::join({}).error().code, Code::invalid_argument); }

}  // namespace
}  // namespace heed
