// hub_test.cc -- names of a hub: their grammar, choosing a file, and pulls from a small hub on this machine.
#include "store/hub.h"

#include <map>

#include "store/blobs.h"
#include "tests/unit/store/loopback_server.h"
#include "tests/unit/store/store_fixture.h"

namespace heed {
namespace {

using namespace testing_store;

TEST(HubNames, AreReadAndWrittenAlike) {
  for (const char* text : {"owner/repo", "owner/repo:file.gguf", "owner/repo:Q4_K_M", "o.w-n_er/Re.po@v1.0:a/b c.gguf",
                           "owner/repo@refs/pr/1:x.gguf", "owner/repo@0123abc"}) {
    const auto name = parse_hub_name(text);
    ASSERT_TRUE(name) << text;
    EXPECT_EQ(name->text(), text);
    if (name->file.empty()) continue;
    EXPECT_EQ(hub_name_of_path(name->directory() + "/" + name->file)->text(), text);
  }
  EXPECT_EQ(parse_hub_name("a/b")->revision, "main");
  EXPECT_EQ(parse_hub_name("a/b@refs/pr/1")->directory(), "a/b@refs%2Fpr%2F1");
}

TEST(HubNames, NothingCanLeaveItsPlace) {
  for (const char* text :
       {"",     "/",        "a",        "a/",         "/b",     "../b",     "a/..",        "./a",
        "~/a",  "a/b:",     "a/b:../c", "a/b:c/../d", "a/b:/c", "a/b:c//d", "a/b:.hidden", "a/b:c/.d",
        "a/b@", "a/b@../c", "a/b@x..y", "a/b@-x",     "a/b@/x", "a/b@x/",   "a/b@x y",     "-a/b",
        ".a/b", "a/b/c",    "a b/c",    "a/b?x",      "a/b%2e", "a/b:c\\d", "a/b:c\nd",    "a/b:x.gguf.partial",
        "ä/b"})
    EXPECT_FALSE(parse_hub_name(text)) << text;
  EXPECT_FALSE(parse_hub_name("a/" + std::string(97, 'b')));
  EXPECT_FALSE(parse_hub_name("a/b:" + std::string(600, 'c')));
  EXPECT_FALSE(parse_hub_name("a/b:" + std::string("c\0d", 3)));
}

TEST(HubNames, RandomTextsNeverLeaveEither) {
  const std::string letters = "ab/.:@%-_~ \\\n2FQK";
  std::uint32_t state = 1;
  const auto random = [&](std::size_t n) {
    state = state * 1664525u + 1013904223u;
    return static_cast<std::size_t>(state >> 16) % n;
  };
  int names = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text = i % 2 == 0 ? "" : "a/b";
    for (std::size_t n = 1 + random(16); n > 0; --n) text += letters[random(letters.size())];
    type_in_name(text);
    const auto name = parse_hub_name(text);
    if (!name) continue;
    ++names;
    const std::string place = "models/" + name->directory() + "/" + name->file;
    EXPECT_EQ(fs::path(place).lexically_normal().string(), place) << text;
    EXPECT_EQ(place.find("/."), std::string::npos) << text;
    const auto again = parse_hub_name(name->text());
    ASSERT_TRUE(again) << text;
    EXPECT_EQ(again->text(), name->text());
  }
  EXPECT_GT(names, 1000);
}

TEST(HubNames, TheTypeIsPartOfTheFilesName) {
  const std::map<std::string, std::string> expected = {{"model-Q4_K_M.gguf", "Q4_K_M"},
                                                       {"model.q4_k_m.gguf", "Q4_K_M"},
                                                       {"qwen2.5-0.5b-q8_0.gguf", "Q8_0"},
                                                       {"UD-Q4_K_XL.gguf", "Q4_K_XL"},
                                                       {"m-IQ2_XXS.gguf", "IQ2_XXS"},
                                                       {"m-IQ4_NL.gguf", "IQ4_NL"},
                                                       {"m-bf16.gguf", "BF16"},
                                                       {"m-F16.gguf", "F16"},
                                                       {"m_TQ1_0.gguf", "TQ1_0"},
                                                       {"m-MXFP4.gguf", "MXFP4"},
                                                       {"m-Q4_0_4_4.gguf", "Q4_0_4_4"},
                                                       {"Q8_0/m.gguf", ""},
                                                       {"m-Q6_K-00001-of-00002.gguf", "Q6_K"},
                                                       {"m.gguf", ""},
                                                       {"m-Q4.gguf", ""},
                                                       {"m-Q9_K.gguf", ""},
                                                       {"mQ4_K.gguf", ""}};
  for (const auto& [file, type] : expected) EXPECT_EQ(type_in_name(file), type) << file;
}

std::vector<HubChoice> repository(const std::vector<std::string>& files) {
  std::vector<HubFile> all;
  for (const std::string& file : files) all.push_back({.path = file, .bytes = 10});
  return choices_of(std::move(all));
}

TEST(HubNames, AChoiceIsAFileATypeOrTheOnlyOne) {
  const auto choices = repository({"README.md", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m-Q8_0-00002-of-00002.gguf",
                                   "m-Q8_0-00001-of-00002.gguf", "m-F16-00001-of-00003.gguf", "mmproj-Q4_K_S.gguf"});
  ASSERT_EQ(choices.size(), 4u) << "no text, and no split file that lacks parts";
  const auto chosen = [&](const std::string& text) { return choose(choices, *parse_hub_name("o/r" + text)); };
  EXPECT_EQ(chosen(":m-Q4_K_M.gguf")->file, "m-Q4_K_M.gguf");
  EXPECT_EQ(chosen(":m-Q4_K_M")->file, "m-Q4_K_M.gguf");
  EXPECT_EQ(chosen(":q4_k_s")->file, "m-Q4_K_S.gguf") << "a projector is no model";
  EXPECT_EQ(chosen(":Q8_0")->parts.size(), 2u);
  EXPECT_EQ(chosen(":Q8_0")->bytes, 20);
  EXPECT_EQ(chosen(":m-Q8_0")->file, "m-Q8_0-00001-of-00002.gguf");
  const auto several = chosen("");
  ASSERT_FALSE(several);
  EXPECT_EQ(several.error().code, Code::invalid_argument);
  EXPECT_NE(several.error().text.find("name one, such as 'o/r:Q4_K_M'"), std::string::npos) << several.error().text;
  EXPECT_EQ(chosen(":Q5_0").error().code, Code::not_found);
  EXPECT_NE(chosen(":Q5_0").error().text.find("m-Q4_K_M.gguf, m-Q4_K_S.gguf"), std::string::npos);
  EXPECT_EQ(choose(repository({"one.gguf"}), *parse_hub_name("o/r"))->file, "one.gguf");
  EXPECT_NE(choose(repository({}), *parse_hub_name("o/r")).error().text.find("no GGUF file"), std::string::npos);
}

/// A hub on this machine: one repository o/r, files by path; how it misbehaves is the test's to say.
class FakeHub {
 public:
  std::map<std::string, std::string> files;
  std::string token;      // wanted; empty: none
  bool has_sums = true;   // says the SHA-256 of files
  std::string elsewhere;  // files lie there: a redirect
  std::function<std::optional<Answer>(const std::string& request, int number)> instead;
  LoopbackServer server{[this](const std::string& request, int number) { return answer(request, number); }};

