// value.cc -- building, comparing and iterating values.
#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "text/jinja/characters.h"

namespace heed::jinja {
namespace {

constexpr std::size_t kContainerBytes = 160;
constexpr std::size_t kIndexedFrom = 12;  // dicts with fewer entries are searched one by one
constexpr std::size_t kIndexEntryBytes = 96;

Expected<std::int32_t> depth_above(std::int32_t inside) {
  if (inside >= kMaxValueDepth) return fail(Code::too_long, "chat template: values nested deeper than the limit");
  return inside + 1;
}

bool is_tuple(const Value& value) noexcept {
  return value.is(Kind::list) && (value.list().flavor == Flavor::tuple || value.list().flavor == Flavor::group);
}

bool comparable_lists(const Value& left, const Value& right) noexcept {
  if (!left.is(Kind::list) || !right.is(Kind::list)) return false;
  if (is_tuple(left) && is_tuple(right)) return true;
  return left.list().flavor == right.list().flavor && left.list().flavor != Flavor::generator;
}

Expected<bool> equal_lists(Budget& budget, const List& left, const List& right) {
  if (left.items.size() != right.items.size()) return false;
  for (std::size_t i = 0; i < left.items.size(); ++i) {
    HEED_ASSIGN(const bool same, equal(budget, left.items[i], right.items[i]));
    if (!same) return false;
  }
  return true;
}

Expected<bool> equal_dicts(Budget& budget, const Dict& left, const Dict& right) {
  if (left.entries.size() != right.entries.size()) return false;
  for (const auto& [key, value] : left.entries) {
    const Value* other = right.find(key);
    if (other == nullptr) return false;
    HEED_ASSIGN(const bool same, equal(budget, value, *other));
    if (!same) return false;
  }
  return true;
}

int sign(double left, double right) noexcept { return left < right ? -1 : left > right ? 1 : 0; }

std::size_t hashed_cost(const Value& value) noexcept { return value.is(Kind::text) ? value.text().bytes.size() : 8; }

}  // namespace

const Value* Dict::find(std::string_view key) const {
  if (!places.empty()) {
    const auto place = places.find("s" + std::string(key));
    return place == places.end() ? nullptr : &entries[place->second].second;
  }
  const auto entry = std::find_if(entries.begin(), entries.end(), [&](const auto& candidate) {
    return candidate.first.is(Kind::text) && candidate.first.text().bytes == key;
  });
  return entry == entries.end() ? nullptr : &entry->second;
}

const Value* Dict::find(const Value& key) const {
  if (key.is(Kind::text)) return find(key.text().bytes);
  const auto wanted = canonical_key(key);
  if (!wanted) return nullptr;
  if (!places.empty()) {
    const auto place = places.find(*wanted);
    return place == places.end() ? nullptr : &entries[place->second].second;
  }
  for (const auto& [candidate, value] : entries) {
    const auto spelled = canonical_key(candidate);
    if (spelled && *spelled == *wanted) return &value;
  }
  return nullptr;
}

Expected<Value> make_list(Budget& budget, std::vector<Value> items, Flavor flavor, bool untrusted) {
  std::int32_t inside = 0;
  for (const Value& item : items) inside = std::max(inside, item.depth());
  HEED_ASSIGN(const std::int32_t depth, depth_above(inside));
  HEED_TRY(budget.step(1 + static_cast<std::int64_t>(items.size() / 16)));
  auto list = std::make_shared<List>(&budget, kContainerBytes + items.size() * sizeof(Value));
  list->items = std::move(items);
  list->flavor = flavor;
  list->depth = depth;
  HEED_TRY(budget.check());
  return Value::object(Kind::list, std::move(list), untrusted);
}

Expected<Value> make_dict(Budget& budget, std::vector<std::pair<Value, Value>> entries, bool untrusted) {
  std::unordered_map<std::string, std::size_t> places;
  std::vector<std::pair<Value, Value>> kept;
  std::int32_t inside = 0;
  std::size_t bytes = kContainerBytes;
  for (auto& [key, value] : entries) {
    HEED_TRY(budget.step(1 + static_cast<std::int64_t>(hashed_cost(key) / 64)));
    HEED_ASSIGN(std::string spelled, canonical_key(key));
    inside = std::max({inside, key.depth(), value.depth()});
    bytes += 2 * sizeof(Value) + kIndexEntryBytes + spelled.size();
    if (!budget.fits(bytes)) return Budget::over_memory();
    const auto [place, is_new] = places.try_emplace(std::move(spelled), kept.size());
    if (is_new) {
      kept.emplace_back(std::move(key), std::move(value));
    } else {
      kept[place->second].second = std::move(value);
    }
  }
  HEED_ASSIGN(const std::int32_t depth, depth_above(inside));
  auto dict = std::make_shared<Dict>(&budget, bytes);
  dict->entries = std::move(kept);
  if (dict->entries.size() >= kIndexedFrom) dict->places = std::move(places);
  dict->depth = depth;
  HEED_TRY(budget.check());
  return Value::object(Kind::dict, std::move(dict), untrusted);
}

Expected<std::string> canonical_key(const Value& key) {
  switch (key.kind()) {
    case Kind::undefined:
      return std::string("u");
    case Kind::none:
      return std::string("n");
    case Kind::boolean:
    case Kind::integer:
      return "i" + std::to_string(key.whole());
    case Kind::real: {
      const double number = key.number();
      if (std::floor(number) == number && std::abs(number) < 9e18) {
        return "i" + std::to_string(static_cast<std::int64_t>(number));
      }
      return "f" + real_repr(number);
    }
    case Kind::text:
      return "s" + key.text().bytes;
    case Kind::dict:
      return type_error("unhashable type: 'dict'");
    case Kind::list:
      break;
    default:
      return "p" + std::to_string(reinterpret_cast<std::uintptr_t>(key.pointer().get()));
  }
  if (!is_tuple(key)) return type_error("unhashable type: 'list'");
  // Long tuples as keys have no use; the bound keeps a tuple of tuples from growing without charge.
  constexpr std::size_t kMaxTupleKeyBytes = 4096;
  std::string spelled = "t";
  for (const Value& item : key.list().items) {
    HEED_ASSIGN(const std::string part, canonical_key(item));
    spelled += std::to_string(part.size()) + ":" + part;
    if (spelled.size() > kMaxTupleKeyBytes)
      return fail(Code::too_long, "chat template: a tuple used as a key is too long");
  }
  return spelled;
}

std::string_view type_name(const Value& value) noexcept {
  switch (value.kind()) {
    case Kind::undefined:
      return "Undefined";
    case Kind::none:
      return "NoneType";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::real:
      return "float";
    case Kind::text:
      return "str";
    case Kind::dict:
      return "dict";
    case Kind::space:
      return "Namespace";
    case Kind::loop:
      return "LoopContext";
    case Kind::callable:
      return "function";
    case Kind::cycler:
      return value.as<Cycler>().is_joiner ? "Joiner" : "Cycler";
    case Kind::list:
      break;
  }
  switch (value.list().flavor) {
    case Flavor::list:
      return "list";
    case Flavor::tuple:
    case Flavor::group:
      return "tuple";
    case Flavor::range:
      return "range";
    case Flavor::generator:
      return "generator";
    case Flavor::keys:
      return "dict_keys";
    case Flavor::values:
      return "dict_values";
    case Flavor::items:
      return "dict_items";
  }
  return "list";
}

bool truthy(const Value& value) noexcept {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
    case Kind::integer:
      return value.whole() != 0;
    case Kind::real:
      return value.number() != 0.0;
    case Kind::text:
      return !value.text().bytes.empty();
    case Kind::list:
      return value.list().flavor == Flavor::generator || !value.list().items.empty();
    case Kind::dict:
      return !value.dict().entries.empty();
    default:
      return true;
  }
}

