// models.cc -- /v1/models and /v1/models/{id}.
#include <algorithm>

#include "serve/json_out.h"
#include "serve/service.h"

namespace heed {
namespace {

void append_model(JsonOut& out, const ModelInfo& info, const std::vector<ModelPointer>& loaded) {
  const auto found =
      std::find_if(loaded.begin(), loaded.end(), [&](const auto& model) { return model->name() == info.name; });
  out.open_object().member("id", info.name).member("object", "model").member("created", info.created);
  out.member("owned_by", "heed").key("heed").open_object();
  out.member("loaded", found != loaded.end()).member("bytes", info.bytes);
  if (found != loaded.end()) {
    LanguageModel& model = (*found)->model();
    const auto& fim = model.tokenizer().fim();
    out.member("description", model.description()).member("context_length", model.context_length());
    out.member("vocab_size", model.vocab_size()).member("chat", (*found)->chat() != nullptr);
    out.member("fill_in_the_middle", fim.prefix >= 0 && fim.suffix >= 0 && fim.middle >= 0);
  }
  out.close_object().close_object();
}

void send_list(ModelHost& models, const WriterPointer& writer) {
  JsonOut out;
  out.open_object().member("object", "list").key("data").open_array();
  const std::vector<ModelPointer> loaded = models.loaded();
  for (const ModelInfo& info : models.list()) append_model(out, info, loaded);
  writer->send(HttpResponse{.body = out.close_array().close_object().take()});
}

void send_one(ModelHost& models, const std::string& name, const WriterPointer& writer) {
  const ModelInfo* found = models.find(name);
  if (found == nullptr) {
    writer->send(to_response(ApiError{.status = 404,
                                      .message = "model: no model \"" + name.substr(0, 200) + "\" here: see /v1/models",
                                      .param = "model",
                                      .code = "model_not_found"}));
    return;
  }
  JsonOut out;
  append_model(out, *found, models.loaded());
  writer->send(HttpResponse{.body = out.take()});
}

}  // namespace

void add_model_routes(Router& router, ModelHost& models) {
  router.add(
      {"GET", "/models", Access::keyed, [&models](const auto&, const auto& writer) { send_list(models, writer); }});
  router.add({"GET", "/models/{}", Access::keyed,
              [&models](const auto& request, const auto& writer) { send_one(models, request->arguments[0], writer); }});
}

}  // namespace heed
