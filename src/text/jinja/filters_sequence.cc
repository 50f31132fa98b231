// filters_sequence.cc -- filters over sequences and mappings that keep the order.
#include <array>

#include "text/jinja/filters.h"
#include "text/jinja/text_operations.h"

namespace heed::jinja {
namespace {

Expected<Value> filter_length(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  const Value& self = call.self;
  std::size_t length = 0;
  if (self.is(Kind::text)) {
    HEED_TRY(call.runtime.budget.step(1 + static_cast<std::int64_t>(self.text().bytes.size() / 64)));
    length = character_count(self.text().bytes);
    return Value::integer(static_cast<std::int64_t>(length), self.untrusted());
  }
  if (self.is(Kind::dict)) {
    length = self.dict().entries.size();
  } else if (self.is(Kind::list) && self.list().flavor != Flavor::generator) {
    length = self.list().items.size();
  } else if (self.is(Kind::loop)) {
    length = self.as<Loop>().length;
  } else if (!self.is(Kind::undefined)) {
    return type_error("object of type '" + std::string(type_name(self)) + "' has no len()");
  }
  return Value::integer(static_cast<std::int64_t>(length));
}

Expected<Value> filter_default(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"default_value", "boolean"}));
  const bool replaces = call.self.is(Kind::undefined) || (given.flag(1, false) && !truthy(call.self));
  if (!replaces) return call.self;
  if (given.has(0)) return *given.at(0);
  HEED_ASSIGN(TextPtr empty, made_text(call.runtime.budget, "", true));
  return Value(std::move(empty));
}

Expected<Value> filter_first(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  if (call.self.is(Kind::text)) return get_item(call.runtime, call.self, Value::integer(0), nullptr);
  HEED_ASSIGN(const auto list, iterate(call.runtime.budget, call.self));
  return list->items.empty() ? Value() : list->items.front();
}

Expected<Value> filter_last(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  if (call.self.is(Kind::text)) return get_item(call.runtime, call.self, Value::integer(-1), nullptr);
  if (call.self.is(Kind::list) && call.self.list().flavor == Flavor::generator) {
    return type_error("'generator' object is not reversible");
  }
  if (call.self.is(Kind::undefined)) return type_error("'Undefined' object is not reversible");
  HEED_ASSIGN(const auto list, iterate(call.runtime.budget, call.self));
  return list->items.empty() ? Value() : list->items.back();
}

Expected<Value> filter_list(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  HEED_ASSIGN(const auto list, iterate(call.runtime.budget, call.self));
  HEED_TRY(call.runtime.budget.step(static_cast<std::int64_t>(list->items.size() / 16)));
  return make_list(call.runtime.budget, list->items, Flavor::list, call.self.untrusted());
}

Expected<Value> filter_join(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"d", "attribute"}));
  Budget& budget = call.runtime.budget;
  HEED_ASSIGN(const TextPtr separator, given.text(budget, 0));
  HEED_ASSIGN(const auto list, iterate(budget, call.self));
  TextBuilder out(budget);
  bool first = true;
  for (const Value& item : list->items) {
    Value part = item;
    if (!given.is_none(1)) {
      HEED_ASSIGN(part, follow_path(call.runtime, item, *given.at(1)));
    }
    if (!first) out.add(*separator);
    first = false;
    HEED_TRY(append_text(out, budget, part));
  }
  return finished(out);
}

Expected<Value> filter_items(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  Budget& budget = call.runtime.budget;
  if (call.self.is(Kind::undefined)) return make_list(budget, {}, Flavor::generator);
  if (!call.self.is(Kind::dict)) return type_error("Can only get item pairs from a mapping.");
  std::vector<Value> items;
  for (const auto& [key, value] : call.self.dict().entries) {
    HEED_ASSIGN(Value pair, make_list(budget, {key, value}, Flavor::tuple, call.self.untrusted()));
    items.push_back(std::move(pair));
  }
  return make_list(budget, std::move(items), Flavor::generator, call.self.untrusted());
}

Expected<Value> filter_reverse(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  if (call.self.is(Kind::text)) {
    return get_slice(call.runtime, call.self, {Value::none(), Value::none(), Value::integer(-1)});
  }
  HEED_ASSIGN(const auto list, iterate(call.runtime.budget, call.self));
  HEED_TRY(call.runtime.budget.step(static_cast<std::int64_t>(list->items.size() / 16)));
  return make_list(call.runtime.budget, std::vector<Value>(list->items.rbegin(), list->items.rend()), Flavor::generator,
                   call.self.untrusted());
}

Expected<Value> filter_batch(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"linecount", "fill_with"}, 1));
  HEED_ASSIGN(const std::int64_t line_count, given.integer(0, 1));
  Budget& budget = call.runtime.budget;
  HEED_ASSIGN(const auto list, iterate(budget, call.self));
  std::vector<Value> lines;
  std::vector<Value> line;
  for (const Value& item : list->items) {
    HEED_TRY(budget.step());
    if (static_cast<std::int64_t>(line.size()) == line_count) {
      HEED_ASSIGN(Value full, make_list(budget, std::exchange(line, {})));
      lines.push_back(std::move(full));
    }
    line.push_back(item);
  }
  while (!line.empty() && !given.is_none(1) && static_cast<std::int64_t>(line.size()) < line_count) {
    HEED_TRY(budget.step());
    line.push_back(*given.at(1));
  }
  if (!line.empty()) {
    HEED_ASSIGN(Value rest, make_list(budget, std::move(line)));
    lines.push_back(std::move(rest));
  }
  return make_list(budget, std::move(lines), Flavor::generator);
}

