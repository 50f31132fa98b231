// parser.cc -- statements.
#include "text/jinja/parser.h"

#include <algorithm>
#include <utility>

namespace heed::jinja {

Token Parser::take() {
  Token token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Parser::is_symbol(const Token& token, std::string_view symbol) {
  return token.kind == TokenKind::symbol && token.text == symbol;
}

bool Parser::is_name(const Token& token, std::string_view name) {
  return token.kind == TokenKind::name && token.text == name;
}

bool Parser::skip_symbol(std::string_view symbol) {
  const bool found = at_symbol(symbol);
  if (found) take();
  return found;
}

bool Parser::skip_name(std::string_view name) {
  const bool found = at_name(name);
  if (found) take();
  return found;
}

Expected<Token> Parser::expect(TokenKind kind, std::string_view what) {
  if (current().kind != kind) return unexpected(what);
  return take();
}

Expected<void> Parser::expect_symbol(std::string_view symbol) {
  if (!skip_symbol(symbol)) return unexpected("'" + std::string(symbol) + "'");
  return {};
}

Expected<void> Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) return unexpected("'" + std::string(name) + "'");
  return {};
}

Error Parser::error(const std::string& text, Place place) const {
  return fail(Code::malformed, "chat template: " + text, shown(place));
}

Error Parser::unexpected(std::string_view expected) const {
  std::string got = "'" + current().text + "'";
  if (current().kind == TokenKind::end) got = "the end of the template";
  if (current().kind == TokenKind::block_end) got = "the end of the tag";
  if (current().kind == TokenKind::variable_end) got = "the end of the expression";
  return error("expected " + std::string(expected) + ", got " + got, current().place);
}

Expected<void> Parser::check_level() const {
  if (level_ <= max_depth_) return {};
  return fail(Code::too_long, "chat template: nested deeper than the limit of " + std::to_string(max_depth_),
              shown(current().place));
}

StmtPtr Parser::stmt(StmtKind kind, Place place) const {
  auto made = std::make_unique<Stmt>();
  made->kind = kind;
  made->place = place;
  return made;
}

/// Statements up to {% end ...: the current token is then the name of the end (or the template's end).
Expected<Body> Parser::body(std::initializer_list<std::string_view> ends) {
  Level level(*this);
  HEED_TRY(check_level());
  Body statements;
  while (current().kind != TokenKind::end) {
    if (current().kind == TokenKind::data) {
      StmtPtr data = stmt(StmtKind::data, current().place);
      data->text = fixed_text(take().text, true);
      statements.push_back(std::move(data));
    } else if (current().kind == TokenKind::variable_begin) {
      HEED_ASSIGN(StmtPtr printed, output());
      statements.push_back(std::move(printed));
    } else {
      take();  // block_begin: the lexer gives nothing else here
      const bool at_end = std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return at_name(end); });
      if (at_end) return statements;
      HEED_ASSIGN(StmtPtr parsed, statement());
      statements.push_back(std::move(parsed));
      HEED_TRY(expect(TokenKind::block_end, "the end of the tag"));
    }
  }
  if (ends.size() > 0) return unexpected("{% " + std::string(*ends.begin()) + " %}");
  return statements;
}

/// The rest of an opening tag and the statements after it.
Expected<Body> Parser::block_body(std::initializer_list<std::string_view> ends) {
  skip_symbol(":");
  HEED_TRY(expect(TokenKind::block_end, "the end of the tag"));
  return body(ends);
}

Expected<StmtPtr> Parser::output() {
  StmtPtr made = stmt(StmtKind::output, take().place);
  HEED_ASSIGN(made->expr, tuple({}));
  HEED_TRY(expect(TokenKind::variable_end, "'}}'"));
  return made;
}

Expected<StmtPtr> Parser::statement() {
  HEED_ASSIGN(const Token tag, expect(TokenKind::name, "a tag name"));
  if (tag.text == "for") return for_statement(tag.place);
  if (tag.text == "if") return if_statement(tag.place);
  if (tag.text == "set") return set_statement(tag.place);
  if (tag.text == "macro") return macro_statement(tag.place);
  if (tag.text == "call") return call_statement(tag.place);
  if (tag.text == "filter") return filter_statement(tag.place);
  if (tag.text == "with") return with_statement(tag.place);
  if (tag.text == "generation") return generation_statement(tag.place);
  if (tag.text == "break") return loop_control(tag.place, StmtKind::loop_break);
  if (tag.text == "continue") return loop_control(tag.place, StmtKind::loop_continue);
  return error("unknown tag '" + tag.text + "'", tag.place);
}

