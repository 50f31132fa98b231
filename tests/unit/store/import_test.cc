// import_test.cc -- what Ollama, llama.cpp and the hub's cache hold: found, shared, and distrusted.
#include "store/import.h"

#include "store/assembly.h"
#include "store/blobs.h"
#include "tests/unit/store/store_fixture.h"

namespace heed {
namespace {

using namespace testing_store;

class Import : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    fs::create_directories(ollama_ = home_ + "/ollama");
    fs::create_directories(llama_ = home_ + "/llama.cpp");
    fs::create_directories(hub_ = home_ + "/hub");
    fs::create_directories(ollama_ + "/blobs");
  }
  Store empty() { return Store(home_, {entry("another")}, files_); }
  std::vector<FoundModel> found() {
    return find_models({.ollama = ollama_, .llama_cpp = llama_, .hub_cache = hub_}, files_);
  }
  FoundModel only() {
    const auto models = found();
    EXPECT_EQ(models.size(), 1u);
    return models.empty() ? FoundModel{} : models.front();
  }
  Expected<std::string> take(Store& s, const FoundModel& model) {
    Expected<std::string> path = fail(Code::internal, "no file");
    for (const FoundFile& file : model.files)
      path = s.adopt(file.path,
                     {.name = model.name, .file = file.target, .size_bytes = file.bytes, .sha256 = file.sha256}, go_on);
    return path;
  }

  void put_blob(const std::string& content) const { spill(blob(content), content); }
  std::string blob(const std::string& content) const { return ollama_ + "/blobs/sha256-" + sha256_of(content); }
  static std::string layer(const std::string& kind, const std::string& sum, const std::string& size) {
    return "{\"mediaType\":\"application/vnd.ollama.image." + kind + "\",\"digest\":\"sha256:" + sum +
           "\",\"size\":" + size + "}";
  }
  static std::string layer(const std::string& kind, const std::string& content) {
    return layer(kind, sha256_of(content), std::to_string(content.size()));
  }
  void put_manifest(const std::string& text, const std::string& name = "registry.ollama.ai/library/tiny/1b") const {
    fs::create_directories(fs::path(ollama_ + "/manifests/" + name).parent_path());
    spill(ollama_ + "/manifests/" + name, text);
  }
  static std::string manifest(const std::string& layers) {
    return "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:0\"},\"layers\":[" + layers + "]}";
  }

