// http_session.cc -- the life of a connection. All reading goes through watch(): one outstanding readiness wait, so a
// closed connection is noticed while an answer is still being made, and an idle connection holds no buffer.
#include "serve/http_session.h"

#include <netinet/tcp.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "serve/http_exchange.h"
#include "serve/http_grammar.h"

namespace heed {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t kReadBytes = 16 << 10;
constexpr std::size_t kWriteBytes = 64 << 10;
constexpr std::size_t kPipelinedBytes = 64 << 10;  // read ahead while an answer is made; beyond: not read yet
constexpr std::int64_t kLingerMs = 2'000;
constexpr std::int64_t kTickMs = 1'000;

bool has_body(const HttpRequest& request) {
  if (request.header("transfer-encoding") != nullptr) return true;
  const std::string* length = request.header("content-length");
  return length != nullptr && length->find_first_not_of('0') != std::string::npos;
}

}  // namespace

HttpSession::HttpSession(Socket socket, std::shared_ptr<HttpCore> core)
    : core_(std::move(core)), strand_(socket.get_executor()), socket_(std::move(socket)), wake_(strand_) {}

HttpSession::~HttpSession() {
  if (!is_registered_) return;
  const std::lock_guard lock(core_->registry_mutex);
  core_->sessions.erase(this);
  core_->handler->on_connections(--core_->connections);
}

void HttpSession::enroll() {
  const std::int64_t open = ++core_->connections;
  const std::lock_guard lock(core_->registry_mutex);
  core_->sessions.insert(this);
  is_registered_ = true;
  core_->handler->on_connections(open);
}

void HttpSession::start() {
  enroll();
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  // A peer that vanished without a word is noticed by the unacknowledged bytes.
  const int user_timeout_ms = static_cast<int>(core_->options.write_timeout_ms);
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
  const auto self = shared_from_this();
  asio::co_spawn(strand_, [self] { return self->serve(); }, [self](std::exception_ptr) { self->close(); });
}

asio::awaitable<void> HttpSession::serve() {
  while (!is_closed_ && keep_alive_) co_await serve_one();
  if (!is_closed_) co_await linger();
  close();
}

asio::awaitable<void> HttpSession::serve_one() {
  std::size_t head_bytes = 0;
  const bool got_head = co_await read_head(head_bytes);
  if (!got_head) co_return;
  Expected<HttpRequest> parsed = parse_head(std::string_view(input_).substr(0, head_bytes));
  if (!parsed) {
    fault(HttpRequest{}, 400, parsed.error().text);
    co_return;
  }
  const auto request = std::make_shared<HttpRequest>(std::move(*parsed));
  keep_alive_ = request->keep_alive;
  std::optional<HttpResponse> early = core_->handler->on_head(*request);
  if (early) {
    if (has_body(*request)) keep_alive_ = false;  // the body stays unread
    input_.erase(0, head_bytes);
    answer_now(*request, std::move(*early));
  } else {
    const bool got_body = co_await read_body(*request, head_bytes);
    if (!got_body) co_return;
    dispatch(request);
  }
  phase_ = Phase::answer;
  watch();
  while (!is_closed_ && (exchange_ != nullptr || is_writing_ || !pending_.empty())) co_await wait();
}

asio::awaitable<bool> HttpSession::read_head(std::size_t& head_bytes) {
  phase_ = Phase::idle;
  std::size_t searched = 0;
  while (true) {
    if (input_.empty() && core_->draining) keep_alive_ = false;
    if (is_peer_gone_ || (input_.empty() && !keep_alive_)) {
      close();
      co_return false;
    }
    const std::size_t end = input_.find("\r\n\r\n", searched);
    if (end != std::string::npos) {
      head_bytes = end + 4;
      break;
    }
    searched = input_.size() > 3 ? input_.size() - 3 : 0;
    if (static_cast<std::int64_t>(input_.size()) > core_->options.max_header_bytes) break;
    if (phase_ == Phase::idle) {
      const bool has_begun = !input_.empty();
      phase_ = has_begun ? Phase::head : Phase::idle;
      const std::int64_t limit = has_begun ? core_->options.header_timeout_ms : core_->options.idle_timeout_ms;
      read_deadline_ = now_ms() + limit;
    }
    watch();
    co_await wait();
    if (is_closed_ || phase_ == Phase::closing) co_return false;
  }
  read_deadline_ = 0;
  if (head_bytes == 0 || static_cast<std::int64_t>(head_bytes) > core_->options.max_header_bytes) {
    fault(HttpRequest{}, 431,
          "request: the head is over " + std::to_string(core_->options.max_header_bytes) + " bytes");
    co_return false;
  }
  co_return true;
}

