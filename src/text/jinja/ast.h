// ast.h -- the parsed template: immutable, shared by all renderings.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/jinja/lexer.h"
#include "text/jinja/runtime.h"

namespace heed::jinja {

enum class ExprKind : std::uint8_t {
  literal,
  name,
  list,
  tuple,
  dict,         // items: key, value, key, value ...
  attribute,    // items[0].name
  item,         // items[0][items[1]]
  slice,        // items[0][items[1]:items[2]:items[3]]; absent bounds are null
  call,         // items[0](items[1...], named...)
  filter,       // items[0] | name(items[1...], named...); items[0] is null in filter blocks
  test,         // items[0] is name(items[1...], named...)
  logic_not,    // items[0]
  negate,       // items[0]
  positive,     // items[0]
  arithmetic,   // items[0] operators[0] items[1] operators[1] ..., left to right
  concat,       // items joined as text
  comparison,   // items[0] comparisons[0] items[1] ..., all must hold
  logic_and,    // items
  logic_or,     // items
  conditional,  // items[0] if items[1] else items[2]; items[2] may be null
};

enum class Comparison : std::uint8_t { equal, not_equal, less, less_or_equal, greater, greater_or_equal, in, not_in };

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Expr {
  ExprKind kind = ExprKind::literal;
  Place place;
  std::int32_t depth = 1;
  std::uint32_t name = 0;  // index into Program::names
  Value literal;
  std::vector<ExprPtr> items;
  std::vector<std::pair<std::uint32_t, ExprPtr>> named;
  ExprPtr spread;        // *arguments
  ExprPtr named_spread;  // **arguments
  std::vector<Operator> operators;
  std::vector<Comparison> comparisons;
};

/// What is assigned to: a name, name.attribute, or a tuple of targets.
struct Target {
  enum class Kind : std::uint8_t { name, attribute, tuple } kind = Kind::name;
  Place place;
  std::uint32_t name = 0;
  std::uint32_t attribute = 0;
  std::vector<Target> parts;
};

struct Stmt;
using StmtPtr = std::unique_ptr<Stmt>;
using Body = std::vector<StmtPtr>;

struct Parameter {
  std::uint32_t name = 0;
  ExprPtr otherwise;  // null: none
};

/// Which of the special names a macro's body mentions: only then may it be called with what they hold.
struct Mentions {
  bool uses_varargs = false;
  bool uses_kwargs = false;
  bool uses_caller = false;
};

/// A macro, or the body of a call block.
struct MacroBody {
  std::uint32_t name = 0;
  std::vector<Parameter> parameters;
  Body body;
  Mentions mentions;
};

enum class StmtKind : std::uint8_t {
  data,          // text
  output,        // {{ expr }}
  branch,        // branches in order, then otherwise
  loop,          // for target in expr if test: body, else: otherwise
  set,           // target = expr
  set_block,     // target = body, filtered by expr when there is one
  macro,         // macro
  call_block,    // expr is the call, macro the caller
  filter_block,  // expr is the filter over body
  with,          // assignments, body
  scope,         // body in a scope of its own (generation)
  loop_break,
  loop_continue,
};

struct Branch {
  ExprPtr test;
  Body body;
};

struct Stmt {
  StmtKind kind = StmtKind::data;
  Place place;
  TextPtr text;
  ExprPtr expr;
  ExprPtr test;
  Target target;
  Body body;
  Body otherwise;
  std::vector<Branch> branches;
  std::vector<std::pair<Target, ExprPtr>> assignments;
  std::unique_ptr<MacroBody> macro;
};

/// All names of a template, each once.
class Names {
 public:
  std::uint32_t intern(const std::string& name) {
    const auto [place, is_new] = ids_.try_emplace(name, static_cast<std::uint32_t>(names_.size()));
    if (is_new) names_.push_back(std::make_unique<const std::string>(name));
    return place->second;
  }
  /// Stays where it is as long as the program lives.
  const std::string& operator[](std::uint32_t id) const { return *names_[id]; }
  /// The id of a name the template mentions; false when it does not.
  bool find(const std::string& name, std::uint32_t& id) const {
    const auto place = ids_.find(name);
    if (place != ids_.end()) id = place->second;
    return place != ids_.end();
  }

 private:
  std::vector<std::unique_ptr<const std::string>> names_;
  std::unordered_map<std::string, std::uint32_t> ids_;
};

struct Program {
  Body body;
  Names names;
  std::uint32_t loop = names.intern("loop");
  std::uint32_t caller = names.intern("caller");
  std::uint32_t varargs = names.intern("varargs");
  std::uint32_t kwargs = names.intern("kwargs");
};

}  // namespace heed::jinja
