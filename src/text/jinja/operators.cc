// operators.cc -- Python's arithmetic, subscripts and slices. Integers have 64 bits: overflow is an error, not a wrap.
#include <algorithm>
#include <cmath>
#include <limits>

#include "text/jinja/characters.h"
#include "text/jinja/runtime.h"
#include "text/jinja/text_operations.h"

namespace heed::jinja {
namespace {

std::string_view symbol(Operator op) {
  switch (op) {
    case Operator::add:
      return "+";
    case Operator::subtract:
      return "-";
    case Operator::multiply:
      return "*";
    case Operator::divide:
      return "/";
    case Operator::floor_divide:
      return "//";
    case Operator::modulo:
      return "%";
    case Operator::power:
      return "** or pow()";
  }
  return "?";
}

Error unsupported(Operator op, const Value& left, const Value& right) {
  return type_error("unsupported operand type(s) for " + std::string(symbol(op)) + ": '" +
                    std::string(type_name(left)) + "' and '" + std::string(type_name(right)) + "'");
}

Error overflow() { return fail(Code::unsupported, "chat template: an integer needs more than 64 bits"); }
Error division_by_zero() { return fail(Code::invalid_argument, "chat template: division by zero"); }

Expected<std::int64_t> whole_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return overflow();
  }
  return result;
}

Expected<Value> calculate_whole(Operator op, std::int64_t a, std::int64_t b, bool untrusted) {
  std::int64_t result = 0;
  bool too_large = false;
  const bool divides = op == Operator::floor_divide || op == Operator::modulo;
  if (divides && b == 0) return division_by_zero();
  if (divides && b == -1) {  // the one division that can overflow
    if (op == Operator::modulo) return Value::integer(0, untrusted);
    too_large = __builtin_sub_overflow(std::int64_t{0}, a, &result);
  } else if (divides) {
    const bool rounds_down = a % b != 0 && (a % b < 0) != (b < 0);
    result = op == Operator::floor_divide ? a / b - (rounds_down ? 1 : 0) : a % b + (rounds_down ? b : 0);
  } else if (op == Operator::add) {
    too_large = __builtin_add_overflow(a, b, &result);
  } else if (op == Operator::subtract) {
    too_large = __builtin_sub_overflow(a, b, &result);
  } else if (op == Operator::multiply) {
    too_large = __builtin_mul_overflow(a, b, &result);
  } else {
    HEED_ASSIGN(result, whole_power(a, b));
  }
  if (too_large) return overflow();
  return Value::integer(result, untrusted);
}

double floor_modulo(double a, double b) {
  const double rest = std::fmod(a, b);
  return rest != 0.0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

Expected<Value> calculate_real(Operator op, double a, double b, bool untrusted) {
  const bool divides = op == Operator::divide || op == Operator::floor_divide || op == Operator::modulo;
  if (divides && b == 0.0) return division_by_zero();
  switch (op) {
    case Operator::add:
      return Value::real(a + b, untrusted);
    case Operator::subtract:
      return Value::real(a - b, untrusted);
    case Operator::multiply:
      return Value::real(a * b, untrusted);
    case Operator::divide:
      return Value::real(a / b, untrusted);
    case Operator::floor_divide:
      return Value::real(std::floor((a - floor_modulo(a, b)) / b + 0.25), untrusted);
    case Operator::modulo:
      return Value::real(floor_modulo(a, b), untrusted);
    case Operator::power:
      break;
  }
  if (a == 0.0 && b < 0.0)
    return fail(Code::invalid_argument, "chat template: 0.0 cannot be raised to a negative power");
  if (a < 0.0 && std::floor(b) != b) return fail(Code::unsupported, "chat template: complex numbers are not supported");
  const double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) return overflow();
  return Value::real(result, untrusted);
}

Expected<Value> repeat(Runtime& runtime, const Value& sequence, std::int64_t times) {
  Budget& budget = runtime.budget;
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  if (sequence.is(Kind::text)) {
    const Text& text = sequence.text();
    TextBuilder out(budget);
    const std::size_t each = std::max<std::size_t>(text.bytes.size(), 1);
    if (!text.bytes.empty() && count > std::numeric_limits<std::int32_t>::max() / each) return Budget::over_memory();
    for (std::size_t i = 0; i < count && !text.bytes.empty(); ++i) {
      HEED_TRY(budget.step());
      out.add(text);
    }
    HEED_ASSIGN(TextPtr result, out.finish());
    return Value(std::move(result));
  }
  const List& list = sequence.list();
  std::vector<Value> items;
  for (std::size_t i = 0; i < count && !list.items.empty(); ++i) {
    HEED_TRY(budget.step(static_cast<std::int64_t>(list.items.size())));
    if (!budget.fits((items.size() + list.items.size()) * sizeof(Value))) return Budget::over_memory();
    items.insert(items.end(), list.items.begin(), list.items.end());
  }
  return make_list(budget, std::move(items), list.flavor, sequence.untrusted());
}

