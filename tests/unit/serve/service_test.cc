// service_test.cc -- access, origins, errors, models, readiness, metrics, the page.
#include "serve/service.h"

#include "tests/unit/serve/service_fixture.h"

namespace heed {
namespace {

using nlohmann::json;
using test::becomes;
using test::call;
using test::Client;
using test::FakeSpec;
using test::Headers;
using test::Reply;

class ServiceHttpTest : public test::ServiceTest {
 protected:
  static ServiceOptions keyed() { return ServiceOptions{.api_keys = {"sk-test-key"}}; }
};

bool is_error_object(const Reply& reply) {
  const json body = reply.json();
  return body.is_object() && body.contains("error") && body["error"]["message"].is_string() &&
         body["error"]["type"].is_string() && body["error"].contains("param") && body["error"].contains("code");
}

// Ask: open servers without auth. Every route, every credential, every spelling.
TEST_F(ServiceHttpTest, OpenServersWithoutAuth) {
  start({}, keyed());
  const std::vector<std::pair<std::string, std::string>> routes = {{"GET", "/models"},
                                                                   {"GET", "/models/fake"},
                                                                   {"GET", "/metrics"},
                                                                   {"GET", "/openapi.json"},
                                                                   {"POST", "/chat/completions"},
                                                                   {"POST", "/completions"},
                                                                   {"POST", "/tokenize"},
                                                                   {"POST", "/detokenize"},
                                                                   {"POST", "/apply-template"},
                                                                   {"POST", "/messages"},
                                                                   {"POST", "/messages/count_tokens"},
                                                                   {"GET", "/nothing"},
                                                                   {"DELETE", "/models"},
                                                                   {"PUT", "/health"},
                                                                   {"HEAD", "/models"}};
  const std::vector<Headers> wrong = {{},
                                      {{"Authorization", "Bearer sk-wrong-key"}},
                                      {{"Authorization", "sk-test-key"}},
                                      {{"x-api-key", "sk-test-ke"}},
                                      {{"Cookie", "sk-test-key"}},
                                      {{"Authorization", "Basic sk-test-key"}}};
  for (const auto& [method, path] : routes) {
    for (const std::string& prefix : {std::string(), std::string("/v1")}) {
      for (const Headers& headers : wrong) {
        const Reply reply = call(port(), method, prefix + path, method == "POST" ? "{}" : "", headers);
        EXPECT_EQ(reply.status, 401) << method << " " << prefix << path;
        EXPECT_EQ(reply.header("www-authenticate"), "Bearer");
      }
      for (const Headers& headers :
           {Headers{{"Authorization", "Bearer sk-test-key"}}, Headers{{"X-Api-Key", "sk-test-key"}}}) {
        EXPECT_NE(call(port(), method, prefix + path, method == "POST" ? "{}" : "", headers).status, 401)
            << method << prefix << path;
      }
    }
  }
  for (const char* spelling :
       {"//models", "/./models", "/health/../models", "/%6dodels", "/v1/%6dodels", "/models/", "/MODELS", "/models%00",
        "/v1//models", "/health%2f..%2fmodels", "/models;x", "/models%20", "/v1/v1/models", "/health/models"}) {
    const Reply reply = get(spelling);
    EXPECT_TRUE(reply.status == 400 || reply.status == 401) << spelling << " " << reply.status;
    EXPECT_EQ(reply.body.find("\"fake\""), std::string::npos) << spelling;
  }
  EXPECT_EQ(get("/models?key=sk-test-key").status, 401);
  EXPECT_EQ(get("/health").status, 200);
  EXPECT_EQ(get("/").status, 200);
  EXPECT_NE(get("/ready").status, 401);
}

TEST_F(ServiceHttpTest, ErrorsAreOpenAiObjectsEverywhere) {
  start();
  const Reply missing = get("/nothing");
  EXPECT_EQ(missing.status, 404);
  EXPECT_TRUE(is_error_object(missing));
  const Reply wrong = call(port(), "DELETE", "/v1/models");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("allow"), "GET, HEAD");
  EXPECT_TRUE(is_error_object(wrong));
  const Reply post_only = get("/v1/chat/completions");
  EXPECT_EQ(post_only.status, 405);
  EXPECT_EQ(post_only.header("allow"), "POST");
  for (const char* body : {"", "{", "[]", "{\"messages\":\"hello\"}"}) {
    const Reply reply = call(port(), "POST", "/v1/chat/completions", body);
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_TRUE(is_error_object(reply)) << body;
  }
  Client client(port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  const Reply grammar = client.reply();
  EXPECT_EQ(grammar.status, 400);
  EXPECT_TRUE(is_error_object(grammar));
}

TEST_F(ServiceHttpTest, PathsWithAndWithoutVersion) {
  start({.model = {.mode = FakeMode::echo}});
  for (const char* path : {"/v1/chat/completions", "/chat/completions"}) EXPECT_EQ(post(path, ask()).status, 200);
  for (const char* path : {"/v1/models", "/models", "/v1/health", "/health", "/v1/ready", "/openapi.json"})
    EXPECT_EQ(get(path).status, 200) << path;
}

TEST_F(ServiceHttpTest, RequestIdComesBackOrIsMade) {
  start();
  EXPECT_EQ(get("/health", {{"X-Request-Id", "my-id_1.2"}}).header("x-request-id"), "my-id_1.2");
  const std::string first = get("/health").header("x-request-id"), second = get("/health").header("x-request-id");
  EXPECT_TRUE(first.starts_with("req_"));
  EXPECT_NE(first, second);
  EXPECT_TRUE(get("/health", {{"X-Request-Id", "<script>"}}).header("x-request-id").starts_with("req_"));
  EXPECT_TRUE(get("/health", {{"X-Request-Id", std::string(200, 'a')}}).header("x-request-id").starts_with("req_"));
}

TEST_F(ServiceHttpTest, HeadHasTheHeadersOfGet) {
  start();
  const Reply head = call(port(), "HEAD", "/v1/models"), whole = get("/v1/models");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-length"), std::to_string(whole.body.size()));
  Client client(port());
  client.send(test::request_text("HEAD", "/v1/models") + test::request_text("GET", "/health"));
  EXPECT_EQ(client.reply(false).status, 200);
  EXPECT_EQ(client.reply().json()["status"], "ok") << "no body came after HEAD";
}

TEST_F(ServiceHttpTest, OriginsOfLoopbackPagesAreAllowedOthersNot) {
  start();
  const auto with_origin = [&](const char* origin) { return get("/v1/models", {{"Origin", origin}}); };
  for (const char* origin :
       {"http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:80", "https://localhost"}) {
    EXPECT_EQ(with_origin(origin).status, 200) << origin;
    EXPECT_EQ(with_origin(origin).header("access-control-allow-origin"), origin);
    EXPECT_EQ(with_origin(origin).header("vary"), "Origin");
    EXPECT_EQ(with_origin(origin).header("access-control-allow-credentials"), "");
  }
  for (const char* origin : {"http://evil.example", "http://localhost.evil.example", "http://127.0.0.1.evil.example",
                             "null", "http://127.evil", "localhost"}) {
    EXPECT_EQ(with_origin(origin).status, 403) << origin;
    EXPECT_EQ(with_origin(origin).header("access-control-allow-origin"), "") << origin;
  }
}

TEST_F(ServiceHttpTest, CorsCanBeOpenedOrNarrowed) {
  start({}, {.api_keys = {"sk-test-key"}, .cors_origins = {"https://app.example"}});
  const Headers key = {{"Authorization", "Bearer sk-test-key"}};
  const auto status = [&](const char* origin) {
    Headers headers = key;
    headers.emplace_back("Origin", origin);
    return get("/v1/models", headers).status;
  };
  EXPECT_EQ(status("https://app.example"), 200);
  EXPECT_EQ(status("http://app.example"), 403);
  EXPECT_EQ(status("http://localhost:1"), 403);
}

TEST_F(ServiceHttpTest, PreflightNeedsNoKey) {
  start({}, {.api_keys = {"sk-test-key"}, .cors_origins = {"*"}});
  const Reply reply = call(port(), "OPTIONS", "/v1/chat/completions", {},
                           {{"Origin", "https://a.example"},
                            {"Access-Control-Request-Method", "POST"},
                            {"Access-Control-Request-Headers", "authorization,x-stainless-os"}});
  EXPECT_EQ(reply.status, 204);
  EXPECT_EQ(reply.header("access-control-allow-origin"), "https://a.example");
  EXPECT_EQ(reply.header("access-control-allow-headers"), "authorization,x-stainless-os");
  EXPECT_NE(reply.header("access-control-allow-methods").find("POST"), std::string::npos);
}

TEST_F(ServiceHttpTest, ForeignHostNamesAreRefusedWithoutKeys) {
  start();
  const auto status = [&](const std::string& host) {
    Client client(port());
    client.send("GET /v1/models HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    return client.reply().status;
  };
  for (const char* host : {"localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "x.localhost"})
    EXPECT_EQ(status(host), 200) << host;
  for (const char* host :
       {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "10.0.0.1", "[fe80::1]"})
    EXPECT_EQ(status(host), 403) << host;
}

TEST_F(ServiceHttpTest, ModelsAreListedAndShown) {
  sources.specs = {{"one", {}}, {"org/two", {.chat_template = ""}}};
  start();
  fake("one");
  const json list = get("/v1/models").json();
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 2u);
  EXPECT_EQ(list["data"][0]["id"], "one");
  EXPECT_EQ(list["data"][0]["object"], "model");
  EXPECT_EQ(list["data"][0]["created"], 1'700'000'000);
  EXPECT_EQ(list["data"][0]["owned_by"], "heed");
  EXPECT_EQ(list["data"][0]["heed"]["loaded"], true);
  EXPECT_EQ(list["data"][0]["heed"]["context_length"], 2048);
  EXPECT_EQ(list["data"][1]["heed"]["loaded"], false);
  EXPECT_EQ(get("/v1/models/org%2Ftwo").json()["id"], "org/two");
  const Reply missing = get("/v1/models/three");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.json()["error"]["code"], "model_not_found");
}

TEST_F(ServiceHttpTest, ModelIsSwitchedByRequest) {
  sources.specs = {{"one", {.model = {.mode = FakeMode::echo}}}, {"two", {.model = {.mode = FakeMode::echo}}}};
  start();
  for (const char* name : {"one", "two", "one", "two"}) {
    const Reply reply = post("/v1/chat/completions", ask("x", {{"model", name}}));
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.json()["model"], name);
  }
  EXPECT_EQ(sources.loads, 4);
  EXPECT_EQ(sources.most_alive, 1) << "one model in memory at a time";
  EXPECT_EQ(post("/v1/chat/completions", ask("x")).json()["model"], "one") << "the first is the default";
}

TEST_F(ServiceHttpTest, SwitchingWaitsForRunningAnswers) {
  sources.specs = {{"one", {.model = {.mode = FakeMode::echo, .step_sleep_us = 20'000}}},
                   {"two", {.model = {.mode = FakeMode::echo}}}};
  start();
  FakeModel& one = fake("one");
  Client client(port());
  client.send(test::request_text("POST", "/v1/chat/completions", ask("a long answer", {{"model", "one"}}).dump()));
  ASSERT_TRUE(becomes([&] { return one.steps() > 1; }));
  EXPECT_EQ(post("/v1/chat/completions", ask("x", {{"model", "two"}})).status, 200);
  EXPECT_EQ(client.reply().json()["choices"][0]["message"]["content"], "a long answer");
  EXPECT_EQ(sources.most_alive, 1);
}

TEST_F(ServiceHttpTest, ReadyFollowsTheModelHealthDoesNot) {
  sources.load_ms = 500;
  start({.model = {.mode = FakeMode::echo}});
  service->models().preload();
  EXPECT_EQ(get("/health").json()["status"], "ok");
  const Reply loading = get("/ready");
  EXPECT_EQ(loading.status, 503);
  EXPECT_EQ(loading.header("retry-after"), "1");
  EXPECT_EQ(post("/v1/chat/completions", ask("waits for the load")).status, 200);
  const Reply ready = get("/ready");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(ready.json()["models"], json::array({"fake"}));
}

TEST_F(ServiceHttpTest, FailedLoadIsToldAndTriedAgain) {
  sources.fails = true;
  start({.model = {.mode = FakeMode::echo}});
  const Reply reply = post("/v1/chat/completions", ask());
  EXPECT_EQ(reply.status, 500);
  EXPECT_NE(reply.body.find("the disk is gone"), std::string::npos);
  EXPECT_NE(get("/ready").body.find("the disk is gone"), std::string::npos);
  sources.fails = false;
  EXPECT_EQ(post("/v1/chat/completions", ask()).status, 200);
  EXPECT_EQ(get("/ready").status, 200);
}

TEST_F(ServiceHttpTest, DisconnectWhileLoadingGeneratesNothing) {
  sources.load_ms = 300;
  start();
  {
    Client client(port());
    client.send(test::request_text("POST", "/v1/chat/completions", ask().dump()));
    ASSERT_TRUE(becomes([&] { return sources.loads == 1; }));
  }
  FakeModel& model = fake();
  ASSERT_TRUE(becomes([&] { return server->active_requests() == 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(model.steps(), 0);
}

TEST_F(ServiceHttpTest, DrainingRefusesNewWorkWith503) {
  start({.model = {.mode = FakeMode::echo}});
  Client client(port());
  client.send(test::request_text("GET", "/health"));
  ASSERT_EQ(client.reply().status, 200);
  service->start_draining();
  const Reply reply = post("/v1/chat/completions", ask());
  EXPECT_EQ(reply.status, 503);
  EXPECT_FALSE(reply.header("retry-after").empty());
  EXPECT_EQ(get("/health").status, 200);
}

TEST_F(ServiceHttpTest, DrainLosesNoAcceptedRequest) {
  start({.model = {.mode = FakeMode::echo, .step_sleep_us = 5'000}, .engine = {.max_running = 4}});
  fake();
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] { good += post("/v1/chat/completions", ask("an answer of some length")).status == 200; });
  }
  ASSERT_TRUE(becomes([&] { return server->active_requests() == 8; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  service->start_draining();
  EXPECT_TRUE(server->drain(20'000));
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 8);
}

// Ask: no metrics.
TEST_F(ServiceHttpTest, NoMetrics) {
  start({.model = {.mode = FakeMode::echo}});
  post("/v1/chat/completions", ask("hello"));
  get("/nothing/" + std::string(50, 'x'));
  const Reply reply = get("/metrics");
  EXPECT_EQ(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const char* line :
       {"heed_http_requests_total{code=\"200\",route=\"/chat/completions\"} 1",
        "heed_http_requests_total{code=\"404\",route=\"other\"} 1", "heed_tokens_total{kind=\"prompt\"} 24",
        "heed_time_to_first_token_seconds_count 1", "heed_http_requests_in_flight 1",
        "heed_generations_total{reason=\"stop\"} 1", "heed_models_loaded 1", "heed_build_info{version=\"test\"} 1"}) {
    EXPECT_NE(reply.body.find(line), std::string::npos) << line << "\n" << reply.body;
  }
}

TEST_F(ServiceHttpTest, OpenApiDescribesWhatIsServed) {
  start();
  const json document = get("/openapi.json").json();
  EXPECT_EQ(document["openapi"], "3.1.0");
  for (const char* path : {"/v1/chat/completions", "/v1/completions", "/v1/models/{id}", "/v1/health", "/v1/tokenize"})
    EXPECT_TRUE(document["paths"].contains(path)) << path;
  const json& chat = document["components"]["schemas"]["ChatRequest"]["properties"];
  for (const ParamRow& row : parameter_table()) {
    if ((row.endpoints & kChatEndpoint) == 0) continue;
    EXPECT_TRUE(chat.contains(std::string(row.name))) << row.name;
  }
  EXPECT_EQ(chat["temperature"]["maximum"], 2.0);
}

TEST_F(ServiceHttpTest, PageIsServedInTheBestEncoding) {
  static const StaticFile files[] = {
      {"/index.html", "text/html; charset=utf-8", "\"tag1\"", false, "plain page", "gz", "br"},
      {"/assets/a-12345678.js", "text/javascript", "\"tag2\"", true, "code", "", ""}};
  start({}, {.api_keys = {"sk-test-key"}, .files = files});
  const auto encoded = [&](const char* accept) { return get("/", {{"Accept-Encoding", accept}}); };
  EXPECT_EQ(get("/").body, "plain page");
  EXPECT_EQ(encoded("gzip, deflate, br").header("content-encoding"), "br");
  EXPECT_EQ(encoded("gzip, deflate, br").body, "br");
  EXPECT_EQ(encoded("gzip").body, "gz");
  EXPECT_EQ(encoded("br;q=0, gzip;q=0.5").body, "gz");
  EXPECT_EQ(encoded("identity").body, "plain page");
  const Reply page = get("/index.html");
  EXPECT_EQ(page.header("etag"), "\"tag1\"");
  EXPECT_EQ(page.header("cache-control"), "no-cache");
  EXPECT_NE(page.header("content-security-policy").find("script-src 'self';"), std::string::npos);
  EXPECT_EQ(page.header("x-content-type-options"), "nosniff");
  const Reply known = get("/", {{"If-None-Match", "\"tag1\""}});
  EXPECT_EQ(known.status, 304);
  EXPECT_TRUE(known.body.empty());
  EXPECT_NE(get("/assets/a-12345678.js").header("cache-control").find("immutable"), std::string::npos);
  EXPECT_EQ(get("/assets/b.js").status, 401);
}

TEST_F(ServiceHttpTest, WithoutAPageTheRootSaysHowToBuildIt) {
  start();
  const Reply reply = get("/");
  EXPECT_EQ(reply.status, 200);
  EXPECT_NE(reply.body.find("make web"), std::string::npos);
}

}  // namespace
}  // namespace heed
