// safetensors_test.cc -- every type, and every class of malformed file by its name.
#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/formats/safetensors_builder.h"

namespace heed {
namespace {

using testing::HasSubstr;
using testing_safetensors::entry;
using testing_safetensors::file_of;

std::string everything() {
  return R"({"__metadata__":{"format":"pt"},)" + entry("a.f32", "F32", "[2,3]", 0, 24) + "," +
         entry("a.bf16", "BF16", "[4]", 24, 32) + "," + entry("a.f16", "F16", "[2,1,2]", 32, 40) + "," +
         entry("a.f64", "F64", "[]", 40, 48) + "," + entry("a.i8", "I8", "[8]", 48, 56) + "," +
         entry("a.i16", "I16", "[4]", 56, 64) + "," + entry("a.i32", "I32", "[2]", 64, 72) + "," +
         entry("a.i64", "I64", "[1]", 72, 80) + "}";
}

TEST(Safetensors, ReadsEveryTypeInPlace) {
  const auto bytes = file_of(everything() + "  ", 80);
  const auto tensors = parse_safetensors(bytes);
  ASSERT_TRUE(tensors) << tensors.error().text;
  ASSERT_EQ(tensors->size(), 8U);
  EXPECT_EQ((*tensors)[0].name, "a.f32");
  EXPECT_EQ((*tensors)[0].tensor.rank, 2);
  EXPECT_EQ((*tensors)[0].tensor.rows(), 2);
  EXPECT_EQ((*tensors)[0].tensor.cols(), 3);
  EXPECT_EQ((*tensors)[0].tensor.data, bytes.data() + bytes.size() - 80);
  EXPECT_EQ((*tensors)[3].tensor.dtype, DType::f64);
  EXPECT_EQ((*tensors)[3].tensor.bytes(), 8) << "a number alone is a vector of one";
  EXPECT_EQ((*tensors)[7].tensor.data, bytes.data() + bytes.size() - 8);
}

TEST(Safetensors, TruncationAnywhereIsAnError) {
  const auto bytes = file_of(everything(), 80);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const auto tensors = parse_safetensors(std::span(bytes).first(n));
    ASSERT_FALSE(tensors) << n;
    EXPECT_EQ(tensors.error().code, Code::malformed) << n << ": " << tensors.error().text;
  }
}

struct Broken {
  const char* name;
  std::string table;
  std::size_t data;
  Code code;
  const char* says;
};

class SafetensorsBroken : public testing::TestWithParam<Broken> {};

TEST_P(SafetensorsBroken, IsRefusedByName) {
  const auto bytes = file_of(GetParam().table, GetParam().data);
  const auto tensors = parse_safetensors(bytes);
  ASSERT_FALSE(tensors);
  EXPECT_EQ(tensors.error().code, GetParam().code) << tensors.error().text;
  EXPECT_THAT(tensors.error().text, HasSubstr(GetParam().says));
}

std::string deep(std::size_t levels) { return R"({"a":)" + std::string(levels, '[') + std::string(levels, ']') + "}"; }

INSTANTIATE_TEST_SUITE_P(
    All, SafetensorsBroken,
    testing::Values(
        Broken{"no_object", "[1]", 0, Code::malformed, "begins with '{'"},
        Broken{"no_json", R"({"a":})", 0, Code::malformed, "no JSON"},
        Broken{"second_value", "{}{}", 0, Code::malformed, "no JSON"},
        Broken{"bad_utf8", "{\"\xFF\":1}", 0, Code::malformed, "no JSON"},
        Broken{"not_an_entry", R"({"a":1})", 0, Code::malformed, "got a number"},
        Broken{"null", R"({"a":null})", 0, Code::malformed, "got null"},
        Broken{"bomb", deep(100000), 0, Code::malformed, "got an array"},
        Broken{"object_bomb", R"({"a":{"dtype":{"b":{"c":1}}}})", 0, Code::malformed, "got an object"},
        Broken{"no_offsets", R"({"a":{"dtype":"F32","shape":[1]}})", 4, Code::malformed, "expected a dtype, a shape"},
        Broken{"one_offset", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, Code::malformed,
               "two data_offsets"},
        Broken{"three_offsets", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4, Code::malformed,
               "got more"},
        Broken{"field_twice", R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4,
               Code::malformed, "appears twice or is unknown"},
        Broken{"unknown_field", R"({"a":{"dtypes":"F32"}})", 0, Code::malformed, "appears twice or is unknown"},
        Broken{"negative", R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, Code::malformed,
               "negative"},
        Broken{"fraction", R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, Code::malformed,
               "fraction"},
        Broken{"zero", "{" + entry("a", "F32", "[0]", 0, 0) + "}", 0, Code::malformed, "dimensions"},
        Broken{"rank", "{" + entry("a", "F32", "[1,1,1,1,1]", 0, 4) + "}", 4, Code::unsupported, "4 dimensions"},
        Broken{"f8", "{" + entry("a", "F8_E4M3", "[4]", 0, 4) + "}", 4, Code::unsupported, "F8_E4M3"},
        Broken{"overflow", "{" + entry("a", "F32", "[4611686018427387904,4611686018427387904]", 0, 4) + "}", 4,
               Code::malformed, "more than 2^63"},
        Broken{"huge_offset", "{" + entry("a", "F32", "[1]", 0, 18446744073709551615U) + "}", 4, Code::malformed,
               "its shape takes 4 bytes"},
        Broken{"too_short", "{" + entry("a", "F32", "[2]", 0, 4) + "}", 4, Code::malformed, "its shape takes 8 bytes"},
        Broken{"backwards", "{" + entry("a", "F32", "[1]", 4, 0) + "}", 4, Code::malformed, "its data_offsets are 4"},
        Broken{"past_the_end", "{" + entry("a", "F32", "[2]", 0, 8) + "}", 4, Code::malformed, "the file has 4 bytes"},
        Broken{"overlap", "{" + entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "F32", "[2]", 4, 12) + "}", 12,
               Code::malformed, "they overlap"},
        Broken{"gap", "{" + entry("a", "F32", "[1]", 0, 4) + "," + entry("b", "F32", "[1]", 8, 12) + "}", 12,
               Code::malformed, "there is a gap"},
        Broken{"rest", "{" + entry("a", "F32", "[1]", 0, 4) + "}", 8, Code::malformed, "the file has 8 bytes"},
        Broken{"twice", "{" + entry("a", "F32", "[1]", 0, 4) + "," + entry("a", "F32", "[1]", 4, 8) + "}", 8,
               Code::malformed, "appears twice"},
        Broken{"no_name", "{" + entry("", "F32", "[1]", 0, 4) + "}", 4, Code::malformed, "names of 1 to 1024"}),
    [](const auto& p) { return p.param.name; });

