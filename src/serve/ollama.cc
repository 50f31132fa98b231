// ollama.cc -- Ollama's /api/chat and /api/generate. Its names and defaults; our table.
#include <algorithm>

#include "serve/dialect.h"
#include "serve/ollama_format.h"
#include "serve/service.h"

namespace heed {
namespace {

using T = ParamType;
using Field = DialectField;

constexpr std::array kOllamaShared = {
    Field{"model", "model"},
    Field{"stream", "", T::boolean, "Lines of JSON instead of one document. Default true."},
    Field{"format", "", T::any, "an answer that must be JSON is not supported yet; a schema is never ignored",
          is_empty_value},
    Field{"think", "", T::any, "thinking apart from the answer is not supported yet; only false is", is_false_value},
    Field{"keep_alive", "", T::any, "Accepted: a model stays until another one needs its room."},
    Field{"options.num_predict", "max_tokens"},
    Field{"options.temperature", "temperature"},
    Field{"options.top_k", "top_k"},
    Field{"options.top_p", "top_p"},
    Field{"options.min_p", "min_p"},
    Field{"options.seed", "seed"},
    Field{"options.stop", "stop"},
    Field{"options.repeat_penalty", "repetition_penalty"},
    Field{"options.presence_penalty", "presence_penalty"},
    Field{"options.frequency_penalty", "frequency_penalty"},
    Field{"heed", "heed"},
};
constexpr std::array kOllamaChatFields = join(
    std::array{
        Field{"messages", "messages"},
        Field{"tools", "", T::array, "tools are not supported yet", is_empty_value},
    },
    kOllamaShared);
constexpr std::array kOllamaGenerateFields = join(
    std::array{
        Field{"prompt", "", T::string, "A question, put into the model's chat template. None: the model is loaded."},
        Field{"suffix", "", T::string, "Text after the gap, for models with fill-in-the-middle tokens."},
        Field{"system", "", T::string, "A system message ahead of the prompt."},
        Field{"raw", "", T::boolean, "The prompt goes to the model as it stands, control tokens too. Default false."},
        Field{"template", "", T::string, "templates of a request are not supported yet: use raw", is_empty_value},
        Field{"images", "", T::array, "images are not supported yet", is_empty_value},
        Field{"context", "", T::array, "no answer gives one: send the conversation to /api/chat", is_empty_value},
    },
    kOllamaShared);
constexpr DialectShape kOllamaChat{"OllamaChatRequest", kChatEndpoint, kOllamaChatFields, "model"};
constexpr DialectShape kOllamaGenerate{"OllamaGenerateRequest", kCompletionEndpoint, kOllamaGenerateFields, "model"};

struct OllamaAsked {
  GenerationParams params;
  OllamaGenerate generate;
  bool only_loads = false;  // there is nothing to answer to
};

void set_ollama_defaults(GenerationParams& params) {
  params.sampling.temperature = 0.8f;
  params.sampling.top_k = 40;
  params.sampling.top_p = 0.9f;
}

// What the table does not know: no end (0, -1), the context's end (-2), a seed nobody chose.
void adapt_ollama(const Json& body, Json& translated) {
  const Json* stream = find_field(body, "stream");
  translated["stream"] = stream == nullptr ? Json(true) : *stream;
  const auto most = translated.find("max_tokens");
  if (most != translated.end() && (*most == 0 || *most == -1 || *most == -2)) translated.erase("max_tokens");
  draw_seed(translated);
}

std::optional<ApiError> read_ollama(const DialectShape& shape, const Json& body, Json& translated,
                                    GenerationParams& params) {
  set_ollama_defaults(params);
  if (auto error = translate(shape, body, translated)) return error;
  adapt_ollama(body, translated);
  return parse_translated(shape, body, translated, params);
}

// A message may lack content, never show an image.
std::optional<ApiError> adapt_messages(Json& messages) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    Json& message = messages[i];
    if (!message.is_object()) continue;  // refused later
    const Json* images = find_field(message, "images");
    if (images != nullptr && !is_empty_value(*images))
      return not_supported_yet("messages[" + std::to_string(i) + "].images", "images are not supported yet");
    message.erase("images");
    if (find_field(message, "content") == nullptr) message["content"] = "";
  }
  return std::nullopt;
}