Expected<Value> filter_attr(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"name"}, 1));
  HEED_ASSIGN(const TextPtr name, given.text(call.runtime.budget, 0));
  const bool only_key = call.self.is(Kind::dict) && find_method(call.self, name->bytes) == nullptr;
  if (only_key) return Value();
  return get_attribute(call.runtime, call.self, name->bytes, nullptr);
}

/// What map() does with each item: follow a path or apply a filter.
class Mapping {
 public:
  explicit Mapping(const Call& call) : call_(call) {}

  Expected<void> prepare() {
    for (const auto& [name, value] : call_.named) {
      if (name == "attribute" && call_.arguments.empty()) path_ = &value;
      if (name == "default") otherwise_ = &value;
    }
    if (path_ != nullptr) return check_names();
    if (call_.arguments.empty()) return type_error("map requires a filter argument");
    if (!call_.arguments[0].is(Kind::text)) return type_error("map: the name of a filter must be a str");
    filter_name_ = call_.arguments[0].text().bytes;
    filter_ = find_filter(filter_name_);
    if (filter_ == nullptr) return type_error("No filter named '" + filter_name_ + "'.");
    return {};
  }

  Expected<Value> apply(const Value& item) const {
    if (path_ != nullptr) {
      HEED_ASSIGN(Value found, follow_path(call_.runtime, item, *path_));
      const bool replaces = found.is(Kind::undefined) && otherwise_ != nullptr && !otherwise_->is(Kind::none);
      return replaces ? *otherwise_ : found;
    }
    const Call inner{
        call_.runtime, filter_name_, item, {call_.arguments.begin() + 1, call_.arguments.end()}, call_.named};
    return filter_(inner);
  }

 private:
  Expected<void> check_names() const {
    for (const auto& [name, value] : call_.named) {
      if (name != "attribute" && name != "default") return type_error("Unexpected keyword argument '" + name + "'");
    }
    return {};
  }

  const Call& call_;
  const Value* path_ = nullptr;
  const Value* otherwise_ = nullptr;
  std::string filter_name_;
  NativeFunction filter_ = nullptr;
};

Expected<Value> filter_map(const Call& call) {
  Budget& budget = call.runtime.budget;
  std::vector<Value> items;
  if (truthy(call.self)) {
    Mapping mapping(call);
    HEED_TRY(mapping.prepare());
    HEED_ASSIGN(const auto list, iterate(budget, call.self));
    for (const Value& item : list->items) {
      HEED_TRY(budget.step());
      HEED_ASSIGN(Value mapped, mapping.apply(item));
      items.push_back(std::move(mapped));
    }
  }
  return make_list(budget, std::move(items), Flavor::generator, call.self.untrusted());
}

enum class Keep : std::uint8_t { passing, failing };
enum class Look : std::uint8_t { at_item, at_attribute };

/// The test of select() and kin: by name with its arguments, or the item's truth.
Expected<bool> passes(const Call& call, std::size_t name_at, const Value& value) {
  if (call.arguments.size() <= name_at) return truthy(value);
  if (!call.arguments[name_at].is(Kind::text)) return type_error("the name of a test must be a str");
  const std::string& name = call.arguments[name_at].text().bytes;
  const NativeFunction test = find_test(name);
  if (test == nullptr) return type_error("No test named '" + name + "'.");
  const auto rest = call.arguments.begin() + static_cast<std::ptrdiff_t>(name_at) + 1;
  HEED_ASSIGN(const Value result, test(Call{call.runtime, name, value, {rest, call.arguments.end()}, call.named}));
  return truthy(result);
}

template <Keep keep, Look look>
Expected<Value> filter_select(const Call& call) {
  Budget& budget = call.runtime.budget;
  std::vector<Value> items;
  const std::size_t name_at = look == Look::at_attribute ? 1 : 0;
  if (truthy(call.self)) {
    if (call.arguments.size() < name_at) return type_error("Missing parameter for attribute name");
    HEED_ASSIGN(const auto list, iterate(budget, call.self));
    for (const Value& item : list->items) {
      HEED_TRY(budget.step());
      Value tested = item;
      if (look == Look::at_attribute) {
        HEED_ASSIGN(tested, follow_path(call.runtime, item, call.arguments[0]));
      }
      HEED_ASSIGN(const bool passed, passes(call, name_at, tested));
      if (passed == (keep == Keep::passing)) items.push_back(item);
    }
  }
  return make_list(budget, std::move(items), Flavor::generator, call.self.untrusted());
}

constexpr std::array kSequenceFilters{
    NamedFunction{"length", filter_length},
    NamedFunction{"count", filter_length},
    NamedFunction{"default", filter_default},
    NamedFunction{"d", filter_default},
    NamedFunction{"first", filter_first},
    NamedFunction{"last", filter_last},
    NamedFunction{"list", filter_list},
    NamedFunction{"join", filter_join},
    NamedFunction{"items", filter_items},
    NamedFunction{"reverse", filter_reverse},
    NamedFunction{"batch", filter_batch},
    NamedFunction{"attr", filter_attr},
    NamedFunction{"map", filter_map},
    NamedFunction{"select", filter_select<Keep::passing, Look::at_item>},
    NamedFunction{"reject", filter_select<Keep::failing, Look::at_item>},
    NamedFunction{"selectattr", filter_select<Keep::passing, Look::at_attribute>},
    NamedFunction{"rejectattr", filter_select<Keep::failing, Look::at_attribute>},
};

}  // namespace

std::span<const NamedFunction> sequence_filters() noexcept { return kSequenceFilters; }

}  // namespace heed::jinja
