// http_server_test.cc -- the server over real sockets with a handler of a few lines: framing, limits, timeouts, slow
// clients, disconnects, drain.
#include "serve/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "tests/unit/serve/http_client.h"

namespace heed {
namespace {

using test::becomes;
using test::Client;
using test::Reply;
using namespace std::chrono_literals;

/// /echo answers with method, path and body; /flood streams until told to stop; /hold answers when released; /drop
/// never answers; /refuse is refused on its head.
class EchoHandler final : public HttpHandler {
 public:
  ~EchoHandler() override { stop_flood(); }
  std::optional<HttpResponse> on_head(HttpRequest& request) override {
    if (request.path == "/refuse") return HttpResponse{.status = 401, .content_type = "text/plain", .body = "no"};
    return std::nullopt;
  }
  void on_request(std::shared_ptr<const HttpRequest> request, std::shared_ptr<ResponseWriter> writer) override {
    ++requests;
    if (request->path == "/drop") return;
    if (request->path == "/hold") {
      writer->on_disconnect([this] { ++disconnects; });
      const std::lock_guard lock(mutex);
      held.push_back(std::move(writer));
      return;
    }
    if (request->path == "/flood") return flood(std::move(writer));
    if (request->path == "/stream") {
      writer->start(HttpResponse{.content_type = "text/plain", .body = "one,"});
      writer->write("two,");
      writer->write("");
      writer->write("three");
      return writer->end();
    }
    writer->send(HttpResponse{.content_type = "text/plain",
                              .body = request->method + " " + request->path + " " + request->body});
  }
  void flood(std::shared_ptr<ResponseWriter> writer) {
    writer->on_disconnect([this] { ++disconnects; });
    writer->start(HttpResponse{.content_type = "text/plain"});
    stop_flood();
    is_flooding = true;
    flooder = std::thread([this, writer] {
      while (is_flooding && disconnects == 0) {
        writer->write(std::string(4096, 'x'));
        std::this_thread::sleep_for(100us);
      }
      writer->end();
    });
  }
  void stop_flood() {
    is_flooding = false;
    if (flooder.joinable()) flooder.join();
  }
  void release() {
    const std::lock_guard lock(mutex);
    for (auto& writer : held) writer->send(HttpResponse{.content_type = "text/plain", .body = "held"});
    held.clear();
  }
  std::vector<HttpHeader> common_headers(const HttpRequest&) override { return {}; }
  HttpResponse on_fault(const HttpRequest&, std::int32_t status, const std::string& text) override {
    return HttpResponse{.status = status, .content_type = "text/plain", .body = text};
  }
  void on_done(const HttpRequest&, std::int32_t status, double) override { last_status = status; }
  void on_connections(std::int64_t) override {}
  void on_active(std::int64_t) override {}

  std::atomic<int> requests{0}, disconnects{0}, last_status{0};
  std::atomic<bool> is_flooding{false};
  std::thread flooder;
  std::mutex mutex;
  std::vector<std::shared_ptr<ResponseWriter>> held;
};

class HttpServerTest : public testing::Test {
 protected:
  void start(HttpOptions options = {}) {
    options.port = 0;
    auto made = HttpServer::start(options, handler);
    ASSERT_TRUE(made) << made.error().text;
    server = std::move(*made);
  }
  void TearDown() override {
    handler.release();
    handler.stop_flood();
    if (server) server->stop();
  }
  int port() const { return server->port(); }

  EchoHandler handler;
  std::unique_ptr<HttpServer> server;
};

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  start();
  Client client(port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send(test::request_text("POST", "/echo", "body" + std::to_string(i))));
    const Reply reply = client.reply();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "POST /echo body" + std::to_string(i));
    EXPECT_EQ(reply.header("connection"), "keep-alive");
  }
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  Client client(port());
  std::string all;
  for (int i = 0; i < 20; ++i) all += test::request_text("POST", "/echo", std::to_string(i));
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.reply().body, "POST /echo " + std::to_string(i));
}

TEST_F(HttpServerTest, StreamsAreChunkedByteForByte) {
  start();
  Client client(port());
  ASSERT_TRUE(client.send(test::request_text("GET", "/stream")));
  ASSERT_TRUE(client.receive_until("0\r\n\r\n"));
  const std::string& raw = client.buffer();
  EXPECT_EQ(raw.substr(raw.find("\r\n\r\n") + 4), "4\r\none,\r\n4\r\ntwo,\r\n5\r\nthree\r\n0\r\n\r\n");
}

