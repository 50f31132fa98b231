// input_values.cc -- conversion of the input.
#include "text/jinja/input_values.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace heed::jinja {
namespace {

Expected<Value> convert(const nlohmann::ordered_json& json, Author author, std::int32_t level);

Expected<Value> convert_list(const nlohmann::ordered_json& json, Author author, std::int32_t level) {
  auto list = std::make_shared<List>(nullptr, 0);
  list->items.reserve(json.size());
  std::int32_t inside = 0;
  for (const auto& item : json) {
    HEED_ASSIGN(Value value, convert(item, author, level + 1));
    inside = std::max(inside, value.depth());
    list->items.push_back(std::move(value));
  }
  list->depth = inside + 1;
  return Value::object(Kind::list, std::move(list), author == Author::user);
}

Expected<Value> convert_dict(const nlohmann::ordered_json& json, Author author, std::int32_t level) {
  auto dict = std::make_shared<Dict>(nullptr, 0);
  constexpr std::size_t kIndexedFrom = 12;
  std::int32_t inside = 0;
  for (const auto& [key, item] : json.items()) {
    HEED_ASSIGN(Value value, convert(item, author, level + 1));
    inside = std::max(inside, value.depth());
    if (json.size() >= kIndexedFrom) dict->places.insert_or_assign("s" + key, dict->entries.size());
    dict->entries.emplace_back(Value(fixed_text(key, author == Author::program)), std::move(value));
  }
  dict->depth = inside + 1;
  return Value::object(Kind::dict, std::move(dict), author == Author::user);
}

Expected<Value> convert(const nlohmann::ordered_json& json, Author author, std::int32_t level) {
  using Type = nlohmann::ordered_json::value_t;
  const bool untrusted = author == Author::user;
  if (level > kMaxValueDepth / 2) {  // leaves room for what the template builds around it
    return fail(Code::invalid_argument, "chat template: expected input nested at most 64 deep, got more", "input");
  }
  switch (json.type()) {
    case Type::null:
      return Value::none(untrusted);
    case Type::boolean:
      return Value::boolean(json.get<bool>(), untrusted);
    case Type::number_integer:
      return Value::integer(json.get<std::int64_t>(), untrusted);
    case Type::number_unsigned: {
      const auto number = json.get<std::uint64_t>();
      const bool fits = number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
      if (!fits) return Value::real(static_cast<double>(number), untrusted);
      return Value::integer(static_cast<std::int64_t>(number), untrusted);
    }
    case Type::number_float:
      return Value::real(json.get<double>(), untrusted);
    case Type::string:
      return Value(fixed_text(json.get_ref<const std::string&>(), !untrusted));
    case Type::array:
      return convert_list(json, author, level);
    case Type::object:
      return convert_dict(json, author, level);
    case Type::binary:
    case Type::discarded:
      break;
  }
  return fail(Code::invalid_argument, "chat template: expected JSON values, got binary data", "input");
}

}  // namespace

Author author_of(std::string_view variable) noexcept {
  const bool is_users = variable == "messages" || variable == "tools" || variable == "documents";
  return is_users ? Author::user : Author::program;
}

Expected<Value> input_value(const nlohmann::ordered_json& json, Author author) { return convert(json, author, 1); }

}  // namespace heed::jinja