bool repeats(const Value& value) {
  if (value.is(Kind::text)) return true;
  return value.is(Kind::list) && (value.list().flavor == Flavor::list || value.list().flavor == Flavor::tuple);
}

Expected<Value> join_sequences(Runtime& runtime, const Value& left, const Value& right) {
  Budget& budget = runtime.budget;
  if (left.is(Kind::text) && right.is(Kind::text) && left.is_markup() != right.is_markup()) {
    HEED_ASSIGN(Value escaped, escape_text(budget, left.is_markup() ? right.text() : left.text()));
    Value markup = std::move(escaped).as_markup();
    return left.is_markup() ? join_sequences(runtime, left, markup) : join_sequences(runtime, markup, right);
  }
  if (left.is(Kind::text) && right.is(Kind::text)) {
    TextBuilder out(budget);
    HEED_ASSIGN(TextPtr result, out.add(left.text()).add(right.text()).finish());
    return left.is_markup() ? Value(std::move(result)).as_markup() : Value(std::move(result));
  }
  if (left.is(Kind::text)) {
    return type_error("can only concatenate str (not \"" + std::string(type_name(right)) + "\") to str");
  }
  if (!repeats(left) || !repeats(right) || right.is(Kind::text) || left.list().flavor != right.list().flavor) {
    return unsupported(Operator::add, left, right);
  }
  const auto& a = left.list().items;
  const auto& b = right.list().items;
  HEED_TRY(budget.step(static_cast<std::int64_t>((a.size() + b.size()) / 16)));
  if (!budget.fits((a.size() + b.size()) * sizeof(Value))) return Budget::over_memory();
  std::vector<Value> items = a;
  items.insert(items.end(), b.begin(), b.end());
  return make_list(budget, std::move(items), left.list().flavor, left.untrusted() || right.untrusted());
}

/// Python's index: whole numbers only, from the end when negative. False when outside.
bool resolve_index(const Value& key, std::size_t size, std::size_t& index) {
  if (!key.is_whole()) return false;
  const auto length = static_cast<std::int64_t>(size);
  const std::int64_t at = key.whole() < 0 ? key.whole() + length : key.whole();
  if (at < 0 || at >= length) return false;
  index = static_cast<std::size_t>(at);
  return true;
}

/// slice.indices: first index, end (exclusive, in the direction of step) and how many.
struct Walk {
  std::int64_t from = 0;
  std::int64_t step = 1;
  std::int64_t count = 0;
};

Walk walk_of(const Bounds& bounds, std::int64_t length) {
  Walk walk;
  walk.step = bounds.step.is(Kind::none) ? 1 : bounds.step.whole();
  walk.step =
      std::clamp(walk.step, -std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::max());
  const bool backwards = walk.step < 0;
  const std::int64_t lowest = backwards ? -1 : 0;
  const std::int64_t highest = backwards ? length - 1 : length;
  const auto resolve = [&](const Value& bound, std::int64_t otherwise) {
    if (bound.is(Kind::none)) return otherwise;
    const std::int64_t at = bound.whole() < 0 ? bound.whole() + length : bound.whole();
    return std::clamp(at, lowest, highest);
  };
  walk.from = resolve(bounds.from, backwards ? highest : lowest);
  const std::int64_t to = resolve(bounds.to, backwards ? lowest : highest);
  const std::int64_t distance = backwards ? walk.from - to : to - walk.from;
  const std::int64_t stride = backwards ? -walk.step : walk.step;
  walk.count = distance <= 0 ? 0 : (distance - 1) / stride + 1;
  return walk;
}