  std::string gguf_ = "GGUF" + content_of(100'000);
  std::string ollama_, llama_, hub_;
};

TEST_F(Import, NothingThereIsNoError) {
  EXPECT_TRUE(found().empty());
  EXPECT_TRUE(find_models({.ollama = "/nonexistent", .llama_cpp = "", .hub_cache = "/dev/null"}, files_).empty());
}

TEST_F(Import, AnOllamaModelIsSharedNotCopied) {
  const std::string licence = "\nA LICENCE\nmore", params = "{\"stop\":[\"<end>\"],\"temperature\":0.5}";
  for (const std::string& text : {gguf_, licence, params}) put_blob(text);
  put_manifest(manifest(layer("model", gguf_) + "," + layer("license", licence) + "," + layer("params", params) + "," +
                        layer("template", "{{ .Prompt }}") + "," + layer("projector", "x")));
  const FoundModel model = only();
  EXPECT_EQ(model.problem, "");
  EXPECT_EQ(model.name, "tiny:1b");
  EXPECT_EQ(model.licence, "A LICENCE");
  EXPECT_EQ(model.parameters, "{\"stop\":[\"<end>\"],\"temperature\":0.5}");
  EXPECT_EQ(model.note, "its projector stays behind");
  Store s = empty();
  const auto path = take(s, model);
  ASSERT_TRUE(path) << path.error().text;
  EXPECT_TRUE(fs::equivalent(*path, blob(gguf_)));
  EXPECT_EQ(*s.resolve("tiny:1b"), *path);
  EXPECT_TRUE(*s.verify("tiny:1b", go_on));
  ASSERT_TRUE(take(s, model)) << "twice is once";
  EXPECT_EQ(*s.remove("tiny:1b"), 0) << "Ollama still has it";
  EXPECT_EQ(slurp(blob(gguf_)), gguf_);
  EXPECT_FALSE(fs::exists(blob_path(gguf_)));
}

TEST_F(Import, OtherNamespacesHaveNamesLikeAHubs) {
  put_blob(gguf_);
  put_manifest(manifest(layer("model", gguf_)), "hf.co/owner/some-GGUF/Q4_K_M");
  const FoundModel model = only();
  EXPECT_EQ(model.name, "owner/some-GGUF:Q4_K_M.gguf");
  Store s = empty();
  ASSERT_TRUE(take(s, model));
  EXPECT_TRUE(s.resolve("owner/some-GGUF:Q4_K_M"));
}

TEST_F(Import, HostileManifestsHaveNamedProblems) {
  put_blob(gguf_);
  spill(home_ + "/outside", gguf_);
  const std::string sum = sha256_of(gguf_), size = std::to_string(gguf_.size());
  const std::string linked = std::string(64, 'b'), text_sum = sha256_of("not a model");
  fs::create_symlink(home_ + "/outside", ollama_ + "/blobs/sha256-" + linked);
  fs::create_directories(ollama_ + "/blobs/sha256-" + std::string(64, 'c'));
  put_blob("not a model");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no JSON object"},
      {"[]", "no JSON object"},
      {std::string(100'000, '['), "no JSON object"},
      {std::string(2 << 20, ' ') + "{}", "no JSON object"},
      {"{\"layers\":{}}", "has no layers"},
      {manifest(""), "no GGUF layer"},
      {manifest("1"), "impossible digest"},
      {manifest(layer("model", gguf_) + "," + layer("model", gguf_)), "several GGUF layers"},
      {manifest(layer("model", "../../../etc/passwd", "1")), "impossible digest"},
      {manifest(layer("model", sum.substr(1) + "/", size)), "impossible digest"},
      {manifest(layer("model", sum, "-1")), "impossible size"},
      {manifest(layer("model", sum, "1e30")), "impossible size"},
      {manifest(layer("model", sum, "18446744073709551615")), "impossible size"},
      {manifest(layer("model", sum, "\"5\"")), "impossible size"},
      {manifest(layer("model", sum, "5")), "has 100004 bytes, 5 are promised"},
      {manifest(layer("model", std::string(64, 'a'), size)), "is not there"},
      {manifest(layer("model", linked, size)), "lies outside of"},
      {manifest(layer("model", std::string(64, 'c'), size)), "is no regular file"},
      {manifest(layer("model", text_sum, "11")), "is no GGUF file"},
  };
  for (const auto& [text, problem] : cases) {
    put_manifest(text);
    EXPECT_NE(only().problem.find(problem), std::string::npos) << text.substr(0, 200) << ": " << only().problem;
  }
  std::string many = layer("x", gguf_);
  for (int i = 0; i < 64; ++i) many += "," + layer("x", gguf_);
  put_manifest(manifest(many));
  EXPECT_NE(only().problem.find("more than 64 layers"), std::string::npos);
}

TEST_F(Import, ACutManifestIsAProblemWhereverItIsCut) {
  put_blob(gguf_);
  const std::string whole = manifest(layer("model", gguf_));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    put_manifest(whole.substr(0, n));
    EXPECT_NE(only().problem, "") << n;
  }
  for (std::size_t n = 0; n < whole.size(); ++n) {  // one changed byte: a problem, or what was meant all the same
    std::string changed = whole;
    changed[n] ^= 4;
    put_manifest(changed);
    const FoundModel model = only();
    if (model.problem.empty()) {
      EXPECT_EQ(model.files.at(0).path, blob(gguf_)) << n;
    }
  }
}

TEST_F(Import, LinksAmongManifestsAreNotFollowed) {
  put_blob(gguf_);
  spill(home_ + "/manifest", manifest(layer("model", gguf_)));
  fs::create_directories(ollama_ + "/manifests/registry.ollama.ai/library/tiny");
  fs::create_symlink(home_ + "/manifest", ollama_ + "/manifests/registry.ollama.ai/library/tiny/1b");
  fs::create_directory_symlink("/", ollama_ + "/manifests/root");
  EXPECT_TRUE(found().empty());
}

TEST_F(Import, ABlobThatIsNotWhatItsNameSaysIsRefused) {
  put_manifest(manifest(layer("model", gguf_)));
  std::string wrong = gguf_;
  wrong[50] ^= 1;
  spill(blob(gguf_), wrong);
  Store s = empty();
  const auto path = take(s, only());
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, Code::malformed);
  EXPECT_NE(path.error().text.find(sha256_of(wrong)), std::string::npos) << path.error().text;
  EXPECT_TRUE(s.list()->empty());
}

TEST_F(Import, ATakenNameIsNotReplaced) {
  put_blob(gguf_);
  put_manifest(manifest(layer("model", gguf_)));
  spill(home_ + "/models/tiny:1b.gguf", "mine");
  Store s = empty();
  const auto path = take(s, only());
  ASSERT_FALSE(path);
  EXPECT_NE(path.error().text.find("another model has this name"), std::string::npos);
  EXPECT_EQ(slurp(home_ + "/models/tiny:1b.gguf"), "mine");
}

TEST_F(Import, ALlamaCppCacheGivesHubNamesAndOwnOnes) {
  spill(llama_ + "/owner_repo-GGUF_m-Q8_0.gguf", gguf_);
  spill(llama_ + "/manifest=owner=repo-GGUF=Q8_0.json",
        "{\"ggufFile\":{\"rfilename\":\"m-Q8_0.gguf\",\"size\":100004,\"lfs\":{\"sha256\":\"" + sha256_of(gguf_) +
            "\"}}}");
  spill(llama_ + "/plain.gguf", "GGUFplain");
  spill(llama_ + "/plain.gguf.etag", "\"" + sha256_of("GGUFplain") + "\"");
  spill(llama_ + "/half.gguf.downloadInProgress", "GGUF");
  spill(llama_ + "/manifest=..=x=y.json", "{}");
  spill(llama_ + "/manifest=broken", "{");
  const auto models = found();
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].name, "plain");
  EXPECT_EQ(models[0].files[0].sha256, sha256_of("GGUFplain"));
  EXPECT_EQ(models[1].name, "owner/repo-GGUF:m-Q8_0.gguf");
  EXPECT_EQ(models[1].files[0].sha256, sha256_of(gguf_));
  Store s = empty();
  for (const FoundModel& model : models) ASSERT_TRUE(take(s, model));
  EXPECT_TRUE(fs::equivalent(*s.resolve("owner/repo-GGUF:Q8_0"), llama_ + "/owner_repo-GGUF_m-Q8_0.gguf"));
  EXPECT_TRUE(s.resolve("plain"));
}

