// embeddings.cc -- /v1/embeddings, and Ollama's /api/embed and /api/embeddings: texts or token ids to vectors.
#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstring>

#include "serve/json_out.h"
#include "serve/ollama_format.h"
#include "serve/prompt.h"
#include "serve/service.h"
#include "text/base64.h"

namespace heed {
namespace {

constexpr std::size_t kMostInputs = 2048;  // OpenAI's own limit

static_assert(std::endian::native == std::endian::little, "base64 vectors are little-endian floats");

/// What one answer is made of.
struct Vectors {
  std::string model;
  std::vector<float> numbers;  // [count, size]
  std::size_t count = 0;
  std::int64_t tokens = 0;
  double milliseconds = 0;

  std::span<const float> operator[](std::size_t i) const {
    const std::size_t size = numbers.size() / count;
    return std::span(numbers).subspan(i * size, size);
  }
};

void append_numbers(JsonOut& out, std::span<const float> vector) {
  out.open_array();
  for (const float x : vector) out.value(x);
  out.close_array();
}

std::string openai_answer(const GenerationParams& params, const Vectors& v) {
  JsonOut out;
  out.open_object().member("object", "list").key("data").open_array();
  for (std::size_t i = 0; i < v.count; ++i) {
    out.open_object().member("object", "embedding").member("index", i).key("embedding");
    if (params.is_base64)
      out.value(base64_text({reinterpret_cast<const char*>(v[i].data()), v[i].size_bytes()}));
    else
      append_numbers(out, v[i]);
    out.close_object();
  }
  out.close_array().member("model", v.model).key("usage").open_object();
  out.member("prompt_tokens", v.tokens).member("total_tokens", v.tokens);
  return out.close_object().close_object().take();
}

std::string ollama_answer(const GenerationParams&, const Vectors& v) {
  JsonOut out;
  out.open_object().member("model", v.model).key("embeddings").open_array();
  for (std::size_t i = 0; i < v.count; ++i) append_numbers(out, v[i]);
  out.close_array().member("total_duration", static_cast<std::int64_t>(v.milliseconds * 1e6));
  return out.member("load_duration", 0).member("prompt_eval_count", v.tokens).close_object().take();
}

std::string old_ollama_answer(const GenerationParams&, const Vectors& v) {
  JsonOut out;
  out.open_object().key("embedding");
  append_numbers(out, v[0]);
  return out.close_object().take();
}

/// How one path differs from /v1/embeddings.
struct Dialect {
  const char* input;  // what the field is called here
  bool truncates;     // where the client says nothing
  std::string (*answer)(const GenerationParams& params, const Vectors& vectors);
  HttpResponse (*refuse)(const ApiError& error);
};

constexpr Dialect kOpenAi{"input", false, openai_answer, to_response},
    kOllama{"input", true, ollama_answer, ollama_error}, kOldOllama{"prompt", true, old_ollama_answer, ollama_error};

using Texts = std::vector<std::vector<std::int32_t>>;

std::optional<ApiError> add_text(LanguageModel& model, const GenerationParams& params, const Json& input,
                                 const std::string& name, Texts& out) {
  const std::int32_t most = model.context_length();
  std::vector<std::int32_t> tokens;
  if (input.is_string()) {
    const auto text = input.get<std::string>();
    if (text.empty()) return invalid_value(name, "expected a text, got an empty string");
    auto made =
        embedding_tokens(model.tokenizer(), text, most, params.truncates ? LongText::truncate : LongText::refuse);
    if (!made) {
      ApiError error = from_error(made.error());
      error.param = name;
      return error;
    }
    tokens = std::move(*made);
  } else {
    if (auto error = token_array(input, name, model.tokenizer().vocab_size(), tokens)) return error;
    const auto size = static_cast<std::int32_t>(tokens.size());
    if (size > most && !params.truncates)
      return ApiError{
          .message = name + ": " + std::to_string(size) + " tokens, the model reads at most " + std::to_string(most),
          .param = name,
          .code = "context_length_exceeded"};
    tokens.resize(static_cast<std::size_t>(std::min(size, most)));
  }
  if (tokens.empty()) return invalid_value(name, "expected at least one token");
  out.push_back(std::move(tokens));
  return std::nullopt;
}

std::optional<ApiError> read_input(LanguageModel& model, const GenerationParams& params, Texts& out) {
  return each_of(params.input, "input", {kMostInputs, "inputs"},
                 [&](const Json& input, const std::string& name) { return add_text(model, params, input, name, out); });
}

/// One request, from the loaded model on.
struct Asked {
  const Dialect* dialect;
  GenerationParams params;
  WriterPointer writer;
  Metrics* metrics;
  std::shared_ptr<std::atomic<bool>> is_cancelled = std::make_shared<std::atomic<bool>>(false);
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
};

void answer(const std::shared_ptr<Asked>& asked, Vectors vectors, Expected<std::vector<float>> made) {
  if (!made) return asked->writer->send(asked->dialect->refuse(from_error(made.error())));
  vectors.numbers = std::move(*made);
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - asked->begun;
  vectors.milliseconds = spent.count();
  asked->metrics->tokens(vectors.tokens, 0, 0);
  asked->writer->send(HttpResponse{.body = asked->dialect->answer(asked->params, vectors)});
}

void embed(const std::shared_ptr<Asked>& asked, const ModelPointer& model) {
  const auto refuse = [&](const ApiError& error) { asked->writer->send(asked->dialect->refuse(error)); };
  if (model->embedder() == nullptr)
    return refuse({.message = "model: " + model->name() +
                              " writes texts, it makes no vectors: name an embedding model, "
                              "such as all-minilm-l6-v2",
                   .param = "model",
                   .code = "model_not_supported"});
  EmbedRequest request{.dimensions = asked->params.dimensions, .is_cancelled = asked->is_cancelled};
  if (const auto error = read_input(model->model(), asked->params, request.texts)) return refuse(*error);
  Vectors vectors{.model = model->name(), .count = request.texts.size()};
  for (const auto& text : request.texts) vectors.tokens += static_cast<std::int64_t>(text.size());
  // The model is held until its own thread has answered; it is unloaded by the host's thread.
  request.done = [asked, model, vectors](Expected<std::vector<float>> made) {
    answer(asked, vectors, std::move(made));
  };
  if (const auto queued = model->embedder()->submit(std::move(request)); !queued) refuse(from_error(queued.error()));
}

// Without a name: the first embedding model of the catalogue's, else the default.
std::string model_name(const ModelHost& models, const std::string& asked) {
  if (!asked.empty()) return asked;
  const auto& list = models.list();
  const auto found = std::find_if(list.begin(), list.end(), [](const ModelInfo& info) { return info.kind == "embed"; });
  return found == list.end() ? std::string() : found->name;
}

void handle(ModelHost& models, Metrics& metrics, const Dialect& dialect, const RequestPointer& request,
            const WriterPointer& writer) {
  Json body;
  auto asked = std::make_shared<Asked>(Asked{.dialect = &dialect, .writer = writer, .metrics = &metrics});
  asked->params.truncates = dialect.truncates;
  std::optional<ApiError> error = parse_body(request->body, body);
  if (!error) {
    if (std::strcmp(dialect.input, "input") != 0 && body.contains(dialect.input)) body["input"] = body[dialect.input];
    error = parse_params(body, kEmbeddingEndpoint, asked->params);
  }
  if (error) return writer->send(dialect.refuse(*error));
  writer->on_disconnect([cancelled = asked->is_cancelled] { *cancelled = true; });
  models.acquire(model_name(models, asked->params.model), [asked](Expected<ModelPointer> model) {
    if (model) return embed(asked, *model);
    ApiError refused = from_error(model.error());
    if (model.error().where == "model") refused.code = "model_not_found";
    asked->writer->send(asked->dialect->refuse(refused));
  });
}

}  // namespace

void add_embedding_routes(Router& router, ModelHost& models, Metrics& metrics) {
  const auto add = [&](const char* path, const Dialect& dialect) {
    router.add({"POST", path, Access::keyed,
                [&models, &metrics, &dialect](const auto& request, const auto& writer) {
                  handle(models, metrics, dialect, request, writer);
                },
                dialect.refuse});
  };
  add("/embeddings", kOpenAi);
  add("/api/embed", kOllama);
  add("/api/embeddings", kOldOllama);
}

}  // namespace heed
