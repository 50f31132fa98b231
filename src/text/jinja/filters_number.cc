// filters_number.cc -- int, float, abs, round and sum.
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "text/jinja/filters.h"
#include "text/jinja/text_operations.h"

namespace heed::jinja {
namespace {

/// Digits with single underscores between them, as Python's literals allow; nothing when misplaced.
std::optional<std::string> without_underscores(std::string_view digits) {
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const bool misplaced = i == 0 || i + 1 == digits.size() || digits[i - 1] == '_';
    if (digits[i] == '_' && misplaced) return std::nullopt;
    if (digits[i] != '_') out.push_back(digits[i]);
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  const Range rest = stripped(text, {});
  return text.substr(rest.from, rest.to - rest.from);
}

/// int(text, base). Nothing when it is no number; an error when it is too large.
Expected<std::optional<std::int64_t>> parse_whole(std::string_view text, std::int64_t base) {
  text = trimmed(text);
  const bool negative = text.starts_with('-');
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto skip_prefix = [&](std::string_view small, std::string_view large, int prefix_base) {
    if (base != prefix_base && base != 0) return;
    if (!text.starts_with(small) && !text.starts_with(large)) return;
    text.remove_prefix(2);
    base = prefix_base;
  };
  skip_prefix("0x", "0X", 16);
  skip_prefix("0o", "0O", 8);
  skip_prefix("0b", "0B", 2);
  if (base == 0) base = 10;
  if (base < 2 || base > 36) return std::optional<std::int64_t>();
  const auto digits = without_underscores(text);
  if (!digits || digits->empty() || digits->front() == '-') return std::optional<std::int64_t>();
  std::int64_t number = 0;
  const char* end = digits->data() + digits->size();
  const auto [stop, error] = std::from_chars(digits->data(), end, number, static_cast<int>(base));
  if (stop != end) return std::optional<std::int64_t>();
  if (error != std::errc()) return fail(Code::unsupported, "chat template: an integer needs more than 64 bits");
  return std::optional<std::int64_t>(negative ? -number : number);
}

std::optional<double> parse_real(std::string_view text) {
  text = trimmed(text);
  const bool negative = text.starts_with('-');
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto digits = without_underscores(text);
  if (!digits || digits->empty() || digits->front() == '-' || digits->back() == ')') return std::nullopt;
  double number = 0;
  const char* end = digits->data() + digits->size();
  const auto [stop, error] = std::from_chars(digits->data(), end, number);
  if (stop != end || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) number = std::strtod(digits->c_str(), nullptr);
  return negative ? -number : number;
}

Expected<std::optional<std::int64_t>> whole_of(double number) {
  if (std::isnan(number)) return std::optional<std::int64_t>();
  if (!(std::abs(number) < 9.2e18))
    return fail(Code::unsupported, "chat template: cannot convert the float to an integer");
  return std::optional<std::int64_t>(static_cast<std::int64_t>(number));
}

Expected<Value> filter_int(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"default", "base"}));
  HEED_ASSIGN(const std::int64_t base, given.integer(1, 10));
  const Value& self = call.self;
  std::optional<std::int64_t> number;
  if (self.is(Kind::undefined)) return undefined_error(self);
  if (self.is_whole()) number = self.whole();
  if (self.is(Kind::real)) {
    HEED_ASSIGN(number, whole_of(self.number()));
  }
  if (self.is(Kind::text)) {
    HEED_TRY(call.runtime.budget.step(1 + static_cast<std::int64_t>(self.text().bytes.size() / 16)));
    HEED_ASSIGN(number, parse_whole(self.text().bytes, base));
    const auto real = number ? std::nullopt : parse_real(self.text().bytes);
    if (real && std::isfinite(*real)) {
      HEED_ASSIGN(number, whole_of(*real));
    }
  }
  if (number) return Value::integer(*number, self.untrusted());
  return given.has(0) ? *given.at(0) : Value::integer(0);
}

Expected<Value> filter_float(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"default"}));
  const Value& self = call.self;
  if (self.is(Kind::undefined)) return undefined_error(self);
  if (self.is_number()) return Value::real(self.number(), self.untrusted());
  std::optional<double> number;
  if (self.is(Kind::text)) {
    HEED_TRY(call.runtime.budget.step(1 + static_cast<std::int64_t>(self.text().bytes.size() / 16)));
    number = parse_real(self.text().bytes);
  }
  if (number) return Value::real(*number, self.untrusted());
  return given.has(0) ? *given.at(0) : Value::real(0.0);
}

Expected<Value> filter_abs(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  const Value& self = call.self;
  if (self.is(Kind::undefined)) return undefined_error(self);
  if (!self.is_number()) return type_error("bad operand type for abs(): '" + std::string(type_name(self)) + "'");
  if (self.is(Kind::real)) return Value::real(std::abs(self.number()), self.untrusted());
  if (self.whole() >= 0) return Value::integer(self.whole(), self.untrusted());
  return calculate(call.runtime, Operator::subtract, Value::integer(0), self);
}

/// round(value, precision) of Python: exact decimal value, ties to even.
double rounded(double value, std::int64_t precision) {
  constexpr std::int64_t kMostDigits = 323;
  if (!std::isfinite(value) || precision > kMostDigits) return value;
  if (precision < 0) {
    const double scale = std::pow(10.0, static_cast<double>(std::min<std::int64_t>(-precision, kMostDigits)));
    return std::isfinite(scale) ? std::nearbyint(value / scale) * scale : 0.0;
  }
  std::array<char, 700> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.*f", static_cast<int>(precision), value);
  return std::strtod(buffer.data(), nullptr);
}

Expected<Value> filter_round(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"precision", "method"}));
  HEED_ASSIGN(const std::int64_t precision, given.integer(0, 0));
  HEED_ASSIGN(const TextPtr method, given.text(call.runtime.budget, 1, "common"));
  const Value& self = call.self;
  if (self.is(Kind::undefined)) return undefined_error(self);
  if (!self.is_number()) return type_error("type " + std::string(type_name(self)) + " doesn't define __round__ method");
  if (method->bytes == "common") {
    if (self.is_whole() && precision >= 0) return Value::integer(self.whole(), self.untrusted());
    const double result = rounded(self.number(), precision);
    if (self.is(Kind::real)) return Value::real(result, self.untrusted());
    HEED_ASSIGN(const auto whole, whole_of(result));
    return Value::integer(whole.value_or(0), self.untrusted());
  }
  if (method->bytes != "ceil" && method->bytes != "floor")
    return type_error("round: method must be common, ceil or floor");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = self.number() * scale;
  const double result = (method->bytes == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
  return Value::real(result, self.untrusted());
}

Expected<Value> filter_sum(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"attribute", "start"}));
  HEED_ASSIGN(const auto list, iterate(call.runtime.budget, call.self));
  Value sum = given.has(1) ? *given.at(1) : Value::integer(0);
  if (sum.is(Kind::text)) return type_error("sum() can't sum strings");
  for (const Value& item : list->items) {
    Value part = item;
    if (!given.is_none(0)) {
      HEED_ASSIGN(part, follow_path(call.runtime, item, *given.at(0)));
    }
    HEED_ASSIGN(sum, calculate(call.runtime, Operator::add, sum, part));
  }
  return sum;
}

constexpr std::array kNumberFilters{
    NamedFunction{"int", filter_int},     NamedFunction{"float", filter_float}, NamedFunction{"abs", filter_abs},
    NamedFunction{"round", filter_round}, NamedFunction{"sum", filter_sum},
};

}  // namespace

std::span<const NamedFunction> number_filters() noexcept { return kNumberFilters; }

}  // namespace heed::jinja