TEST_F(HttpServerTest, Http10StreamEndsWithTheConnection) {
  start();
  Client client(port());
  ASSERT_TRUE(client.send("GET /stream HTTP/1.0\r\n\r\n"));
  const Reply reply = client.reply();
  EXPECT_EQ(reply.body, "one,two,three");
  EXPECT_EQ(reply.header("transfer-encoding"), "");
  EXPECT_EQ(reply.header("connection"), "close");
}

TEST_F(HttpServerTest, SplitAtEveryByteGivesTheSameAnswer) {
  start();
  const std::string plain = test::request_text("POST", "/echo", "hello");
  const std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
  for (const std::string& text : {plain, chunked}) {
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      Client client(port());
      ASSERT_TRUE(client.send(text.substr(0, cut)));
      std::this_thread::sleep_for(500us);
      ASSERT_TRUE(client.send(text.substr(cut)));
      const Reply reply = client.reply();
      ASSERT_EQ(reply.status, 200) << cut;
      ASSERT_EQ(reply.body, "POST /echo hello") << cut;
    }
  }
}

TEST_F(HttpServerTest, ByteByByteGivesTheSameAnswer) {
  start();
  Client client(port());
  for (const char c : test::request_text("POST", "/echo", "hello")) ASSERT_TRUE(client.send(std::string_view(&c, 1)));
  EXPECT_EQ(client.reply().body, "POST /echo hello");
}

TEST_F(HttpServerTest, AmbiguousRequestsAre400AndTheConnectionEnds) {
  start();
  const std::string start_line = "POST /echo HTTP/1.1\r\nHost: h\r\n";
  const std::string chunked = start_line + "Transfer-Encoding: chunked\r\n\r\n";
  const std::vector<std::string> rows = {
      start_line + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      start_line + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
      start_line + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
      start_line + "X: a\r\n b\r\n\r\n",
      start_line + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      "GET http://other/echo HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "GET /echo\r\n\r\n",
      chunked + "5\nhello\r\n0\r\n\r\n",
      chunked + "0x5\r\nhello\r\n0\r\n\r\n",
      chunked + "+5\r\nhello\r\n0\r\n\r\n",
      chunked + "-5\r\nhello\r\n0\r\n\r\n",
      chunked + "5\r\nhelloX\r\n0\r\n\r\n",
      chunked + "4\r\nhello\r\n0\r\n\r\n",
      chunked + "g\r\nhello\r\n0\r\n\r\n",
      chunked + "\r\nhello\r\n0\r\n\r\n",
      chunked + "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
  };
  for (const std::string& row : rows) {
    Client client(port());
    ASSERT_TRUE(client.send(row));
    const Reply reply = client.reply();
    EXPECT_EQ(reply.status, 400) << row;
    EXPECT_EQ(reply.header("connection"), "close") << row;
    EXPECT_TRUE(client.is_closed()) << row;
  }
  EXPECT_EQ(handler.requests, 0);
}

