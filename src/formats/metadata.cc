// metadata.cc -- typed look-ups; every refusal names the key, what was expected and what came.
#include "formats/metadata.h"

#include <array>

namespace heed {
namespace {

const char* type_name(const MetaValue& value) noexcept {
  constexpr std::array<const char*, 6> kNames = {"a bool",   "an integer", "an integer over 2^63",
                                                 "a number", "a text",     "an array"};
  return value.index() < kNames.size() ? kNames[value.index()] : "nothing";
}

Error wrong_type(std::string_view key, const char* expected, const MetaValue& value) {
  const std::string name(key);
  return fail(Code::malformed, "metadata: key '" + name + "': expected " + expected + ", got " + type_name(value),
              name);
}

Error missing(std::string_view key, const char* expected) {
  const std::string name(key);
  return fail(Code::malformed, "metadata: key '" + name + "': expected " + expected + ", but the file has no such key",
              name);
}

Expected<std::int64_t> checked_integer(std::string_view key, const MetaValue& value, std::int64_t low,
                                       std::int64_t high) {
  const auto range_error = [&](const std::string& got) {
    return fail(Code::malformed,
                "metadata: key '" + std::string(key) + "': expected an integer from " + std::to_string(low) + " to " +
                    std::to_string(high) + ", got " + got,
                std::string(key));
  };
  if (const auto* big = std::get_if<std::uint64_t>(&value)) return range_error(std::to_string(*big));
  const auto* number = std::get_if<std::int64_t>(&value);
  if (number == nullptr) return wrong_type(key, "an integer", value);
  if (*number < low || *number > high) return range_error(std::to_string(*number));
  return *number;
}

template <class T>
const T* array_of(const MetaValue* value) noexcept {
  if (value == nullptr) return nullptr;
  const auto* array = std::get_if<MetaArray>(value);
  return array == nullptr ? nullptr : std::get_if<T>(array);
}

}  // namespace

const MetaValue* Metadata::find(std::string_view key) const noexcept {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

Expected<std::int64_t> Metadata::integer(std::string_view key, std::int64_t otherwise, std::int64_t low,
                                         std::int64_t high) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return otherwise;
  return checked_integer(key, *value, low, high);
}

Expected<double> Metadata::real(std::string_view key, double otherwise) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return otherwise;
  if (const auto* number = std::get_if<double>(value)) return *number;
  if (const auto* whole = std::get_if<std::int64_t>(value)) return static_cast<double>(*whole);
  return wrong_type(key, "a number", *value);
}

Expected<std::string> Metadata::text(std::string_view key, std::string otherwise) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return otherwise;
  if (const auto* text = std::get_if<std::string>(value)) return *text;
  return wrong_type(key, "a text", *value);
}

Expected<bool> Metadata::flag(std::string_view key, bool otherwise) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return otherwise;
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  return wrong_type(key, "a bool", *value);
}

Expected<std::int64_t> Metadata::need_integer(std::string_view key, std::int64_t low, std::int64_t high) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return missing(key, "an integer");
  return checked_integer(key, *value, low, high);
}

Expected<std::string> Metadata::need_text(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return missing(key, "a text");
  if (const auto* text = std::get_if<std::string>(value)) return *text;
  return wrong_type(key, "a text", *value);
}

const TextList* Metadata::strings(std::string_view key) const noexcept { return array_of<TextList>(find(key)); }
const std::vector<std::int64_t>* Metadata::integers(std::string_view key) const noexcept {
  return array_of<std::vector<std::int64_t>>(find(key));
}
const std::vector<double>* Metadata::reals(std::string_view key) const noexcept {
  return array_of<std::vector<double>>(find(key));
}

bool Metadata::insert(std::string key, MetaValue value) {
  return values_.try_emplace(std::move(key), std::move(value)).second;
}

}  // namespace heed
