// embed.cc -- `heed embed`: lines in, vectors out, in order, many lines in one pass.
#include <cstdio>
#include <future>
#include <iostream>
#include <memory>

#include "apps/command.h"
#include "apps/model_path.h"
#include "serve/json_out.h"

namespace heed {
namespace {

constexpr std::size_t kLinesAtOnce = 256;

struct EmbedCommand {
  std::string model = "all-minilm-l6-v2";
  std::vector<std::string> texts;
  std::int32_t dimensions = 0;
  bool json = false, truncates = false;
  LoadOptions load;
};

/// Lines that go through the model together.
struct Lines {
  std::vector<std::string> texts;
  std::size_t first = 0;  // number of the first one, from 0
};

Expected<EmbedRequest> request_of(LanguageModel& model, const EmbedCommand& o, const Lines& lines) {
  EmbedRequest request{.dimensions = o.dimensions};
  const LongText when_long = o.truncates ? LongText::truncate : LongText::refuse;
  for (std::size_t i = 0; i < lines.texts.size(); ++i) {
    auto tokens = embedding_tokens(model.tokenizer(), lines.texts[i], model.context_length(), when_long);
    if (!tokens)
      return fail(tokens.error().code, "embed: line " + std::to_string(lines.first + i + 1) + ": " +
                                           tokens.error().text + ": shorten it, or use --truncate");
    request.texts.push_back(std::move(*tokens));
  }
  return request;
}

void print(const EmbedCommand& o, std::size_t index, std::size_t tokens, std::span<const float> vector) {
  JsonOut out;
  if (o.json) out.open_object().member("index", index).member("tokens", tokens).key("embedding");
  out.open_array();
  for (const float x : vector) out.value(x);
  out.close_array();
  if (o.json) out.close_object();
  std::printf("%s\n", out.text().c_str());
}

Expected<void> embed_lines(LoadedModel& model, const EmbedCommand& o, const Lines& lines) {
  HEED_ASSIGN(EmbedRequest request, request_of(model.model(), o, lines));
  std::vector<std::size_t> tokens;
  for (const auto& text : request.texts) tokens.push_back(text.size());
  auto result = std::make_shared<std::promise<Expected<std::vector<float>>>>();
  request.done = [result](Expected<std::vector<float>> made) { result->set_value(std::move(made)); };
  HEED_TRY(model.embedder()->submit(std::move(request)));
  HEED_ASSIGN(const std::vector<float> vectors, result->get_future().get());
  const std::size_t size = vectors.size() / tokens.size();
  for (std::size_t i = 0; i < tokens.size(); ++i)
    print(o, lines.first + i, tokens[i], std::span(vectors).subspan(i * size, size));
  return {};
}

Expected<void> run_embed(const EmbedCommand& o) {
  HEED_ASSIGN(const std::string path, model_path(o.model));
  HEED_ASSIGN(const auto model, LoadedModel::load(o.model, path, o.load));
  if (!model->embedder())
    return fail(Code::unsupported,
                "embed: " + o.model + " writes texts, it makes no vectors: take an embedding model (`heed models`)");
  if (!o.texts.empty()) return embed_lines(*model, o, {o.texts});
  Lines lines;
  const auto flush = [&]() -> Expected<void> {
    if (lines.texts.empty()) return {};
    HEED_TRY(embed_lines(*model, o, lines));
    lines = {.first = lines.first + lines.texts.size()};
    return {};
  };
  for (std::string line; std::getline(std::cin, line);) {
    lines.texts.push_back(line);
    if (lines.texts.size() == kLinesAtOnce) HEED_TRY(flush());
  }
  return flush();
}

}  // namespace

void add_embed(CLI::App& app, Command& command) {
  CLI::App* sub = app.add_subcommand("embed", "turn lines of text into vectors");
  sub->footer(
      "Examples:\n  heed embed \"A cat sat on the mat\"\n  heed embed --json < sentences.txt\n  heed embed --model "
      "./bge-small-en-v1.5 --truncate --dimensions 128 < sentences.txt\nEvery vector has length one: their product is "
      "the cosine.");
  auto o = std::make_shared<EmbedCommand>();
  sub->add_option("text", o->texts, "texts; none: a line of standard input each");
  sub->add_option("--model", o->model, "a name of `heed models` or a path")->capture_default_str();
  sub->add_option("--dimensions", o->dimensions, "only the first numbers of a vector (0: all)")
      ->check(CLI::Range(0, 65536));
  sub->add_flag("--truncate", o->truncates, "texts that are too long lose their end; else they are an error");
  sub->add_flag("--json", o->json, "an object a line: index, tokens, embedding");
  sub->add_option("--threads", o->load.threads, "threads (0: as many as this process may use)");
  sub->add_option("--weights", o->load.weights, "how the weights are kept: file, or a type such as Q8_0")
      ->capture_default_str();
  sub->add_option("--kv-dtype", o->load.kv_dtype, kKvDtypes)->capture_default_str();
  add_pack_options(*sub, o->load);
  add_verify_option(*sub);
  sub->callback([o, &command] { command.run = [o] { return run_embed(*o); }; });
}

}  // namespace heed