Error undefined_error(const Value& value) {
  return fail(Code::invalid_argument, "chat template: '" + std::string(value.undefined_name()) + "' is undefined");
}

Error type_error(std::string text) { return fail(Code::invalid_argument, "chat template: " + std::move(text)); }

bool same_object(const Value& left, const Value& right) noexcept {
  if (left.kind() != right.kind()) return false;
  if (left.pointer() != nullptr || right.pointer() != nullptr) return left.pointer() == right.pointer();
  if (left.is(Kind::real)) return left.number() == right.number();
  return left.is(Kind::none) || left.is(Kind::undefined) || left.whole() == right.whole();
}

Expected<bool> equal(Budget& budget, const Value& left, const Value& right) {
  HEED_TRY(budget.step());
  if (left.is_number() && right.is_number()) {
    if (left.is_whole() && right.is_whole()) return left.whole() == right.whole();
    return left.number() == right.number();
  }
  if (left.kind() != right.kind()) return false;
  switch (left.kind()) {
    case Kind::undefined:
    case Kind::none:
      return true;
    case Kind::text: {
      budget.spend(static_cast<std::int64_t>(std::min(left.text().bytes.size(), right.text().bytes.size()) / 1024));
      return left.text().bytes == right.text().bytes;
    }
    case Kind::list:
      if (left.pointer() == right.pointer()) return true;
      if (!comparable_lists(left, right)) return false;
      return equal_lists(budget, left.list(), right.list());
    case Kind::dict:
      return equal_dicts(budget, left.dict(), right.dict());
    default:
      return left.pointer() == right.pointer();
  }
}

