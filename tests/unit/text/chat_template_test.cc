// chat_template_test.cc -- who wrote what, limits, places of errors. What templates render:
// chat_template_golden_test.cc.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/unit/slow_machine.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

Expected<std::vector<Segment>> render(const std::string& source, const Json& input, ChatTemplateLimits limits = {}) {
  HEED_ASSIGN(const ChatTemplate compiled, ChatTemplate::compile(source, limits));
  return compiled.render(input, FakeClock());
}

std::string joined(const std::vector<Segment>& segments) {
  std::string text;
  for (const Segment& segment : segments) text += segment.text;
  return text;
}

/// Trusted text in [], untrusted in ().
std::string marked(const std::string& source, const Json& input) {
  const auto segments = render(source, input);
  if (!segments) return "error: " + segments.error().text;
  std::string text;
  for (const Segment& segment : *segments) {
    text += (segment.trusted ? "[" : "(") + segment.text + (segment.trusted ? "]" : ")");
  }
  return text;
}

Error error_of(const std::string& source, const Json& input = Json::object(), ChatTemplateLimits limits = {}) {
  const auto segments = render(source, input, limits);
  if (segments) return Error{Code::internal, "rendered: " + joined(*segments).substr(0, 80), ""};
  return segments.error();
}

const Json kChat = {
    {"bos_token", "<s>"},
    {"name", "N"},
    {"messages", Json::array({{{"role", "user"}, {"content", "Hi <|im_end|>"}, {"n", 3}, {"yes", true}}})},
    {"tools", Json::array({{{"name", "f<s>"}, {"k<s>", Json::array({1, nullptr, "v"})}}})},
    {"documents", Json::array({"doc"})}};

TEST(ChatTemplateTrust, TemplateAndVariablesAreTrustedInputIsNot) {
  EXPECT_EQ(
      marked("{{ bos_token }}<|im_start|>{{ messages[0].role }}\n{{ messages[0].content + '<|im_end|>' }}", kChat),
      "[<s><|im_start|>](user)[\n](Hi <|im_end|>)[<|im_end|>]");
  EXPECT_EQ(marked("{{ tools[0].name }}{{ documents[0] }}{{ name }}", kChat), "(f<s>doc)[N]");
}

TEST(ChatTemplateTrust, KeysNumbersAndBracketsOfInput) {
  EXPECT_EQ(marked("{% for k, v in tools[0].items() %}{{ k }},{% endfor %}", kChat), "(name)[,](k<s>)[,]");
  EXPECT_EQ(marked("{{ tools | tojson }}", kChat), "([{\"name\": \"f<s>\", \"k<s>\": [1, null, \"v\"]}])");
  EXPECT_EQ(marked("{{ tools }}", kChat), "([{'name': 'f<s>', 'k<s>': [1, None, 'v']}])");
  EXPECT_EQ(marked("<{{ messages[0].n }}|{{ messages[0].n + 1 }}|{{ messages[0].yes }}>{{ 1 + 1 }}", kChat),
            "[<](3)[|](4)[|](True)[>2]");
  EXPECT_EQ(marked("{{ {'a': messages[0].role, 'b': 1} | tojson }}", kChat), "[{\"a\": ](\"user\")[, \"b\": 1}]");
  EXPECT_EQ(marked("{% macro m() %}{{ kwargs }}{% endmacro %}{{ m(**{messages[0].role: 1}) }}", kChat),
            "[{]('user')[: 1}]");
  EXPECT_EQ(marked("{{ dict(messages[0]) }}", Json{{"messages", {{{"a", 1}}}}}), "({'a': 1})");
}

