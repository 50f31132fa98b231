// runtime.h -- what filters, tests, methods and functions are: plain functions over a Call, found by name.
#pragma once
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "text/jinja/value.h"

namespace heed::jinja {

/// Everything one rendering shares.
struct Runtime {
  Budget budget;
  const Clock& clock;
  std::vector<std::shared_ptr<const Space>> spaces;  // all namespaces

  ~Runtime() {  // emptied first: they may hold each other
    for (const auto& space : spaces) space->attributes.clear();
  }
};

struct Call {
  Runtime& runtime;
  std::string_view name;  // for error texts
  Value self;             // the filtered or tested value, the receiver of a method; undefined for functions
  std::vector<Value> arguments;
  std::vector<std::pair<std::string, Value>> named;
};

using NativeFunction = Expected<Value> (*)(const Call& call);

struct NamedFunction {
  std::string_view name;
  NativeFunction function;
};

/// A function as a value: native (perhaps bound to a receiver) or a macro, which only the interpreter knows.
struct Callable : Object {
  explicit Callable(Budget* owner) : Object(owner, 160) {}
  std::string name;
  NativeFunction native = nullptr;
  Value self;
};

/// Arguments in the order of their names, as Python would bind them.
class Arguments {
 public:
  /// Fails for too many, unknown or doubled arguments, and when one of the first `required` is missing.
  static Expected<Arguments> bind(const Call& call, std::initializer_list<std::string_view> names,
                                  std::size_t required = 0);

  /// Null when not given.
  const Value* at(std::size_t index) const noexcept { return values_[index]; }
  bool has(std::size_t index) const noexcept { return values_[index] != nullptr; }
  bool is_none(std::size_t index) const noexcept { return !has(index) || at(index)->is(Kind::none); }
  bool flag(std::size_t index, bool otherwise) const noexcept { return has(index) ? truthy(*at(index)) : otherwise; }
  Expected<std::int64_t> integer(std::size_t index, std::int64_t otherwise) const;
  /// The argument as str() gives it.
  Expected<TextPtr> text(Budget& budget, std::size_t index, std::string_view otherwise = {}) const;

 private:
  std::vector<const Value*> values_;
};

/// Null when there is none.
NativeFunction find_filter(std::string_view name) noexcept;
NativeFunction find_test(std::string_view name) noexcept;
NativeFunction find_method(const Value& self, std::string_view name) noexcept;
/// range, namespace, dict, cycler, joiner, raise_exception, strftime_now.
std::vector<NamedFunction> global_functions();
NativeFunction find_in(const NamedFunction* table, std::size_t count, std::string_view name) noexcept;

/// json.dumps of Python: also the tojson filter.
Expected<Value> filter_tojson(const Call& call);
/// '%' of Python's str, for the operator and the format filter.
Expected<Value> format_percent(Runtime& runtime, const Value& format, const std::vector<Value>& values);
/// str.format.
Expected<Value> method_format(const Call& call);

/// obj.name and obj[key]. Absent: an undefined value with this name.
Expected<Value> get_attribute(Runtime& runtime, const Value& object, std::string_view name, const std::string* shown);
Expected<Value> get_item(Runtime& runtime, const Value& object, const Value& key, const std::string* shown);
/// obj[from:to:step]; none stands for an absent bound.
struct Bounds {
  Value from;
  Value to;
  Value step;
};
Expected<Value> get_slice(Runtime& runtime, const Value& object, const Bounds& bounds);

enum class Operator : std::uint8_t { add, subtract, multiply, divide, floor_divide, modulo, power };
Expected<Value> calculate(Runtime& runtime, Operator op, const Value& left, const Value& right);

/// The value at the dotted path of map(attribute=), sort(attribute=) and kin.
Expected<Value> follow_path(Runtime& runtime, const Value& object, const Value& path);

}  // namespace heed::jinja
