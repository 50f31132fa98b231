// filters_order.cc -- filters that compare items: sort, dictsort, unique, min, max, groupby.
#include <array>
#include <optional>
#include <unordered_set>

#include "text/jinja/filters.h"
#include "text/jinja/stable_sort.h"
#include "text/jinja/text_operations.h"

namespace heed::jinja {

Expected<Value> without_case(Runtime& runtime, const Value& value) {
  if (!value.is(Kind::text)) return value;
  return with_case(runtime.budget, value.text(), Case::lower);
}

namespace {

/// An item with what it is ordered by.
struct Keyed {
  Value key;
  Value item;
};

struct KeyOptions {
  const Value* path = nullptr;  // null or none: the item itself
  const Value* otherwise = nullptr;
  bool with_case = false;
};

Expected<Value> key_of(Runtime& runtime, const Value& item, const KeyOptions& options) {
  Value key = item;
  if (options.path != nullptr && !options.path->is(Kind::none)) {
    HEED_ASSIGN(key, follow_path(runtime, item, *options.path));
  }
  if (key.is(Kind::undefined) && options.otherwise != nullptr) key = *options.otherwise;
  return options.with_case ? Expected<Value>(key) : without_case(runtime, key);
}

/// The key of sort(): the values at each of the comma-separated paths.
Expected<Value> sort_key(Runtime& runtime, const Value& item, const KeyOptions& options) {
  const bool has_list = options.path != nullptr && options.path->is(Kind::text);
  if (!has_list) return key_of(runtime, item, options);
  std::vector<Value> keys;
  std::string_view rest = options.path->text().bytes;
  while (true) {
    const std::size_t comma = rest.find(',');
    const Value path(fixed_text(rest.substr(0, comma), true));
    HEED_ASSIGN(Value key, key_of(runtime, item, {&path, options.otherwise, options.with_case}));
    keys.push_back(std::move(key));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return make_list(runtime.budget, std::move(keys));
}

enum class Direction : std::uint8_t { up, down };

/// Stable in both directions, as Python's sorted.
Expected<std::vector<Value>> sorted(Runtime& runtime, std::vector<Keyed> keyed, Direction direction) {
  HEED_TRY(stable_sort(keyed, [&](const Keyed& left, const Keyed& right) -> Expected<bool> {
    const bool up = direction == Direction::up;
    HEED_ASSIGN(const int order, compare(runtime.budget, up ? left.key : right.key, up ? right.key : left.key));
    return order < 0;
  }));
  std::vector<Value> items;
  for (Keyed& entry : keyed) items.push_back(std::move(entry.item));
  return items;
}

Expected<Value> filter_sort(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"reverse", "case_sensitive", "attribute"}));
  HEED_ASSIGN(const auto list, iterate(call.runtime.budget, call.self));
  const KeyOptions options{given.at(2), nullptr, given.flag(1, false)};
  std::vector<Keyed> keyed;
  for (const Value& item : list->items) {
    HEED_TRY(call.runtime.budget.step());
    HEED_ASSIGN(Value key, sort_key(call.runtime, item, options));
    keyed.push_back({std::move(key), item});
  }
  const Direction direction = given.flag(0, false) ? Direction::down : Direction::up;
  HEED_ASSIGN(std::vector<Value> items, sorted(call.runtime, std::move(keyed), direction));
  return make_list(call.runtime.budget, std::move(items), Flavor::list, call.self.untrusted());
}

Expected<Value> filter_dictsort(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"case_sensitive", "by", "reverse"}));
  HEED_ASSIGN(const TextPtr by, given.text(call.runtime.budget, 1, "key"));
  if (by->bytes != "key" && by->bytes != "value") return type_error("You can only sort by either \"key\" or \"value\"");
  if (!call.self.is(Kind::dict)) {
    return type_error("'" + std::string(type_name(call.self)) + "' object has no attribute 'items'");
  }
  const KeyOptions options{.with_case = given.flag(0, false)};
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : call.self.dict().entries) {
    HEED_TRY(call.runtime.budget.step());
    HEED_ASSIGN(Value pair, make_list(call.runtime.budget, {key, value}, Flavor::tuple, call.self.untrusted()));
    HEED_ASSIGN(Value order, key_of(call.runtime, by->bytes == "key" ? key : value, options));
    keyed.push_back({std::move(order), std::move(pair)});
  }
  const Direction direction = given.flag(2, false) ? Direction::down : Direction::up;
  HEED_ASSIGN(std::vector<Value> items, sorted(call.runtime, std::move(keyed), direction));
  return make_list(call.runtime.budget, std::move(items), Flavor::list, call.self.untrusted());
}

