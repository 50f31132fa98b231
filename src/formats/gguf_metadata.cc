// gguf_metadata.cc -- the key-value part of a GGUF file: every type of the specification, nested arrays refused.
#include "formats/gguf_metadata.h"

#include <algorithm>
#include <array>
#include <limits>

namespace heed {
namespace {

constexpr std::uint64_t kMaxNameBytes = 64 << 10;
constexpr std::uint64_t kMinKeyValueBytes = 1 + 4 + 1;  // after its length: one byte of key, type, smallest value
// A map node: links, key and value objects, allocator rounding. Measured 136 with libstdc++; only an upper bound
// counts.
constexpr std::uint64_t kKeyValueHeapBytes = 192;

// GGUF specification, enum gguf_metadata_value_type.
enum class ValueType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

std::uint64_t smallest_bytes(ValueType type, const ByteReader& reader) noexcept {
  constexpr std::array<std::uint64_t, 13> kBytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 4, 8, 8, 8};
  const bool has_length = type == ValueType::string || type == ValueType::array;
  return kBytes[static_cast<std::size_t>(type)] + (has_length ? reader.count_bytes() : 0);
}

// Heap of a string of n bytes beyond the object itself: none up to libstdc++'s inline 15, else rounded up by malloc.
std::uint64_t string_heap_bytes(std::uint64_t n) noexcept { return n <= 15 ? 0 : n + 32; }

class ValueReader {
 public:
  ValueReader(ByteReader& reader, MemoryBudget& budget, const std::string& key)
      : reader_(reader), budget_(budget), key_(key), name_("key '" + printable(key) + "'") {}

  Expected<MetaValue> read_value() {
    const std::size_t offset = reader_.at();
    HEED_ASSIGN(const ValueType type, read_type());
    switch (type) {
      case ValueType::f32:
      case ValueType::f64: {
        HEED_ASSIGN(const double number, read_real(type));
        return MetaValue(number);
      }
      case ValueType::boolean: {
        HEED_ASSIGN(const bool flag, read_flag());
        return MetaValue(flag);
      }
      case ValueType::string: {
        HEED_ASSIGN(std::string text, read_string());
        return MetaValue(std::move(text));
      }
      case ValueType::array: {
        HEED_ASSIGN(MetaArray array, read_array(offset));
        return MetaValue(std::move(array));
      }
      case ValueType::u64: {
        HEED_ASSIGN(const std::uint64_t number, reader_.read<std::uint64_t>("a metadata value"));
        if (number > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return MetaValue(number);
        return MetaValue(static_cast<std::int64_t>(number));
      }
      default: {
        HEED_ASSIGN(const std::int64_t number, read_integer(type));
        return MetaValue(number);
      }
    }
  }

 private:
  Expected<ValueType> read_type() {
    const std::size_t offset = reader_.at();
    HEED_ASSIGN(const auto id, reader_.read<std::uint32_t>("a metadata value's type"));
    if (id > static_cast<std::uint32_t>(ValueType::f64))
      return reader_.malformed(name_ + ": expected a value type from 0 to 12, got " + std::to_string(id), offset, key_);
    return static_cast<ValueType>(id);
  }

  template <class T>
  Expected<std::int64_t> widened() {
    HEED_ASSIGN(const T value, reader_.read<T>("a metadata value"));
    return static_cast<std::int64_t>(value);
  }

  Expected<std::int64_t> read_integer(ValueType type) {
    switch (type) {
      case ValueType::u8:
        return widened<std::uint8_t>();
      case ValueType::i8:
        return widened<std::int8_t>();
      case ValueType::u16:
        return widened<std::uint16_t>();
      case ValueType::i16:
        return widened<std::int16_t>();
      case ValueType::u32:
        return widened<std::uint32_t>();
      case ValueType::i32:
        return widened<std::int32_t>();
      case ValueType::boolean: {
        HEED_ASSIGN(const bool flag, read_flag());
        return std::int64_t{flag};
      }
      case ValueType::u64: {
        const std::size_t offset = reader_.at();
        HEED_ASSIGN(const std::int64_t value, widened<std::int64_t>());
        if (value < 0) return reader_.unsupported(name_ + ": an array item is over 2^63", offset, key_);
        return value;
      }
      default:
        return widened<std::int64_t>();
    }
  }

  Expected<double> read_real(ValueType type) {
    if (type == ValueType::f64) return reader_.read<double>("a metadata value");
    HEED_ASSIGN(const float number, reader_.read<float>("a metadata value"));
    return static_cast<double>(number);
  }

  Expected<bool> read_flag() {
    const std::size_t offset = reader_.at();
    HEED_ASSIGN(const auto byte, reader_.read<std::uint8_t>("a metadata value"));
    if (byte > 1)
      return reader_.malformed(name_ + ": expected a bool of 0 or 1, got " + std::to_string(byte), offset, key_);
    return byte == 1;
  }

  static Expected<std::string_view> take_text(ByteReader& from) {
    HEED_ASSIGN(const auto length, from.read_count("a text's length"));
    return from.take(length, "a text");
  }

  Expected<std::string> read_string() {
    HEED_ASSIGN(const std::string_view text, take_text(reader_));
    HEED_TRY(budget_.charge(reader_, 1, string_heap_bytes(text.size()), name_));
    return std::string(text);
  }

  template <class T, class Read>
  Expected<MetaArray> filled(std::uint64_t count, Read read) {
    HEED_TRY(budget_.charge(reader_, count, sizeof(T), name_));
    std::vector<T> items;
    items.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      HEED_ASSIGN(T item, read());
      items.push_back(std::move(item));
    }
    return MetaArray(std::move(items));
  }