Expected<int> compare(Budget& budget, const Value& left, const Value& right) {
  HEED_TRY(budget.step());
  if (left.is(Kind::undefined)) return undefined_error(left);
  if (right.is(Kind::undefined)) return undefined_error(right);
  if (left.is_number() && right.is_number()) {
    if (left.is_whole() && right.is_whole()) {
      return left.whole() < right.whole() ? -1 : left.whole() > right.whole() ? 1 : 0;
    }
    return sign(left.number(), right.number());
  }
  if (left.is(Kind::text) && right.is(Kind::text)) {  // UTF-8 sorts as its code points do
    budget.spend(static_cast<std::int64_t>(std::min(left.text().bytes.size(), right.text().bytes.size()) / 1024));
    return left.text().bytes.compare(right.text().bytes);
  }
  if (!comparable_lists(left, right) || (left.list().flavor != Flavor::list && !is_tuple(left))) {
    return type_error("'<' not supported between instances of '" + std::string(type_name(left)) + "' and '" +
                      std::string(type_name(right)) + "'");
  }
  const auto& a = left.list().items;
  const auto& b = right.list().items;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    HEED_ASSIGN(const bool same, equal(budget, a[i], b[i]));
    if (!same) return compare(budget, a[i], b[i]);
  }
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

Expected<std::shared_ptr<const List>> iterate(Budget& budget, const Value& value) {
  if (value.is(Kind::list)) return std::static_pointer_cast<const List>(value.pointer());
  std::vector<Value> items;
  if (value.is(Kind::dict)) {
    HEED_TRY(budget.step(static_cast<std::int64_t>(value.dict().entries.size() / 16)));
    for (const auto& [key, ignored] : value.dict().entries) items.push_back(key);
  } else if (value.is(Kind::text)) {
    const Text& text = value.text();
    for (std::size_t at = 0; at < text.bytes.size();) {
      const std::size_t next = at + character_at(text.bytes, at).bytes;
      HEED_TRY(budget.step());
      HEED_ASSIGN(TextPtr character, cut(budget, text, at, next));
      items.emplace_back(std::move(character));
      at = next;
    }
  } else if (!value.is(Kind::undefined)) {
    return type_error("'" + std::string(type_name(value)) + "' object is not iterable");
  }
  HEED_ASSIGN(Value list, make_list(budget, std::move(items)));
  return std::static_pointer_cast<const List>(list.pointer());
}

Expected<bool> contains(Budget& budget, const Value& container, const Value& item) {
  if (container.is(Kind::text)) {
    if (!item.is(Kind::text)) {
      return type_error("'in <string>' requires string as left operand, not " + std::string(type_name(item)));
    }
    const std::string& haystack = container.text().bytes;
    HEED_TRY(budget.step(1 + static_cast<std::int64_t>((haystack.size() + item.text().bytes.size()) / 256)));
    return Searcher(item.text().bytes).next(haystack, 0) != std::string_view::npos;
  }
  if (container.is(Kind::dict)) {
    HEED_TRY(canonical_key(item));
    HEED_TRY(budget.step());
    return container.dict().find(item) != nullptr;
  }
  if (container.is(Kind::undefined)) return false;
  if (!container.is(Kind::list)) {
    return type_error("argument of type '" + std::string(type_name(container)) + "' is not iterable");
  }
  for (const Value& candidate : container.list().items) {
    HEED_ASSIGN(const bool same, equal(budget, candidate, item));
    if (same) return true;
  }
  return false;
}

}  // namespace heed::jinja
