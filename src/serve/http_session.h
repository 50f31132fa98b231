// http_session.h -- one connection: requests in, answers out, one at a time. Everything but the deadlines is confined
// to the connection's strand.
#pragma once
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <functional>
#include <memory>
#include <string>

#include "serve/http_core.h"

namespace heed {

class HttpExchange;

class HttpSession final : public std::enable_shared_from_this<HttpSession> {
 public:
  using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Strand>;

  HttpSession(Socket socket, std::shared_ptr<HttpCore> core);
  ~HttpSession();
  void start();
  /// From the sweeper's thread: deadlines passed, ticks due.
  void sweep(std::int64_t now);
  /// Closes an idle connection; a busy one closes after its answer.
  void drain();
  void close();
  HttpCore& core() noexcept { return *core_; }
  Strand strand() { return strand_; }

 private:
  friend class HttpExchange;
  enum class Phase : unsigned char { idle, head, body, answer, closing };

  boost::asio::awaitable<void> serve();
  boost::asio::awaitable<void> serve_one();
  boost::asio::awaitable<bool> read_head(std::size_t& head_bytes);
  boost::asio::awaitable<bool> read_body(HttpRequest& request, std::size_t head_bytes);
  boost::asio::awaitable<void> wait();
  boost::asio::awaitable<void> linger();

  void enroll();
  void watch();
  void take_input();
  void peer_gone();
  void dispatch(std::shared_ptr<HttpRequest> request);
  void fault(const HttpRequest& request, std::int32_t status, const std::string& text);
  void answer_now(const HttpRequest& request, HttpResponse response);
  void enqueue(std::string bytes);
  void pump();
  void wake();
  void on_deadline(bool is_write);
  void finish_answer();

  std::shared_ptr<HttpCore> core_;
  Strand strand_;
  Socket socket_;
  boost::asio::steady_timer wake_;
  std::string input_;                       // received, not yet consumed
  std::string pending_, in_flight_;         // answers: waiting, being written
  std::size_t written_ = 0;                 // of in_flight_
  std::shared_ptr<HttpExchange> exchange_;  // the answer under way
  Phase phase_ = Phase::idle;
  bool is_watching_ = false, is_writing_ = false, is_closed_ = false, is_peer_gone_ = false, keep_alive_ = true;
  bool is_registered_ = false;
  std::atomic<std::int64_t> read_deadline_{0}, write_deadline_{0};  // ms; 0: none
  std::atomic<std::int64_t> next_tick_{0};                          // ms; 0: no ticks
  std::atomic<std::int64_t> queued_bytes_{0};
};

}  // namespace heed
