// loopback_server.h -- a tiny HTTP server on 127.0.0.1 for tests: ranges, broken connections, wrong answers.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace heed::testing_store {

struct Answer {
  std::string head;  // status line and headers, without the empty line
  std::string body;  // sent as it is
  int pause_ms_every_64k = 0;
};

/// Serves one connection at a time, one request each.
class LoopbackServer {
 public:
  using Handler = std::function<Answer(const std::string& request, int number)>;

  explicit LoopbackServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_, 16);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~LoopbackServer() {
    stop_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  std::string url(const std::string& path = "/model.gguf") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    while (!stop_) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      answer(connection);
      ::shutdown(connection, SHUT_RDWR);
      ::close(connection);
    }
  }

  void answer(int connection) {
    std::string request;
    char chunk[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t n = ::recv(connection, chunk, sizeof chunk, 0);
      if (n <= 0) return;
      request.append(chunk, static_cast<std::size_t>(n));
    }
    int number = 0;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
      number = static_cast<int>(requests_.size());
    }
    const Answer answer = handler_(request, number);
    const std::string head = answer.head + "\r\nConnection: close\r\n\r\n";
    if (!send_all(connection, head.data(), head.size())) return;
    for (std::size_t at = 0; at < answer.body.size() && !stop_; at += 65536) {
      if (!send_all(connection, answer.body.data() + at, std::min<std::size_t>(65536, answer.body.size() - at))) return;
      if (answer.pause_ms_every_64k > 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(answer.pause_ms_every_64k));
    }
  }

  static bool send_all(int connection, const char* data, std::size_t n) {
    while (n > 0) {
      const ssize_t sent = ::send(connection, data, n, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      data += sent;
      n -= static_cast<std::size_t>(sent);
    }
    return true;
  }

  Handler handler_;
  int listener_ = -1, port_ = 0;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

/// The offset of the request's "Range: bytes=N-", 0 without one.
inline std::size_t range_of(const std::string& request) {
  const std::size_t at = request.find("Range: bytes=");
  return at == std::string::npos ? 0 : std::stoul(request.substr(at + 13));
}

/// A server that does it right.
inline Answer ranged(const std::string& request, const std::string& content) {
  const std::size_t from = range_of(request);
  const std::string length = "Content-Length: " + std::to_string(content.size() - from);
  if (from == 0) return {"HTTP/1.1 200 OK\r\n" + length, content};
  return {"HTTP/1.1 206 Partial Content\r\n" + length + "\r\nContent-Range: bytes " + std::to_string(from) + "-" +
              std::to_string(content.size() - 1) + "/" + std::to_string(content.size()),
          content.substr(from)};
}

}  // namespace heed::testing_store
