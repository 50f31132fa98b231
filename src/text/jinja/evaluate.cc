// evaluate.cc -- expressions, calls and macros.
#include <algorithm>

#include "text/jinja/interpreter_guards.h"

namespace heed::jinja {

Expected<Value> Interpreter::evaluate(const Expr& expr) {
  const Nested nested(depth_);
  auto ready = check_depth();
  if (ready) ready = budget_.step();
  if (!ready) return located(ready.error(), expr.place);
  auto value = evaluate_by_kind(expr);
  if (!value) return located(std::move(value).error(), expr.place);
  return value;
}

Expected<Value> Interpreter::evaluate_by_kind(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::literal:
      return expr.literal;
    case ExprKind::name:
      return name(expr);
    case ExprKind::list:
    case ExprKind::tuple:
      return sequence(expr);
    case ExprKind::dict:
      return dict(expr);
    case ExprKind::attribute:
      return attribute(expr);
    case ExprKind::item:
      return item(expr);
    case ExprKind::slice:
      return slice(expr);
    case ExprKind::call:
      return call(expr);
    case ExprKind::filter:
      return filter(expr);
    case ExprKind::test:
      return test(expr);
    case ExprKind::logic_not:
      return logic_not(expr);
    case ExprKind::negate:
    case ExprKind::positive:
      return sign(expr);
    case ExprKind::arithmetic:
      return arithmetic(expr);
    case ExprKind::concat:
      return concat(expr);
    case ExprKind::comparison:
      return comparison(expr);
    case ExprKind::logic_and:
    case ExprKind::logic_or:
      return logic_chain(expr);
    case ExprKind::conditional:
      return conditional(expr);
  }
  return Value();
}

/// None for an absent expression (slice bounds).
Expected<Value> Interpreter::evaluate_optional(const ExprPtr& expr) {
  return expr == nullptr ? Expected<Value>(Value::none()) : evaluate(*expr);
}

Expected<Value> Interpreter::name(const Expr& expr) {
  std::size_t searched = 0;
  for (const Frame* at = frame_; at != nullptr; at = at->parent) {
    if (const Value* value = at->find(expr.name); value != nullptr) return *value;
    searched += at->variables.size();
  }
  HEED_TRY(budget_.step(static_cast<std::int64_t>(searched / 64)));
  return Value::undefined(&program_.names[expr.name]);
}

Expected<Value> Interpreter::sequence(const Expr& expr) {
  std::vector<Value> items;
  for (const ExprPtr& item : expr.items) {
    HEED_ASSIGN(Value value, evaluate(*item));
    items.push_back(std::move(value));
  }
  return make_list(budget_, std::move(items), expr.kind == ExprKind::tuple ? Flavor::tuple : Flavor::list);
}

Expected<Value> Interpreter::dict(const Expr& expr) {
  std::vector<std::pair<Value, Value>> entries;
  for (std::size_t i = 0; i + 1 < expr.items.size(); i += 2) {
    HEED_ASSIGN(Value key, evaluate(*expr.items[i]));
    HEED_ASSIGN(Value value, evaluate(*expr.items[i + 1]));
    entries.emplace_back(std::move(key), std::move(value));
  }
  return make_dict(budget_, std::move(entries));
}

Expected<Value> Interpreter::attribute(const Expr& expr) {
  HEED_ASSIGN(const Value object, evaluate(*expr.items[0]));
  const std::string& name = program_.names[expr.name];
  return get_attribute(runtime_, object, name, &name);
}

Expected<Value> Interpreter::item(const Expr& expr) {
  HEED_ASSIGN(const Value object, evaluate(*expr.items[0]));
  HEED_ASSIGN(const Value key, evaluate(*expr.items[1]));
  return get_item(runtime_, object, key, nullptr);
}

Expected<Value> Interpreter::slice(const Expr& expr) {
  HEED_ASSIGN(const Value object, evaluate(*expr.items[0]));
  Bounds bounds;
  HEED_ASSIGN(bounds.from, evaluate_optional(expr.items[1]));
  HEED_ASSIGN(bounds.to, evaluate_optional(expr.items[2]));
  HEED_ASSIGN(bounds.step, evaluate_optional(expr.items[3]));
  return get_slice(runtime_, object, bounds);
}

Expected<Value> Interpreter::logic_not(const Expr& expr) {
  HEED_ASSIGN(const Value value, evaluate(*expr.items[0]));
  return Value::boolean(!truthy(value));
}

/// The value that decides, as in Python.
Expected<Value> Interpreter::logic_chain(const Expr& expr) {
  const bool stops_at = expr.kind == ExprKind::logic_or;
  Value value;
  for (const ExprPtr& item : expr.items) {
    HEED_ASSIGN(value, evaluate(*item));
    if (truthy(value) == stops_at) break;
  }
  return value;
}

