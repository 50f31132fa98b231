// metadata.h -- typed key-values of a model file, read through one interface (GGUF today, config.json later).
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/expected.h"

namespace heed {

/// Many short texts in one piece of memory: a vocabulary as strings of their own takes four times as much.
class TextList {
 public:
  TextList() = default;
  TextList(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) push_back(text);
  }

  void reserve(std::size_t texts, std::size_t bytes) {
    ends_.reserve(texts);
    bytes_.reserve(bytes);
  }
  void push_back(std::string_view text) {
    bytes_ += text;
    ends_.push_back(bytes_.size());
  }
  std::size_t size() const noexcept { return ends_.size(); }
  bool empty() const noexcept { return ends_.empty(); }
  std::size_t bytes() const noexcept { return bytes_.size(); }
  /// Valid while the list is not changed.
  std::string_view operator[](std::size_t i) const noexcept {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }
  bool operator==(const TextList&) const = default;

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;
};

using MetaArray = std::variant<std::vector<std::int64_t>, std::vector<double>, TextList>;
using MetaValue = std::variant<bool, std::int64_t, std::uint64_t, double, std::string, MetaArray>;

/// Keys are unique. Integers of every width arrive as int64 (uint64 only above its range), floats as double.
class Metadata {
 public:
  const MetaValue* find(std::string_view key) const noexcept;
  /// The value of an optional key. Wrong type or out of [low, high] -> malformed error that names the key.
  Expected<std::int64_t> integer(std::string_view key, std::int64_t otherwise, std::int64_t low = 0,
                                 std::int64_t high = std::int64_t{1} << 40) const;
  Expected<double> real(std::string_view key, double otherwise) const;
  Expected<std::string> text(std::string_view key, std::string otherwise) const;
  Expected<bool> flag(std::string_view key, bool otherwise) const;
  /// As above, but absence is an error.
  Expected<std::int64_t> need_integer(std::string_view key, std::int64_t low = 0,
                                      std::int64_t high = std::int64_t{1} << 40) const;
  Expected<std::string> need_text(std::string_view key) const;
  /// nullptr when the key is absent or of another type.
  const TextList* strings(std::string_view key) const noexcept;
  const std::vector<std::int64_t>* integers(std::string_view key) const noexcept;
  const std::vector<double>* reals(std::string_view key) const noexcept;

  /// false when the key was there already.
  bool insert(std::string key, MetaValue value);
  const std::map<std::string, MetaValue, std::less<>>& all() const noexcept { return values_; }

 private:
  std::map<std::string, MetaValue, std::less<>> values_;
};

}  // namespace heed
