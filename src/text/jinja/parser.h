// parser.h -- tokens to a program: recursive descent in the shape of Jinja's own parser, bounded in depth.
#pragma once
#include <initializer_list>
#include <string_view>

#include "text/jinja/ast.h"

namespace heed::jinja {

/// `max_depth` bounds the nesting of statements and of expressions.
Expected<Program> parse(std::string_view source, std::int32_t max_depth);

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::int32_t max_depth) : tokens_(std::move(tokens)), max_depth_(max_depth) {}
  Expected<Program> run();

 private:
  /// Counts one level of recursion as long as it lives.
  class Level {
   public:
    explicit Level(Parser& parser) : parser_(parser) { ++parser_.level_; }
    ~Level() { --parser_.level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Parser& parser_;
  };
  enum class Conditionals : std::uint8_t { allowed, left_alone };
  struct TupleOptions {
    Conditionals conditionals = Conditionals::allowed;
    bool in_parentheses = false;  // where an empty tuple is one
    std::string_view end_name = {};
  };

  // tokens
  const Token& current() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  Token take();
  bool at_symbol(std::string_view symbol) const { return is_symbol(current(), symbol); }
  bool at_name(std::string_view name) const { return is_name(current(), name); }
  static bool is_symbol(const Token& token, std::string_view symbol);
  static bool is_name(const Token& token, std::string_view name);
  bool skip_symbol(std::string_view symbol);
  bool skip_name(std::string_view name);
  Expected<Token> expect(TokenKind kind, std::string_view what);
  Expected<void> expect_symbol(std::string_view symbol);
  Expected<void> expect_name(std::string_view name);
  Error error(const std::string& text, Place place) const;
  Error unexpected(std::string_view expected) const;
  Expected<void> check_level() const;

  // expressions: parser_expressions.cc
  Expected<ExprPtr> made(ExprPtr expr) const;
  ExprPtr node(ExprKind kind, Place place) const;
  Expected<ExprPtr> expression(Conditionals conditionals = Conditionals::allowed);
  Expected<ExprPtr> conditional();
  Expected<ExprPtr> logic_or();
  Expected<ExprPtr> logic_and();
  Expected<ExprPtr> logic_not();
  Expected<ExprPtr> comparison();
  bool take_comparison(Comparison& comparison);
  Expected<ExprPtr> sum();
  Expected<ExprPtr> concat();
  Expected<ExprPtr> product();
  Expected<ExprPtr> power();
  using Rule = Expected<ExprPtr> (Parser::*)();
  Expected<ExprPtr> arithmetic(Rule operand, std::initializer_list<std::pair<std::string_view, Operator>> operators);
  enum class Filters : std::uint8_t { allowed, left_alone };
  Expected<ExprPtr> unary(Filters filters);
  Expected<ExprPtr> filtered_unary() { return unary(Filters::allowed); }
  Expected<ExprPtr> primary();
  Expected<ExprPtr> name_or_constant();
  Expected<ExprPtr> number();
  Expected<ExprPtr> tuple(TupleOptions options);
  bool tuple_ends(const TupleOptions& options) const;
  Expected<ExprPtr> list();
  Expected<ExprPtr> dict();
  Expected<ExprPtr> postfix(ExprPtr base);
  Expected<ExprPtr> filters_and_tests(ExprPtr base);
  Expected<ExprPtr> dotted(ExprPtr base);
  Expected<ExprPtr> subscript(ExprPtr base);
  Expected<ExprPtr> slice_from(ExprPtr base, ExprPtr from, Place place);
  Expected<ExprPtr> call(ExprPtr base);
  Expected<void> arguments(Expr& into);
  Expected<void> argument(Expr& into);
  Expected<ExprPtr> filter(ExprPtr base);
  Expected<ExprPtr> test(ExprPtr base);
  bool test_takes_argument() const;

  // statements: parser.cc
  Expected<Body> body(std::initializer_list<std::string_view> ends);
  Expected<Body> block_body(std::initializer_list<std::string_view> ends);
  Expected<StmtPtr> statement();
  Expected<StmtPtr> output();
  Expected<StmtPtr> for_statement(Place place);
  Expected<StmtPtr> if_statement(Place place);
  Expected<StmtPtr> set_statement(Place place);
  Expected<StmtPtr> macro_statement(Place place);
  Expected<StmtPtr> call_statement(Place place);
  Expected<StmtPtr> filter_statement(Place place);
  Expected<StmtPtr> with_statement(Place place);
  Expected<StmtPtr> generation_statement(Place place);
  Expected<StmtPtr> loop_control(Place place, StmtKind kind);
  Expected<void> signature(MacroBody& macro);
  Expected<void> macro_body(MacroBody& macro, std::string_view end);
  enum class Attributes : std::uint8_t { allowed, refused };
  Expected<Target> target(Attributes attributes, std::string_view end_name = {});
  Expected<Target> single_target(Attributes attributes);
  StmtPtr stmt(StmtKind kind, Place place) const;

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::int32_t max_depth_;
  std::int32_t level_ = 0;
  std::int32_t loops_ = 0;  // around the statement being parsed, inside its macro
  Program program_;
  Mentions mentions_;  // of the macro being parsed
};

}  // namespace heed::jinja