asio::awaitable<bool> HttpSession::read_body(HttpRequest& request, std::size_t head_bytes) {
  if (!has_body(request)) {
    input_.erase(0, head_bytes);
    co_return true;
  }
  const std::int64_t limit = core_->options.max_body_bytes;
  const std::string* length = request.header("content-length");
  if (length != nullptr && std::stoll(*length) > limit) {
    fault(request, 413, "request: the body is over " + std::to_string(limit) + " bytes");
    co_return false;
  }
  http::request_parser<http::string_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(core_->options.max_header_bytes));
  parser.body_limit(static_cast<std::uint64_t>(limit));
  parser.eager(true);
  const std::string* expect = request.header("expect");
  if (expect != nullptr && input_.size() == head_bytes && request.minor_version == 1) {
    enqueue("HTTP/1.1 100 Continue\r\n\r\n");
  }
  phase_ = Phase::body;
  while (true) {
    error_code error;
    const std::size_t used = parser.put(asio::buffer(input_), error);
    input_.erase(0, used);
    if (error && error != http::error::need_more) {
      const bool is_too_large = error == http::error::body_limit;
      fault(request, is_too_large ? 413 : 400, "request body: " + error.message());
      co_return false;
    }
    if (parser.is_done()) break;
    if (!error && used > 0 && !input_.empty()) continue;
    read_deadline_ = now_ms() + core_->options.body_timeout_ms;
    watch();
    co_await wait();
    if (is_closed_ || phase_ == Phase::closing) co_return false;
    if (is_peer_gone_) {
      close();
      co_return false;
    }
  }
  read_deadline_ = 0;
  request.body = std::move(parser.get().body());
  co_return true;
}

asio::awaitable<void> HttpSession::wait() {
  wake_.expires_at(asio::steady_timer::time_point::max());
  co_await wake_.async_wait(asio::as_tuple(asio::use_awaitable));
}

// Closing with unread bytes would reset the connection and take the answer with it: send FIN, discard for a while.
asio::awaitable<void> HttpSession::linger() {
  phase_ = Phase::closing;
  while (!is_closed_ && (is_writing_ || !pending_.empty())) co_await wait();
  if (is_closed_ || is_peer_gone_) co_return;
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  read_deadline_ = now_ms() + kLingerMs;
  while (!is_closed_ && !is_peer_gone_) {
    input_.clear();
    watch();
    co_await wait();
  }
}

void HttpSession::watch() {
  if (is_watching_ || is_closed_ || is_peer_gone_) return;
  if (phase_ == Phase::answer && input_.size() > kPipelinedBytes) return;
  is_watching_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](error_code error) {
    self->is_watching_ = false;
    if (error)
      self->peer_gone();
    else
      self->take_input();
    self->wake();
  });
}

void HttpSession::take_input() {
  if (is_closed_) return;
  std::array<char, kReadBytes> bytes;
  error_code error;
  const std::size_t count = socket_.read_some(asio::buffer(bytes), error);
  if (error == asio::error::would_block || error == asio::error::try_again) {
    watch();
    return;
  }
  if (error) {
    peer_gone();
    return;
  }
  if (phase_ == Phase::closing) return;
  input_.append(bytes.data(), count);
  if (phase_ == Phase::answer) watch();
}

void HttpSession::peer_gone() {
  is_peer_gone_ = true;
  if (phase_ == Phase::answer) close();
}