Expected<StmtPtr> Parser::loop_control(Place place, StmtKind kind) {
  if (loops_ == 0) return error("break and continue belong inside a loop", place);
  return stmt(kind, place);
}

Expected<StmtPtr> Parser::for_statement(Place place) {
  StmtPtr made = stmt(StmtKind::loop, place);
  HEED_ASSIGN(made->target, target(Attributes::refused, "in"));
  HEED_TRY(expect_name("in"));
  HEED_ASSIGN(made->expr, tuple({.conditionals = Conditionals::left_alone, .end_name = "recursive"}));
  if (skip_name("if")) {
    HEED_ASSIGN(made->test, expression());
  }
  if (at_name("recursive"))
    return fail(Code::unsupported, "chat template: recursive loops are not supported", shown(place));
  ++loops_;
  HEED_ASSIGN(made->body, block_body({"endfor", "else"}));
  --loops_;
  if (take().text == "endfor") return made;
  HEED_ASSIGN(made->otherwise, block_body({"endfor"}));
  take();
  return made;
}

Expected<StmtPtr> Parser::if_statement(Place place) {
  StmtPtr made = stmt(StmtKind::branch, place);
  while (true) {
    Branch branch;
    HEED_ASSIGN(branch.test, tuple({.conditionals = Conditionals::left_alone}));
    HEED_ASSIGN(branch.body, block_body({"elif", "else", "endif"}));
    made->branches.push_back(std::move(branch));
    const Token next = take();
    if (next.text == "endif") return made;
    if (next.text == "elif") continue;
    HEED_ASSIGN(made->otherwise, block_body({"endif"}));
    take();
    return made;
  }
}

Expected<StmtPtr> Parser::set_statement(Place place) {
  HEED_ASSIGN(Target assigned, target(Attributes::allowed));
  if (skip_symbol("=")) {
    StmtPtr made = stmt(StmtKind::set, place);
    made->target = std::move(assigned);
    HEED_ASSIGN(made->expr, tuple({}));
    return made;
  }
  StmtPtr made = stmt(StmtKind::set_block, place);
  made->target = std::move(assigned);
  while (at_symbol("|")) {
    HEED_ASSIGN(made->expr, filter(std::move(made->expr)));
  }
  HEED_ASSIGN(made->body, block_body({"endset"}));
  take();
  return made;
}

Expected<void> Parser::signature(MacroBody& macro) {
  HEED_TRY(expect_symbol("("));
  while (!at_symbol(")")) {
    if (!macro.parameters.empty()) {
      HEED_TRY(expect_symbol(","));
    }
    HEED_ASSIGN(const Token name, expect(TokenKind::name, "a parameter name"));
    Parameter parameter{program_.names.intern(name.text), nullptr};
    if (skip_symbol("=")) {
      HEED_ASSIGN(parameter.otherwise, expression());
    } else if (!macro.parameters.empty() && macro.parameters.back().otherwise != nullptr) {
      return error("a parameter without default follows one with a default", name.place);
    }
    macro.parameters.push_back(std::move(parameter));
  }
  return expect_symbol(")");
}

Expected<void> Parser::macro_body(MacroBody& macro, std::string_view end) {
  const Mentions outer = std::exchange(mentions_, {});
  const std::int32_t outer_loops = std::exchange(loops_, 0);
  HEED_ASSIGN(macro.body, block_body({end}));
  take();
  macro.mentions = mentions_;
  mentions_.uses_varargs = mentions_.uses_varargs || outer.uses_varargs;
  mentions_.uses_kwargs = mentions_.uses_kwargs || outer.uses_kwargs;
  mentions_.uses_caller = mentions_.uses_caller || outer.uses_caller;
  loops_ = outer_loops;
  return {};
}

