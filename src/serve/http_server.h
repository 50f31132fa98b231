// http_server.h -- listens, keeps connections within limits, drains. The only way into the Asio/Beast files.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "core/expected.h"
#include "serve/http.h"

namespace heed {

struct HttpOptions {
  std::string host = "127.0.0.1";
  std::int32_t port = 8080;  // 0: any free one
  std::int32_t io_threads = 1;
  std::int32_t worker_threads = 2;  // run handlers of requests with a body
  std::int64_t max_connections = 10'000;
  std::int64_t max_header_bytes = 32 << 10;
  std::int64_t max_body_bytes = 16 << 20;
  std::int64_t max_queued_bytes = 1 << 20;  // unsent bytes of one stream; beyond: the client is too slow
  std::int64_t header_timeout_ms = 10'000;
  std::int64_t body_timeout_ms = 10'000;  // without progress
  std::int64_t idle_timeout_ms = 75'000;  // between requests
  std::int64_t write_timeout_ms = 8'000;  // for at most 64 KiB
};

class HttpServer {
 public:
  /// Binds and starts its threads. io error names the address and the reason (port in use, no permission).
  static Expected<std::unique_ptr<HttpServer>> start(HttpOptions options, HttpHandler& handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::int32_t port() const noexcept;
  std::int64_t open_connections() const noexcept;
  std::int64_t active_requests() const noexcept;
  /// No new connections; idle ones are closed, answers under way end their connection. true when none is left.
  bool drain(std::int64_t timeout_ms);
  /// Closes everything and joins the threads. Engines must have let go of their writers before destruction.
  void stop();

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace heed