  std::string endpoint() const { return server.url(""); }
  void use(const std::string& more = "") const { ::setenv("HEED_HUB", (endpoint() + more).c_str(), 1); }

 private:
  static Answer text(const std::string& status, const std::string& body) {
    return {"HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()), body};
  }
  std::string tree() const {
    std::string out = "[{\"type\":\"directory\",\"path\":\"sub\",\"size\":0}";
    for (const auto& [path, content] : files) {
      const std::string size = std::to_string(content.size());
      out += ",{\"type\":\"file\",\"path\":\"" + path + "\",\"size\":" + size + ",\"oid\":\"0\"";
      if (has_sums) out += ",\"lfs\":{\"oid\":\"" + sha256_of(content) + "\",\"size\":" + size + ",\"pointerSize\":9}";
      out += "}";
    }
    return out + "]";
  }
  Answer answer(const std::string& request, int number) {
    if (instead) {
      if (const auto other = instead(request, number)) return *other;
    }
    if (!token.empty() && request.find("\r\nAuthorization: Bearer " + token + "\r\n") == std::string::npos)
      return text("401 Unauthorized", "no");
    const std::string path = request.substr(4, request.find(' ', 4) - 4);
    if (path == "/api/models/o/r/tree/main?recursive=true") return text("200 OK", tree());
    const std::string place = "/o/r/resolve/main/";
    const auto file = path.starts_with(place) ? files.find(path.substr(place.size())) : files.end();
    if (file == files.end()) return text("404 Not Found", "none");
    if (elsewhere.empty()) return ranged(request, file->second);
    return {"HTTP/1.1 302 Found\r\nContent-Length: 5\r\nLocation: " + elsewhere, "moved"};
  }
};

class HubPull : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    hub_.files = {{"m-Q4_K_M.gguf", content_}, {"m-Q8_0.gguf", content_of(70'001)}, {"README.md", "hello"}};
    hub_.use();
  }
  Store empty() { return Store(home_, {entry("another")}, files_); }
  std::string error_of(const std::string& name) {
    Store s = empty();
    const auto path = s.pull(name, go_on);
    return path ? "" : path.error().text;
  }

