// ollama_models.cc -- Ollama's pages about models: /api/tags, /api/ps, /api/show, and /api/version.
#include <cmath>
#include <cstdio>

#include "serve/dialect.h"
#include "serve/json_out.h"
#include "serve/ollama_format.h"
#include "serve/service.h"

namespace heed {
namespace {

constexpr std::array kOllamaShowFields = {
    DialectField{"model", "", ParamType::string, "Name of a model of this server."},
    DialectField{"name", "", ParamType::string, "An older name of `model`."},
    DialectField{"verbose", "", ParamType::boolean, "Accepted; the arrays of model_info are empty either way."},
};
constexpr DialectShape kOllamaShow{"OllamaShowRequest", kCompletionEndpoint, kOllamaShowFields, "model"};

// As far as a request says nothing else (ollama.cc).
constexpr const char* kParameters =
    "temperature                    0.8\ntop_k                          40\ntop_p                          0.9";
// Models stay until another one needs their room.
constexpr const char* kNever = "9999-12-31T23:59:59Z";

// "494.03M", "1.5B", "8B".
std::string human_count(std::int64_t count) {
  constexpr struct {
    double unit;
    int digits;
    const char* letter;
  } kUnits[] = {{1e9, 1, "B"}, {1e6, 2, "M"}, {1e3, 0, "K"}};
  char text[32];
  for (const auto& [unit, digits, letter] : kUnits) {
    const double number = static_cast<double>(count) / unit;
    if (number < 1) continue;
    std::snprintf(text, sizeof text, "%.*f%s", number == std::floor(number) ? 0 : digits, number, letter);
    return text;
  }
  return count > 0 ? std::to_string(count) : std::string();
}

void append_details(JsonOut& out, const ModelFacts& facts) {
  out.key("details").open_object().member("parent_model", "").member("format", facts.format);
  out.member("family", facts.family).key("families").open_array();
  if (!facts.family.empty()) out.value(facts.family);
  out.close_array().member("parameter_size", human_count(facts.parameters));
  out.member("quantization_level", facts.quantization).close_object();
}

// A file that cannot be read is listed all the same.
ModelFacts facts_or_none(const ModelHost& models, const std::string& name) {
  auto facts = models.facts(name);
  return facts ? std::move(*facts) : ModelFacts{};
}

std::string modified_at(const ModelInfo& info) { return rfc3339(info.created * 1'000'000'000); }

std::string tags_text(const ModelHost& models) {
  JsonOut out;
  out.open_object().key("models").open_array();
  for (const ModelInfo& info : models.list()) {
    const ModelFacts facts = facts_or_none(models, info.name);
    out.open_object().member("name", info.name).member("model", info.name).member("modified_at", modified_at(info));
    out.member("size", info.bytes).member("digest", facts.sha256);
    append_details(out, facts);
    out.close_object();
  }
  return out.close_array().close_object().take();
}

std::string ps_text(const ModelHost& models) {
  JsonOut out;
  out.open_object().key("models").open_array();
  for (const ModelPointer& model : models.loaded()) {
    const ModelFacts facts = facts_or_none(models, model->name());
    out.open_object().member("name", model->name()).member("model", model->name());
    out.member("size", model->weight_bytes()).member("digest", facts.sha256);
    append_details(out, facts);
    out.member("expires_at", kNever).member("size_vram", 0);
    out.member("context_length", model->model().context_length()).close_object();
  }
  return out.close_array().close_object().take();
}

std::string ollama_show_text(const ModelInfo& info, const ModelFacts& facts) {
  JsonOut out;
  out.open_object().member("modelfile", "FROM " + info.name + "\n");
  if (!facts.makes_vectors) out.member("parameters", kParameters);
  out.member("template", facts.chat_template);
  append_details(out, facts);
  out.key("model_info").raw(facts.info.dump()).key("capabilities").open_array();
  out.value(facts.makes_vectors ? "embedding" : "completion");
  if (facts.fills_gaps && !facts.makes_vectors) out.value("insert");
  return out.close_array().member("modified_at", modified_at(info)).close_object().take();
}

std::optional<ApiError> ollama_show(const ModelHost& models, const std::string& text, std::string& out) {
  Json body, none = Json::object();
  if (auto error = parse_body(text, body)) return error;
  if (auto error = translate(kOllamaShow, body, none)) return error;
  const Json* asked = find_field(body, "model");
  if (asked == nullptr) asked = find_field(body, "name");
  if (asked == nullptr)
    return ApiError{.message = "model: required", .param = "model", .code = "missing_required_parameter"};
  const ModelInfo* info = models.find(asked->get<std::string>());
  if (info == nullptr)
    return ApiError{.status = 404,
                    .message = "model: no model " + describe(*asked) + " here: see /api/tags",
                    .param = "model",
                    .code = "model_not_found"};
  const auto facts = models.facts(info->name);
  if (!facts) return from_error(facts.error());
  out = ollama_show_text(*info, *facts);
  return std::nullopt;
}

}  // namespace

void add_ollama_model_routes(Router& router, ModelHost& models, const std::string& version) {
  const auto add_get = [&](const char* path, auto text) {
    router.add({"GET", path, Access::keyed,
                [text](const auto&, const auto& writer) { writer->send(HttpResponse{.body = text()}); }, ollama_error});
  };
  add_get("/api/version", [version] {
    JsonOut out;
    return out.open_object().member("version", version).close_object().take();
  });
  add_get("/api/tags", [&models] { return tags_text(models); });
  add_get("/api/ps", [&models] { return ps_text(models); });
  router.add({"POST", "/api/show", Access::keyed,
              [&models](const auto& request, const auto& writer) {
                std::string text;
                const auto error = ollama_show(models, request->body, text);
                writer->send(error ? ollama_error(*error) : HttpResponse{.body = std::move(text)});
              },
              ollama_error, &kOllamaShow});
}

}  // namespace heed
