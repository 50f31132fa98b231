// http_grammar_test.cc -- the strict reader of heads and paths, row by row.
#include "serve/http_grammar.h"

#include <gtest/gtest.h>

namespace heed {
namespace {

using namespace std::string_literals;

TEST(HttpGrammar, ReadsAPlainHead) {
  const auto request =
      parse_head("POST /v1/x?a=b HTTP/1.1\r\nHost: h\r\nX-Thing:  some value \r\nContent-Length: 3\r\n\r\n");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->path, "/v1/x");
  EXPECT_EQ(request->query, "a=b");
  EXPECT_EQ(*request->header("x-thing"), "some value");
  EXPECT_TRUE(request->keep_alive);
}

TEST(HttpGrammar, KeepAliveFollowsVersionAndHeader) {
  EXPECT_FALSE(parse_head("GET / HTTP/1.0\r\n\r\n")->keep_alive);
  EXPECT_TRUE(parse_head("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")->keep_alive);
  EXPECT_FALSE(parse_head("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")->keep_alive);
}

TEST(HttpGrammar, RefusesEveryAmbiguousHead) {
  const std::string start = "POST / HTTP/1.1\r\nHost: h\r\n";
  const std::vector<std::string> rows = {
      start + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
      start + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
      start + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
      start + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
      start + "Content-Length: 3, 3\r\n\r\n",
      start + "Content-Length: +3\r\n\r\n",
      start + "Content-Length: -3\r\n\r\n",
      start + "Content-Length: 0x3\r\n\r\n",
      start + "Content-Length: \r\n\r\n",
      start + "Content-Length: 3 3\r\n\r\n",
      start + "Content-Length: 99999999999999999999999\r\n\r\n",
      start + "Transfer-Encoding: gzip, chunked\r\n\r\n",
      start + "Transfer-Encoding: identity\r\n\r\n",
      start + "Transfer-Encoding: chunked, chunked\r\n\r\n",
      start + "Transfer-Encoding: xchunked\r\n\r\n",
      start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      start +
          "Transfer-Encoding: \x0b"
          "chunked\r\n\r\n",
      start + "X-A: b\r\n c\r\n\r\n",
      start + "X-A: b\r\n\tc\r\n\r\n",
      start + " X-A: b\r\n\r\n",
      start + "X-A : b\r\n\r\n",
      start + ": b\r\n\r\n",
      start + "X-A\r\n\r\n",
      start + "X(A): b\r\n\r\n",
      start + "X-A: b\0c\r\n\r\n"s,
      start + "X-A: b\rc\r\n\r\n",
      start + "X-A: b\nX-B: c\r\n\r\n",
      start + "Host: other\r\n\r\n",
      start + "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
      "POST / HTTP/1.1\r\n\r\n",
      "POST / HTTP/1.1\nHost: h\n\n",
      "POST /  HTTP/1.1\r\nHost: h\r\n\r\n",
      "POST  / HTTP/1.1\r\nHost: h\r\n\r\n",
      " POST / HTTP/1.1\r\nHost: h\r\n\r\n",
      "POST / HTTP/1.1 \r\nHost: h\r\n\r\n",
      "POST / HTTP/2.0\r\nHost: h\r\n\r\n",
      "POST / HTTP/1.10\r\nHost: h\r\n\r\n",
      "POST / http/1.1\r\nHost: h\r\n\r\n",
      "POST /\r\nHost: h\r\n\r\n",
      "POST http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
      "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET health HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n",
      "G@T / HTTP/1.1\r\nHost: h\r\n\r\n",
      "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
      "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
      "\r\n\r\n",
      "",
  };
  for (const std::string& row : rows) EXPECT_FALSE(parse_head(row)) << row;
}

TEST(HttpGrammar, SurvivesEveryCut) {
  const std::string head = "POST /v1/x?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
  for (std::size_t i = 0; i < head.size(); ++i) EXPECT_FALSE(parse_head(head.substr(0, i))) << i;
  ASSERT_TRUE(parse_head(head));
}

TEST(HttpGrammar, PathsHaveOneSpelling) {
  EXPECT_EQ(split_path("/v1/models/a")->size(), 3u);
  EXPECT_EQ(split_path("/")->size(), 0u);
  EXPECT_EQ(decode_segment(split_path("/v1/models/a%2Fb")->at(2)), "a/b");
  for (const char* path :
       {"//health", "/health/", "/v1//models", "/./health", "/../health", "/v1/..", "/%2e/health", "/%2E%2e/health",
        "/.%2e/x", "/a%", "/a%4", "/a%zz", "/a%00", "/a%0d", "/a\\b", "/a%5cb", "", "health"}) {
    EXPECT_FALSE(split_path(path)) << path;
  }
}

}  // namespace
}  // namespace heed