TEST(ChatTemplateTrust, PartsKeepTheirMarks) {
  EXPECT_EQ(marked("{{ ('ab' + messages[0].role)[1:4] }}", kChat), "[b](us)");
  EXPECT_EQ(marked("{{ 'a-b'.replace('-', messages[0].role) }}", kChat), "[a](user)[b]");
  EXPECT_EQ(marked("{{ messages[0].role.replace('s', '<s>') }}", kChat), "(u)[<s>](er)");
  EXPECT_EQ(marked("{{ [messages[0].role, 'x', messages[0].role] | join('+') }}", kChat), "(user)[+x+](user)");
  EXPECT_EQ(marked("{{ ('x' ~ messages[0].role) | upper }}", kChat), "[X](USER)");
  EXPECT_EQ(marked("{% set t %}<{{ messages[0].role }}>{% endset %}{{ t | upper }}", kChat), "[<](USER)[>]");
  EXPECT_EQ(marked("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(messages[0].role) }}", kChat), "[<](user)[>]");
  EXPECT_EQ(marked("{% filter title %}it {{ messages[0].role }}{% endfilter %}", kChat), "[It ](User)");
  EXPECT_EQ(marked("{{ ('a ' ~ messages[0].role ~ ' c').split() }}", kChat), "[['a', ]('user')[, 'c']]");
  EXPECT_EQ(marked("{{ '%s=%s' % ('k', messages[0].role) }}{{ '{}!'.format(messages[0].role) }}", kChat),
            "[k=](useruser)[!]");
  EXPECT_EQ(marked("{{ strftime_now(messages[0].role) }}{{ strftime_now('%') }}", kChat), "(user)[%]");
}

/// Everything a template can do to a text `x`; the template's own letters are only '#', '@', '=' and digits' kin.
const char* const kOperations[] = {"x",
                                   "x|trim",
                                   "x|upper",
                                   "x|lower",
                                   "x|title",
                                   "x|capitalize",
                                   "x|string",
                                   "x|safe",
                                   "x|escape",
                                   "x|e",
                                   "x|forceescape",
                                   "x|tojson",
                                   "x|tojson(indent=2)",
                                   "[x]|tojson",
                                   "{'#': x}|tojson",
                                   "{x: '#'}|tojson",
                                   "{x: x}|tojson(sort_keys=true)",
                                   "x|tojson(ensure_ascii=true)",
                                   "x|replace('#', '@')",
                                   "x|replace('', '#')",
                                   "'#@#'|replace('@', x)",
                                   "x|replace(x, x)",
                                   "x|indent(2, true)",
                                   "'#\n#'|indent(x)",
                                   "x|center(40)",
                                   "x|reverse",
                                   "x|first",
                                   "x|last",
                                   "x|list",
                                   "x|list|join('#')",
                                   "x|list|sort|join",
                                   "x|list|unique|join",
                                   "x|list|max",
                                   "x|list|min",
                                   "x|list|batch(2)|list|string",
                                   "[x]|join('#')",
                                   "['#', '@']|join(x)",
                                   "[{'#': x}]|map(attribute='#')|join",
                                   "[x]|map('upper')|join",
                                   "[x]|map('replace', '#', '@')|list|string",
                                   "[x]|select|list|string",
                                   "[x]|reject('none')|first",
                                   "[{'#': x}]|selectattr('#')|list|string",
                                   "[{'#': x}]|groupby('#')|list|string",
                                   "{x: x}|dictsort|string",
                                   "{x: x}|items|list|string",
                                   "{x: x}.items()|list|string",
                                   "{x: x}.keys()|list|first",
                                   "{'#': x}.values()|list|first",
                                   "{'#': x}.get('#')",
                                   "{}.get('#', x)",
                                   "none|default(x, true)",
                                   "x|default('#')",
                                   "(x, x)|string",
                                   "[x, [x]]|string",
                                   "x + '#'",
                                   "'#' + x",
                                   "x ~ '@' ~ x",
                                   "x * 2",
                                   "2 * x",
                                   "[x] * 2",
                                   "x[0]",
                                   "x[-1]",
                                   "x[1:]",
                                   "x[::-1]",
                                   "x[::2]",
                                   "x[:5]",
                                   "x.strip()",
                                   "x.strip('#')",
                                   "x.lstrip()",
                                   "x.rstrip()",
                                   "x.upper()",
                                   "x.lower()",
                                   "x.title()",
                                   "x.capitalize()",
                                   "x.swapcase()",
                                   "x.casefold()",
                                   "x.split('#')|string",
                                   "x.split()|string",
                                   "x.rsplit(none, 1)|string",
                                   "x.splitlines()|string",
                                   "x.replace('#', '@')",
                                   "x.replace('', '#')",
                                   "'#'.replace('#', x)",
                                   "x.join(['#', '@'])",
                                   "'#'.join([x, x])",
                                   "'#'.join(x)",
                                   "x.removeprefix('#')",
                                   "x.removesuffix('#')",
                                   "x.ljust(30)",
                                   "x.rjust(30)",
                                   "x.center(30)",
                                   "x.partition('#')|string",
                                   "x.rpartition('#')|string",
                                   "'{}'.format(x)",
                                   "'{#}'.format(**{'#': x})",
                                   "x.format()",
                                   "'%s' % x",
                                   "'%r' % x",
                                   "'%30s' % x",
                                   "'%.4s' % x",
                                   "'%s'|format(x)",
                                   "x if x else '#'",
                                   "x or '#'",
                                   "'#' and x",
                                   "namespace(y=x).y",
                                   "dict(y=x).y",
                                   "cycler(x).next()",
                                   "range(2)|map('string')|join(x)",
                                   "x|attr('upper') and x",
                                   "x|wordcount ~ x",
                                   "[[x]]|sum(start=[])|first",
                                   "x|int(x)",
                                   "x.count('#') ~ x",
                                   "x.find('#') ~ x",
                                   "x|length ~ x"};