  Expected<MetaArray> read_texts(std::uint64_t count) {
    std::uint64_t bytes = 0;
    ByteReader ahead = reader_;
    for (std::uint64_t i = 0; i < count; ++i) {
      HEED_ASSIGN(const std::string_view text, take_text(ahead));
      bytes += text.size();
    }
    HEED_TRY(budget_.charge(reader_, count, sizeof(std::size_t), name_));
    HEED_TRY(budget_.charge(reader_, 1, bytes, name_));
    TextList texts;
    texts.reserve(static_cast<std::size_t>(count), static_cast<std::size_t>(bytes));
    for (std::uint64_t i = 0; i < count; ++i) {
      HEED_ASSIGN(const std::string_view text, take_text(reader_));
      texts.push_back(text);
    }
    return MetaArray(std::move(texts));
  }

  Expected<MetaArray> read_array(std::size_t offset) {
    HEED_ASSIGN(const ValueType type, read_type());
    HEED_ASSIGN(const auto count, reader_.read_count("an array's length"));
    if (type == ValueType::array) return reader_.unsupported(name_ + ": nested arrays are not supported", offset, key_);
    if (count > reader_.left() / smallest_bytes(type, reader_))
      return reader_.malformed(name_ + ": the array says " + std::to_string(count) + " items, but only " +
                                   std::to_string(reader_.left()) + " bytes are left",
                               offset, key_);
    if (type == ValueType::string) return read_texts(count);
    if (type == ValueType::f32 || type == ValueType::f64)
      return filled<double>(count, [this, type] { return read_real(type); });
    return filled<std::int64_t>(count, [this, type] { return read_integer(type); });
  }

  ByteReader& reader_;
  MemoryBudget& budget_;
  const std::string& key_;
  std::string name_;
};

}  // namespace

Expected<std::string> read_gguf_name(ByteReader& reader, MemoryBudget& budget, const char* what) {
  const std::size_t offset = reader.at();
  HEED_ASSIGN(const auto length, reader.read_count(what));
  if (length == 0) return reader.malformed(std::string(what) + " is empty", offset);
  if (length > kMaxNameBytes)
    return reader.malformed(std::string(what) + " is too long: expected at most " + std::to_string(kMaxNameBytes) +
                                " bytes, got " + std::to_string(length),
                            offset);
  HEED_ASSIGN(const std::string_view name, reader.take(length, what));
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (!is_utf8(name)) return reader.malformed(std::string(what) + " '" + printable(name) + "' is not UTF-8", offset);
  if (std::any_of(name.begin(), name.end(), is_control))
    return reader.malformed(std::string(what) + " '" + printable(name) + "' holds a control character", offset);
  HEED_TRY(budget.charge(reader, 1, string_heap_bytes(length), what));
  return std::string(name);
}

Expected<Metadata> read_gguf_metadata(ByteReader& reader, MemoryBudget& budget, std::uint64_t count) {
  if (count > reader.left() / (reader.count_bytes() + kMinKeyValueBytes))
    return reader.malformed("the header says " + std::to_string(count) + " metadata keys, but only " +
                                std::to_string(reader.left()) + " bytes are left",
                            reader.at());
  Metadata metadata;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t offset = reader.at();
    HEED_TRY(budget.charge(reader, 1, kKeyValueHeapBytes, "the metadata"));
    HEED_ASSIGN(std::string key, read_gguf_name(reader, budget, "a metadata key"));
    HEED_ASSIGN(MetaValue value, ValueReader(reader, budget, key).read_value());
    const std::string name = printable(key);
    if (!metadata.insert(std::move(key), std::move(value)))
      return reader.malformed("metadata key '" + name + "' appears twice", offset, name);
  }
  return metadata;
}

}  // namespace heed
