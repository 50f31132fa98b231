// http_server.cc -- the listener, the sweeper and the threads.
#include "serve/http_server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <thread>

#include "serve/http_session.h"

namespace heed {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kSweepEvery = std::chrono::milliseconds(250);
constexpr auto kAcceptPause = std::chrono::milliseconds(100);  // out of descriptors: let some close

}  // namespace

std::int64_t now_ms() noexcept {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

struct HttpServer::Impl {
  Impl(HttpOptions options, HttpHandler& handler)
      : core(std::make_shared<HttpCore>(std::move(options), handler)),
        acceptor(asio::make_strand(core->io)),
        sweeper(asio::make_strand(core->io)),
        work(core->io.get_executor()) {}

  Expected<void> listen();
  asio::awaitable<void> accept();
  asio::awaitable<void> sweep();
  void stop();
  std::vector<std::shared_ptr<HttpSession>> sessions();

  std::shared_ptr<HttpCore> core;
  tcp::acceptor acceptor;
  asio::steady_timer sweeper;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::vector<std::thread> threads;
  std::int32_t port = 0;
  std::atomic<bool> is_stopped{false};
};

Expected<void> HttpServer::Impl::listen() {
  const HttpOptions& options = core->options;
  const std::string shown = options.host + ":" + std::to_string(options.port);
  error_code error;
  std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const auto address = asio::ip::make_address(host, error);
  if (error)
    return fail(Code::invalid_argument, "listen on " + shown + ": expected an IP address or localhost", "host");
  const tcp::endpoint endpoint(address, static_cast<unsigned short>(options.port));
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error == asio::error::address_in_use) {
    return fail(Code::io, "listen on " + shown + ": another program uses this port: choose one with --port", "port");
  }
  if (error) return fail(Code::io, "listen on " + shown + ": " + error.message(), "host");
  port = acceptor.local_endpoint(error).port();
  return {};
}

asio::awaitable<void> HttpServer::Impl::accept() {
  while (acceptor.is_open()) {
    HttpSession::Socket socket(asio::make_strand(core->io));
    auto [error] = co_await acceptor.async_accept(socket, asio::as_tuple(asio::use_awaitable));
    if (!acceptor.is_open()) co_return;
    if (error) {
      asio::steady_timer pause(acceptor.get_executor(), kAcceptPause);
      co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    if (core->connections >= core->options.max_connections) continue;  // closes it
    std::make_shared<HttpSession>(std::move(socket), core)->start();
  }
}

asio::awaitable<void> HttpServer::Impl::sweep() {
  while (!is_stopped) {
    sweeper.expires_after(kSweepEvery);
    co_await sweeper.async_wait(asio::as_tuple(asio::use_awaitable));
    const std::int64_t now = now_ms();
    const std::lock_guard lock(core->registry_mutex);
    for (HttpSession* session : core->sessions) session->sweep(now);
  }
}

std::vector<std::shared_ptr<HttpSession>> HttpServer::Impl::sessions() {
  std::vector<std::shared_ptr<HttpSession>> found;
  const std::lock_guard lock(core->registry_mutex);
  for (HttpSession* session : core->sessions) {
    if (auto shared = session->weak_from_this().lock()) found.push_back(std::move(shared));
  }
  return found;
}

void HttpServer::Impl::stop() {
  if (is_stopped.exchange(true)) return;
  core->draining = true;
  asio::post(acceptor.get_executor(), [this] {
    error_code ignored;
    acceptor.close(ignored);
  });
  asio::post(sweeper.get_executor(), [this] { sweeper.cancel(); });
  core->workers.join();
  for (const auto& session : sessions()) asio::post(session->strand(), [session] { session->close(); });
  work.reset();
  for (std::thread& thread : threads) thread.join();
}

Expected<std::unique_ptr<HttpServer>> HttpServer::start(HttpOptions options, HttpHandler& handler) {
  auto impl = std::make_unique<Impl>(std::move(options), handler);
  HEED_TRY(impl->listen());
  Impl* raw = impl.get();
  const auto ignore = [](std::exception_ptr) {};
  asio::co_spawn(raw->acceptor.get_executor(), [raw] { return raw->accept(); }, ignore);
  asio::co_spawn(raw->sweeper.get_executor(), [raw] { return raw->sweep(); }, ignore);
  for (std::int32_t i = 0; i < raw->core->options.io_threads; ++i) {
    raw->threads.emplace_back([raw] { raw->core->io.run(); });
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { stop(); }
std::int32_t HttpServer::port() const noexcept { return impl_->port; }
std::int64_t HttpServer::open_connections() const noexcept { return impl_->core->connections; }
std::int64_t HttpServer::active_requests() const noexcept { return impl_->core->active; }
void HttpServer::stop() { impl_->stop(); }

bool HttpServer::drain(std::int64_t timeout_ms) {
  Impl* impl = impl_.get();
  impl->core->draining = true;
  asio::post(impl->acceptor.get_executor(), [impl] {
    error_code ignored;
    impl->acceptor.close(ignored);
  });
  for (const auto& session : impl->sessions()) session->drain();
  const std::int64_t deadline = now_ms() + timeout_ms;
  while (impl->core->active > 0 && now_ms() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return impl->core->active == 0;
}

}  // namespace heed