  std::string content_ = content_of(200'000);
  FakeHub hub_;
};

TEST_F(HubPull, ATypeGetsItsFileUnderItsName) {
  Store s = empty();
  const auto path = s.pull("o/r:q4_k_m", go_on);
  ASSERT_TRUE(path) << path.error().text;
  EXPECT_EQ(*path, home_ + "/models/o/r/m-Q4_K_M.gguf");
  EXPECT_EQ(slurp(*path), content_);
  EXPECT_EQ(s.list()->at(0).name, "o/r:m-Q4_K_M.gguf");
  const std::size_t asked = hub_.server.requests().size();
  for (const char* name : {"o/r:Q4_K_M", "o/r:m-Q4_K_M.gguf", "o/r:m-Q4_K_M"}) {
    EXPECT_EQ(*s.resolve(name), *path) << name;
    EXPECT_EQ(*s.pull(name, go_on), *path) << name;
  }
  EXPECT_EQ(*s.resolve("o/r"), *path) << "the only one here";
  EXPECT_EQ(hub_.server.requests().size(), asked) << "what is here is not asked for";
  EXPECT_EQ(s.pull("o/r", go_on).error().code, Code::invalid_argument) << "there are others";
  EXPECT_TRUE(*s.verify("o/r:Q4_K_M", go_on));
  EXPECT_EQ(s.resolve("o/r:Q8_0").error().code, Code::not_found);
  EXPECT_NE(s.resolve("o/r:Q8_0").error().text.find("run `heed pull o/r:Q8_0`"), std::string::npos);
}

TEST_F(HubPull, ARepositoryAloneListsWhatThereIs) {
  EXPECT_NE(error_of("o/r").find("several files"), std::string::npos);
  const auto choices = empty().choices("o/r", go_on);
  ASSERT_TRUE(choices) << choices.error().text;
  ASSERT_EQ(choices->size(), 2u);
  EXPECT_EQ(choices->at(1).name, "o/r:m-Q8_0.gguf");
  EXPECT_EQ(choices->at(1).bytes, 70'001);
  EXPECT_EQ(choices->at(1).type, "Q8_0");
}

TEST_F(HubPull, ResumesAfterTruncation) {
  hub_.instead = [&](const std::string& request, int) -> std::optional<Answer> {
    if (request.find("/resolve/") == std::string::npos || range_of(request) > 120'000) return std::nullopt;
    Answer cut = ranged(request, content_);
    cut.body.resize(50'000);
    return cut;
  };
  Store s = empty();
  ASSERT_TRUE(s.pull("o/r:Q4_K_M", go_on));
  EXPECT_EQ(slurp(*s.resolve("o/r")), content_);
  EXPECT_EQ(range_of(hub_.server.requests().back()), 150'000u);
}

TEST_F(HubPull, AWrongHashIsRefused) {
  hub_.instead = [&](const std::string& request, int) -> std::optional<Answer> {
    if (request.find("/resolve/") == std::string::npos) return std::nullopt;
    std::string wrong = content_;
    wrong[5] ^= 1;
    return ranged(request, wrong);
  };
  EXPECT_NE(error_of("o/r:Q4_K_M").find("expected SHA-256 " + sha256_of(content_)), std::string::npos);
  EXPECT_TRUE(left_behind().empty());
}

TEST_F(HubPull, WithoutAHashTheFileIsKeptAndItsOwnHashKnown) {
  hub_.has_sums = false;
  Store s = empty();
  ASSERT_TRUE(s.pull("o/r:Q4_K_M", go_on));
  EXPECT_TRUE(*s.verify("o/r:Q4_K_M", go_on)) << "what it was when it came";
  EXPECT_TRUE(fs::exists(blob_path(content_)));
}

TEST_F(HubPull, ATokenIsSentToItsHubAlone) {
  hub_.token = "hub_secret";
  EXPECT_NE(error_of("o/r:Q4_K_M").find("set HEED_HUB_TOKEN"), std::string::npos) << error_of("o/r:Q4_K_M");
  ::setenv("HEED_HUB_TOKEN", "hub_wrong", 1);
  EXPECT_NE(error_of("o/r:Q4_K_M").find("the token does not open it"), std::string::npos);
  EXPECT_EQ(error_of("o/r:Q4_K_M").find("hub_wrong"), std::string::npos) << "a token is never shown";
  ::setenv("HEED_HUB_TOKEN", "hub_secret", 1);
  LoopbackServer storage([&](const std::string& request, int) { return ranged(request, content_); });
  hub_.elsewhere = storage.url("/signed");
  Store s = empty();
  ASSERT_TRUE(s.pull("o/r:Q4_K_M", go_on));
  for (const std::string& request : storage.requests())
    EXPECT_EQ(request.find("hub_secret"), std::string::npos) << "the redirect's target got the token";
  EXPECT_EQ(storage.requests().size(), 1u);
}

TEST_F(HubPull, AMirrorHelpsAndGetsNoToken) {
  ::setenv("HEED_HUB_TOKEN", "hub_secret", 1);
  FakeHub mirror;
  mirror.files = hub_.files;
  hub_.instead = [](const std::string&, int) { return Answer{"HTTP/1.1 500 Oops\r\nContent-Length: 0", ""}; };
  hub_.use("/," + mirror.endpoint());
  Store s = empty();
  const auto path = s.pull("o/r:Q4_K_M", go_on);
  ASSERT_TRUE(path) << path.error().text;
  for (const std::string& request : mirror.server.requests()) EXPECT_EQ(request.find("hub_secret"), std::string::npos);
}

TEST_F(HubPull, ATokenDoesNotTravelInTheOpen) {
  ::setenv("HEED_HUB", "http://192.0.2.1", 1);  // reserved for documentation: nobody is there
  ::setenv("HEED_HUB_TOKEN", "hub_secret", 1);
  EXPECT_NE(error_of("o/r:Q4_K_M").find("a token is sent over https only"), std::string::npos);
}

TEST_F(HubPull, ABusyHubIsWaitedFor) {
  int busy = 2;
  hub_.instead = [&](const std::string&, int) -> std::optional<Answer> {
    if (busy-- <= 0) return std::nullopt;
    return Answer{"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 4", "slow"};
  };
  const auto start = std::chrono::steady_clock::now();
  Store s = empty();
  ASSERT_TRUE(s.pull("o/r:Q4_K_M", go_on));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(1900));
  EXPECT_EQ(hub_.server.requests().size(), 4u);
}

TEST_F(HubPull, AHubThatIsBusyForLongIsAnErrorAndWaitingCanBeCancelled) {
  hub_.instead = [&](const std::string&, int) {
    return Answer{"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7200\r\nContent-Length: 0", ""};
  };
  EXPECT_NE(error_of("o/r:Q4_K_M").find("the server answered 429"), std::string::npos);
  hub_.instead = [&](const std::string&, int) {
    return Answer{"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\nContent-Length: 0", ""};
  };
  Store s = empty();
  const auto start = std::chrono::steady_clock::now();
  const auto path = s.pull("o/r:Q4_K_M", [&](const Store::Progress&) {
    return std::chrono::steady_clock::now() - start < std::chrono::milliseconds(300);
  });
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, Code::cancelled);
}

TEST_F(HubPull, UnknownRepositoriesAndFilesSaySo) {
  EXPECT_NE(error_of("o/other:Q4_K_M").find("the server answered 404"), std::string::npos);
  EXPECT_NE(error_of("o/r@v9:Q4_K_M").find("the server answered 404"), std::string::npos);
  EXPECT_NE(error_of("o/r:Q2_K").find("there is m-Q4_K_M.gguf, m-Q8_0.gguf"), std::string::npos);
  EXPECT_NE(error_of("o/r:../../x").find("not in the catalogue"), std::string::npos);
}

TEST_F(HubPull, HostileListsAreNamedErrors) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "expected a list of files"},
      {"{}", "expected a list of files"},
      {"[1]", "expected a list of objects"},
      {"[{}]", "has no type or path"},
      {"[{\"type\":\"file\",\"path\":7}]", "has no type or path"},
      {"[{\"type\":\"file\",\"path\":\"a.gguf\"}]", "impossible size"},
      {"[{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":-1}]", "impossible size"},
      {"[{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":1e300}]", "impossible size"},
      {"[{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":9223372036854775807}]", "impossible size"},
      {"[{\"type\":\"file\",\"path\":\"../../a.gguf\",\"size\":1}]", "no GGUF file"},
      {"[{\"type\":\"file\",\"path\":\"/etc/a.gguf\",\"size\":1}]", "no GGUF file"},
      {std::string(100'000, '['), "expected a list of files"},
      {"[{\"type\":\"file\",\"path\":\"a.gguf\",\"size\":1", "expected a list of files"},
  };
  for (const auto& [body, expected] : cases) {
    hub_.instead = [&, text = body](const std::string&, int) {
      return Answer{"HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(text.size()), text};
    };
    EXPECT_NE(error_of("o/r:Q4_K_M").find(expected), std::string::npos)
        << body.substr(0, 80) << ": " << error_of("o/r:Q4_K_M");
  }
  hub_.instead = [&](const std::string&, int) { return Answer{"HTTP/1.1 200 OK", std::string(9 << 20, ' ')}; };
  EXPECT_NE(error_of("o/r:Q4_K_M").find("more than 8388608 bytes"), std::string::npos);
}

TEST_F(HubPull, ListsGoOnOverPagesOfTheSameHub) {
  const auto page = [](const std::string& file, const std::string& next) {
    const std::string body = "[{\"type\":\"file\",\"path\":\"" + file + "\",\"size\":3}]";
    return Answer{
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\nLink: <" + next + ">; rel=\"next\"",
        body};
  };
  hub_.instead = [&](const std::string& request, int) -> std::optional<Answer> {
    if (request.find("cursor=2") != std::string::npos) {
      Answer last = page("b-Q8_0.gguf", "");
      last.head = last.head.substr(0, last.head.find("\r\nLink"));
      return last;
    }
    return page("a-Q4_0.gguf", hub_.endpoint() + "/more?cursor=2");
  };
  EXPECT_EQ(empty().choices("o/r", go_on)->size(), 2u);
  hub_.instead = [&](const std::string&, int) { return page("a-Q4_0.gguf", "http://192.0.2.1/more"); };
  EXPECT_NE(error_of("o/r:Q4_K_M").find("goes on at another host"), std::string::npos);
  hub_.instead = [&](const std::string&, int) { return page("a-Q4_0.gguf", hub_.endpoint() + "/again"); };
  EXPECT_NE(error_of("o/r:Q4_K_M").find("never ends"), std::string::npos);
}

TEST_F(HubPull, RedirectsEnd) {
  hub_.elsewhere = hub_.endpoint() + "/o/r/resolve/main/m-Q4_K_M.gguf";
  EXPECT_NE(error_of("o/r:Q4_K_M").find("more than 8 redirects"), std::string::npos);
}

TEST_F(HubPull, ASplitModelIsOneModel) {
  hub_.files = {{"big-Q4_0-00001-of-00002.gguf", "one"}, {"big-Q4_0-00002-of-00002.gguf", "second"}};
  Store s = empty();
  ASSERT_TRUE(s.pull("o/r:Q4_0", go_on));
  const auto list = s.list();
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->at(0).bytes, 9);
  EXPECT_EQ(list->at(0).files.size(), 2u);
  fs::remove(home_ + "/models/o/r/big-Q4_0-00001-of-00002.gguf");
  EXPECT_TRUE(s.list()->empty()) << "a part alone is no model";
  EXPECT_FALSE(s.resolve("o/r:Q4_0"));
  EXPECT_EQ(s.disk_use()->partial_bytes, 6);
  ASSERT_TRUE(s.pull("o/r:Q4_0", go_on));
  EXPECT_GT(*s.remove("o/r:Q4_0"), 0);
  EXPECT_FALSE(fs::exists(home_ + "/models/o"));
}

TEST_F(HubPull, OfflineAsksNobody) {
  Store s = empty();
  ASSERT_TRUE(s.pull("o/r:Q4_K_M", go_on));
  const std::size_t asked = hub_.server.requests().size();
  ::setenv("HEED_OFFLINE", "1", 1);
  EXPECT_TRUE(s.pull("o/r:Q4_K_M", go_on));
  EXPECT_NE(error_of("o/r:Q8_0").find("HEED_OFFLINE is set"), std::string::npos);
  EXPECT_FALSE(s.choices("o/r", go_on));
  EXPECT_EQ(hub_.server.requests().size(), asked);
}

TEST_F(HubPull, AProxyCarriesAllOfIt) {
  hub_.instead = [&](const std::string& request, int) -> std::optional<Answer> {
    EXPECT_TRUE(request.starts_with("GET http://hub.invalid/")) << request;
    if (request.find("/resolve/") != std::string::npos) return ranged(request, content_);
    const std::string tree = "[{\"type\":\"file\",\"path\":\"m-Q4_K_M.gguf\",\"size\":200000,\"lfs\":{\"oid\":\"" +
                             sha256_of(content_) + "\"}}]";
    return Answer{"HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(tree.size()), tree};
  };
  ::unsetenv("HEED_HUB");
  spill(home_ + "/hub.toml", "endpoints = [\"http://hub.invalid\"]\nproxy = \"" + hub_.endpoint() + "\"\n");
  Store s = empty();
  const auto path = s.pull("o/r:Q4_K_M", go_on);
  ASSERT_TRUE(path) << path.error().text;
  EXPECT_EQ(slurp(*path), content_);
  EXPECT_EQ(hub_.server.requests().size(), 2u);
}

TEST_F(HubPull, TheFileOfOptionsIsCheckedAndGuarded) {
  ::unsetenv("HEED_HUB");
  const std::string path = home_ + "/hub.toml";
  const auto options = [&](const std::string& text, fs::perms mode = fs::perms::owner_read | fs::perms::owner_write) {
    spill(path, text);
    fs::permissions(path, mode);
    return read_hub_options(home_, files_);
  };
  const auto good = options(
      "endpoints = [\"https://hub.example/\", \"https://m.example/x\"]\ntoken = \"t0\"\nproxy = \"http://p:1\"\n");
  ASSERT_TRUE(good) << good.error().text;
  EXPECT_EQ(good->endpoints, (std::vector<std::string>{"https://hub.example", "https://m.example/x"}));
  EXPECT_EQ(good->token, "t0");
  EXPECT_EQ(good->proxy, "http://p:1");
  ::setenv("HEED_HUB", "https://other.example", 1);
  EXPECT_EQ(read_hub_options(home_, files_)->token, "") << "a token belongs to the hub it stands beside";
  ::unsetenv("HEED_HUB");
  const auto open = options("token = \"t0\"\n", fs::perms::owner_read | fs::perms::others_read);
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().code, Code::unauthorized);
  EXPECT_NE(open.error().text.find("chmod 600"), std::string::npos);
  for (const char* wrong :
       {"endpoints = [\"ftp://x\"]", "endpoints = [\"https://user:pw@x\"]", "endpoints = [1]", "endpoints = []",
        "token = 7", "token = \"a b\"", "other = 1", "token = ", "endpoints = \"https://x\""})
    EXPECT_FALSE(options(wrong)) << wrong;
  fs::remove(path);
  EXPECT_EQ(read_hub_options(home_, files_)->endpoints.size(), 1u);
}

}  // namespace
}  // namespace heed