Expected<Value> Interpreter::sign(const Expr& expr) {
  HEED_ASSIGN(const Value value, evaluate(*expr.items[0]));
  if (value.is(Kind::undefined)) return undefined_error(value);
  const bool negates = expr.kind == ExprKind::negate;
  if (!value.is_number()) {
    return type_error(std::string("bad operand type for unary ") + (negates ? "-" : "+") + ": '" +
                      std::string(type_name(value)) + "'");
  }
  if (value.is(Kind::real)) return Value::real(negates ? -value.number() : value.number(), value.untrusted());
  if (!negates) return Value::integer(value.whole(), value.untrusted());
  return calculate(runtime_, Operator::subtract, Value::integer(0), value);
}

Expected<Value> Interpreter::arithmetic(const Expr& expr) {
  HEED_ASSIGN(Value result, evaluate(*expr.items[0]));
  for (std::size_t i = 0; i < expr.operators.size(); ++i) {
    HEED_ASSIGN(const Value right, evaluate(*expr.items[i + 1]));
    HEED_ASSIGN(result, calculate(runtime_, expr.operators[i], result, right));
  }
  return result;
}

Expected<Value> Interpreter::concat(const Expr& expr) {
  TextBuilder out(budget_);
  for (const ExprPtr& item : expr.items) {
    HEED_ASSIGN(const Value value, evaluate(*item));
    HEED_TRY(append_text(out, budget_, value));
  }
  HEED_ASSIGN(TextPtr text, out.finish());
  return Value(std::move(text));
}

Expected<bool> Interpreter::compared(Comparison comparison, const Value& left, const Value& right) {
  switch (comparison) {
    case Comparison::equal:
      return equal(budget_, left, right);
    case Comparison::in:
      return contains(budget_, right, left);
    case Comparison::not_equal: {
      HEED_ASSIGN(const bool same, equal(budget_, left, right));
      return !same;
    }
    case Comparison::not_in: {
      HEED_ASSIGN(const bool found, contains(budget_, right, left));
      return !found;
    }
    default:
      break;
  }
  HEED_ASSIGN(const int order, compare(budget_, left, right));
  switch (comparison) {
    case Comparison::less:
      return order < 0;
    case Comparison::less_or_equal:
      return order <= 0;
    case Comparison::greater:
      return order > 0;
    default:
      return order >= 0;
  }
}