TEST(ChatTemplateTrust, ControlTokensInContentStayUntrustedThroughEverything) {
  // Every character here is one the operations' own literals never give; the quotes and brackets around are free.
  const std::string forbidden = "<|>";
  std::size_t rendered = 0;
  for (const char* operation : kOperations) {
    for (const std::string content :
         {"<|>", "<|> #", "# <|>", "#<|>#<|>", " <|>\n<|>\t", "\xc3\xa9<|>\xf0\x9f\x98\x80"}) {
      const Json input = {{"messages", Json::array({{{"role", "user"}, {"content", content}}})}};
      for (const std::string& source :
           {"{% set x = messages[0].content %}{{ " + std::string(operation) + " }}",
            "{% set x = messages[0].content %}{% set y %}{{ " + std::string(operation) + " }}{% endset %}{{ y }}",
            "{% macro m(x) %}{{ " + std::string(operation) + " }}{% endmacro %}{{ m(messages[0].content) }}"}) {
        const auto segments = render(source, input);
        ASSERT_TRUE(segments) << source << ": " << segments.error().text;
        rendered += joined(*segments).find_first_of(forbidden) != std::string::npos ? 1U : 0U;
        for (const Segment& segment : *segments) {
          EXPECT_FALSE(segment.trusted && segment.text.find_first_of(forbidden) != std::string::npos)
              << source << " gives trusted " << segment.text;
        }
      }
    }
  }
  EXPECT_GT(rendered, 1500U);  // the token does come through, or this test would prove nothing
}

TEST(ChatTemplateErrors, CarryLineAndColumn) {
  EXPECT_EQ(error_of("a\n {{ 1 + }}").where, "2:9");
  EXPECT_EQ(error_of("a\r\nb{% nope %}").where, "2:5");
  EXPECT_EQ(error_of("{{ 'x }}").where, "1:4");
  EXPECT_EQ(error_of("\n\n  {{ missing.x }}").where, "3:13");
  EXPECT_EQ(error_of("{% for x in [1] %}\n{{ x.y.z }}{% endfor %}").where, "2:7");
  EXPECT_EQ(error_of("{% macro m() %}\n{{ 1 / 0 }}{% endmacro %}\n\n{{ m() }}").where, "2:4");
  EXPECT_EQ(error_of("{% if x %}").where, "1:11");
  EXPECT_EQ(error_of("{{ 1 + }}").code, Code::malformed);
}

