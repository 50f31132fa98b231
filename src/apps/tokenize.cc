// tokenize.cc -- `heed tokenize`: how a model cuts a text, or what its tokens say.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/json_text.h"
#include "apps/tokenizer_file.h"
#include "text/tokenizer.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

struct TokenizeOptions {
  std::string model = "default", text = "-";
  bool json = false, lines = false, special = false, with_bos = false;
};

std::string_view name_of(TokenKind kind) {
  constexpr std::string_view kNames[] = {"normal", "unknown", "control", "user_defined", "unused", "byte"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::vector<std::int32_t> encode(const Tokenizer& tokenizer, const std::string& text, const TokenizeOptions& options) {
  return tokenizer.encode(text, options.special, {.add_bos = options.with_bos, .add_eos = options.with_bos});
}

void print_text(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  for (const std::int32_t id : ids)
    std::printf("%8d  %-12s  %s\n", id, std::string(name_of(tokenizer.kind(id))).c_str(),
                dump(tokenizer.token_bytes(id, true)).c_str());
  std::printf("%zu tokens\n", ids.size());
}

void print_json(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  Json out = {{"count", ids.size()}, {"tokens", Json::array()}};
  for (const std::int32_t id : ids)
    out["tokens"].push_back(
        {{"id", id}, {"kind", name_of(tokenizer.kind(id))}, {"piece", tokenizer.token_bytes(id, true)}});
  std::printf("%s\n", dump(out).c_str());
}

// A JSON text a line in, an array of ids a line out: many texts at once.
Expected<void> run_lines(const Tokenizer& tokenizer, const TokenizeOptions& options) {
  std::size_t number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    ++number;
    const Json text = Json::parse(line, nullptr, false);
    if (!text.is_string())
      return fail(Code::invalid_argument, "tokenize: line " + std::to_string(number) + ": expected a JSON string");
    std::printf("%s\n", dump(encode(tokenizer, text.get<std::string>(), options)).c_str());
  }
  return {};
}

Expected<void> run_tokenize(const TokenizeOptions& options) {
  HEED_ASSIGN(const std::unique_ptr<Tokenizer> tokenizer, open_tokenizer(options.model));
  if (options.lines) return run_lines(*tokenizer, options);
  std::string text = options.text;
  if (text == "-") text.assign(std::istreambuf_iterator<char>(std::cin), {});
  const auto ids = encode(*tokenizer, text, options);
  options.json ? print_json(*tokenizer, ids) : print_text(*tokenizer, ids);
  return {};
}

}  // namespace

void add_tokenize(CLI::App& app, Command& command) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* sub = app.add_subcommand("tokenize", "Show how a model cuts a text into tokens");
  sub->add_option("text", options->text, "the text; - or none: standard input");
  sub->add_option("--model", options->model, "name or path of the model, or a tokenizer.json")->capture_default_str();
  sub->add_flag("--special", options->special, "the text may hold control tokens, as a template's may");
  sub->add_flag("--with-bos", options->with_bos, "add what the model puts around a text");
  sub->add_flag("--json", options->json, "Print one JSON object");
  sub->add_flag("--lines", options->lines, "standard input holds a JSON text a line; print an array of ids a line");
  sub->footer(
      "Examples:\n  heed tokenize \"Hello world\"\n  heed tokenize --model smollm2-135m-instruct --json < notes.txt\n  "
      "heed tokenize --model bert/tokenizer.json --with-bos \"Hello world\"");
  sub->callback([options, &command] { command.run = [options] { return run_tokenize(*options); }; });
}

}  // namespace heed