Expected<Value> filter_unique(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"case_sensitive", "attribute"}));
  HEED_ASSIGN(const auto list, iterate(call.runtime.budget, call.self));
  const KeyOptions options{given.at(1), nullptr, given.flag(0, false)};
  std::unordered_set<std::string> seen;
  std::vector<Value> items;
  std::size_t bytes = 0;
  for (const Value& item : list->items) {
    HEED_TRY(call.runtime.budget.step());
    HEED_ASSIGN(const Value key, key_of(call.runtime, item, options));
    HEED_ASSIGN(std::string spelled, canonical_key(key));
    bytes += spelled.size();
    if (!call.runtime.budget.fits(bytes)) return Budget::over_memory();
    if (seen.insert(std::move(spelled)).second) items.push_back(item);
  }
  return make_list(call.runtime.budget, std::move(items), Flavor::generator, call.self.untrusted());
}

template <Direction direction>
Expected<Value> filter_extreme(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"case_sensitive", "attribute"}));
  HEED_ASSIGN(const auto list, iterate(call.runtime.budget, call.self));
  const KeyOptions options{given.at(1), nullptr, given.flag(0, false)};
  std::optional<Keyed> best;
  for (const Value& item : list->items) {
    HEED_ASSIGN(Value key, key_of(call.runtime, item, options));
    int order = -1;
    if (best) {
      HEED_ASSIGN(order, direction == Direction::up ? compare(call.runtime.budget, key, best->key)
                                                    : compare(call.runtime.budget, best->key, key));
    }
    if (order < 0) best = Keyed{std::move(key), item};
  }
  return best ? best->item : Value();
}

Expected<Value> group_of(Budget& budget, Value grouper, std::vector<Value> items, bool untrusted) {
  HEED_ASSIGN(Value list, make_list(budget, std::move(items), Flavor::list, untrusted));
  return make_list(budget, {std::move(grouper), std::move(list)}, Flavor::group, untrusted);
}

Expected<Value> filter_groupby(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"attribute", "default", "case_sensitive"}, 1));
  Budget& budget = call.runtime.budget;
  const bool untrusted = call.self.untrusted();
  HEED_ASSIGN(const auto list, iterate(budget, call.self));
  const KeyOptions options{given.at(0), given.at(1), given.flag(2, false)};
  std::vector<Keyed> keyed;
  for (const Value& item : list->items) {
    HEED_TRY(budget.step());
    HEED_ASSIGN(Value key, key_of(call.runtime, item, options));
    keyed.push_back({std::move(key), item});
  }
  HEED_ASSIGN(const std::vector<Value> items, sorted(call.runtime, std::move(keyed), Direction::up));
  std::vector<Value> groups;
  std::vector<Value> members;
  Value current;
  const auto close_group = [&]() -> Expected<void> {
    if (members.empty()) return {};
    HEED_ASSIGN(Value shown, key_of(call.runtime, members.front(), {options.path, options.otherwise, true}));
    HEED_ASSIGN(Value group, group_of(budget, std::move(shown), std::exchange(members, {}), untrusted));
    groups.push_back(std::move(group));
    return {};
  };
  for (const Value& item : items) {
    HEED_ASSIGN(Value key, key_of(call.runtime, item, options));
    HEED_ASSIGN(const bool same, equal(budget, key, current));
    if (!same) {
      HEED_TRY(close_group());
    }
    current = std::move(key);
    members.push_back(item);
  }
  HEED_TRY(close_group());
  return make_list(budget, std::move(groups), Flavor::list, untrusted);
}

constexpr std::array kOrderFilters{
    NamedFunction{"sort", filter_sort},
    NamedFunction{"dictsort", filter_dictsort},
    NamedFunction{"unique", filter_unique},
    NamedFunction{"min", filter_extreme<Direction::up>},
    NamedFunction{"max", filter_extreme<Direction::down>},
    NamedFunction{"groupby", filter_groupby},
};

}  // namespace

std::span<const NamedFunction> order_filters() noexcept { return kOrderFilters; }

}  // namespace heed::jinja