TEST(ChatTemplateErrors, RaiseExceptionGivesItsText) {
  const Error error = error_of("x\n{{ raise_exception('roles ' ~ messages[0].role) }}", kChat);
  EXPECT_EQ(error.code, Code::invalid_argument);
  EXPECT_EQ(error.text, "roles user");
  EXPECT_EQ(error.where, "2:19");
  EXPECT_EQ(error_of("{{ raise_exception(missing) }}").text, "chat template: raise_exception without a text");
}

TEST(ChatTemplateErrors, NameTheUndefined) {
  EXPECT_NE(error_of("{{ message.content + 'x' }}").text.find("'message' is undefined"), std::string::npos);
  EXPECT_NE(error_of("{{ m.c + 'x' }}", {{"m", Json::object()}}).text.find("'c' is undefined"), std::string::npos);
}

TEST(ChatTemplateErrors, InputMustBeAnObjectAndNotTooDeep) {
  EXPECT_EQ(error_of("x", Json::array()).code, Code::invalid_argument);
  Json deep = 1;
  for (int i = 0; i < 100; ++i) deep = Json::array({deep});
  EXPECT_EQ(error_of("{{ messages }}", {{"messages", deep}}).code, Code::invalid_argument);
  EXPECT_EQ(joined(*render("x", {{"messages", deep}})), "x");  // what the template does not mention does not matter
}

/// Templates that would take all time, memory or stack.
const char* const kHostile[] = {
    "{{ 'x' * 1000000000 }}",
    "{{ 'x' * 9223372036854775807 }}",
    "{{ [1] * 1000000000 }}",
    "{{ range(1000000000) }}",
    "{{ range(-9223372036854775807, 9223372036854775807) }}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% set ns = namespace(s='xx') %}{% for i in range(99999) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "{% set ns = namespace(s='xx') %}{% for i in range(99999) %}{% set ns.s = ns.s | replace('x', ns.s) %}{% endfor %}",
    "{% set ns = namespace(s='xx') %}{% for i in range(99999) %}{% set ns.s = ns.s.join([ns.s, ns.s]) %}{% endfor %}",
    "{% set ns = namespace(s='xx') %}{% for i in range(99999) %}{% set ns.s = '{0}{0}'.format(ns.s) %}{% endfor %}",
    "{% set ns = namespace(s=['xx']) %}{% for i in range(99999) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "{% set ns = namespace(s=[]) %}{% for i in range(99999) %}{% set ns.s = [ns.s] %}{% endfor %}",
    "{% set ns = namespace(s=[]) %}{% for i in range(99999) %}{% set ns.s = {'a': ns.s} %}{% endfor %}",
    "{% set ns = namespace(s=[]) %}{% for i in range(99999) %}{% set ns.s = cycler(ns.s) %}{% endfor %}",
    "{% set ns = namespace(s=[]) %}{% for i in range(99999) %}{% set ns.s = namespace(a=ns.s) %}{% endfor %}{{ 'x' * "
    "99999999 }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(99999) %}{% for x in ns.s %}{% set ns.s = [loop] %}{% endfor "
    "%}{% endfor %}"
    "{{ 'x' * 99999999 }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson "
    "}}",
    "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(100) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, "
    "ns.b] %}"
    "{% endfor %}{{ ns.a == ns.b }}",
    "{% set ns = namespace(a=(1,)) %}{% for i in range(100) %}{% set ns.a = (ns.a, ns.a) %}{% endfor %}{{ {ns.a: 1} }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}",
    "{{ 'x' | center(1000000000) }}",
    "{{ 'x' | indent(1000000000) }}{{ 'x'.ljust(1000000000) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ [1] | batch(1000000000, 'x') | list }}",
    "{{ 2 ** 1000000000 }}",
    "{{ 9223372036854775807 + 1 }}",
    "{{ -9223372036854775807 - 2 }}",
    "{{ strftime_now('%9999999d') }}",
    "{{ [1, 2] | tojson(indent=1000000000) }}",
    "{% set a = 'a' * 99999 ~ 'b' %}{% for i in range(99999) %}{{ a in a ~ 'c' }}{{ ('a' * 1999999).find(a) }}{% "
    "endfor %}",
    "{% set x = 'a' * 1000000 %}{% for i in range(99999) %}{% set y = x | upper | lower | list %}{% endfor %}",
    "{% set ns = namespace(c=0) %}{% macro f() %}{% endmacro %}{% for i in range(99999) %}{% macro g() %}{{ i }}{% "
    "endmacro %}"
    "{% set ns.c = g %}{% endfor %}",
};