TEST_F(Import, AHubCacheGivesItsNamesRevisionsAndSplitFiles) {
  const std::string place = hub_ + "/models--owner--my-repo", second = "GGUFsecond";
  fs::create_directories(place + "/blobs");
  fs::create_directories(place + "/refs");
  fs::create_directories(place + "/snapshots/abc123/sub");
  fs::create_directories(place + "/snapshots/def456");
  spill(place + "/refs/main", "abc123\n");
  for (const std::string& text : {gguf_, second}) spill(place + "/blobs/" + sha256_of(text), text);
  fs::create_symlink("../../blobs/" + sha256_of(gguf_), place + "/snapshots/abc123/m-Q4_0-00001-of-00002.gguf");
  fs::create_symlink("../../blobs/" + sha256_of(second), place + "/snapshots/abc123/m-Q4_0-00002-of-00002.gguf");
  fs::create_symlink("../../../blobs/" + sha256_of(gguf_), place + "/snapshots/abc123/sub/x.gguf");
  fs::create_symlink("../../blobs/" + sha256_of(second), place + "/snapshots/def456/old.gguf");
  fs::create_symlink("/etc/passwd", place + "/snapshots/def456/evil.gguf");
  const auto models = found();
  ASSERT_EQ(models.size(), 4u);
  EXPECT_EQ(models[0].name, "owner/my-repo:m-Q4_0-00001-of-00002.gguf");
  EXPECT_EQ(models[0].files.size(), 2u);
  EXPECT_EQ(models[1].name, "owner/my-repo:sub/x.gguf");
  EXPECT_NE(models[2].problem.find("lies outside of"), std::string::npos) << models[2].name << models[2].problem;
  EXPECT_EQ(models[3].name, "owner/my-repo@def456:old.gguf");
  Store s = empty();
  ASSERT_TRUE(take(s, models[0]));
  ASSERT_TRUE(take(s, models[1]));
  EXPECT_EQ(s.lookup("owner/my-repo:Q4_0")->files.size(), 2u);
  EXPECT_EQ(s.disk_use()->shared_bytes, 100'004) << "the same content under two names";
}

TEST_F(Import, WithoutHardLinksTheFileIsCopiedAndACopyContinues) {
  put_blob(gguf_);
  spill(blob_path(gguf_) + ".partial", gguf_.substr(0, 40'000));
  const CatalogEntry e{.name = "tiny:1b",
                       .file = "tiny:1b.gguf",
                       .size_bytes = static_cast<std::int64_t>(gguf_.size()),
                       .sha256 = sha256_of(gguf_)};
  const Blobs blobs(home_ + "/models", files_);
  ASSERT_TRUE(copy_file(files_, blob(gguf_), e, blobs, go_on));
  EXPECT_EQ(slurp(blob_path(gguf_)), gguf_);
  EXPECT_FALSE(fs::equivalent(blob_path(gguf_), blob(gguf_)));
  EXPECT_FALSE(fs::exists(blob_path(gguf_) + ".partial"));
}

}  // namespace
}  // namespace heed