TEST_F(HttpServerTest, HeadOverItsLimitIs431) {
  start();
  Client client(port());
  client.send("GET /echo HTTP/1.1\r\nHost: h\r\nX: " + std::string(40'000, 'a') + "\r\n\r\n");
  EXPECT_EQ(client.reply().status, 431);
}

TEST_F(HttpServerTest, BodyOverItsLimitIs413) {
  start({.max_body_bytes = 1000});
  EXPECT_EQ(test::call(port(), "POST", "/echo", std::string(1000, 'a')).status, 200);
  EXPECT_EQ(test::call(port(), "POST", "/echo", std::string(1001, 'a')).status, 413);
  Client client(port());
  std::string text = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 11; ++i) text += "64\r\n" + std::string(100, 'a') + "\r\n";
  client.send(text + "0\r\n\r\n");
  EXPECT_EQ(client.reply().status, 413);
}

TEST_F(HttpServerTest, RefusedHeadIsAnsweredBeforeTheBody) {
  start();
  Client client(port());
  client.send("POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_EQ(client.reply().status, 401);
  client.send(std::string(1'000'000, 'a'));  // still read and dropped, so that the answer arrives
  EXPECT_TRUE(client.is_closed());
}

TEST_F(HttpServerTest, ExpectContinueIsAnswered) {
  start();
  Client client(port());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  ASSERT_TRUE(client.receive_until("100 Continue\r\n\r\n"));
  client.send("hello");
  EXPECT_EQ(client.reply().body, "POST /echo hello");
}

TEST_F(HttpServerTest, SlowHeadIs408) {
  start({.header_timeout_ms = 300});
  Client client(port());
  client.send("GET /echo HT");
  EXPECT_EQ(client.reply().status, 408);
  EXPECT_TRUE(client.is_closed());
}

TEST_F(HttpServerTest, HeadThatDripsIsCutAtTheSameTime) {
  start({.header_timeout_ms = 400});
  Client client(port());
  const auto begin = std::chrono::steady_clock::now();
  client.send("GET /echo HTTP/1.1\r\n");
  while (std::chrono::steady_clock::now() - begin < 5s && client.buffer().empty()) {
    client.send("X: y\r\n");
    client.receive(50);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
  EXPECT_NE(client.buffer().find(" 408 "), std::string::npos);
}

TEST_F(HttpServerTest, IdleConnectionsAreClosed) {
  start({.idle_timeout_ms = 300});
  Client client(port());
  EXPECT_TRUE(client.is_closed(5'000));
}

TEST_F(HttpServerTest, DisconnectIsNoticedWhileTheAnswerIsMade) {
  start();
  Client client(port());
  client.send(test::request_text("POST", "/hold", "x"));
  ASSERT_TRUE(becomes([&] { return handler.requests == 1; }));
  client.close();
  EXPECT_TRUE(becomes([&] { return handler.disconnects == 1; }, 2s));
  EXPECT_TRUE(becomes([&] { return server->active_requests() == 0; }));
  EXPECT_EQ(handler.last_status, 499);
}

TEST_F(HttpServerTest, SlowClientIsEvicted) {
  start({.max_queued_bytes = 1 << 20, .write_timeout_ms = 1'000});
  Client client(port(), 4096);
  client.send(test::request_text("GET", "/flood"));
  EXPECT_TRUE(becomes([&] { return handler.disconnects == 1; }, 10s));
  EXPECT_TRUE(becomes([&] { return server->open_connections() == 0; }));
}

TEST_F(HttpServerTest, FastClientIsNotEvicted) {
  start({.write_timeout_ms = 1'000});
  Client client(port());
  client.send(test::request_text("GET", "/flood"));
  const auto end = std::chrono::steady_clock::now() + 1500ms;
  while (std::chrono::steady_clock::now() < end) ASSERT_TRUE(client.receive());
  EXPECT_EQ(handler.disconnects, 0);
}

TEST_F(HttpServerTest, DroppedWriterGives500) {
  start();
  EXPECT_EQ(test::call(port(), "POST", "/drop", "x").status, 500);
  EXPECT_EQ(test::call(port(), "GET", "/drop").status, 500);
}

TEST_F(HttpServerTest, ConnectionsAreLimited) {
  start({.max_connections = 3});
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(port()));
    clients.back()->send(test::request_text("GET", "/echo"));
    ASSERT_EQ(clients.back()->reply().status, 200);
  }
  Client more(port());
  EXPECT_TRUE(more.is_closed(2'000));
  clients.clear();
  ASSERT_TRUE(becomes([&] { return server->open_connections() == 0; }));
  EXPECT_EQ(test::call(port(), "GET", "/echo").status, 200);
}

TEST_F(HttpServerTest, DrainFinishesAnswersUnderWay) {
  start();
  Client busy(port()), idle(port());
  busy.send(test::request_text("POST", "/hold", "x"));
  ASSERT_TRUE(becomes([&] { return handler.requests == 1; }));
  bool is_clean = false;
  std::thread drainer([&] { is_clean = server->drain(10'000); });
  EXPECT_TRUE(idle.is_closed(5'000));
  EXPECT_FALSE(Client(port()).send("GET / HTTP/1.1\r\n") && Client(port()).is_connected());
  handler.release();
  const Reply reply = busy.reply();
  drainer.join();
  EXPECT_TRUE(is_clean);
  EXPECT_EQ(reply.body, "held");
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_TRUE(busy.is_closed());
}

TEST_F(HttpServerTest, DrainGivesUpAfterItsTime) {
  start();
  Client busy(port());
  busy.send(test::request_text("POST", "/hold", "x"));
  ASSERT_TRUE(becomes([&] { return handler.requests == 1; }));
  EXPECT_FALSE(server->drain(100));
}

TEST_F(HttpServerTest, PortInUseNamesThePort) {
  start();
  EchoHandler other;
  const auto second = HttpServer::start({.port = port()}, other);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text.find(std::to_string(port())), std::string::npos);
  EXPECT_NE(second.error().text.find("--port"), std::string::npos);
}

TEST_F(HttpServerTest, BadHostIsRefused) {
  EchoHandler other;
  EXPECT_FALSE(HttpServer::start({.host = "not an address", .port = 0}, other));
}

TEST_F(HttpServerTest, ManyConnectionsAtOnce) {
  start({.io_threads = 2});
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) good += test::call(port(), "POST", "/echo", "x").status == 200;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 400);
  EXPECT_TRUE(becomes([&] { return server->open_connections() == 0; }));
}

}  // namespace
}  // namespace heed
