// http_client.h -- a blocking client of a few lines over real loopback sockets, for the tests of the server.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace heed::test {

template <class Condition>
bool becomes(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

struct Reply {
  int status = 0;                                   // 0: the connection ended without a whole answer
  std::multimap<std::string, std::string> headers;  // names lower-cased
  std::string body;
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
};

class Client {
 public:
  explicit Client(int port, int receive_buffer_bytes = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    if (receive_buffer_bytes > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(int));
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool is_connected() const { return is_connected_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// More bytes into the buffer; false at the end of the connection or after `wait_ms`.
  bool receive(int wait_ms = 10'000) {
    pollfd waiting{fd_, POLLIN, 0};
    if (::poll(&waiting, 1, wait_ms) <= 0) return false;
    char bytes[16384];
    const ssize_t count = ::recv(fd_, bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }
  bool receive_until(std::string_view mark, int wait_ms = 10'000) {
    while (buffer_.find(mark) == std::string::npos) {
      if (!receive(wait_ms)) return false;
    }
    return true;
  }
  /// True when the server closes within `wait_ms`.
  bool is_closed(int wait_ms = 10'000) {
    while (true) {
      pollfd waiting{fd_, POLLIN, 0};
      if (::poll(&waiting, 1, wait_ms) <= 0) return false;
      char bytes[4096];
      if (::recv(fd_, bytes, sizeof bytes, 0) <= 0) return true;
    }
  }

  /// One whole answer; interim ones (100) are skipped.
  Reply reply(bool has_body = true) {
    Reply out;
    if (!receive_until("\r\n\r\n")) return out;
    const std::size_t end = buffer_.find("\r\n\r\n") + 4;
    parse_head(buffer_.substr(0, end), out);
    buffer_.erase(0, end);
    if (out.status == 100) return reply(has_body);
    if (!has_body || out.status == 204 || out.status == 304) return out;
    const bool is_whole = out.header("transfer-encoding") == "chunked" ? read_chunks(out.body) : read_length(out);
    if (!is_whole) out.status = 0;
    return out;
  }
  const std::string& buffer() const { return buffer_; }

 private:
  static void parse_head(const std::string& head, Reply& out) {
    out.status = std::stoi(head.substr(9, 3));
    std::size_t at = head.find("\r\n") + 2;
    while (true) {
      const std::size_t end = head.find("\r\n", at);
      if (end == at) return;
      const std::string line = head.substr(at, end - at);
      std::string name = line.substr(0, line.find(':'));
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      out.headers.emplace(name, line.substr(line.find(':') + 2));
      at = end + 2;
    }
  }
  bool read_length(Reply& out) {
    if (out.header("content-length").empty()) {  // until the end of the connection
      while (receive()) {
      }
      out.body = std::exchange(buffer_, {});
      return true;
    }
    const std::size_t length = std::stoul(out.header("content-length"));
    while (buffer_.size() < length) {
      if (!receive()) return false;
    }
    out.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    return true;
  }
  bool read_chunks(std::string& body) {
    while (true) {
      if (!receive_until("\r\n")) return false;
      const std::size_t line = buffer_.find("\r\n");
      const std::size_t length = std::stoul(buffer_.substr(0, line), nullptr, 16);
      while (buffer_.size() < line + 2 + length + 2) {
        if (!receive()) return false;
      }
      body += buffer_.substr(line + 2, length);
      buffer_.erase(0, line + 2 + length + 2);
      if (length == 0) return true;
    }
  }

  int fd_ = -1;
  bool is_connected_ = false;
  std::string buffer_;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

inline std::string request_text(const std::string& method, const std::string& path, const std::string& body = {},
                                const Headers& headers = {}) {
  std::string text = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

inline Reply call(int port, const std::string& method, const std::string& path, const std::string& body = {},
                  const Headers& headers = {}) {
  Client client(port);
  if (!client.send(request_text(method, path, body, headers))) return {};
  return client.reply(method != "HEAD");
}

/// The data of each event, without "[DONE]"; `is_done` tells whether that came last.
struct Events {
  std::vector<nlohmann::json> data;
  std::vector<std::string> comments;
  bool is_done = false;
};

inline Events parse_events(const std::string& body) {
  Events out;
  std::size_t at = 0;
  while (at < body.size()) {
    const std::size_t end = body.find("\n\n", at);
    const std::string event = body.substr(at, end - at);
    at = end == std::string::npos ? body.size() : end + 2;
    out.is_done = false;
    if (event == "data: [DONE]")
      out.is_done = true;
    else if (event.starts_with("data: "))
      out.data.push_back(nlohmann::json::parse(event.substr(6)));
    else if (event.starts_with(": "))
      out.comments.push_back(event.substr(2));
  }
  return out;
}

/// Of streams whose events have names; comments are left out.
struct NamedEvent {
  std::string name;
  nlohmann::json data;
};

inline std::vector<NamedEvent> parse_named_events(const std::string& body) {
  std::vector<NamedEvent> out;
  NamedEvent event;
  std::size_t at = 0;
  while (at < body.size()) {
    const std::size_t end = body.find('\n', at);
    const std::string line = body.substr(at, end - at);
    at = end == std::string::npos ? body.size() : end + 1;
    if (line.starts_with("event: ")) event.name = line.substr(7);
    if (line.starts_with("data: ")) event.data = nlohmann::json::parse(line.substr(6));
    if (line.empty() && !event.name.empty()) out.push_back(std::exchange(event, {}));
  }
  return out;
}

}  // namespace heed::test