void HttpSession::dispatch(std::shared_ptr<HttpRequest> request) {
  exchange_ = HttpExchange::make(shared_from_this(), request);
  auto handle = std::make_shared<HttpExchangeHandle>(exchange_);
  if (request->body.empty()) {
    core_->handler->on_request(std::move(request), std::move(handle));
    return;
  }
  asio::post(core_->workers, [core = core_.get(), request = std::move(request), handle = std::move(handle)] {
    core->handler->on_request(request, handle);
  });
}

void HttpSession::fault(const HttpRequest& request, std::int32_t status, const std::string& text) {
  read_deadline_ = 0;
  keep_alive_ = false;
  input_.clear();
  phase_ = Phase::closing;
  answer_now(request, core_->handler->on_fault(request, status, text));
}

void HttpSession::answer_now(const HttpRequest& request, HttpResponse response) {
  const auto exchange = HttpExchange::make(shared_from_this(), std::make_shared<HttpRequest>(request));
  exchange_ = exchange;
  exchange->do_send(response);
}

void HttpSession::enqueue(std::string bytes) {
  if (is_closed_) return;
  queued_bytes_ += static_cast<std::int64_t>(bytes.size());
  if (pending_.empty())
    pending_ = std::move(bytes);
  else
    pending_ += bytes;
  pump();
}

void HttpSession::pump() {
  if (is_writing_ || is_closed_) return;
  if (written_ == in_flight_.size()) {
    in_flight_.clear();
    written_ = 0;
    std::swap(in_flight_, pending_);
    if (in_flight_.empty()) {
      write_deadline_ = 0;
      std::string().swap(in_flight_);
      wake();
      return;
    }
  }
  is_writing_ = true;
  write_deadline_ = now_ms() + core_->options.write_timeout_ms;
  const std::size_t count = std::min(in_flight_.size() - written_, kWriteBytes);
  asio::async_write(socket_, asio::buffer(in_flight_.data() + written_, count),
                    [self = shared_from_this()](error_code error, std::size_t sent) {
                      self->is_writing_ = false;
                      self->written_ += sent;
                      self->queued_bytes_ -= static_cast<std::int64_t>(sent);
                      if (error)
                        self->close();
                      else
                        self->pump();
                    });
}

void HttpSession::wake() {
  if (exchange_ != nullptr && exchange_->is_done()) exchange_ = nullptr;
  wake_.cancel();
}

void HttpSession::close() {
  if (is_closed_) return;
  is_closed_ = true;
  read_deadline_ = 0;
  write_deadline_ = 0;
  error_code ignored;
  socket_.close(ignored);
  if (const auto exchange = exchange_; exchange != nullptr) exchange->disconnect();
  wake();
}

void HttpSession::sweep(std::int64_t now) {
  const auto self = weak_from_this().lock();
  if (self == nullptr) return;
  const std::int64_t read_deadline = read_deadline_, write_deadline = write_deadline_, tick = next_tick_;
  if (write_deadline != 0 && now > write_deadline) asio::post(strand_, [self] { self->on_deadline(true); });
  if (read_deadline != 0 && now > read_deadline) asio::post(strand_, [self] { self->on_deadline(false); });
  if (tick == 0 || now < tick) return;
  next_tick_ = now + kTickMs;
  asio::post(strand_, [self] {
    if (const auto exchange = self->exchange_; exchange != nullptr) exchange->tick();
  });
}

void HttpSession::on_deadline(bool is_write) {
  const std::int64_t deadline = is_write ? write_deadline_ : read_deadline_;
  if (is_closed_ || deadline == 0 || now_ms() <= deadline) return;  // progress came meanwhile
  const bool is_within_request = !is_write && (phase_ == Phase::head || phase_ == Phase::body);
  if (is_within_request)
    fault(HttpRequest{}, 408, "request: it did not arrive in time");
  else
    close();
  wake();
}

void HttpSession::drain() {
  asio::post(strand_, [self = shared_from_this()] {
    self->keep_alive_ = false;
    if (self->phase_ == Phase::idle && self->input_.empty()) self->close();
    self->wake();
  });
}

}  // namespace heed
