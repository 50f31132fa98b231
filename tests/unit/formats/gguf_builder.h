// gguf_builder.h -- writes small GGUF files, well formed or not, and remembers where each field stands.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"

namespace heed::testing_gguf {

enum class Field { version, count, key, length, value_type, array_length, value, rank, dim, tensor_type, offset };

struct Mark {
  Field field;
  std::size_t at, width;
};

// Numbers of the specification.
enum Value : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

struct TensorType {
  DType dtype;
  std::uint32_t id;
};
inline constexpr TensorType kTensorTypes[] = {
    {DType::f32, 0},      {DType::f16, 1},     {DType::q4_0, 2},     {DType::q4_1, 3},   {DType::q5_0, 6},
    {DType::q5_1, 7},     {DType::q8_0, 8},    {DType::q2_k, 10},    {DType::q3_k, 11},  {DType::q4_k, 12},
    {DType::q5_k, 13},    {DType::q6_k, 14},   {DType::i8, 24},      {DType::i16, 25},   {DType::i32, 26},
    {DType::i64, 27},     {DType::f64, 28},    {DType::bf16, 30},    {DType::q8_1, 9},   {DType::q8_k, 15},
    {DType::iq2_xxs, 16}, {DType::iq2_xs, 17}, {DType::iq3_xxs, 18}, {DType::iq1_s, 19}, {DType::iq4_nl, 20},
    {DType::iq3_s, 21},   {DType::iq2_s, 22},  {DType::iq4_xs, 23},  {DType::iq1_m, 29}, {DType::tq1_0, 34},
    {DType::tq2_0, 35},   {DType::mxfp4, 39},
};

class GgufBuilder {
 public:
  GgufBuilder& header(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) {
    raw("GGUF", 4);
    number(Field::version, version);
    has_narrow_counts_ = version == 1;
    count(Field::count, tensors);
    return count(Field::count, keys);
  }
  /// Counts, lengths and dimensions: 8 bytes, or 4 in version 1.
  GgufBuilder& count(Field field, std::uint64_t value) {
    return has_narrow_counts_ ? number(field, static_cast<std::uint32_t>(value)) : number(field, value);
  }

  GgufBuilder& key(std::string_view name, std::uint32_t type) {
    string(name, Field::key);
    return number(Field::value_type, type);
  }
  template <class T>
  GgufBuilder& scalar(std::string_view name, std::uint32_t type, T value) {
    return key(name, type).number(Field::value, value);
  }
  GgufBuilder& text(std::string_view name, std::string_view value) {
    return key(name, kString).string(value, Field::value);
  }
  /// The head of an array; its items follow.
  GgufBuilder& array(std::string_view name, std::uint32_t type, std::uint64_t length) {
    key(name, kArray).number(Field::value_type, type);
    return count(Field::array_length, length);
  }
  GgufBuilder& item(std::string_view text) { return string(text, Field::value); }

  GgufBuilder& tensor(std::string_view name, const std::vector<std::int64_t>& dims, std::uint32_t type,
                      std::uint64_t offset) {
    string(name, Field::key);
    number(Field::rank, static_cast<std::uint32_t>(dims.size()));
    for (const std::int64_t dim : dims) count(Field::dim, static_cast<std::uint64_t>(dim));
    number(Field::tensor_type, type);
    return number(Field::offset, offset);
  }

  GgufBuilder& align(std::size_t alignment = 32) {
    while (bytes_.size() % alignment != 0) bytes_.push_back(std::byte{0});
    return *this;
  }
  GgufBuilder& data(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) bytes_.push_back(static_cast<std::byte>(i * 31 + 7));
    return *this;
  }

  template <class T>
  GgufBuilder& number(Field field, T value) {
    marks_.push_back({field, bytes_.size(), sizeof value});
    return raw(&value, sizeof value);
  }
  GgufBuilder& raw(const void* p, std::size_t n) {
    const auto* bytes = static_cast<const std::byte*>(p);
    bytes_.insert(bytes_.end(), bytes, bytes + n);
    return *this;
  }

  std::vector<std::byte>& bytes() { return bytes_; }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  const std::vector<Mark>& marks() const { return marks_; }

