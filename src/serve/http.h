// http.h -- what handlers see of HTTP: a request, an answer, a writer for streams. No library types here.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace heed {

using HttpHeader = std::pair<std::string, std::string>;

struct HttpRequest {
  std::string method;
  std::string target;  // as sent
  std::string path;    // target without the query
  std::string query;
  std::vector<HttpHeader> headers;     // names lower-cased
  std::vector<std::string> arguments;  // what the route's {} parts matched, decoded
  std::string body;
  std::string request_id;
  std::string tenant;              // set by authentication
  std::string route;               // set by routing; for metrics
  std::int32_t minor_version = 1;  // HTTP/1.x
  bool keep_alive = true;

  /// nullptr when absent. `name` in lower case.
  const std::string* header(std::string_view name) const noexcept;
};

struct HttpResponse {
  std::int32_t status = 200;
  std::string content_type = "application/json";
  std::vector<HttpHeader> headers;
  std::string body;
  bool omit_body = false;  // HEAD: the length is told, the bytes are not sent
};

/// The reason phrase of a status.
const char* status_text(std::int32_t status) noexcept;

/// The answer to one request. Every function may be called from any thread and returns at once; what they do happens
/// in call order on the connection's strand. Either send(), or start() write()... end(). Dropped unanswered: 500.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  virtual void send(HttpResponse response) = 0;
  /// The head of a streamed answer; `response.body` is its first piece.
  virtual void start(HttpResponse response) = 0;
  virtual void write(std::string bytes) = 0;
  virtual void end() = 0;
  /// Runs `work` on the connection's strand.
  virtual void post(std::function<void()> work) = 0;
  /// Runs once on the strand when the client is gone before the answer ended (at once when it is already).
  virtual void on_disconnect(std::function<void()> work) = 0;
  /// Runs on the strand about once a second until the answer ended.
  virtual void on_tick(std::function<void()> work) = 0;
};

/// What the server asks of the application. Called on I/O threads (on_head, headers) or worker threads (on_request).
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  /// Decides on the head alone, before any body is read. May fill tenant, route and arguments.
  virtual std::optional<HttpResponse> on_head(HttpRequest& request) = 0;
  virtual void on_request(std::shared_ptr<const HttpRequest> request, std::shared_ptr<ResponseWriter> writer) = 0;
  /// Added to every answer.
  virtual std::vector<HttpHeader> common_headers(const HttpRequest& request) = 0;
  /// The body of an answer that the server makes itself (400, 408, 413, 431, 500, 503).
  virtual HttpResponse on_fault(const HttpRequest& request, std::int32_t status, const std::string& text) = 0;
  virtual void on_done(const HttpRequest& request, std::int32_t status, double milliseconds) = 0;
  virtual void on_connections(std::int64_t open) = 0;
  /// Requests without a finished answer.
  virtual void on_active(std::int64_t active) = 0;
};

}  // namespace heed