TEST(ChatTemplateLimits, HostileTemplatesFailInTime) {
  for (const char* source : kHostile) {
    const auto start = std::chrono::steady_clock::now();
    const Error error = error_of(source);
    EXPECT_EQ(error.text.find("rendered:"), std::string::npos) << source << "\n" << error.text;
    EXPECT_FALSE(error.where.empty()) << source;
    EXPECT_LT(std::chrono::steady_clock::now() - start, time_limit(std::chrono::seconds(30))) << source;
  }
}

std::string repeated(const std::string& text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(ChatTemplateLimits, DeepSourceIsRefused) {
  for (const std::string& source :
       {"{{ " + repeated("(", 100000) + " }}", "{{ " + repeated("[", 100000) + " }}",
        "{{ " + repeated("{1:", 100000) + " }}", "{{ " + repeated("not ", 100000) + "x }}",
        "{{ " + repeated("-", 100000) + "1 }}", "{{ x" + repeated(".x", 100000) + " }}",
        "{{ x" + repeated("|e", 100000) + " }}", "{{ x" + repeated("[0]", 100000) + " }}",
        "{{ x" + repeated("()", 100000) + " }}", "{{ x" + repeated(" if x else x", 40000) + " }}",
        "{{ x" + repeated(" is x", 100000) + " }}", "{{ x" + repeated(" if x", 90000) + " }}",
        repeated("{% if x %}", 40000), repeated("{% for x in y %}", 30000), repeated("{% macro x() %}", 30000),
        "{% for " + repeated("(", 100000) + "x in y %}{% endfor %}", "{{ x" + repeated("[x", 100000) + " }}",
        "{% set " + repeated("(", 100000) + " %}"}) {
    const auto compiled = ChatTemplate::compile(source);
    ASSERT_FALSE(compiled) << source.substr(0, 40);
    EXPECT_TRUE(compiled.error().code == Code::too_long || compiled.error().code == Code::malformed)
        << compiled.error().text;
  }
  EXPECT_EQ(error_of(std::string(std::size_t{1} << 20, ' ')).code, Code::too_long);
}

TEST(ChatTemplateLimits, LongSourceIsNot) {
  EXPECT_EQ(joined(*render("{{ 1" + repeated(" + 1", 20000) + " }}", Json::object())), "20001");
  EXPECT_EQ(joined(*render("{{ 'a'" + repeated(" ~ 'a'", 2000) + " }}", Json::object())).size(), 2001U);
  EXPECT_EQ(joined(*render("{{ 1" + repeated(" or 1", 20000) + " }}", Json::object())), "1");
  EXPECT_EQ(joined(*render("{% if 0 %}" + repeated("{% elif 0 %}", 20000) + "{% else %}x{% endif %}", Json::object())),
            "x");
}

TEST(ChatTemplateLimits, AreThoseGiven) {
  EXPECT_EQ(error_of("{% for i in range(1000) %}x{% endfor %}", Json::object(), {.steps = 500}).code, Code::too_long);
  EXPECT_EQ(error_of("{% for i in range(100) %}0123456789{% endfor %}", Json::object(), {.output_bytes = 2000}).code,
            Code::too_long);
  EXPECT_EQ(error_of("{{ ((((((1)))))) }}", Json::object(), {.depth = 4}).code, Code::too_long);
  // Memory is given back: a thousand times a kilobyte passes through 100 kB.
  const std::string churn = "{% for i in range(1000) %}{% set x = 'x' * 1000 %}{% endfor %}done";
  const auto segments = render(churn, Json::object(), {.steps = 4'000'000, .output_bytes = 200'000});
  ASSERT_TRUE(segments) << segments.error().text;
  EXPECT_EQ(joined(*segments), "done");
}

TEST(ChatTemplateLimits, LargeConversationsPass) {
  Json messages = Json::array();
  for (int i = 0; i < 2000; ++i) {
    messages.push_back(
        {{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", std::string(2000, 'x') + " " + std::to_string(i)}});
  }
  const auto segments =
      render("{% for m in messages %}<|im_start|>{{ m.role + '\n' + m.content | trim }}<|im_end|>\n{% endfor %}",
             {{"messages", messages}});
  ASSERT_TRUE(segments) << segments.error().text;
  EXPECT_GT(joined(*segments).size(), 4'000'000U);
}

TEST(ChatTemplate, CyclesThroughNamespacesAndMacrosAreFreed) {  // the leak checker of the asan preset looks here
  EXPECT_EQ(joined(*render(
                "{% set a = namespace() %}{% set a.a = a %}{% set a.l = [a] %}{% macro m() %}{{ a }}{% endmacro %}"
                "{% set a.m = m %}{% for x in [1] %}{% set a.loop = loop %}{{ loop.changed(loop, a) }}{% endfor %}",
                Json::object())),
            "True");
}

TEST(ChatTemplate, RendersAgainAndOnSeveralThreads) {
  const auto compiled = ChatTemplate::compile(
      "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ m }}{% endfor %}{{ ns.n }}");
  ASSERT_TRUE(compiled);
  const auto run = [&] {
    for (int i = 0; i < 200; ++i) {
      const auto segments = compiled->render({{"messages", {"a", "b"}}});
      ASSERT_TRUE(segments);
      ASSERT_EQ(joined(*segments), "ab2");
    }
  };
  std::thread first(run);
  std::thread second(run);
  first.join();
  second.join();
}

TEST(ChatTemplate, LoopsForgetWhatTheySawWhenTheyEnd) {
  EXPECT_EQ(joined(*render("{% set ns = namespace() %}{% for x in 'abc' %}{% set ns.l = loop %}{% endfor %}"
                           "{{ ns.l.length }}{{ ns.l.previtem is defined }}",
                           Json::object())),
            "3False");
}

TEST(ChatTemplate, BrokenUtf8IsKeptAndCutBytewise) {
  const Json input = {{"s", "a\xff\xe2\x82z"}};
  EXPECT_EQ(joined(*render("{{ s }}{{ s | length }}{{ s[1] }}{{ s[::-1] }}{{ s | upper }}", input)),
            "a\xff\xe2\x82z"
            "5"
            "\xff"
            "z\x82\xe2\xff"
            "a"
            "A\xff\xe2\x82Z");
}

TEST(ChatTemplate, VariablesHideFunctions) {
  EXPECT_EQ(joined(*render("{{ range }}{{ dict is callable }}", {{"range", "r"}})), "rTrue");
}

TEST(ChatTemplate, EmptyTemplateGivesNothing) { EXPECT_TRUE(render("", Json::object())->empty()); }

}  // namespace
}  // namespace heed
