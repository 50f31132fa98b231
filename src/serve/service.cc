// service.cc -- the order of checks: spelling, origin, preflight, route, credential, draining. Whatever has no route
// is refused without a credential like everything else (default deny).
#include "serve/service.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "serve/anthropic.h"
#include "serve/api_error.h"
#include "serve/http_grammar.h"

namespace heed {
namespace {

constexpr std::size_t kMaxRequestIdBytes = 128;

std::string random_request_id() {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<unsigned char, 8> bytes{};
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  std::string id = "req_";
  for (const unsigned char byte : bytes) id += {kHex[byte >> 4], kHex[byte & 15]};
  return id;
}

// What a client may name its request: it comes back in a header and in logs.
bool is_plain_id(const std::string& id) {
  return !id.empty() && id.size() <= kMaxRequestIdBytes && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

// "name:80", "[::1]:80" -> the name.
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool is_loopback_name(std::string_view name) {
  if (name == "localhost" || name == "[::1]" || name.ends_with(".localhost")) return true;
  if (!name.starts_with("127.")) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

std::string_view origin_host(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ", ") + part;
  return out;
}

// The error object of the API whose path it is.
HttpResponse path_refusal(const HttpRequest& request, const ApiError& error) {
  return is_anthropic_path(request.path) ? anthropic_response(error) : to_response(error);
}

HttpResponse without_body_for_head(const HttpRequest& request, HttpResponse response) {
  response.omit_body = request.method == "HEAD";
  return response;
}

/// HEAD is GET with the bytes left out.
class HeadWriter final : public ResponseWriter {
 public:
  explicit HeadWriter(WriterPointer inner) : inner_(std::move(inner)) {}
  void send(HttpResponse response) override {
    response.omit_body = true;
    inner_->send(std::move(response));
  }
  void start(HttpResponse response) override { send(std::move(response)); }
  void write(std::string) override {}
  void end() override {}
  void post(std::function<void()> work) override { inner_->post(std::move(work)); }
  void on_disconnect(std::function<void()> work) override { inner_->on_disconnect(std::move(work)); }
  void on_tick(std::function<void()>) override {}

 private:
  WriterPointer inner_;
};

}  // namespace

Expected<std::unique_ptr<Service>> Service::make(ServiceOptions options, std::unique_ptr<ModelSource> source,
                                                 ModelHostOptions host_options) {
  HEED_ASSIGN(Authenticator authenticator, Authenticator::make(options.api_keys));
  options.api_keys.clear();  // only digests stay in memory
  auto models = std::make_unique<ModelHost>(std::move(source), host_options);
  std::unique_ptr<Service> made(new Service(std::move(options), std::move(authenticator), std::move(models)));
  made->add_routes();
  return made;
}

Service::Service(ServiceOptions options, Authenticator authenticator, std::unique_ptr<ModelHost> models)
    : options_(std::move(options)),
      authenticator_(std::move(authenticator)),
      metrics_(options_.version),
      models_(std::move(models)) {}

void Service::add_routes() {
  add_base_routes(router_, *models_, metrics_, options_.version);
  add_model_routes(router_, *models_);
  add_text_routes(router_, *models_);
  add_embedding_routes(router_, *models_, metrics_);
  router_.add({"POST", "/chat/completions", Access::keyed,
               [this](const auto& request, const auto& writer) { generate(request, writer, kChatEndpoint); }});
  router_.add({"POST", "/completions", Access::keyed,
               [this](const auto& request, const auto& writer) { generate(request, writer, kCompletionEndpoint); }});
  const GenerationContext context{models_.get(), &metrics_};
  add_anthropic_routes(router_, context);
  add_llama_routes(router_, context, options_.version);
  add_fim_routes(router_, context);
  add_ollama_routes(router_, context, options_.version);
  if (options_.conversations) add_conversation_routes(router_, *options_.conversations);
  const std::string document = openapi_document(router_, options_.version);
  router_.add({"GET", "/openapi.json", Access::keyed,
               [document](const auto&, const auto& writer) { writer->send(HttpResponse{.body = document}); }});
  add_file_routes(router_, options_.files);
}

void Service::generate(const RequestPointer& request, const WriterPointer& writer, Endpoint endpoint) {
  Json body;
  GenerationParams params;
  std::optional<ApiError> error = parse_body(request->body, body);
  if (!error) error = parse_params(body, endpoint, params);
  if (error) {
    writer->send(to_response(*error));
    return;
  }
  auto format = endpoint == kChatEndpoint ? chat_format() : completion_format();
  Generation::start({models_.get(), &metrics_}, std::move(format), std::move(params), request->tenant, writer);
}

std::optional<HttpResponse> Service::on_head(HttpRequest& request) {
  const std::string* offered_id = request.header("x-request-id");
  request.request_id = offered_id != nullptr && is_plain_id(*offered_id) ? *offered_id : random_request_id();
  request.route = "other";
  const Route* route = nullptr;
  const auto answer = [&](const ApiError& error) {
    return without_body_for_head(request, route != nullptr ? route->refuse(error) : path_refusal(request, error));
  };
  if (auto refused = check_origin(request)) return refused;
  if (request.method == "OPTIONS") return preflight(request);
  const auto segments = split_path(request.path);
  if (!segments) return answer(ApiError{.status = 400, .message = segments.error().text, .code = "invalid_path"});
  Router::Match match = router_.find(request.method, *segments);
  route = match.route;
  const bool is_open_route = match.route != nullptr && match.route->access == Access::open;
  if (auto tenant = authenticator_.tenant(request)) {
    request.tenant = std::move(*tenant);
  } else if (!is_open_route) {
    return answer(
        ApiError{.status = 401,
                 .message = "a valid API key is needed: send it as `Authorization: Bearer KEY` or `x-api-key: KEY`",
                 .code = "invalid_api_key"});
  }
  if (match.allowed.empty()) {
    return answer(
        ApiError{.status = 404, .message = "no such path: " + request.path.substr(0, 200), .code = "not_found"});
  }
  if (match.route == nullptr) {
    HttpResponse response = answer(
        ApiError{.status = 405,
                 .message = request.method.substr(0, 20) + " is not allowed here; allowed: " + join(match.allowed),
                 .code = "method_not_allowed"});
    response.headers.emplace_back("Allow", join(match.allowed));
    return response;
  }
  request.route = match.route->pattern;
  request.arguments = std::move(match.arguments);
  if (is_draining_ && request.method == "POST") return answer(unavailable("the server is shutting down", 5));
  return std::nullopt;
}

void Service::on_request(std::shared_ptr<const HttpRequest> request, std::shared_ptr<ResponseWriter> writer) {
  const auto segments = split_path(request->path);
  const Router::Match match = router_.find(request->method, *segments);
  if (request->method == "HEAD") writer = std::make_shared<HeadWriter>(std::move(writer));
  try {
    match.route->handler(request, writer);
  } catch (const std::exception& error) {
    writer->send(match.route->refuse(ApiError{.status = 500,
                                              .message = std::string("internal error: ") + error.what(),
                                              .type = "server_error",
                                              .code = "internal"}));
  }
}

bool Service::is_origin_allowed(const HttpRequest& request, const std::string& origin) const {
  const std::string* host = request.header("host");
  if (host != nullptr && origin_host(origin) == *host) return true;
  return std::any_of(options_.cors_origins.begin(), options_.cors_origins.end(), [&](const std::string& allowed) {
    if (allowed == "*" || allowed == origin) return true;
    return allowed == "loopback" && is_loopback_name(host_name(origin_host(origin)));
  });
}

std::optional<HttpResponse> Service::check_origin(const HttpRequest& request) const {
  const std::string* host = request.header("host");
  const std::string_view name = host == nullptr ? std::string_view() : host_name(*host);
  const auto& allowed = options_.allowed_hosts;
  const bool is_known_host =
      is_loopback_name(name) || std::any_of(allowed.begin(), allowed.end(),
                                            [&](const std::string& known) { return known == "*" || known == name; });
  if (authenticator_.is_open() && host != nullptr && !is_known_host) {
    return path_refusal(
        request,
        ApiError{
            .status = 403,
            .message = "this server answers only to loopback names: add the name to allowed_hosts, or use an API key",
            .type = "permission_error",
            .code = "host_not_allowed"});
  }
  const std::string* origin = request.header("origin");
  if (origin == nullptr || is_origin_allowed(request, *origin)) return std::nullopt;
  return path_refusal(request,
                      ApiError{.status = 403,
                               .message = "requests of pages from this origin are not allowed: see cors_origins",
                               .type = "permission_error",
                               .code = "origin_not_allowed"});
}

HttpResponse Service::preflight(const HttpRequest& request) const {
  HttpResponse response{.status = 204, .content_type = ""};
  response.headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
  const std::string* wanted = request.header("access-control-request-headers");
  response.headers.emplace_back("Access-Control-Allow-Headers",
                                wanted != nullptr ? *wanted : "authorization, content-type, x-api-key, x-request-id");
  response.headers.emplace_back("Access-Control-Max-Age", "600");
  return response;
}

std::vector<HttpHeader> Service::common_headers(const HttpRequest& request) {
  std::vector<HttpHeader> headers = {{"X-Content-Type-Options", "nosniff"}};
  if (!request.request_id.empty()) headers.emplace_back("X-Request-Id", request.request_id);
  const std::string* origin = request.header("origin");
  if (origin == nullptr || !is_origin_allowed(request, *origin)) return headers;
  headers.emplace_back("Access-Control-Allow-Origin", *origin);
  headers.emplace_back("Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
  headers.emplace_back("Vary", "Origin");
  return headers;
}

HttpResponse Service::on_fault(const HttpRequest& request, std::int32_t status, const std::string& text) {
  ApiError error{.status = status, .message = text};
  if (status >= 500) error.type = "server_error";
  error.code = status >= 500   ? "internal"
               : status == 413 ? "body_too_large"
               : status == 408 ? "timeout"
                               : "bad_request";
  return path_refusal(request, error);
}

void Service::on_done(const HttpRequest& request, std::int32_t status, double milliseconds) {
  metrics_.request_done(request.route.empty() ? "other" : request.route, status, milliseconds);
}

}  // namespace heed
