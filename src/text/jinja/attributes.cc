// attributes.cc -- obj.name: methods first, then keys, as Jinja's getattr; the fields of loop, cycler and namespace.
#include <algorithm>
#include <charconv>

#include "text/jinja/runtime.h"

namespace heed::jinja {
namespace {

Expected<Value> bound_method(Runtime& runtime, const Value& self, std::string_view name, NativeFunction native) {
  if (self.depth() >= kMaxValueDepth) return fail(Code::too_long, "chat template: values nested deeper than the limit");
  auto callable = std::make_shared<Callable>(&runtime.budget);
  callable->name = std::string(name);
  callable->native = native;
  callable->self = self;
  callable->depth = self.depth() + 1;
  HEED_TRY(runtime.budget.check());
  return Value::object(Kind::callable, std::move(callable));
}

Expected<Value> loop_cycle(const Call& call) {
  if (call.arguments.empty()) return type_error("no items for cycling given");
  return call.arguments[call.self.as<Loop>().index % call.arguments.size()];
}

Expected<Value> loop_changed(const Call& call) {
  const Loop& loop = call.self.as<Loop>();
  HEED_ASSIGN(const Value seen, make_list(call.runtime.budget, call.arguments, Flavor::tuple));
  if (loop.items == nullptr) return Value::boolean(true);
  bool same = loop.changed_called;
  if (same) {
    HEED_ASSIGN(same, equal(call.runtime.budget, seen, loop.changed));
  }
  loop.changed = seen;
  loop.changed_called = true;
  return Value::boolean(!same);
}

Value neighbour(const Loop& loop, std::int64_t offset, const std::string* shown) {
  const std::int64_t at = static_cast<std::int64_t>(loop.index) + offset;
  if (loop.items == nullptr || at < 0 || at >= static_cast<std::int64_t>(loop.length)) return Value::undefined(shown);
  return loop.items->items[static_cast<std::size_t>(at)];
}

Expected<Value> loop_attribute(Runtime& runtime, const Value& self, std::string_view name, const std::string* shown) {
  const Loop& loop = self.as<Loop>();
  const auto index = static_cast<std::int64_t>(loop.index);
  const auto length = static_cast<std::int64_t>(loop.length);
  if (name == "index") return Value::integer(index + 1);
  if (name == "index0") return Value::integer(index);
  if (name == "revindex") return Value::integer(length - index);
  if (name == "revindex0") return Value::integer(length - index - 1);
  if (name == "first") return Value::boolean(index == 0);
  if (name == "last") return Value::boolean(index == length - 1);
  if (name == "length") return Value::integer(length);
  if (name == "depth") return Value::integer(loop.nesting);
  if (name == "depth0") return Value::integer(loop.nesting - 1);
  if (name == "previtem") return neighbour(loop, -1, shown);
  if (name == "nextitem") return neighbour(loop, 1, shown);
  if (name == "cycle") return bound_method(runtime, self, name, loop_cycle);
  if (name == "changed") return bound_method(runtime, self, name, loop_changed);
  return Value::undefined(shown);
}

Expected<Value> cycler_next(const Call& call) {
  const Cycler& cycler = call.self.as<Cycler>();
  const Value current = cycler.items[cycler.at];
  cycler.at = (cycler.at + 1) % cycler.items.size();
  return current;
}

Expected<Value> cycler_reset(const Call& call) {
  call.self.as<Cycler>().at = 0;
  return Value::none();
}

Expected<Value> cycler_attribute(Runtime& runtime, const Value& self, std::string_view name, const std::string* shown) {
  const Cycler& cycler = self.as<Cycler>();
  if (cycler.is_joiner) return Value::undefined(shown);
  if (name == "current") return cycler.items[cycler.at];
  if (name == "next") return bound_method(runtime, self, name, cycler_next);
  if (name == "reset") return bound_method(runtime, self, name, cycler_reset);
  return Value::undefined(shown);
}

Value space_attribute(const Space& space, std::string_view name, const std::string* shown) {
  const auto found = std::find_if(space.attributes.begin(), space.attributes.end(),
                                  [&](const auto& attribute) { return attribute.first == name; });
  return found == space.attributes.end() ? Value::undefined(shown) : found->second;
}

/// groupby()'s pairs answer to names as well.
const Value* group_attribute(const Value& object, std::string_view name) {
  if (!object.is(Kind::list) || object.list().flavor != Flavor::group) return nullptr;
  if (name == "grouper") return &object.list().items[0];
  return name == "list" ? &object.list().items[1] : nullptr;
}

Expected<Value> path_step(Runtime& runtime, const Value& object, std::string_view part) {
  std::int64_t index = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
  const bool is_index = error == std::errc() && end == part.data() + part.size() && index >= 0;
  if (is_index) return get_item(runtime, object, Value::integer(index), nullptr);
  return get_item(runtime, object, Value(fixed_text(part, true)), nullptr);
}

}  // namespace

Expected<Value> get_attribute(Runtime& runtime, const Value& object, std::string_view name, const std::string* shown) {
  HEED_TRY(runtime.budget.step());
  if (object.is(Kind::undefined)) return undefined_error(object);
  if (object.is(Kind::loop)) return loop_attribute(runtime, object, name, shown);
  if (object.is(Kind::cycler)) return cycler_attribute(runtime, object, name, shown);
  if (object.is(Kind::space)) {
    HEED_TRY(runtime.budget.step(static_cast<std::int64_t>(object.as<Space>().attributes.size() / 16)));
    return space_attribute(object.as<Space>(), name, shown);
  }
  if (const Value* part = group_attribute(object, name); part != nullptr) return *part;
  if (const NativeFunction method = find_method(object, name); method != nullptr) {
    return bound_method(runtime, object, name, method);
  }
  if (object.is(Kind::dict)) {
    if (const Value* value = object.dict().find(name); value != nullptr) return *value;
  }
  return Value::undefined(shown);
}

Expected<Value> follow_path(Runtime& runtime, const Value& object, const Value& path) {
  if (!path.is(Kind::text)) return get_item(runtime, object, path, nullptr);
  std::string_view rest = path.text().bytes;
  Value at = object;
  while (true) {
    const std::size_t dot = rest.find('.');
    HEED_ASSIGN(at, path_step(runtime, at, rest.substr(0, dot)));
    if (dot == std::string_view::npos) return at;
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace heed::jinja