Expected<Value> slice_text(Runtime& runtime, const Text& text, const Bounds& bounds) {
  Budget& budget = runtime.budget;
  HEED_TRY(budget.step(1 + static_cast<std::int64_t>(text.bytes.size() / 128)));
  const Walk walk = walk_of(bounds, static_cast<std::int64_t>(character_count(text.bytes)));
  TextBuilder out(budget);
  if (walk.step == 1) {
    const std::size_t from = character_offset(text.bytes, static_cast<std::size_t>(walk.from));
    const std::string_view rest = std::string_view(text.bytes).substr(from);
    out.add(text, from, from + character_offset(rest, static_cast<std::size_t>(walk.count)));
  } else {
    const std::vector<std::uint32_t> offsets = character_offsets(text.bytes);
    for (std::int64_t i = 0; i < walk.count; ++i) {
      HEED_TRY(budget.step());
      const auto at = static_cast<std::size_t>(walk.from + i * walk.step);
      out.add(text, offsets[at], offsets[at + 1]);
    }
  }
  HEED_ASSIGN(TextPtr result, out.finish());
  return Value(std::move(result));
}

}  // namespace

Expected<Value> calculate(Runtime& runtime, Operator op, const Value& left, const Value& right) {
  HEED_TRY(runtime.budget.step());
  if (left.is(Kind::undefined)) return undefined_error(left);
  if (op == Operator::modulo && left.is(Kind::text)) {
    if (right.is(Kind::list) && right.list().flavor == Flavor::tuple) {
      return format_percent(runtime, left, right.list().items);
    }
    return format_percent(runtime, left, {right});
  }
  if (right.is(Kind::undefined)) return undefined_error(right);
  if (left.is_number() && right.is_number()) {
    const bool untrusted = left.untrusted() || right.untrusted();
    const bool whole =
        left.is_whole() && right.is_whole() && op != Operator::divide && (op != Operator::power || right.whole() >= 0);
    if (whole) return calculate_whole(op, left.whole(), right.whole(), untrusted);
    return calculate_real(op, left.number(), right.number(), untrusted);
  }
  if (op == Operator::add) return join_sequences(runtime, left, right);
  if (op == Operator::multiply && repeats(left) && right.is_whole()) return repeat(runtime, left, right.whole());
  if (op == Operator::multiply && repeats(right) && left.is_whole()) return repeat(runtime, right, left.whole());
  return unsupported(op, left, right);
}

Expected<Value> get_item(Runtime& runtime, const Value& object, const Value& key, const std::string* shown) {
  HEED_TRY(runtime.budget.step());
  if (object.is(Kind::undefined)) return undefined_error(object);
  std::size_t index = 0;
  if (object.is(Kind::dict)) {
    if (const Value* value = object.dict().find(key); value != nullptr) return *value;
  } else if (object.is(Kind::list) && object.list().flavor != Flavor::generator) {
    if (resolve_index(key, object.list().items.size(), index)) return object.list().items[index];
  } else if (object.is(Kind::text) && key.is_whole()) {
    const std::string& bytes = object.text().bytes;
    HEED_TRY(runtime.budget.step(static_cast<std::int64_t>(bytes.size() / 128)));
    if (!resolve_index(key, character_count(bytes), index)) return Value::undefined(shown);
    const std::size_t at = character_offset(bytes, index);
    HEED_ASSIGN(TextPtr character, cut(runtime.budget, object.text(), at, at + character_at(bytes, at).bytes));
    return Value(std::move(character));
  }
  if (key.is(Kind::text)) return get_attribute(runtime, object, key.text().bytes, shown);
  return Value::undefined(shown);
}

Expected<Value> get_slice(Runtime& runtime, const Value& object, const Bounds& bounds) {
  HEED_TRY(runtime.budget.step());
  if (object.is(Kind::undefined)) return undefined_error(object);
  const auto is_bound = [](const Value& value) { return value.is(Kind::none) || value.is_whole(); };
  const bool sliceable = object.is(Kind::text) || (object.is(Kind::list) && object.list().flavor <= Flavor::range);
  if (!sliceable) return type_error("'" + std::string(type_name(object)) + "' object cannot be sliced");
  if (!is_bound(bounds.from) || !is_bound(bounds.to) || !is_bound(bounds.step)) {
    return type_error("slice indices must be integers or None");
  }
  if (bounds.step.is_whole() && bounds.step.whole() == 0) return type_error("slice step cannot be zero");
  if (object.is(Kind::text)) return slice_text(runtime, object.text(), bounds);
  const List& list = object.list();
  const Walk walk = walk_of(bounds, static_cast<std::int64_t>(list.items.size()));
  HEED_TRY(runtime.budget.step(walk.count / 16));
  std::vector<Value> items;
  for (std::int64_t i = 0; i < walk.count; ++i)
    items.push_back(list.items[static_cast<std::size_t>(walk.from + i * walk.step)]);
  const Flavor flavor = list.flavor == Flavor::group ? Flavor::tuple : list.flavor;
  return make_list(runtime.budget, std::move(items), flavor, object.untrusted());
}

}  // namespace heed::jinja
