// value.h -- what a template computes with: Python's values, with the author of every character and scalar.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/expected.h"
#include "text/jinja/marked_text.h"

namespace heed::jinja {

enum class Kind : std::uint8_t {
  undefined,
  none,
  boolean,
  integer,
  real,
  text,
  list,
  dict,
  space,
  loop,
  callable,
  cycler
};

struct List;
struct Dict;

class Value {
 public:
  Value() = default;
  /// Undefined that can say its name. `name` must outlive the value (it belongs to the program).
  static Value undefined(const std::string* name) {
    Value value;
    value.scalar_.name = name;
    return value;
  }
  static Value none(bool untrusted = false) { return scalar(Kind::none, {}, untrusted); }
  static Value boolean(bool b, bool untrusted = false) {
    return scalar(Kind::boolean, {.integer = b ? 1 : 0}, untrusted);
  }
  static Value integer(std::int64_t i, bool untrusted = false) {
    return scalar(Kind::integer, {.integer = i}, untrusted);
  }
  static Value real(double d, bool untrusted = false) { return scalar(Kind::real, {.real = d}, untrusted); }
  Value(TextPtr text) : kind_(Kind::text), object_(std::move(text)) {}
  static Value object(Kind kind, std::shared_ptr<const Object> object, bool untrusted = false) {
    Value value;
    value.kind_ = kind;
    value.untrusted_ = untrusted;
    value.object_ = std::move(object);
    return value;
  }

  Kind kind() const noexcept { return kind_; }
  bool is(Kind kind) const noexcept { return kind_ == kind; }
  bool is_number() const noexcept { return kind_ == Kind::boolean || kind_ == Kind::integer || kind_ == Kind::real; }
  bool is_whole() const noexcept { return kind_ == Kind::boolean || kind_ == Kind::integer; }
  std::int64_t whole() const noexcept { return scalar_.integer; }  // boolean or integer
  double number() const noexcept { return kind_ == Kind::real ? scalar_.real : static_cast<double>(scalar_.integer); }
  const Text& text() const noexcept { return static_cast<const Text&>(*object_); }
  const List& list() const noexcept;
  const Dict& dict() const noexcept;
  template <class T>
  const T& as() const noexcept {
    return static_cast<const T&>(*object_);
  }
  const std::shared_ptr<const Object>& pointer() const noexcept { return object_; }
  TextPtr text_pointer() const { return std::static_pointer_cast<const Text>(object_); }
  std::string_view undefined_name() const noexcept {
    return scalar_.name == nullptr ? std::string_view("value") : std::string_view(*scalar_.name);
  }
  /// Of scalars: came from untrusted input, so its spelling is untrusted. Of containers: so are its brackets and
  /// commas.
  bool untrusted() const noexcept { return kind_ == Kind::text ? !text().fully_trusted() : untrusted_; }
  /// Of texts: what `safe` and `escape` give (markupsafe's Markup). Added to it, a text that is none is escaped first.
  bool is_markup() const noexcept { return is_markup_; }
  Value as_markup() && {
    is_markup_ = true;
    return std::move(*this);
  }
  std::int32_t depth() const noexcept { return object_ == nullptr || kind_ == Kind::text ? 0 : object_->depth; }

 private:
  union Scalar {
    std::int64_t integer;
    double real;
    const std::string* name;
  };
  static Value scalar(Kind kind, Scalar scalar, bool untrusted) {
    Value value;
    value.kind_ = kind;
    value.scalar_ = scalar;
    value.untrusted_ = untrusted;
    return value;
  }
  Kind kind_ = Kind::undefined;
  bool untrusted_ = false;
  bool is_markup_ = false;
  Scalar scalar_{.name = nullptr};
  std::shared_ptr<const Object> object_;
};

/// How a sequence came to be: they differ in printing, length and comparison.
enum class Flavor : std::uint8_t { list, tuple, group, range, generator, keys, values, items };

struct List final : Object {
  List(Budget* owner, std::size_t held_bytes) : Object(owner, held_bytes) {}
  std::vector<Value> items;
  Flavor flavor = Flavor::list;
};

struct Dict final : Object {
  Dict(Budget* owner, std::size_t held_bytes) : Object(owner, held_bytes) {}
  const Value* find(std::string_view key) const;
  /// Null as well when the key cannot be a key (a list, a dict).
  const Value* find(const Value& key) const;
  std::vector<std::pair<Value, Value>> entries;         // insertion order
  std::unordered_map<std::string, std::size_t> places;  // canonical key -> entry, only for large dicts
};

/// namespace(): the only thing a template may change. The runtime keeps all of them and empties them at the end, which
/// breaks cycles and bounds destruction.
struct Space final : Object {
  explicit Space(Budget* owner) : Object(owner, 256) {}
  mutable std::vector<std::pair<std::string, Value>> attributes;
};

/// The `loop` variable. Emptied when its loop ends.
struct Loop final : Object {
  explicit Loop(Budget* owner) : Object(owner, 256) {}
  std::size_t length = 0;
  std::int32_t nesting = 1;
  mutable std::shared_ptr<const List> items;
  mutable std::size_t index = 0;
  mutable Value changed;  // what loop.changed() saw last
  mutable bool changed_called = false;
};

/// cycler() and joiner().
struct Cycler final : Object {
  explicit Cycler(Budget* owner) : Object(owner, 128) {}
  std::vector<Value> items;
  mutable std::size_t at = 0;
  bool is_joiner = false;
};

inline const List& Value::list() const noexcept { return static_cast<const List&>(*object_); }
inline const Dict& Value::dict() const noexcept { return static_cast<const Dict&>(*object_); }

constexpr std::int32_t kMaxValueDepth = 128;

/// Wraps items; fails when they are too many or nested too deep.
Expected<Value> make_list(Budget& budget, std::vector<Value> items, Flavor flavor = Flavor::list,
                          bool untrusted = false);
/// The last of equal keys wins, at the place of the first. Fails for keys that cannot be hashed.
Expected<Value> make_dict(Budget& budget, std::vector<std::pair<Value, Value>> entries, bool untrusted = false);
/// The spelling under which equal keys are the same (1, 1.0 and true are).
Expected<std::string> canonical_key(const Value& key);

/// Python's name of the type, for error texts.
std::string_view type_name(const Value& value) noexcept;
bool truthy(const Value& value) noexcept;
/// Error for an operation on an undefined value, as Jinja words it.
Error undefined_error(const Value& value);
Error type_error(std::string text);

Expected<bool> equal(Budget& budget, const Value& left, const Value& right);
/// Negative, zero or positive; fails for types without an order.
Expected<int> compare(Budget& budget, const Value& left, const Value& right);
bool same_object(const Value& left, const Value& right) noexcept;

/// str(value): text unchanged, undefined as nothing.
Expected<TextPtr> to_text(Budget& budget, const Value& value);
Expected<void> append_text(TextBuilder& out, Budget& budget, const Value& value);
/// repr(value).
Expected<void> append_repr(TextBuilder& out, Budget& budget, const Value& value);
std::string real_repr(double value);

/// The items a `for` would see. Fails for values that cannot be iterated.
Expected<std::shared_ptr<const List>> iterate(Budget& budget, const Value& value);
/// Whether `container` holds `item` (Python's `in`).
Expected<bool> contains(Budget& budget, const Value& container, const Value& item);

}  // namespace heed::jinja
