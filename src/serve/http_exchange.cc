// http_exchange.cc -- heads, chunks and ends of answers, in order, on the connection's strand.
#include "serve/http_exchange.h"

#include <array>
#include <boost/asio/post.hpp>
#include <cstdio>
#include <ctime>

namespace heed {
namespace {

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 40> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return std::string(text.data(), length);
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

std::string chunk(std::string_view bytes) {
  std::array<char, 20> size{};
  const int length = std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  std::string out(size.data(), static_cast<std::size_t>(length));
  out.append(bytes).append("\r\n");
  return out;
}

std::string make_head(const HttpResponse& response, const std::vector<HttpHeader>& common, bool keep_alive) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " + status_text(response.status) + "\r\n";
  if (!response.content_type.empty()) append_header(head, "Content-Type", response.content_type);
  append_header(head, "Date", http_date());
  append_header(head, "Connection", keep_alive ? "keep-alive" : "close");
  for (const HttpHeader& header : common) append_header(head, header.first, header.second);
  for (const HttpHeader& header : response.headers) append_header(head, header.first, header.second);
  return head;
}

}  // namespace

HttpExchange::HttpExchange(std::shared_ptr<HttpSession> session, std::shared_ptr<const HttpRequest> request)
    : session_(std::move(session)), request_(std::move(request)), started_ms_(now_ms()) {}

std::shared_ptr<HttpExchange> HttpExchange::make(std::shared_ptr<HttpSession> session,
                                                 std::shared_ptr<const HttpRequest> request) {
  HttpCore& core = session->core();
  core.handler->on_active(++core.active);
  return std::make_shared<HttpExchange>(std::move(session), std::move(request));
}

void HttpExchange::send(HttpResponse response) {
  post([self = shared_from_this(), response = std::move(response)]() mutable { self->do_send(response); });
}

void HttpExchange::start(HttpResponse response) {
  post([self = shared_from_this(), response = std::move(response)]() mutable { self->do_start(response); });
}

void HttpExchange::write(std::string bytes) {
  post([self = shared_from_this(), bytes = std::move(bytes)] { self->do_write(bytes); });
}

void HttpExchange::end() {
  post([self = shared_from_this()] { self->do_end(); });
}

void HttpExchange::post(std::function<void()> work) { boost::asio::post(session_->strand(), std::move(work)); }

void HttpExchange::on_disconnect(std::function<void()> work) {
  post([self = shared_from_this(), work = std::move(work)]() mutable {
    if (self->is_gone_)
      work();
    else if (!self->is_done_)
      self->on_disconnect_ = std::move(work);
  });
}

void HttpExchange::on_tick(std::function<void()> work) {
  post([self = shared_from_this(), work = std::move(work)]() mutable {
    if (self->is_done_ || self->is_gone_) return;
    self->on_tick_ = std::move(work);
    self->session_->next_tick_ = now_ms() + 1000;
  });
}

void HttpExchange::do_send(HttpResponse& response) {
  if (is_started_ || is_done_) return;
  is_started_ = true;
  status_ = response.status;
  if (session_->core().draining) session_->keep_alive_ = false;
  std::string bytes = make_head(response, session_->core().handler->common_headers(*request_), session_->keep_alive_);
  const bool has_length = response.status != 204 && response.status != 304;
  if (has_length) append_header(bytes, "Content-Length", std::to_string(response.body.size()));
  bytes += "\r\n";
  if (!response.omit_body && has_length) bytes += response.body;
  session_->enqueue(std::move(bytes));
  complete();
}

void HttpExchange::do_start(HttpResponse& response) {
  if (is_started_ || is_done_) return;
  is_started_ = true;
  status_ = response.status;
  is_chunked_ = request_->minor_version == 1;
  if (session_->core().draining || !is_chunked_) session_->keep_alive_ = false;
  std::string bytes = make_head(response, session_->core().handler->common_headers(*request_), session_->keep_alive_);
  if (is_chunked_) append_header(bytes, "Transfer-Encoding", "chunked");
  bytes += "\r\n";
  session_->enqueue(std::move(bytes));
  do_write(response.body);
}

void HttpExchange::do_write(const std::string& bytes) {
  if (!is_started_ || is_done_ || is_gone_ || bytes.empty()) return;
  session_->enqueue(is_chunked_ ? chunk(bytes) : bytes);
  if (session_->queued_bytes_ > session_->core().options.max_queued_bytes) session_->close();
}

void HttpExchange::do_end() {
  if (!is_started_ || is_done_) return;
  if (is_chunked_) session_->enqueue("0\r\n\r\n");
  complete();
}

void HttpExchange::complete() {
  is_done_ = true;
  on_disconnect_ = nullptr;
  on_tick_ = nullptr;
  session_->next_tick_ = 0;
  HttpCore& core = session_->core();
  core.handler->on_active(--core.active);
  core.handler->on_done(*request_, status_, static_cast<double>(now_ms() - started_ms_));
  session_->wake();
}

void HttpExchange::disconnect() {
  if (is_gone_) return;
  is_gone_ = true;
  if (is_done_) return;
  if (const auto work = std::move(on_disconnect_); work) work();
  if (is_done_) return;
  if (status_ == 0) status_ = 499;  // the client closed the request: nobody reads it, the metrics do
  complete();
}

void HttpExchange::tick() {
  if (is_done_ || !on_tick_) return;
  const auto work = on_tick_;  // may replace or end itself
  work();
}

HttpResponse HttpExchange::fault_response() const {
  return session_->core().handler->on_fault(*request_, 500, "the request ended without an answer");
}

HttpExchangeHandle::~HttpExchangeHandle() {
  exchange_->post([exchange = exchange_] {
    if (exchange->is_done()) return;
    if (exchange->is_started()) {
      exchange->end();
      return;
    }
    exchange->send(exchange->fault_response());
  });
}

}  // namespace heed
