// interpreter.cc -- statements and scopes.
#include "text/jinja/interpreter.h"

#include <algorithm>

#include "text/jinja/interpreter_guards.h"

namespace heed::jinja {

void Frame::set(std::uint32_t name, Value value) {
  const auto found = std::find_if(variables.begin(), variables.end(), [&](const auto& v) { return v.first == name; });
  if (found == variables.end()) {
    variables.emplace_back(name, std::move(value));
  } else {
    found->second = std::move(value);
  }
}

const Value* Frame::find(std::uint32_t name) const noexcept {
  const auto found = std::find_if(variables.begin(), variables.end(), [&](const auto& v) { return v.first == name; });
  return found == variables.end() ? nullptr : &found->second;
}

Interpreter::Interpreter(const Program& program, Runtime& runtime, std::int32_t max_depth)
    : program_(program),
      runtime_(runtime),
      budget_(runtime.budget),
      max_depth_(max_depth),
      root_(std::make_shared<Frame>()),
      frame_(root_.get()) {
  for (const NamedFunction& function : global_functions()) {
    std::uint32_t name = 0;
    if (!program.names.find(std::string(function.name), name)) continue;
    auto callable = std::make_shared<Callable>(&budget_);
    callable->name = std::string(function.name);
    callable->native = function.function;
    root_->set(name, Value::object(Kind::callable, std::move(callable)));
  }
}

Interpreter::~Interpreter() {  // frames may hold macros that point back to frames: nothing here recurses
  for (const auto& frame : captured_) frame->variables.clear();
}

Expected<TextPtr> Interpreter::run() {
  TextBuilder out(budget_);
  out_ = &out;
  HEED_TRY(execute(program_.body));
  return out.finish();
}

Error Interpreter::located(Error error, Place place) const {
  if (error.where.empty()) error.where = shown(place);
  return error;
}

Expected<void> Interpreter::check_depth() const {
  // Each level costs some hundred bytes of stack; macros may nest max_depth deep with a few levels each.
  constexpr std::int32_t kLevelsPerDepth = 8;
  if (depth_ <= max_depth_ * kLevelsPerDepth) return {};
  return fail(Code::too_long, "chat template: statements, expressions and macros nest deeper than the limit");
}

Expected<Interpreter::Flow> Interpreter::execute(const Body& body) {
  for (const StmtPtr& stmt : body) {
    HEED_ASSIGN(const Flow flow, execute(*stmt));
    if (flow != Flow::onward) return flow;
  }
  return Flow::onward;
}

Expected<Interpreter::Flow> Interpreter::execute(const Stmt& stmt) {
  const Nested nested(depth_);
  auto ready = check_depth();
  if (ready) ready = budget_.step();
  if (!ready) return located(ready.error(), stmt.place);
  auto flow = execute_by_kind(stmt);
  if (!flow) return located(std::move(flow).error(), stmt.place);
  return flow;
}

Expected<Interpreter::Flow> Interpreter::execute_by_kind(const Stmt& stmt) {
  switch (stmt.kind) {
    case StmtKind::data:
      out_->add(*stmt.text);
      return Flow::onward;
    case StmtKind::output:
      HEED_TRY(print(stmt));
      return Flow::onward;
    case StmtKind::branch:
      return branch(stmt);
    case StmtKind::loop:
      return loop(stmt);
    case StmtKind::set: {
      HEED_ASSIGN(Value value, evaluate(*stmt.expr));
      HEED_TRY(assign(stmt.target, std::move(value)));
      return Flow::onward;
    }
    case StmtKind::set_block:
      HEED_TRY(set_block(stmt));
      return Flow::onward;
    case StmtKind::macro: {
      HEED_ASSIGN(Value macro, macro_value(*stmt.macro));
      frame_->set(stmt.macro->name, std::move(macro));
      return Flow::onward;
    }
    case StmtKind::call_block:
      HEED_TRY(call_block(stmt));
      return Flow::onward;
    case StmtKind::filter_block:
      HEED_TRY(filter_block(stmt));
      return Flow::onward;
    case StmtKind::with:
      return with(stmt);
    case StmtKind::scope:
      return execute_scoped(stmt.body);
    case StmtKind::loop_break:
      return Flow::loop_break;
    case StmtKind::loop_continue:
      return Flow::loop_continue;
  }
  return Flow::onward;
}

Expected<Interpreter::Flow> Interpreter::execute_scoped(const Body& body) {
  const Scope scope(frame_, frame_);
  return execute(body);
}

Expected<void> Interpreter::print(const Stmt& stmt) {
  HEED_ASSIGN(const Value value, evaluate(*stmt.expr));
  return append_text(*out_, budget_, value);
}

Expected<Interpreter::Flow> Interpreter::branch(const Stmt& stmt) {
  for (const Branch& branch : stmt.branches) {
    HEED_ASSIGN(const Value test, evaluate(*branch.test));
    if (truthy(test)) return execute(branch.body);
  }
  return execute(stmt.otherwise);
}

Expected<std::shared_ptr<const List>> Interpreter::passing_items(const Stmt& stmt, const List& list) {
  std::vector<Value> passing;
  for (const Value& item : list.items) {
    const Scope scope(frame_, frame_);
    HEED_TRY(assign(stmt.target, item));
    HEED_ASSIGN(const Value test, evaluate(*stmt.test));
    if (truthy(test)) passing.push_back(item);
  }
  HEED_ASSIGN(const Value kept, make_list(budget_, std::move(passing)));
  return std::static_pointer_cast<const List>(kept.pointer());
}

Expected<Interpreter::Flow> Interpreter::loop(const Stmt& stmt) {
  HEED_ASSIGN(const Value over, evaluate(*stmt.expr));
  HEED_ASSIGN(auto list, iterate(budget_, over));
  if (stmt.test != nullptr) {
    HEED_ASSIGN(list, passing_items(stmt, *list));
  }
  if (list->items.empty()) return execute_scoped(stmt.otherwise);
  auto state = std::make_shared<Loop>(&budget_);
  state->items = list;
  state->length = list->items.size();
  const Value loop = Value::object(Kind::loop, state);
  const LoopEnd end(*state);
  bool completed_one = false;  // Jinja's else runs unless some iteration got to its end
  for (const Value& item : list->items) {
    HEED_ASSIGN(const Flow flow, iteration(stmt, item, loop));
    completed_one = completed_one || flow == Flow::onward;
    if (flow == Flow::loop_break) break;
    ++state->index;
  }
  return completed_one ? Flow::onward : execute_scoped(stmt.otherwise);
}

Expected<Interpreter::Flow> Interpreter::iteration(const Stmt& stmt, const Value& item, const Value& loop) {
  HEED_TRY(budget_.step());
  const Scope scope(frame_, frame_);
  frame_->set(program_.loop, loop);
  HEED_TRY(assign(stmt.target, item));
  return execute(stmt.body);
}

/// Runs statements with their output going into a value.
Expected<Value> Interpreter::captured_text(const Body& body) {
  TextBuilder out(budget_);
  {
    const Capture capture(out_, out);
    HEED_TRY(execute(body));
  }
  HEED_ASSIGN(TextPtr text, out.finish());
  return Value(std::move(text));
}

Expected<void> Interpreter::set_block(const Stmt& stmt) {
  Value value;
  {
    const Scope scope(frame_, frame_);
    HEED_ASSIGN(value, captured_text(stmt.body));
  }
  if (stmt.expr != nullptr) {
    piped_ = value;
    HEED_ASSIGN(value, evaluate(*stmt.expr));
  }
  return assign(stmt.target, std::move(value));
}

Expected<void> Interpreter::filter_block(const Stmt& stmt) {
  const Scope scope(frame_, frame_);
  HEED_ASSIGN(piped_, captured_text(stmt.body));
  HEED_ASSIGN(const Value value, evaluate(*stmt.expr));
  return append_text(*out_, budget_, value);
}

Expected<void> Interpreter::call_block(const Stmt& stmt) {
  HEED_ASSIGN(Value caller, macro_value(*stmt.macro));
  HEED_ASSIGN(const Value callee, evaluate(*stmt.expr->items.front()));
  HEED_ASSIGN(Call call, prepared_call(*stmt.expr, "call", Value()));
  call.named.emplace_back("caller", std::move(caller));
  HEED_ASSIGN(const Value value, call_value(callee, std::move(call)));
  return append_text(*out_, budget_, value);
}

Expected<Interpreter::Flow> Interpreter::with(const Stmt& stmt) {
  std::vector<Value> values;
  for (const auto& [target, expr] : stmt.assignments) {
    HEED_ASSIGN(Value value, evaluate(*expr));
    values.push_back(std::move(value));
  }
  const Scope scope(frame_, frame_);
  for (std::size_t i = 0; i < values.size(); ++i) {
    HEED_TRY(assign(stmt.assignments[i].first, std::move(values[i])));
  }
  return execute(stmt.body);
}

Expected<void> Interpreter::assign(const Target& target, Value value) {
  if (target.kind == Target::Kind::attribute) return assign_attribute(target, std::move(value));
  if (target.kind == Target::Kind::name) {
    frame_->set(target.name, std::move(value));
    return {};
  }
  HEED_ASSIGN(const auto list, iterate(budget_, value));
  if (list->items.size() != target.parts.size()) {
    return type_error("expected " + std::to_string(target.parts.size()) + " values to unpack, got " +
                      std::to_string(list->items.size()));
  }
  for (std::size_t i = 0; i < target.parts.size(); ++i) {
    HEED_TRY(assign(target.parts[i], list->items[i]));
  }
  return {};
}

Expected<void> Interpreter::assign_attribute(const Target& target, Value value) {
  const Value* space = nullptr;
  for (const Frame* at = frame_; at != nullptr && space == nullptr; at = at->parent) space = at->find(target.name);
  if (space == nullptr || !space->is(Kind::space)) return type_error("cannot assign attribute on non-namespace object");
  const std::string& name = program_.names[target.attribute];
  if (name.starts_with("_")) return type_error("namespace attributes cannot start with an underscore");
  auto& attributes = space->as<Space>().attributes;
  HEED_TRY(budget_.step(static_cast<std::int64_t>(attributes.size() / 16)));
  const auto found = std::find_if(attributes.begin(), attributes.end(), [&](const auto& a) { return a.first == name; });
  if (found == attributes.end()) {
    attributes.emplace_back(name, std::move(value));
  } else {
    found->second = std::move(value);
  }
  return {};
}

Expected<Value> Interpreter::macro_value(const MacroBody& macro) {
  auto value = std::make_shared<MacroValue>(&budget_, macro, *frame_);
  value->name = program_.names[macro.name];
  constexpr std::size_t kFrameBytes = 512;  // held until the end of the rendering
  for (Frame* at = frame_; at != nullptr && !at->captured; at = at->parent) {
    at->captured = true;
    captured_.push_back(at->shared_from_this());
    budget_.hold(kFrameBytes);
  }
  HEED_TRY(budget_.check());
  return Value::object(Kind::callable, std::move(value));
}

}  // namespace heed::jinja