Expected<Value> Interpreter::comparison(const Expr& expr) {
  HEED_ASSIGN(Value left, evaluate(*expr.items[0]));
  for (std::size_t i = 0; i < expr.comparisons.size(); ++i) {
    HEED_ASSIGN(Value right, evaluate(*expr.items[i + 1]));
    HEED_ASSIGN(const bool holds, compared(expr.comparisons[i], left, right));
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Expected<Value> Interpreter::conditional(const Expr& expr) {
  HEED_ASSIGN(const Value test, evaluate(*expr.items[1]));
  if (truthy(test)) return evaluate(*expr.items[0]);
  return expr.items[2] == nullptr ? Expected<Value>(Value()) : evaluate(*expr.items[2]);
}

Expected<Call> Interpreter::prepared_call(const Expr& expr, std::string_view name, Value self) {
  Call call{runtime_, name, std::move(self), {}, {}};
  for (std::size_t i = 1; i < expr.items.size(); ++i) {
    HEED_ASSIGN(Value value, evaluate(*expr.items[i]));
    call.arguments.push_back(std::move(value));
  }
  for (const auto& [key, argument] : expr.named) {
    HEED_ASSIGN(Value value, evaluate(*argument));
    call.named.emplace_back(program_.names[key], std::move(value));
  }
  HEED_TRY(spread_into(call, expr));
  return call;
}

/// *arguments and **arguments.
Expected<void> Interpreter::spread_into(Call& call, const Expr& expr) {
  if (expr.spread != nullptr) {
    HEED_ASSIGN(const Value value, evaluate(*expr.spread));
    HEED_ASSIGN(const auto list, iterate(budget_, value));
    HEED_TRY(budget_.step(static_cast<std::int64_t>(list->items.size())));
    call.arguments.insert(call.arguments.end(), list->items.begin(), list->items.end());
  }
  if (expr.named_spread == nullptr) return {};
  HEED_ASSIGN(const Value value, evaluate(*expr.named_spread));
  if (!value.is(Kind::dict))
    return type_error("argument after ** must be a mapping, not " + std::string(type_name(value)));
  for (const auto& [key, item] : value.dict().entries) {
    HEED_TRY(budget_.step(1 + static_cast<std::int64_t>(call.named.size() / 16)));
    if (!key.is(Kind::text)) return type_error("keywords must be strings");
    const std::string& name = key.text().bytes;
    const bool doubled =
        std::any_of(call.named.begin(), call.named.end(), [&](const auto& n) { return n.first == name; });
    if (doubled) return type_error("got multiple values for keyword argument '" + name + "'");
    call.named.emplace_back(name, item);
  }
  return {};
}

Expected<Value> Interpreter::filter(const Expr& expr) {
  Value self = piped_;
  if (expr.items[0] != nullptr) {
    HEED_ASSIGN(self, evaluate(*expr.items[0]));
  }
  const std::string& name = program_.names[expr.name];
  const NativeFunction function = find_filter(name);
  if (function == nullptr) return type_error("No filter named '" + name + "'.");
  HEED_ASSIGN(const Call call, prepared_call(expr, name, std::move(self)));
  return function(call);
}

Expected<Value> Interpreter::test(const Expr& expr) {
  HEED_ASSIGN(Value self, evaluate(*expr.items[0]));
  const std::string& name = program_.names[expr.name];
  const NativeFunction function = find_test(name);
  if (function == nullptr) return type_error("No test named '" + name + "'.");
  HEED_ASSIGN(const Call call, prepared_call(expr, name, std::move(self)));
  return function(call);
}

Expected<Value> Interpreter::call(const Expr& expr) {
  HEED_ASSIGN(const Value callee, evaluate(*expr.items[0]));
  HEED_ASSIGN(Call prepared, prepared_call(expr, "call", Value()));
  return call_value(callee, std::move(prepared));
}

Expected<Value> Interpreter::call_value(const Value& callee, Call call) {
  HEED_TRY(budget_.step());
  if (callee.is(Kind::undefined)) return undefined_error(callee);
  if (callee.is(Kind::cycler) && callee.as<Cycler>().is_joiner) {
    const Cycler& joiner = callee.as<Cycler>();
    if (std::exchange(joiner.at, 1) == 1) return joiner.items[0];
    HEED_ASSIGN(TextPtr nothing, made_text(budget_, "", true));
    return Value(std::move(nothing));
  }
  if (!callee.is(Kind::callable)) return type_error("'" + std::string(type_name(callee)) + "' object is not callable");
  const auto& callable = callee.as<Callable>();
  if (callable.native == nullptr) return call_macro(callee.as<MacroValue>(), std::move(call));
  call.name = callable.name;
  call.self = callable.self;
  return callable.native(call);
}

Expected<void> Interpreter::bind_parameters(const MacroBody& macro, Call& call) {
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    const std::string& name = program_.names[parameter.name];
    const auto given =
        std::find_if(call.named.begin(), call.named.end(), [&](const auto& n) { return n.first == name; });
    if (i < call.arguments.size()) {
      frame_->set(parameter.name, call.arguments[i]);
    } else if (given != call.named.end()) {
      frame_->set(parameter.name, std::move(given->second));
      call.named.erase(given);
    } else if (parameter.otherwise != nullptr) {
      HEED_ASSIGN(Value value, evaluate(*parameter.otherwise));
      frame_->set(parameter.name, std::move(value));
    } else {
      frame_->set(parameter.name, Value::undefined(&name));
    }
  }
  return {};
}

/// Binds parameters, then what is left: caller, kwargs, varargs where the body mentions them, an error otherwise.
Expected<void> Interpreter::bind_macro(const MacroValue& macro, Call& call) {
  const MacroBody& body = *macro.body;
  HEED_TRY(budget_.step(static_cast<std::int64_t>(call.arguments.size() + body.parameters.size())));
  HEED_TRY(bind_parameters(body, call));
  const std::string where = "macro '" + macro.name + "' ";
  const bool has_caller_parameter = std::any_of(body.parameters.begin(), body.parameters.end(),
                                                [&](const auto& p) { return p.name == program_.caller; });
  if (body.mentions.uses_caller && !has_caller_parameter) {
    const auto given =
        std::find_if(call.named.begin(), call.named.end(), [](const auto& n) { return n.first == "caller"; });
    frame_->set(program_.caller,
                given == call.named.end() ? Value::undefined(&program_.names[program_.caller]) : given->second);
    if (given != call.named.end()) call.named.erase(given);
  }
  if (body.mentions.uses_kwargs) {
    std::vector<std::pair<Value, Value>> entries;
    for (auto& [name, value] : call.named) entries.emplace_back(Value(fixed_text(name, false)), std::move(value));
    HEED_ASSIGN(Value kwargs, make_dict(budget_, std::move(entries)));
    frame_->set(program_.kwargs, std::move(kwargs));
  } else if (!call.named.empty()) {
    return type_error(where + "takes no keyword argument '" + call.named.front().first + "'");
  }
  const std::size_t bound = std::min(body.parameters.size(), call.arguments.size());
  if (body.mentions.uses_varargs) {
    std::vector<Value> rest(call.arguments.begin() + static_cast<std::ptrdiff_t>(bound), call.arguments.end());
    HEED_ASSIGN(Value varargs, make_list(budget_, std::move(rest), Flavor::tuple));
    frame_->set(program_.varargs, std::move(varargs));
  } else if (call.arguments.size() > bound) {
    return type_error(where + "takes not more than " + std::to_string(body.parameters.size()) + " argument(s)");
  }
  return {};
}

Expected<Value> Interpreter::call_macro(const MacroValue& macro, Call call) {
  const Nested nested(macro_depth_);
  if (macro_depth_ > max_depth_) {
    return fail(Code::too_long,
                "chat template: macros call each other deeper than the limit of " + std::to_string(max_depth_));
  }
  const Scope scope(frame_, macro.frame);
  HEED_TRY(bind_macro(macro, call));
  return captured_text(macro.body->body);
}

}  // namespace heed::jinja
