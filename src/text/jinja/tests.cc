// tests.cc -- what may stand after `is`.
#include <array>

#include "text/jinja/characters.h"
#include "text/jinja/runtime.h"

namespace heed::jinja {
namespace {

Expected<Value> test_defined(const Call& call) { return Value::boolean(!call.self.is(Kind::undefined)); }

template <Kind kind>
Expected<Value> test_kind(const Call& call) {
  return Value::boolean(call.self.is(kind));
}

template <bool wanted>
Expected<Value> test_truth(const Call& call) {
  return Value::boolean(call.self.is(Kind::boolean) && (call.self.whole() != 0) == wanted);
}

Expected<Value> test_number(const Call& call) { return Value::boolean(call.self.is_number()); }

Expected<Value> test_iterable(const Call& call) {
  const Kind kind = call.self.kind();
  return Value::boolean(kind == Kind::text || kind == Kind::list || kind == Kind::dict || kind == Kind::undefined ||
                        kind == Kind::loop);
}

/// Python asks for a length and for subscripts.
Expected<Value> test_sequence(const Call& call) {
  const Value& self = call.self;
  const bool subscripted = self.is(Kind::list) && self.list().flavor <= Flavor::range;
  if (self.is(Kind::undefined)) return Value::boolean(true);
  return Value::boolean(subscripted || self.is(Kind::text) || self.is(Kind::dict));
}

Expected<Value> test_callable(const Call& call) {
  const bool is_joiner = call.self.is(Kind::cycler) && call.self.as<Cycler>().is_joiner;
  return Value::boolean(call.self.is(Kind::callable) || is_joiner || call.self.is(Kind::undefined));
}

Expected<Value> test_equal(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"other"}, 1));
  HEED_ASSIGN(const bool same, equal(call.runtime.budget, call.self, *given.at(0)));
  return Value::boolean(same);
}

Expected<Value> test_not_equal(const Call& call) {
  HEED_ASSIGN(const Value same, test_equal(call));
  return Value::boolean(!truthy(same));
}

enum class Order : std::uint8_t { less, less_or_equal, greater, greater_or_equal };

template <Order wanted>
Expected<Value> test_order(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"other"}, 1));
  HEED_ASSIGN(const int order, compare(call.runtime.budget, call.self, *given.at(0)));
  switch (wanted) {
    case Order::less:
      return Value::boolean(order < 0);
    case Order::less_or_equal:
      return Value::boolean(order <= 0);
    case Order::greater:
      return Value::boolean(order > 0);
    default:
      return Value::boolean(order >= 0);
  }
}

Expected<Value> test_in(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"seq"}, 1));
  HEED_ASSIGN(const bool found, contains(call.runtime.budget, *given.at(0), call.self));
  return Value::boolean(found);
}

Expected<Value> remainder(const Call& call, const Value& divisor) {
  return calculate(call.runtime, Operator::modulo, call.self, divisor);
}

template <int rest>
Expected<Value> test_parity(const Call& call) {
  if (!call.self.is_number())
    return type_error("odd/even: expected a number, got " + std::string(type_name(call.self)));
  HEED_ASSIGN(const Value left, remainder(call, Value::integer(2)));
  return Value::boolean(left.number() == rest);
}

Expected<Value> test_divisible(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"num"}, 1));
  if (!call.self.is_number())
    return type_error("divisibleby: expected a number, got " + std::string(type_name(call.self)));
  HEED_ASSIGN(const Value left, remainder(call, *given.at(0)));
  return Value::boolean(left.is_number() && left.number() == 0.0);
}

template <bool upper>
Expected<Value> test_case(const Call& call) {
  HEED_ASSIGN(const TextPtr text, to_text(call.runtime.budget, call.self));
  HEED_TRY(call.runtime.budget.step(1 + static_cast<std::int64_t>(text->bytes.size() / 32)));
  bool found = false;
  for (std::size_t at = 0; at < text->bytes.size(); at += character_at(text->bytes, at).bytes) {
    const std::uint32_t code = character_at(text->bytes, at).code;
    if (upper ? is_lower(code) : is_upper(code)) return Value::boolean(false);
    found = found || (upper ? is_upper(code) : is_lower(code));
  }
  return Value::boolean(found);
}

Expected<Value> test_same(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"other"}, 1));
  return Value::boolean(same_object(call.self, *given.at(0)));
}

Expected<Value> test_filter_name(const Call& call) {
  return Value::boolean(call.self.is(Kind::text) && find_filter(call.self.text().bytes) != nullptr);
}

Expected<Value> test_test_name(const Call& call) {
  return Value::boolean(call.self.is(Kind::text) && find_test(call.self.text().bytes) != nullptr);
}

constexpr std::array kTests{
    NamedFunction{"defined", test_defined},
    NamedFunction{"undefined", test_kind<Kind::undefined>},
    NamedFunction{"none", test_kind<Kind::none>},
    NamedFunction{"boolean", test_kind<Kind::boolean>},
    NamedFunction{"true", test_truth<true>},
    NamedFunction{"false", test_truth<false>},
    NamedFunction{"integer", test_kind<Kind::integer>},
    NamedFunction{"float", test_kind<Kind::real>},
    NamedFunction{"number", test_number},
    NamedFunction{"string", test_kind<Kind::text>},
    NamedFunction{"mapping", test_kind<Kind::dict>},
    NamedFunction{"iterable", test_iterable},
    NamedFunction{"sequence", test_sequence},
    NamedFunction{"callable", test_callable},
    NamedFunction{"eq", test_equal},
    NamedFunction{"equalto", test_equal},
    NamedFunction{"==", test_equal},
    NamedFunction{"ne", test_not_equal},
    NamedFunction{"!=", test_not_equal},
    NamedFunction{"lt", test_order<Order::less>},
    NamedFunction{"lessthan", test_order<Order::less>},
    NamedFunction{"<", test_order<Order::less>},
    NamedFunction{"le", test_order<Order::less_or_equal>},
    NamedFunction{"<=", test_order<Order::less_or_equal>},
    NamedFunction{"gt", test_order<Order::greater>},
    NamedFunction{"greaterthan", test_order<Order::greater>},
    NamedFunction{">", test_order<Order::greater>},
    NamedFunction{"ge", test_order<Order::greater_or_equal>},
    NamedFunction{">=", test_order<Order::greater_or_equal>},
    NamedFunction{"in", test_in},
    NamedFunction{"odd", test_parity<1>},
    NamedFunction{"even", test_parity<0>},
    NamedFunction{"divisibleby", test_divisible},
    NamedFunction{"upper", test_case<true>},
    NamedFunction{"lower", test_case<false>},
    NamedFunction{"sameas", test_same},
    NamedFunction{"filter", test_filter_name},
    NamedFunction{"test", test_test_name},
};

}  // namespace

NativeFunction find_test(std::string_view name) noexcept { return find_in(kTests.data(), kTests.size(), name); }

}  // namespace heed::jinja
