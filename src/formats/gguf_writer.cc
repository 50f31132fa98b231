// gguf_writer.cc -- the reader's counterpart. Specification: ggml, docs/gguf.md, version 3.
#include "formats/gguf_writer.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "formats/gguf.h"

namespace heed {
namespace {

// Numbers of the specification.
enum WrittenType : std::uint32_t {
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kText = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12
};

class Writer {
 public:
  std::vector<std::byte> out;

  void raw(const void* p, std::size_t n) {
    const auto* bytes = static_cast<const std::byte*>(p);
    out.insert(out.end(), bytes, bytes + n);
  }
  template <class T>
  void number(T value) {
    raw(&value, sizeof value);
  }
  void text(std::string_view value) {
    number(static_cast<std::uint64_t>(value.size()));
    raw(value.data(), value.size());
  }
  void align() {
    out.resize(out.size() + static_cast<std::size_t>(gguf_padding(static_cast<std::int64_t>(out.size()))));
  }

  void operator()(bool value) {
    number(std::uint32_t{kBool});
    number(static_cast<std::uint8_t>(value));
  }
  void operator()(std::int64_t value) {
    constexpr std::int64_t kMostU32 = std::numeric_limits<std::uint32_t>::max();
    if (value >= 0 && value <= kMostU32) return typed(kU32, static_cast<std::uint32_t>(value));
    if (value < 0 && value >= std::numeric_limits<std::int32_t>::min())
      return typed(kI32, static_cast<std::int32_t>(value));
    typed(kI64, value);
  }
  void operator()(std::uint64_t value) { typed(kU64, value); }
  void operator()(double value) {
    if (is_float(value)) return typed(kF32, static_cast<float>(value));
    typed(kF64, value);
  }
  void operator()(const std::string& value) {
    number(std::uint32_t{kText});
    text(value);
  }
  void operator()(const MetaArray& array) {
    number(std::uint32_t{kArray});
    std::visit([&](const auto& items) { this->items(items); }, array);
  }

 private:
  static bool is_float(double value) {
    return !(value == value) || static_cast<double>(static_cast<float>(value)) == value;
  }
  template <class T>
  void typed(WrittenType type, T value) {
    number(std::uint32_t{type});
    number(value);
  }
  template <class To, class From>
  void all_as(WrittenType type, const std::vector<From>& values) {
    number(std::uint32_t{type});
    number(static_cast<std::uint64_t>(values.size()));
    for (const From value : values) number(static_cast<To>(value));
  }
  void items(const std::vector<std::int64_t>& values) {
    const bool fits = std::all_of(values.begin(), values.end(), [](std::int64_t v) {
      return v >= std::numeric_limits<std::int32_t>::min() && v <= std::numeric_limits<std::int32_t>::max();
    });
    fits ? all_as<std::int32_t>(kI32, values) : all_as<std::int64_t>(kI64, values);
  }
  void items(const std::vector<double>& values) {
    std::all_of(values.begin(), values.end(), is_float) ? all_as<float>(kF32, values) : all_as<double>(kF64, values);
  }
  void items(const TextList& values) {
    number(std::uint32_t{kText});
    number(static_cast<std::uint64_t>(values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) text(values[i]);
  }
};

}  // namespace

Expected<std::vector<std::byte>> gguf_head(const Metadata& metadata, std::span<const NamedTensor> tensors) {
  constexpr std::string_view kAlignment = "general.alignment";
  Writer w;
  w.raw("GGUF", 4);
  w.number(std::uint32_t{3});
  w.number(static_cast<std::uint64_t>(tensors.size()));
  w.number(static_cast<std::uint64_t>(metadata.all().size() - (metadata.find(kAlignment) ? 1 : 0)));
  for (const auto& [key, value] : metadata.all()) {
    if (key == kAlignment) continue;
    w.text(key);
    std::visit([&w](const auto& v) { w(v); }, value);
  }
  std::int64_t offset = 0;
  for (const NamedTensor& named : tensors) {
    const Tensor& t = named.tensor;
    const auto number = gguf_type_number(t.dtype);
    if (!number)
      return fail(Code::unsupported,
                  "gguf: tensor '" + named.name + "': the format has no number for " + std::string(info(t.dtype).name),
                  named.name);
    w.text(named.name);
    w.number(static_cast<std::uint32_t>(t.rank));
    for (std::int32_t i = t.rank; i > 0; --i) w.number(t.shape[static_cast<std::size_t>(i - 1)]);
    w.number(*number);
    w.number(offset);
    offset += t.bytes() + gguf_padding(t.bytes());
  }
  w.align();
  return std::move(w.out);
}

}  // namespace heed
