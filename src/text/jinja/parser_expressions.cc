// parser_expressions.cc -- expressions, with the precedence of Jinja: filters and tests bind tighter than arithmetic.
#include <algorithm>
#include <charconv>

#include "text/jinja/parser.h"

namespace heed::jinja {

ExprPtr Parser::node(ExprKind kind, Place place) const {
  auto made = std::make_unique<Expr>();
  made->kind = kind;
  made->place = place;
  return made;
}

/// Every node passes here once complete: its depth bounds evaluation and destruction.
Expected<ExprPtr> Parser::made(ExprPtr expr) const {
  std::int32_t inside = 0;
  const auto look = [&](const ExprPtr& part) {
    if (part != nullptr) inside = std::max(inside, part->depth);
  };
  for (const ExprPtr& item : expr->items) look(item);
  for (const auto& [name, value] : expr->named) look(value);
  look(expr->spread);
  look(expr->named_spread);
  expr->depth = inside + 1;
  if (expr->depth > max_depth_) {
    return fail(Code::too_long,
                "chat template: an expression is nested deeper than the limit of " + std::to_string(max_depth_),
                shown(expr->place));
  }
  return expr;
}

Expected<ExprPtr> Parser::expression(Conditionals conditionals) {
  return conditionals == Conditionals::allowed ? conditional() : logic_or();
}

Expected<ExprPtr> Parser::conditional() {
  const Place place = current().place;
  HEED_ASSIGN(ExprPtr value, logic_or());
  while (skip_name("if")) {
    ExprPtr choice = node(ExprKind::conditional, place);
    HEED_ASSIGN(ExprPtr test, logic_or());
    ExprPtr otherwise;
    if (skip_name("else")) {
      Level level(*this);
      HEED_TRY(check_level());
      HEED_ASSIGN(otherwise, conditional());
    }
    choice->items.push_back(std::move(value));
    choice->items.push_back(std::move(test));
    choice->items.push_back(std::move(otherwise));
    HEED_ASSIGN(value, made(std::move(choice)));
  }
  return value;
}

Expected<ExprPtr> Parser::logic_or() {
  const Place place = current().place;
  HEED_ASSIGN(ExprPtr first, logic_and());
  if (!at_name("or")) return first;
  ExprPtr chain = node(ExprKind::logic_or, place);
  chain->items.push_back(std::move(first));
  while (skip_name("or")) {
    HEED_ASSIGN(ExprPtr next, logic_and());
    chain->items.push_back(std::move(next));
  }
  return made(std::move(chain));
}

Expected<ExprPtr> Parser::logic_and() {
  const Place place = current().place;
  HEED_ASSIGN(ExprPtr first, logic_not());
  if (!at_name("and")) return first;
  ExprPtr chain = node(ExprKind::logic_and, place);
  chain->items.push_back(std::move(first));
  while (skip_name("and")) {
    HEED_ASSIGN(ExprPtr next, logic_not());
    chain->items.push_back(std::move(next));
  }
  return made(std::move(chain));
}

Expected<ExprPtr> Parser::logic_not() {
  if (!at_name("not")) return comparison();
  Level level(*this);
  HEED_TRY(check_level());
  ExprPtr negated = node(ExprKind::logic_not, take().place);
  HEED_ASSIGN(ExprPtr inner, logic_not());
  negated->items.push_back(std::move(inner));
  return made(std::move(negated));
}

bool Parser::take_comparison(Comparison& comparison) {
  constexpr std::pair<std::string_view, Comparison> kSymbols[] = {
      {"==", Comparison::equal},         {"!=", Comparison::not_equal}, {"<", Comparison::less},
      {"<=", Comparison::less_or_equal}, {">", Comparison::greater},    {">=", Comparison::greater_or_equal}};
  for (const auto& [symbol, meaning] : kSymbols) {
    if (!skip_symbol(symbol)) continue;
    comparison = meaning;
    return true;
  }
  if (skip_name("in")) {
    comparison = Comparison::in;
    return true;
  }
  if (!at_name("not") || !is_name(ahead(), "in")) return false;
  take();
  take();
  comparison = Comparison::not_in;
  return true;
}

Expected<ExprPtr> Parser::comparison() {
  const Place place = current().place;
  HEED_ASSIGN(ExprPtr first, sum());
  Comparison meaning{};
  if (!take_comparison(meaning)) return first;
  ExprPtr chain = node(ExprKind::comparison, place);
  chain->items.push_back(std::move(first));
  do {
    HEED_ASSIGN(ExprPtr next, sum());
    chain->items.push_back(std::move(next));
    chain->comparisons.push_back(meaning);
  } while (take_comparison(meaning));
  return made(std::move(chain));
}

/// operand (operator operand)*, left to right, as one flat node.
Expected<ExprPtr> Parser::arithmetic(Rule operand,
                                     std::initializer_list<std::pair<std::string_view, Operator>> operators) {
  const Place place = current().place;
  HEED_ASSIGN(ExprPtr first, (this->*operand)());
  ExprPtr chain;
  while (true) {
    const auto* found =
        std::find_if(operators.begin(), operators.end(), [&](const auto& o) { return at_symbol(o.first); });
    if (found == operators.end()) break;
    take();
    if (chain == nullptr) {
      chain = node(ExprKind::arithmetic, place);
      chain->items.push_back(std::move(first));
    }
    HEED_ASSIGN(ExprPtr next, (this->*operand)());
    chain->items.push_back(std::move(next));
    chain->operators.push_back(found->second);
  }
  return chain == nullptr ? Expected<ExprPtr>(std::move(first)) : made(std::move(chain));
}

Expected<ExprPtr> Parser::sum() {
  return arithmetic(&Parser::concat, {{"+", Operator::add}, {"-", Operator::subtract}});
}

Expected<ExprPtr> Parser::concat() {
  const Place place = current().place;
  HEED_ASSIGN(ExprPtr first, product());
  if (!at_symbol("~")) return first;
  ExprPtr chain = node(ExprKind::concat, place);
  chain->items.push_back(std::move(first));
  while (skip_symbol("~")) {
    HEED_ASSIGN(ExprPtr next, product());
    chain->items.push_back(std::move(next));
  }
  return made(std::move(chain));
}

Expected<ExprPtr> Parser::product() {
  return arithmetic(
      &Parser::power,
      {{"*", Operator::multiply}, {"/", Operator::divide}, {"//", Operator::floor_divide}, {"%", Operator::modulo}});
}

Expected<ExprPtr> Parser::power() { return arithmetic(&Parser::filtered_unary, {{"**", Operator::power}}); }

Expected<ExprPtr> Parser::unary(Filters filters) {
  Level level(*this);
  HEED_TRY(check_level());
  ExprPtr value;
  if (at_symbol("-") || at_symbol("+")) {
    const ExprKind kind = at_symbol("-") ? ExprKind::negate : ExprKind::positive;
    ExprPtr sign = node(kind, take().place);
    HEED_ASSIGN(ExprPtr inner, unary(Filters::left_alone));
    sign->items.push_back(std::move(inner));
    HEED_ASSIGN(value, made(std::move(sign)));
  } else {
    HEED_ASSIGN(value, primary());
  }
  HEED_ASSIGN(value, postfix(std::move(value)));
  if (filters == Filters::left_alone) return value;
  return filters_and_tests(std::move(value));
}

Expected<ExprPtr> Parser::primary() {
  const Place place = current().place;
  if (current().kind == TokenKind::name) return name_or_constant();
  if (current().kind == TokenKind::integer || current().kind == TokenKind::real) return number();
  if (current().kind == TokenKind::string) {
    std::string joined = take().text;
    while (current().kind == TokenKind::string) joined += take().text;
    ExprPtr literal = node(ExprKind::literal, place);
    literal->literal = Value(fixed_text(joined, true));
    return literal;
  }
  if (at_symbol("[")) return list();
  if (at_symbol("{")) return dict();
  if (!skip_symbol("(")) return unexpected("an expression");
  HEED_ASSIGN(ExprPtr inner, tuple({.in_parentheses = true}));
  HEED_TRY(expect_symbol(")"));
  return inner;
}

Expected<ExprPtr> Parser::name_or_constant() {
  const Token token = take();
  ExprPtr expr = node(ExprKind::literal, token.place);
  if (token.text == "true" || token.text == "True") {
    expr->literal = Value::boolean(true);
  } else if (token.text == "false" || token.text == "False") {
    expr->literal = Value::boolean(false);
  } else if (token.text == "none" || token.text == "None") {
    expr->literal = Value::none();
  } else {
    expr->kind = ExprKind::name;
    expr->name = program_.names.intern(token.text);
    mentions_.uses_varargs = mentions_.uses_varargs || token.text == "varargs";
    mentions_.uses_kwargs = mentions_.uses_kwargs || token.text == "kwargs";
    mentions_.uses_caller = mentions_.uses_caller || token.text == "caller";
  }
  return expr;
}

Expected<ExprPtr> Parser::number() {
  const Token token = take();
  ExprPtr literal = node(ExprKind::literal, token.place);
  std::string_view digits = token.text;
  if (token.kind == TokenKind::real) {
    double value = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (parsed.ec != std::errc()) return error("the number " + token.text + " is out of range", token.place);
    literal->literal = Value::real(value);
    return literal;
  }
  int base = 10;
  if (digits.size() > 2 && digits[0] == '0') {
    const char prefix = static_cast<char>(digits[1] | 0x20);
    base = prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 10;
    if (base != 10) digits.remove_prefix(2);
  }
  std::int64_t value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (parsed.ec != std::errc()) return error("the integer " + token.text + " needs more than 64 bits", token.place);
  literal->literal = Value::integer(value);
  return literal;
}

bool Parser::tuple_ends(const TupleOptions& options) const {
  const TokenKind kind = current().kind;
  if (kind == TokenKind::variable_end || kind == TokenKind::block_end || at_symbol(")")) return true;
  return !options.end_name.empty() && at_name(options.end_name);
}

Expected<ExprPtr> Parser::tuple(TupleOptions options) {
  ExprPtr made_tuple = node(ExprKind::tuple, current().place);
  bool is_tuple = false;
  while (!tuple_ends(options)) {
    HEED_ASSIGN(ExprPtr item, expression(options.conditionals));
    made_tuple->items.push_back(std::move(item));
    if (!skip_symbol(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !made_tuple->items.empty()) return std::move(made_tuple->items.front());
  if (!is_tuple && !options.in_parentheses) return unexpected("an expression");
  return made(std::move(made_tuple));
}

Expected<ExprPtr> Parser::list() {
  ExprPtr made_list = node(ExprKind::list, take().place);
  while (!at_symbol("]")) {
    if (!made_list->items.empty()) {
      HEED_TRY(expect_symbol(","));
    }
    if (at_symbol("]")) break;
    HEED_ASSIGN(ExprPtr item, expression());
    made_list->items.push_back(std::move(item));
  }
  take();
  return made(std::move(made_list));
}

Expected<ExprPtr> Parser::dict() {
  ExprPtr made_dict = node(ExprKind::dict, take().place);
  while (!at_symbol("}")) {
    if (!made_dict->items.empty()) {
      HEED_TRY(expect_symbol(","));
    }
    if (at_symbol("}")) break;
    HEED_ASSIGN(ExprPtr key, expression());
    HEED_TRY(expect_symbol(":"));
    HEED_ASSIGN(ExprPtr value, expression());
    made_dict->items.push_back(std::move(key));
    made_dict->items.push_back(std::move(value));
  }
  take();
  return made(std::move(made_dict));
}

Expected<ExprPtr> Parser::postfix(ExprPtr base) {
  while (true) {
    if (at_symbol(".")) {
      HEED_ASSIGN(base, dotted(std::move(base)));
    } else if (at_symbol("[")) {
      HEED_ASSIGN(base, subscript(std::move(base)));
    } else if (at_symbol("(")) {
      HEED_ASSIGN(base, call(std::move(base)));
    } else {
      return base;
    }
  }
}

Expected<ExprPtr> Parser::filters_and_tests(ExprPtr base) {
  while (true) {
    if (at_symbol("|")) {
      HEED_ASSIGN(base, filter(std::move(base)));
    } else if (at_name("is")) {
      HEED_ASSIGN(base, test(std::move(base)));
    } else if (at_symbol("(")) {
      HEED_ASSIGN(base, call(std::move(base)));
    } else {
      return base;
    }
  }
}

Expected<ExprPtr> Parser::dotted(ExprPtr base) {
  const Place place = take().place;
  if (current().kind == TokenKind::integer) {
    ExprPtr item = node(ExprKind::item, place);
    item->items.push_back(std::move(base));
    HEED_ASSIGN(ExprPtr index, number());
    item->items.push_back(std::move(index));
    return made(std::move(item));
  }
  HEED_ASSIGN(const Token name, expect(TokenKind::name, "a name or a number after '.'"));
  ExprPtr attribute = node(ExprKind::attribute, place);
  attribute->name = program_.names.intern(name.text);
  attribute->items.push_back(std::move(base));
  return made(std::move(attribute));
}

Expected<ExprPtr> Parser::subscript(ExprPtr base) {
  const Place place = take().place;
  if (at_symbol(":")) return slice_from(std::move(base), nullptr, place);
  HEED_ASSIGN(ExprPtr index, expression());
  if (at_symbol(":")) return slice_from(std::move(base), std::move(index), place);
  if (at_symbol(",")) {  // a tuple as key
    ExprPtr key = node(ExprKind::tuple, place);
    key->items.push_back(std::move(index));
    while (skip_symbol(",")) {
      HEED_ASSIGN(ExprPtr next, expression());
      key->items.push_back(std::move(next));
    }
    HEED_ASSIGN(index, made(std::move(key)));
  }
  HEED_TRY(expect_symbol("]"));
  ExprPtr item = node(ExprKind::item, place);
  item->items.push_back(std::move(base));
  item->items.push_back(std::move(index));
  return made(std::move(item));
}

Expected<ExprPtr> Parser::slice_from(ExprPtr base, ExprPtr from, Place place) {
  take();  // ':'
  ExprPtr to;
  ExprPtr step;
  if (!at_symbol(":") && !at_symbol("]")) {
    HEED_ASSIGN(to, expression());
  }
  if (skip_symbol(":") && !at_symbol("]")) {
    HEED_ASSIGN(step, expression());
  }
  HEED_TRY(expect_symbol("]"));
  ExprPtr slice = node(ExprKind::slice, place);
  slice->items.push_back(std::move(base));
  slice->items.push_back(std::move(from));
  slice->items.push_back(std::move(to));
  slice->items.push_back(std::move(step));
  return made(std::move(slice));
}

Expected<ExprPtr> Parser::call(ExprPtr base) {
  ExprPtr made_call = node(ExprKind::call, current().place);
  made_call->items.push_back(std::move(base));
  HEED_TRY(arguments(*made_call));
  return made(std::move(made_call));
}

Expected<void> Parser::arguments(Expr& into) {
  HEED_TRY(expect_symbol("("));
  bool first = true;
  while (!at_symbol(")")) {
    if (!first) {
      HEED_TRY(expect_symbol(","));
      if (at_symbol(")")) break;
    }
    first = false;
    HEED_TRY(argument(into));
  }
  return expect_symbol(")");
}

Expected<void> Parser::argument(Expr& into) {
  const Error misplaced = error("invalid syntax for function call expression", current().place);
  if (skip_symbol("*")) {
    if (into.spread != nullptr || into.named_spread != nullptr) return misplaced;
    HEED_ASSIGN(into.spread, expression());
    return {};
  }
  if (skip_symbol("**")) {
    if (into.named_spread != nullptr) return misplaced;
    HEED_ASSIGN(into.named_spread, expression());
    return {};
  }
  if (current().kind == TokenKind::name && is_symbol(ahead(), "=")) {
    if (into.named_spread != nullptr) return misplaced;
    const std::uint32_t name = program_.names.intern(take().text);
    take();
    HEED_ASSIGN(ExprPtr value, expression());
    into.named.emplace_back(name, std::move(value));
    return {};
  }
  if (into.spread != nullptr || into.named_spread != nullptr || !into.named.empty()) return misplaced;
  HEED_ASSIGN(ExprPtr value, expression());
  into.items.push_back(std::move(value));
  return {};
}

/// |name(arguments), the '|' being optional at the start of a filter block.
Expected<ExprPtr> Parser::filter(ExprPtr base) {
  skip_symbol("|");
  ExprPtr made_filter = node(ExprKind::filter, current().place);
  HEED_ASSIGN(const Token name, expect(TokenKind::name, "the name of a filter"));
  made_filter->name = program_.names.intern(name.text);
  made_filter->items.push_back(std::move(base));
  if (at_symbol("(")) {
    HEED_TRY(arguments(*made_filter));
  }
  return made(std::move(made_filter));
}

bool Parser::test_takes_argument() const {
  switch (current().kind) {
    case TokenKind::string:
    case TokenKind::integer:
    case TokenKind::real:
      return true;
    case TokenKind::symbol:
      return at_symbol("[") || at_symbol("{");
    case TokenKind::name:
      return !at_name("else") && !at_name("or") && !at_name("and");
    default:
      return false;
  }
}

Expected<ExprPtr> Parser::test(ExprPtr base) {
  const Place place = take().place;  // 'is'
  const bool negated = skip_name("not");
  ExprPtr made_test = node(ExprKind::test, place);
  HEED_ASSIGN(const Token name, expect(TokenKind::name, "the name of a test"));
  made_test->name = program_.names.intern(name.text);
  made_test->items.push_back(std::move(base));
  if (at_symbol("(")) {
    HEED_TRY(arguments(*made_test));
  } else if (test_takes_argument()) {
    if (at_name("is")) return error("tests cannot be chained with 'is'", place);
    Level level(*this);
    HEED_TRY(check_level());
    HEED_ASSIGN(ExprPtr argument, primary());
    HEED_ASSIGN(argument, postfix(std::move(argument)));
    made_test->items.push_back(std::move(argument));
  }
  HEED_ASSIGN(ExprPtr result, made(std::move(made_test)));
  if (!negated) return result;
  ExprPtr inverted = node(ExprKind::logic_not, place);
  inverted->items.push_back(std::move(result));
  return made(std::move(inverted));
}

}  // namespace heed::jinja
