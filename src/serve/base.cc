// base.cc -- /health, /ready, /metrics.
#include "serve/json_out.h"
#include "serve/service.h"

namespace heed {
namespace {

HttpResponse ready_response(ModelHost& models) {
  JsonOut out;
  if (models.is_ready()) {
    out.open_object().member("status", "ready").key("models").open_array();
    for (const ModelPointer& model : models.loaded()) out.value(model->name());
    return HttpResponse{.body = out.close_array().close_object().take()};
  }
  const std::string error = models.last_error();
  const std::string text = error.empty() ? "the model is being loaded" : "no model could be loaded: " + error;
  return to_response(unavailable(text, 1));
}

EngineGauges gauges_of(ModelHost& models) {
  EngineGauges gauges;
  for (const ModelPointer& model : models.loaded()) {
    const EngineStats stats = model->engine().stats();
    gauges.running += stats.running;
    gauges.queued += stats.queued;
    gauges.disk_pages = stats.disk_pages;
    gauges.disk_bytes = stats.disk_bytes;
    ++gauges.models_loaded;
  }
  return gauges;
}

}  // namespace

void add_base_routes(Router& router, ModelHost& models, Metrics& metrics, const std::string& version) {
  router.add({"GET", "/health", Access::open, [version](const auto&, const auto& writer) {
                JsonOut out;
                out.open_object().member("status", "ok").member("version", version).close_object();
                writer->send(HttpResponse{.body = out.take()});
              }});
  router.add({"GET", "/ready", Access::open,
              [&models](const auto&, const auto& writer) { writer->send(ready_response(models)); }});
  router.add({"GET", "/metrics", Access::keyed, [&models, &metrics](const auto&, const auto& writer) {
                writer->send(HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                          .body = metrics.text(gauges_of(models))});
              }});
}

}  // namespace heed
