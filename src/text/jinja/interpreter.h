// interpreter.h -- walks the program: one object per rendering.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"

namespace heed::jinja {

/// The variables of one scope. Scopes of macros, loops, blocks; the outermost holds the input and the functions.
struct Frame : std::enable_shared_from_this<Frame> {
  Frame* parent = nullptr;
  std::vector<std::pair<std::uint32_t, Value>> variables;
  bool captured = false;  // a macro was defined in it: it lives until the end

  void set(std::uint32_t name, Value value);
  const Value* find(std::uint32_t name) const noexcept;
};

/// A macro as a value; `native` is null. The interpreter keeps its frame alive.
struct MacroValue final : Callable {
  MacroValue(Budget* owner, const MacroBody& macro, Frame& defined_in)
      : Callable(owner), body(&macro), frame(&defined_in) {}
  const MacroBody* body;
  Frame* frame;
};

class Interpreter {
 public:
  Interpreter(const Program& program, Runtime& runtime, std::int32_t max_depth);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  void set_variable(std::uint32_t name, Value value) { root_->set(name, std::move(value)); }
  Expected<TextPtr> run();

 private:
  enum class Flow : std::uint8_t { onward, loop_break, loop_continue };
  class Scope;
  class Capture;
  class Nested;
  class LoopEnd;

  // statements: interpreter.cc
  Expected<Flow> execute(const Body& body);
  Expected<Flow> execute(const Stmt& stmt);
  Expected<Flow> execute_by_kind(const Stmt& stmt);
  Expected<Flow> execute_scoped(const Body& body);
  Expected<Flow> branch(const Stmt& stmt);
  Expected<Flow> loop(const Stmt& stmt);
  Expected<Flow> iteration(const Stmt& stmt, const Value& item, const Value& loop);
  Expected<std::shared_ptr<const List>> passing_items(const Stmt& stmt, const List& list);
  Expected<void> print(const Stmt& stmt);
  Expected<void> set_block(const Stmt& stmt);
  Expected<void> filter_block(const Stmt& stmt);
  Expected<void> call_block(const Stmt& stmt);
  Expected<Flow> with(const Stmt& stmt);
  Expected<void> assign(const Target& target, Value value);
  Expected<void> assign_attribute(const Target& target, Value value);
  Expected<Value> captured_text(const Body& body);
  Expected<Value> macro_value(const MacroBody& macro);
  Expected<void> check_depth() const;
  Error located(Error error, Place place) const;

  // expressions: evaluate.cc
  Expected<Value> evaluate(const Expr& expr);
  Expected<Value> evaluate_by_kind(const Expr& expr);
  Expected<Value> evaluate_optional(const ExprPtr& expr);
  Expected<Value> name(const Expr& expr);
  Expected<Value> sequence(const Expr& expr);
  Expected<Value> dict(const Expr& expr);
  Expected<Value> attribute(const Expr& expr);
  Expected<Value> item(const Expr& expr);
  Expected<Value> slice(const Expr& expr);
  Expected<Value> logic_not(const Expr& expr);
  Expected<Value> logic_chain(const Expr& expr);
  Expected<Value> sign(const Expr& expr);
  Expected<Value> arithmetic(const Expr& expr);
  Expected<Value> concat(const Expr& expr);
  Expected<Value> comparison(const Expr& expr);
  Expected<bool> compared(Comparison comparison, const Value& left, const Value& right);
  Expected<Value> conditional(const Expr& expr);
  Expected<Value> filter(const Expr& expr);
  Expected<Value> test(const Expr& expr);
  Expected<Value> call(const Expr& expr);
  Expected<Call> prepared_call(const Expr& expr, std::string_view name, Value self);
  Expected<void> spread_into(Call& call, const Expr& expr);
  Expected<Value> call_value(const Value& callee, Call call);
  Expected<Value> call_macro(const MacroValue& macro, Call call);
  Expected<void> bind_macro(const MacroValue& macro, Call& call);
  Expected<void> bind_parameters(const MacroBody& macro, Call& call);

  const Program& program_;
  Runtime& runtime_;
  Budget& budget_;
  std::int32_t max_depth_;
  std::int32_t depth_ = 0;        // of nested statements and expressions, through all macros
  std::int32_t macro_depth_ = 0;  // of macro calls
  std::shared_ptr<Frame> root_;
  std::vector<std::shared_ptr<Frame>> captured_;
  Frame* frame_;
  TextBuilder* out_ = nullptr;
  Value piped_;  // what a filter without base filters (set and filter blocks)
};

}  // namespace heed::jinja