Expected<StmtPtr> Parser::macro_statement(Place place) {
  StmtPtr made = stmt(StmtKind::macro, place);
  made->macro = std::make_unique<MacroBody>();
  HEED_ASSIGN(const Token name, expect(TokenKind::name, "the macro's name"));
  made->macro->name = program_.names.intern(name.text);
  HEED_TRY(signature(*made->macro));
  HEED_TRY(macro_body(*made->macro, "endmacro"));
  return made;
}

Expected<StmtPtr> Parser::call_statement(Place place) {
  StmtPtr made = stmt(StmtKind::call_block, place);
  made->macro = std::make_unique<MacroBody>();
  made->macro->name = program_.names.intern("caller");
  if (at_symbol("(")) {
    HEED_TRY(signature(*made->macro));
  }
  HEED_ASSIGN(made->expr, expression());
  if (made->expr->kind != ExprKind::call) return error("expected a call after {% call", place);
  HEED_TRY(macro_body(*made->macro, "endcall"));
  return made;
}

Expected<StmtPtr> Parser::filter_statement(Place place) {
  StmtPtr made = stmt(StmtKind::filter_block, place);
  HEED_ASSIGN(made->expr, filter(nullptr));
  while (at_symbol("|")) {
    HEED_ASSIGN(made->expr, filter(std::move(made->expr)));
  }
  HEED_ASSIGN(made->body, block_body({"endfilter"}));
  take();
  return made;
}

Expected<StmtPtr> Parser::with_statement(Place place) {
  StmtPtr made = stmt(StmtKind::with, place);
  while (current().kind != TokenKind::block_end) {
    if (!made->assignments.empty()) {
      HEED_TRY(expect_symbol(","));
    }
    HEED_ASSIGN(Target assigned, target(Attributes::refused));
    HEED_TRY(expect_symbol("="));
    HEED_ASSIGN(ExprPtr value, expression());
    made->assignments.emplace_back(std::move(assigned), std::move(value));
  }
  HEED_ASSIGN(made->body, block_body({"endwith"}));
  take();
  return made;
}

/// {% generation %} marks what the assistant wrote, for training; here it is a plain scope.
Expected<StmtPtr> Parser::generation_statement(Place place) {
  StmtPtr made = stmt(StmtKind::scope, place);
  HEED_ASSIGN(made->body, block_body({"endgeneration"}));
  take();
  return made;
}

Expected<Target> Parser::single_target(Attributes attributes) {
  Level level(*this);
  HEED_TRY(check_level());
  Target made;
  made.place = current().place;
  if (skip_symbol("(")) {
    HEED_ASSIGN(made, target(attributes, ")"));
    HEED_TRY(expect_symbol(")"));
    return made;
  }
  HEED_ASSIGN(const Token name, expect(TokenKind::name, "a name to assign to"));
  for (const std::string_view constant : {"true", "True", "false", "False", "none", "None"}) {
    if (name.text == constant) return error("cannot assign to '" + name.text + "'", name.place);
  }
  made.name = program_.names.intern(name.text);
  if (attributes == Attributes::allowed && skip_symbol(".")) {
    HEED_ASSIGN(const Token attribute, expect(TokenKind::name, "an attribute name"));
    made.kind = Target::Kind::attribute;
    made.attribute = program_.names.intern(attribute.text);
  }
  return made;
}

/// One target, or a tuple of them up to `end_name` ("in" or a closing parenthesis).
Expected<Target> Parser::target(Attributes attributes, std::string_view end_name) {
  HEED_ASSIGN(Target first, single_target(attributes));
  if (!at_symbol(",")) return first;
  Target made;
  made.kind = Target::Kind::tuple;
  made.place = first.place;
  made.parts.push_back(std::move(first));
  while (skip_symbol(",")) {
    const bool ends =
        at_name(end_name) || at_symbol(end_name) || at_symbol("=") || current().kind == TokenKind::block_end;
    if (ends) break;
    HEED_ASSIGN(Target next, single_target(attributes));
    made.parts.push_back(std::move(next));
  }
  return made;
}

Expected<Program> Parser::run() {
  HEED_ASSIGN(program_.body, body({}));
  return std::move(program_);
}

Expected<Program> parse(std::string_view source, std::int32_t max_depth) {
  HEED_ASSIGN(std::vector<Token> tokens, tokenize(source));
  return Parser(std::move(tokens), max_depth).run();
}

}  // namespace heed::jinja