TEST(Safetensors, AbsurdTableLengthIsRefusedBeforeReading) {
  auto bytes = file_of("{}", 0);
  const std::uint64_t absurd = ~std::uint64_t{0};
  std::memcpy(bytes.data(), &absurd, 8);
  const auto tensors = parse_safetensors(bytes);
  ASSERT_FALSE(tensors);
  EXPECT_EQ(tensors.error().code, Code::too_long) << tensors.error().text;
}

TEST(Safetensors, MutationsGiveAViewInsideOrANamedError) {
  const auto good = file_of(everything(), 80);
  std::mt19937 random(3);
  const char* asked = std::getenv("HEED_MUTATIONS");
  const int rounds = asked ? std::atoi(asked) : 20000;
  for (int i = 0; i < rounds; ++i) {
    auto bytes = good;
    for (std::uint32_t changes = 1 + random() % 4; changes > 0; --changes) {
      const std::size_t at = random() % bytes.size();
      bytes[at] = static_cast<std::byte>(random() % 3 == 0 ? random() : "0123456789[]{},:\"F-"[random() % 19]);
    }
    const auto tensors = parse_safetensors(bytes);
    if (!tensors) {
      EXPECT_FALSE(tensors.error().text.empty());
      continue;
    }
    for (const NamedTensor& named : *tensors) {
      ASSERT_GE(named.tensor.data, bytes.data());
      ASSERT_LE(named.tensor.data + named.tensor.bytes(), bytes.data() + bytes.size());
    }
  }
}

}  // namespace
}  // namespace heed