 private:
  GgufBuilder& string(std::string_view text, Field field) {
    count(Field::length, text.size());
    marks_.push_back({field, bytes_.size(), text.size()});
    return raw(text.data(), text.size());
  }

  std::vector<std::byte> bytes_;
  std::vector<Mark> marks_;
  bool has_narrow_counts_ = false;
};

/// One key of every value type and one array of every type that may stand in one.
inline GgufBuilder every_value(std::uint32_t version = 3) {
  GgufBuilder b;
  b.header(0, 15, version);
  b.scalar("u8", kU8, std::uint8_t{255}).scalar("i8", kI8, std::int8_t{-128});
  b.scalar("u16", kU16, std::uint16_t{65535}).scalar("i16", kI16, std::int16_t{-32768});
  b.scalar("u32", kU32, std::uint32_t{4294967295u}).scalar("i32", kI32, std::int32_t{-5});
  b.scalar("f32", kF32, 0.5f).scalar("f64", kF64, 0.1).scalar("flag", kBool, std::uint8_t{1});
  b.scalar("u64", kU64, std::uint64_t{1} << 63).scalar("i64", kI64, std::int64_t{-7});
  b.text("text", "h\xC3\xA9 \xF0\x9F\x98\x80");
  b.array("words", kString, 3).item("a").item("").item("a word of more than fifteen bytes");
  b.array("numbers", kI32, 2).number(Field::value, std::int32_t{-1}).number(Field::value, std::int32_t{2});
  b.array("scores", kF32, 2).number(Field::value, 1.5f).number(Field::value, -2.5f);
  return b;
}

/// One tensor [2, 256] of every encoding.
inline GgufBuilder every_tensor(std::uint32_t version = 3) {
  GgufBuilder b;
  b.header(std::size(kTensorTypes), 1, version).text("general.architecture", "test");
  std::uint64_t offset = 0, end = 0;
  for (const TensorType& type : kTensorTypes) {
    b.tensor("blk.0." + std::string(info(type.dtype).name), {256, 2}, type.id, offset);
    end = offset + static_cast<std::uint64_t>(2 * row_bytes(type.dtype, 256));
    offset = (end + 31) / 32 * 32;
  }
  return b.align().data(end);
}

/// What a language model looks like, in small: names, vocabulary, weights of three encodings.
inline GgufBuilder small_model(std::uint32_t version = 3) {
  GgufBuilder b;
  b.header(3, 6, version).text("general.architecture", "llama");
  b.scalar("general.alignment", kU32, std::uint32_t{64}).scalar("llama.block_count", kU32, std::uint32_t{1});
  b.array("tokenizer.ggml.tokens", kString, 4).item("<s>").item("\xFF").item("longer than the inline buffer").item("x");
  b.array("tokenizer.ggml.scores", kF32, 4);
  for (int i = 0; i < 4; ++i) b.number(Field::value, static_cast<float>(-i));
  b.array("flags", kBool, 2).number(Field::value, std::uint8_t{0}).number(Field::value, std::uint8_t{1});
  b.tensor("token_embd.weight", {32, 4}, 8, 0);        // Q8_0: 4 * 34 = 136 bytes
  b.tensor("blk.0.attn_q.weight", {256, 2}, 12, 192);  // Q4_K: 2 * 144 = 288 bytes
  b.tensor("output_norm.weight", {32}, 0, 512);        // F32: 128 bytes
  return b.align(64).data(640);
}

/// Part `part` of `parts`: a tensor of its own of 32 floats, the vocabulary in the first.
inline GgufBuilder split_part(std::uint16_t part, std::uint16_t parts, std::int32_t tensors) {
  GgufBuilder b;
  b.header(1, part == 0 ? 4 : 3).scalar("split.no", kU16, part).scalar("split.count", kU16, parts);
  b.scalar("split.tensors.count", kI32, tensors);
  if (part == 0) b.text("general.architecture", "llama");
  return b.tensor("blk." + std::to_string(part) + ".attn_norm.weight", {32}, 0, 0).align().data(128);
}

}  // namespace heed::testing_gguf
