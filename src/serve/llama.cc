// llama.cc -- llama.cpp's paths: /completion, /infill, /props, /slots. Its names and defaults; our table.
#include <algorithm>

#include "serve/dialect.h"
#include "serve/json_out.h"
#include "serve/llama_format.h"
#include "serve/service.h"

namespace heed {
namespace {

using T = ParamType;
using Field = DialectField;

constexpr std::array kLlamaShared = {
    Field{"model", "model"},
    Field{"stream", "stream"},
    Field{"n_predict", "max_tokens"},
    Field{"max_tokens", "max_tokens"},
    Field{"temperature", "temperature"},
    Field{"top_k", "top_k"},
    Field{"top_p", "top_p"},
    Field{"min_p", "min_p"},
    Field{"seed", "seed"},
    Field{"stop", "stop"},
    Field{"repeat_penalty", "repetition_penalty"},
    Field{"presence_penalty", "presence_penalty"},
    Field{"frequency_penalty", "frequency_penalty"},
    Field{"logit_bias", "logit_bias"},
    Field{"ignore_eos", "ignore_eos"},
    Field{"n_probs", "logprobs"},
    Field{"n_cmpl", "n"},
    Field{"heed", "heed"},
    Field{"return_tokens", "", T::boolean, "Tells the answer's token ids; streams do so always. Default false."},
    Field{"cache_prompt", "", T::boolean, "Accepted: a known prefix is never computed again, and changes no bit."},
    Field{"grammar", "", T::string, "grammars are not supported yet", is_empty_value},
    Field{"json_schema", "", T::any, "schemas are not supported yet",
          [](const Json&) { return false; }},  // {} asks for JSON
};
constexpr std::array kLlamaCompletionFields = join(std::array{Field{"prompt", "prompt"}}, kLlamaShared);
constexpr std::array kLlamaInfillFields = join(
    std::array{
        Field{"input_prefix", "", T::string, "What stands before the gap."},
        Field{"input_suffix", "", T::string, "What stands behind it."},
        Field{"input_extra", "", T::array, "Objects {filename, text}: other files of the repository."},
        Field{"prompt", "", T::string, "How the text in the gap begins."},
    },
    kLlamaShared);
constexpr DialectShape kLlamaCompletion{"LlamaCompletionRequest", kCompletionEndpoint, kLlamaCompletionFields,
                                        "prompt"};
constexpr DialectShape kLlamaInfill{"LlamaInfillRequest", kCompletionEndpoint, kLlamaInfillFields, "input_prefix"};

void set_llama_defaults(GenerationParams& params) {
  params.sampling.temperature = 0.8f;
  params.sampling.top_k = 40;
  params.sampling.top_p = 0.95f;
  params.sampling.min_p = 0.05f;
  params.trusts_prompt = true;
}

// -1 (no end), -2 (the context's end), a seed nobody chose, no probabilities, biases as pairs: not what the table
// knows.
std::optional<ApiError> adapt_llama(Json& translated) {
  const auto drop = [&](const char* name, std::initializer_list<int> values) {
    const auto found = translated.find(name);
    if (found == translated.end() || !found->is_number()) return;
    if (std::find(values.begin(), values.end(), *found) != values.end()) translated.erase(name);
  };
  drop("max_tokens", {-1, -2});
  drop("logprobs", {0});
  draw_seed(translated);
  const auto bias = translated.find("logit_bias");
  if (bias == translated.end() || !bias->is_array()) return std::nullopt;
  Json pairs = Json::object();
  for (std::size_t i = 0; i < bias->size(); ++i) {
    const Json& pair = (*bias)[i];
    const bool is_pair = pair.is_array() && pair.size() == 2 && pair[0].is_number_unsigned() &&
                         (pair[1].is_number() || is_false_value(pair[1]));
    if (!is_pair)
      return invalid_type("logit_bias[" + std::to_string(i) + "]", "a pair of a token id and a number or false",
                          describe(pair));
    pairs[pair[0].dump()] = pair[1].is_number() ? pair[1] : Json(-100);
  }
  *bias = std::move(pairs);
  return std::nullopt;
}

std::optional<ApiError> read_llama(const DialectShape& shape, const Json& body, Json& translated,
                                   GenerationParams& params) {
  set_llama_defaults(params);
  if (auto error = translate(shape, body, translated)) return error;
  if (auto error = adapt_llama(translated)) return error;
  if (auto error = parse_translated(shape, body, translated, params)) return error;
  const Json* wants_tokens = find_field(body, "return_tokens");
  params.returns_tokens = params.stream || (wants_tokens != nullptr && wants_tokens->get<bool>());
  return std::nullopt;
}

std::optional<ApiError> read_extra(const Json& body, std::vector<InfillFile>& out) {
  const Json* list = find_field(body, "input_extra");
  if (list == nullptr) return std::nullopt;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string name = "input_extra[" + std::to_string(i) + "]";
    const Json& file = (*list)[i];
    if (!file.is_object()) return invalid_type(name, "an object with filename and text", describe(file));
    const Json* text = find_field(file, "text");
    const Json* filename = find_field(file, "filename");
    if (text == nullptr || !text->is_string())
      return invalid_type(name + ".text", "a string", text == nullptr ? "nothing" : describe(*text));
    if (filename != nullptr && !filename->is_string())
      return invalid_type(name + ".filename", "a string", describe(*filename));
    out.push_back({filename == nullptr ? "file" : filename->get<std::string>(), text->get<std::string>()});
  }
  return std::nullopt;
}

std::optional<ApiError> read_infill(const Json& body, Infill& infill, GenerationParams& params) {
  Json translated = {{"prompt", ""}};  // its tokens are made of the infill's parts
  if (auto error = read_llama(kLlamaInfill, body, translated, params)) return error;
  const std::pair<const char*, std::string*> texts[] = {
      {"input_prefix", &infill.prefix}, {"input_suffix", &infill.suffix}, {"prompt", &infill.prompt}};
  for (const auto& [name, place] : texts) {
    if (const Json* text = find_field(body, name)) *place = text->get<std::string>();
  }
  if (find_field(body, "input_prefix") == nullptr && find_field(body, "input_suffix") == nullptr)
    return ApiError{.message = "input_prefix: required", .param = "input_prefix", .code = "missing_required_parameter"};
  return read_extra(body, infill.extra);
}

void answer_completion(GenerationContext context, const RequestPointer& request, const WriterPointer& writer) {
  Json body, translated = Json::object();
  GenerationParams params;
  auto error = parse_body(request->body, body);
  if (!error) error = read_llama(kLlamaCompletion, body, translated, params);
  if (error) return writer->send(llama_error(*error));
  Generation::start(context, llama_format(), std::move(params), request->tenant, writer);
}

void answer_infill(GenerationContext context, const RequestPointer& request, const WriterPointer& writer) {
  Json body;
  Infill asked;
  GenerationParams params;
  auto error = parse_body(request->body, body);
  if (!error) error = read_infill(body, asked, params);
  if (error) return writer->send(llama_error(*error));
  Generation::start(context, infill_format(std::move(asked)), std::move(params), request->tenant, writer);
}

std::string props_text(LoadedModel& loaded, const std::string& version) {
  LanguageModel& model = loaded.model();
  const Tokenizer& tokenizer = model.tokenizer();
  const auto spelled = [&](std::int32_t token) {
    return token < 0 ? std::string() : tokenizer.token_bytes(token, true);
  };
  GenerationParams params;
  set_llama_defaults(params);
  JsonOut out;
  out.open_object().key("default_generation_settings").open_object().member("n_ctx", model.context_length());
  out.key("params").open_object();
  append_llama_settings(out, params);
  out.close_object().close_object().member("total_slots", loaded.engine().stats().most_running);
  out.member("model_alias", loaded.name()).member("model_path", loaded.name());
  out.member("chat_template", model.chat_template()).key("modalities").open_object();
  out.member("vision", false).member("audio", false).close_object();
  out.member("bos_token", spelled(tokenizer.bos())).member("eos_token", spelled(tokenizer.eos()));
  return out.member("build_info", "heed " + version).member("is_sleeping", false).close_object().take();
}

// Of the default model, or of one that is loaded: a look must not push a model out.
void send_props(ModelHost& models, const WriterPointer& writer, const std::string& version) {
  const std::vector<ModelPointer> loaded = models.loaded();
  const auto& list = models.list();
  const bool has_default = list.empty() || loaded.empty() ||
                           std::any_of(loaded.begin(), loaded.end(),
                                       [&](const ModelPointer& model) { return model->name() == list.front().name; });
  models.acquire(has_default ? "" : loaded.front()->name(), [writer, version](Expected<ModelPointer> model) {
    if (!model) return writer->send(llama_error(from_error(model.error())));
    writer->send(HttpResponse{.body = props_text(**model, version)});
  });
}

// A slot is a place in the engine's batch; which sequence has which place is nobody's business.
std::string slots_text(ModelHost& models) {
  JsonOut out;
  out.open_array();
  std::int32_t id = 0;
  for (const ModelPointer& model : models.loaded()) {
    if (model->embedder() != nullptr) continue;
    const EngineStats stats = model->engine().stats();
    for (std::int32_t i = 0; i < stats.most_running; ++i) {
      out.open_object().member("id", id++).member("model", model->name());
      out.member("n_ctx", model->model().context_length()).member("is_processing", i < stats.running).close_object();
    }
  }
  return out.close_array().take();
}

}  // namespace

void add_llama_routes(Router& router, GenerationContext context, const std::string& version) {
  ModelHost& models = *context.models;
  const auto add = [&](const char* method, const char* path, RouteHandler handler, const DialectShape* shape) {
    router.add({method, path, Access::keyed, std::move(handler), llama_error, shape});
  };
  add(
      "POST", "/completion",
      [context](const auto& request, const auto& writer) { answer_completion(context, request, writer); },
      &kLlamaCompletion);
  add(
      "POST", "/infill",
      [context](const auto& request, const auto& writer) { answer_infill(context, request, writer); }, &kLlamaInfill);
  add(
      "GET", "/props", [&models, version](const auto&, const auto& writer) { send_props(models, writer, version); },
      nullptr);
  add(
      "GET", "/slots",
      [&models](const auto&, const auto& writer) { writer->send(HttpResponse{.body = slots_text(models)}); }, nullptr);
}

}  // namespace heed
