// json_fields.h -- the fields of tokenizer.json's parts, typed; every refusal names the part and the field.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/expected.h"

namespace heed {

/// One part of the file ("normalizer", "model", ...), and where it stands.
class JsonPart {
 public:
  using Json = nlohmann::json;

  JsonPart(const Json& value, std::string name) : value_(&value), name_(std::move(name)) {}

  const Json& value() const noexcept { return *value_; }
  const std::string& name() const noexcept { return name_; }

  Error malformed(const std::string& what) const { return error(Code::malformed, what); }
  Error unsupported(const std::string& what) const { return error(Code::unsupported, what); }

  /// nullptr: absent, or null.
  const Json* find(const char* key) const noexcept {
    if (!value_->is_object()) return nullptr;
    const auto it = value_->find(key);
    return it == value_->end() || it->is_null() ? nullptr : &*it;
  }

  Expected<bool> flag(const char* key, bool otherwise) const {
    const Json* field = find(key);
    if (field == nullptr) return otherwise;
    if (!field->is_boolean()) return malformed(std::string(key) + ": expected a bool, got " + field->type_name());
    return field->get<bool>();
  }

  Expected<std::string> text(const char* key, std::string otherwise) const {
    const Json* field = find(key);
    if (field == nullptr) return otherwise;
    if (!field->is_string()) return malformed(std::string(key) + ": expected a text, got " + field->type_name());
    return field->get<std::string>();
  }

  Expected<std::string> need_text(const char* key) const {
    if (find(key) == nullptr) return malformed(std::string(key) + ": expected a text, got none");
    return text(key, {});
  }

  /// Of [0, most].
  Expected<std::int64_t> integer(const char* key, std::int64_t otherwise, std::int64_t most) const {
    const Json* field = find(key);
    if (field == nullptr) return otherwise;
    const bool is_whole =
        most >= 0 && field->is_number_unsigned() && field->get<std::uint64_t>() <= static_cast<std::uint64_t>(most);
    if (!is_whole)
      return malformed(std::string(key) + ": expected an integer from 0 to " + std::to_string(most) + ", got " +
                       (field->is_number() ? field->dump() : field->type_name()));
    return field->get<std::int64_t>();
  }

  /// An array of parts.
  Expected<std::vector<JsonPart>> parts(const char* key) const {
    const Json* field = find(key);
    if (field == nullptr || !field->is_array())
      return malformed(std::string(key) + ": expected an array, got " +
                       (field == nullptr ? "none" : field->type_name()));
    std::vector<JsonPart> out;
    for (const Json& value : *field)
      out.emplace_back(value, name_ + "." + key + "[" + std::to_string(out.size()) + "]");
    return out;
  }

  JsonPart part(const char* key) const {
    static const Json null;
    const Json* field = find(key);
    return {field == nullptr ? null : *field, name_.empty() ? key : name_ + "." + key};
  }

 private:
  Error error(Code code, const std::string& what) const {
    return fail(code, "tokenizer.json: " + name_ + ": " + what, name_);
  }

  const Json* value_;
  std::string name_;
};

}  // namespace heed
