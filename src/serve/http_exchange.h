// http_exchange.h -- the answer to one request on its connection: the ResponseWriter that handlers hold.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "serve/http_session.h"

namespace heed {

class HttpExchange final : public ResponseWriter, public std::enable_shared_from_this<HttpExchange> {
 public:
  /// Counts it as active until its answer is complete.
  static std::shared_ptr<HttpExchange> make(std::shared_ptr<HttpSession> session,
                                            std::shared_ptr<const HttpRequest> request);
  HttpExchange(std::shared_ptr<HttpSession> session, std::shared_ptr<const HttpRequest> request);
  void send(HttpResponse response) override;
  void start(HttpResponse response) override;
  void write(std::string bytes) override;
  void end() override;
  void post(std::function<void()> work) override;
  void on_disconnect(std::function<void()> work) override;
  void on_tick(std::function<void()> work) override;

  // Below: on the strand only.
  void disconnect();
  void tick();
  HttpResponse fault_response() const;
  bool is_done() const noexcept { return is_done_; }
  bool is_started() const noexcept { return is_started_; }

 private:
  friend class HttpSession;
  void do_send(HttpResponse& response);
  void do_start(HttpResponse& response);
  void do_write(const std::string& bytes);
  void do_end();
  void complete();

  std::shared_ptr<HttpSession> session_;
  std::shared_ptr<const HttpRequest> request_;
  std::function<void()> on_disconnect_, on_tick_;
  std::int64_t started_ms_;
  std::int32_t status_ = 0;
  bool is_started_ = false, is_done_ = false, is_chunked_ = false, is_gone_ = false;
};

/// What handlers hold: when the last of them lets go unanswered, the client still gets a 500.
class HttpExchangeHandle final : public ResponseWriter {
 public:
  explicit HttpExchangeHandle(std::shared_ptr<HttpExchange> exchange) : exchange_(std::move(exchange)) {}
  ~HttpExchangeHandle() override;
  void send(HttpResponse response) override { exchange_->send(std::move(response)); }
  void start(HttpResponse response) override { exchange_->start(std::move(response)); }
  void write(std::string bytes) override { exchange_->write(std::move(bytes)); }
  void end() override { exchange_->end(); }
  void post(std::function<void()> work) override { exchange_->post(std::move(work)); }
  void on_disconnect(std::function<void()> work) override { exchange_->on_disconnect(std::move(work)); }
  void on_tick(std::function<void()> work) override { exchange_->on_tick(std::move(work)); }

 private:
  std::shared_ptr<HttpExchange> exchange_;
};

}  // namespace heed
