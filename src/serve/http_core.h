// http_core.h -- what the connections of one server share. Included by http_server.cc and http_session.cc only.
#pragma once
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "serve/http_server.h"

namespace heed {

class HttpSession;

struct HttpCore {
  HttpCore(HttpOptions the_options, HttpHandler& the_handler)
      : options(std::move(the_options)),
        handler(&the_handler),
        io(options.io_threads),
        workers(static_cast<std::size_t>(options.worker_threads)) {}

  HttpOptions options;
  HttpHandler* handler;
  boost::asio::io_context io;
  boost::asio::thread_pool workers;
  std::atomic<bool> draining{false};
  std::atomic<std::int64_t> connections{0};
  std::atomic<std::int64_t> active{0};  // requests without a finished answer

  // The sweeper visits every session four times a second: one timer in all instead of several a connection.
  std::mutex registry_mutex;
  std::unordered_set<HttpSession*> sessions;
};

/// Monotonic milliseconds.
std::int64_t now_ms() noexcept;

}  // namespace heed
