// service.h -- the application behind the server: routes, access, errors, metrics. Knows nothing of sockets.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "observe/metrics.h"
#include "serve/auth.h"
#include "serve/generation.h"
#include "serve/model_host.h"
#include "serve/router.h"
#include "serve/static_files.h"
#include "store/conversations.h"

namespace heed {

struct ServiceOptions {
  std::vector<std::string> api_keys;  // empty: open
  /// "*" (anyone, without credentials), "loopback" (pages served from this machine, any port) or exact origins.
  /// A page's own server is always allowed.
  std::vector<std::string> cors_origins = {"loopback"};
  /// Without keys, only these Host names are answered, so that a foreign page cannot reach the server by a name that
  /// resolves to 127.0.0.1. Loopback names are always in; "*" allows all.
  std::vector<std::string> allowed_hosts;
  std::string version = "0";
  StaticFiles files;                                 // the page
  std::shared_ptr<ConversationStore> conversations;  // none: clients keep theirs
};

class Service final : public HttpHandler {
 public:
  static Expected<std::unique_ptr<Service>> make(ServiceOptions options, std::unique_ptr<ModelSource> source,
                                                 ModelHostOptions host_options = {});

  std::optional<HttpResponse> on_head(HttpRequest& request) override;
  void on_request(std::shared_ptr<const HttpRequest> request, std::shared_ptr<ResponseWriter> writer) override;
  std::vector<HttpHeader> common_headers(const HttpRequest& request) override;
  HttpResponse on_fault(const HttpRequest& request, std::int32_t status, const std::string& text) override;
  void on_done(const HttpRequest& request, std::int32_t status, double milliseconds) override;
  void on_connections(std::int64_t open) override { metrics_.connections(open); }
  void on_active(std::int64_t active) override { metrics_.requests_in_flight(active); }

  /// From now on requests get 503 with Retry-After.
  void start_draining() noexcept { is_draining_ = true; }
  ModelHost& models() noexcept { return *models_; }
  Metrics& metrics() noexcept { return metrics_; }

 private:
  Service(ServiceOptions options, Authenticator authenticator, std::unique_ptr<ModelHost> models);
  void add_routes();
  std::optional<HttpResponse> check_origin(const HttpRequest& request) const;
  bool is_origin_allowed(const HttpRequest& request, const std::string& origin) const;
  HttpResponse preflight(const HttpRequest& request) const;
  void generate(const RequestPointer& request, const WriterPointer& writer, Endpoint endpoint);

  ServiceOptions options_;
  Authenticator authenticator_;
  Metrics metrics_;
  std::unique_ptr<ModelHost> models_;
  Router router_;
  std::atomic<bool> is_draining_{false};
};

// Routes by group, each in its own file.
void add_base_routes(Router& router, ModelHost& models, Metrics& metrics, const std::string& version);
void add_model_routes(Router& router, ModelHost& models);
void add_text_routes(Router& router, ModelHost& models);
void add_embedding_routes(Router& router, ModelHost& models, Metrics& metrics);
void add_llama_routes(Router& router, GenerationContext context, const std::string& version);
void add_fim_routes(Router& router, GenerationContext context);
void add_ollama_routes(Router& router, GenerationContext context, const std::string& version);
void add_ollama_model_routes(Router& router, ModelHost& models, const std::string& version);
void add_conversation_routes(Router& router, ConversationStore& store);
void add_file_routes(Router& router, const StaticFiles& files);

/// The interface as OpenAPI 3.1, made of the parameter table and the routes.
std::string openapi_document(const Router& router, const std::string& version);

}  // namespace heed
