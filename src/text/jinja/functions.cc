// functions.cc -- the names every template starts with.
#include <array>
#include <ctime>
#include <limits>

#include "text/jinja/text_operations.h"

namespace heed::jinja {
namespace {

constexpr std::uint64_t kMaxRange = 100'000;  // as Jinja's sandbox

Expected<Value> function_range(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"start", "stop", "step"}, 1));
  HEED_ASSIGN(std::int64_t from, given.integer(0, 0));
  HEED_ASSIGN(std::int64_t to, given.integer(1, 0));
  HEED_ASSIGN(const std::int64_t step, given.integer(2, 1));
  if (!given.has(1)) to = std::exchange(from, 0);
  if (step == 0) return type_error("range() arg 3 must not be zero");
  const bool is_empty = step > 0 ? from >= to : from <= to;
  const std::uint64_t distance = step > 0 ? static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from)
                                          : static_cast<std::uint64_t>(from) - static_cast<std::uint64_t>(to);
  const std::uint64_t stride = step > 0 ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
  const std::uint64_t count = is_empty ? 0 : (distance - 1) / stride + 1;
  if (count > kMaxRange) return fail(Code::too_long, "chat template: range() is longer than 100000");
  const bool untrusted = given.at(0)->untrusted() || (given.has(1) && given.at(1)->untrusted());
  std::vector<Value> items;
  for (std::uint64_t i = 0; i < count; ++i) {
    HEED_TRY(call.runtime.budget.step());
    const std::uint64_t item = static_cast<std::uint64_t>(from) + i * static_cast<std::uint64_t>(step);
    items.push_back(Value::integer(static_cast<std::int64_t>(item), untrusted));
  }
  return make_list(call.runtime.budget, std::move(items), Flavor::range, untrusted);
}

/// The pairs dict() is called with: of a mapping, of a list of pairs, then the named ones.
Expected<std::vector<std::pair<Value, Value>>> dict_entries(const Call& call) {
  std::vector<std::pair<Value, Value>> entries;
  if (call.arguments.size() > 1) return type_error(std::string(call.name) + " expected at most 1 argument");
  if (!call.arguments.empty() && call.arguments[0].is(Kind::dict)) {
    entries = call.arguments[0].dict().entries;
    HEED_TRY(call.runtime.budget.step(static_cast<std::int64_t>(entries.size())));
  } else if (!call.arguments.empty()) {
    HEED_ASSIGN(const auto list, iterate(call.runtime.budget, call.arguments[0]));
    for (const Value& item : list->items) {
      HEED_ASSIGN(const auto pair, iterate(call.runtime.budget, item));
      if (pair->items.size() != 2) return type_error("a dict is made of pairs");
      entries.emplace_back(pair->items[0], pair->items[1]);
    }
  }
  for (const auto& [name, value] : call.named) entries.emplace_back(Value(fixed_text(name, true)), value);
  return entries;
}

Expected<Value> function_dict(const Call& call) {
  HEED_ASSIGN(auto entries, dict_entries(call));
  const bool untrusted = !call.arguments.empty() && call.arguments[0].untrusted();
  return make_dict(call.runtime.budget, std::move(entries), untrusted);
}

Expected<Value> function_namespace(const Call& call) {
  HEED_ASSIGN(const auto entries, dict_entries(call));
  auto space = std::make_shared<Space>(&call.runtime.budget);
  for (const auto& [name, value] : entries) {
    if (!name.is(Kind::text)) return type_error("namespace attributes must be named by str");
    if (name.text().bytes.starts_with("_")) return type_error("namespace attributes cannot start with an underscore");
    HEED_TRY(call.runtime.budget.step(1 + static_cast<std::int64_t>(space->attributes.size() / 16)));
    std::erase_if(space->attributes, [&](const auto& attribute) { return attribute.first == name.text().bytes; });
    space->attributes.emplace_back(name.text().bytes, value);
  }
  HEED_TRY(call.runtime.budget.check());
  call.runtime.spaces.push_back(space);
  return Value::object(Kind::space, std::move(space));
}

Expected<Value> new_cycler(const Call& call, std::vector<Value> items, bool is_joiner) {
  HEED_ASSIGN(const Value list, make_list(call.runtime.budget, items));  // for its depth check
  auto cycler = std::make_shared<Cycler>(&call.runtime.budget);
  cycler->items = std::move(items);
  cycler->is_joiner = is_joiner;
  cycler->depth = list.depth();
  return Value::object(Kind::cycler, std::move(cycler));
}

Expected<Value> function_cycler(const Call& call) {
  if (call.arguments.empty()) return type_error("cycler(): at least one item has to be provided");
  return new_cycler(call, call.arguments, false);
}

Expected<Value> function_joiner(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"sep"}));
  HEED_ASSIGN(TextPtr separator, given.text(call.runtime.budget, 0, ", "));
  return new_cycler(call, {Value(std::move(separator))}, true);
}

Expected<Value> function_raise(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"message"}, 1));
  HEED_ASSIGN(const TextPtr message, given.text(call.runtime.budget, 0));
  return fail(Code::invalid_argument,
              message->bytes.empty() ? "chat template: raise_exception without a text" : message->bytes);
}

Expected<Value> function_strftime(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"format"}, 1));
  if (!given.at(0)->is(Kind::text)) return type_error("strftime_now(): expected a str");
  const Text& format = given.at(0)->text();
  const std::time_t now = static_cast<std::time_t>(call.runtime.clock.unix_seconds());
  std::tm local{};
  if (localtime_r(&now, &local) == nullptr) return fail(Code::internal, "chat template: strftime_now(): no local time");
  std::array<char, 4096> buffer{};
  const std::size_t length = std::strftime(buffer.data(), buffer.size(), format.bytes.c_str(), &local);
  if (length == 0 && !format.bytes.empty()) {
    return fail(Code::too_long, "chat template: strftime_now(): the format gives nothing or too much");
  }
  HEED_ASSIGN(TextPtr text,
              made_text(call.runtime.budget, std::string_view(buffer.data(), length), format.fully_trusted()));
  return Value(std::move(text));
}

}  // namespace

std::vector<NamedFunction> global_functions() {
  return {{"range", function_range},          {"dict", function_dict},     {"namespace", function_namespace},
          {"cycler", function_cycler},        {"joiner", function_joiner}, {"raise_exception", function_raise},
          {"strftime_now", function_strftime}};
}

}  // namespace heed::jinja