// An unload that nobody does must not look done.
std::optional<ApiError> check_unload(const Json& body) {
  const Json* value = find_field(body, "keep_alive");
  if (value == nullptr || !(*value == 0 || *value == "0" || *value == "0s")) return std::nullopt;
  return not_supported_yet("keep_alive", "unloading is not supported: a model goes when another one needs its room");
}

std::optional<ApiError> read_chat(Json& body, OllamaAsked& asked) {
  Json translated = Json::object();
  const Json* messages = find_field(body, "messages");
  asked.only_loads = messages == nullptr || (messages->is_array() && messages->empty());
  if (asked.only_loads) translated["messages"] = {{{"role", "user"}, {"content", ""}}};  // the rest is checked
  if (!asked.only_loads && messages->is_array()) {
    if (auto error = adapt_messages(body["messages"])) return error;
  }
  if (auto error = read_ollama(kOllamaChat, body, translated, asked.params)) return error;
  return asked.only_loads ? check_unload(body) : std::nullopt;
}

std::optional<ApiError> read_generate(Json& body, OllamaAsked& asked) {
  Json translated = {{"prompt", ""}};
  std::string suffix;
  bool is_raw = false;
  if (auto error = read_ollama(kOllamaGenerate, body, translated, asked.params)) return error;
  if (const Json* prompt = find_field(body, "prompt")) asked.params.prompt = *prompt;
  if (const Json* given = find_field(body, "suffix")) suffix = given->get<std::string>();
  if (const Json* system = find_field(body, "system")) asked.generate.system = system->get<std::string>();
  if (const Json* raw = find_field(body, "raw")) is_raw = raw->get<bool>();
  asked.generate.is_raw = asked.params.trusts_prompt = is_raw;
  if (!suffix.empty()) asked.params.suffix = std::move(suffix);
  asked.only_loads = asked.params.prompt == "" && !asked.params.suffix;
  return asked.only_loads ? check_unload(body) : std::nullopt;
}

void load_for_ollama(ModelHost& models, OllamaPath path, const std::string& name, const WriterPointer& writer) {
  models.acquire(name, [path, writer](Expected<ModelPointer> model) {
    if (model) return writer->send(HttpResponse{.body = ollama_loaded(path, (*model)->name())});
    ApiError error = from_error(model.error());
    if (model.error().where == "model") error.code = "model_not_found";
    writer->send(ollama_error(error));
  });
}

void answer_ollama(GenerationContext context, OllamaPath path, const RequestPointer& request,
                   const WriterPointer& writer) {
  Json body;
  OllamaAsked asked;
  auto error = parse_body(request->body, body);
  const auto read = path == OllamaPath::chat ? read_chat : read_generate;
  if (!error) error = read(body, asked);
  if (error) return writer->send(ollama_error(*error));
  if (asked.only_loads) return load_for_ollama(*context.models, path, asked.params.model, writer);
  auto format = path == OllamaPath::chat ? ollama_chat_format() : ollama_generate_format(std::move(asked.generate));
  Generation::start(context, std::move(format), std::move(asked.params), request->tenant, writer);
}

}  // namespace

void add_ollama_routes(Router& router, GenerationContext context, const std::string& version) {
  const auto add = [&](const char* pattern, OllamaPath path, const DialectShape& shape) {
    router.add(
        {"POST", pattern, Access::keyed,
         [context, path](const auto& request, const auto& writer) { answer_ollama(context, path, request, writer); },
         ollama_error, &shape});
  };
  add("/api/chat", OllamaPath::chat, kOllamaChat);
  add("/api/generate", OllamaPath::generate, kOllamaGenerate);
  add_ollama_model_routes(router, *context.models, version);
}

}  // namespace heed
