// catalog_test.cc -- the built-in catalogue is whole, and a broken one says where.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <set>

#include "store/store.h"

namespace heed {
namespace {

std::string model(const std::string& name) {
  return "[[model]]\nname = \"" + name +
         "\"\nkind = \"chat\"\nfamily = \"llama\"\nlicence = \"MIT\"\nlicence_url = \"u\"\nsummary = \"s\"\nfile = \"" +
         name + ".gguf\"\nsize_bytes = 5\nsha256 = \"" + std::string(64, 'a') +
         "\"\ndefault = true\n[[model.source]]\nkind = \"https\"\nurl = \"https://h/f\"\n[[model.source]]\nkind = "
         "\"pypi\"\n"
         "packages = [\"a-b==1.0\", \"c==2\"]\nmembers = [\"*/x.bin\"]\n";
}

TEST(Catalog, TheBuiltInOneIsWhole) {
  const auto catalog = read_catalog(builtin_catalog());
  ASSERT_TRUE(catalog) << catalog.error().text;
  std::set<std::string> names;
  int defaults = 0;
  for (const CatalogEntry& entry : *catalog) {
    names.insert(entry.name);
    defaults += entry.is_default ? 1 : 0;
    for (const CatalogSource& source : entry.sources)
      EXPECT_TRUE(source.kind == "pypi" || source.url.starts_with("https://")) << entry.name;
    EXPECT_EQ(entry.sources.back().kind, "pypi") << entry.name << ": works without the hub";
    EXPECT_EQ(entry.sources.back().packages.size(), entry.sources.back().members.size());
  }
  EXPECT_EQ(names, (std::set<std::string>{"smollm2-135m-instruct", "gemma-3-270m", "qwen2.5-coder-0.5b-instruct",
                                          "qwen2.5-coder-1.5b-instruct", "flan-t5-small", "all-minilm-l6-v2"}));
  EXPECT_EQ(defaults, 1);
}

TEST(Catalog, OneMemberServesEveryPackage) {
  const auto catalog = read_catalog(model("tiny"));
  ASSERT_TRUE(catalog) << catalog.error().text;
  const CatalogEntry& entry = catalog->at(0);
  EXPECT_EQ(entry.size_bytes, 5);
  EXPECT_TRUE(entry.is_default);
  EXPECT_EQ(entry.sources.at(1).members, (std::vector<std::string>{"*/x.bin", "*/x.bin"}));
}

TEST(Catalog, EveryBrokenFieldIsNamed) {
  const auto changed = [](const std::string& from, const std::string& to) {
    std::string text = model("tiny");
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "expected at least one [[model]]"},
      {"name = ", "catalogue: line 1: "},
      {"other = 1\n" + model("tiny"), "unknown key 'other'"},
      {"model = [1]", "model 1: expected a table"},
      {changed("name = \"tiny\"", "name = 3"), "model 1: expected a text 'name'"},
      {changed("name = \"tiny\"", "name = \"a/b\""), "expected a name of lower-case letters"},
      {changed("name = \"tiny\"", "name = \"default\""), "other than 'default'"},
      {changed("licence = ", "license = "), "model 'tiny': unknown key 'license'"},
      {changed("licence = \"MIT\"\n", ""), "model 'tiny': expected a text 'licence'"},
      {changed("tiny.gguf", "../tiny.gguf"), "model 'tiny': expected 'file' to be a plain file name"},
      {changed("size_bytes = 5", "size_bytes = 0"), "model 'tiny': expected 'size_bytes' to be an integer above 0"},
      {changed("size_bytes = 5", "size_bytes = 5.0"), "expected 'size_bytes' to be an integer above 0"},
      {changed("aaaa", "aaA"), "expected 'sha256' to be 64 lower-case hexadecimal digits"},
      {changed("default = true", "default = 1"), "expected 'default' to be true or false"},
      {changed("kind = \"https\"", "kind = \"ftp\""),
       "model 'tiny': source 1: expected kind 'https' or 'pypi', got 'ftp'"},
      {changed("https://h/f", "file:///etc/passwd"), "source 1: expected a url that begins with https://"},
      {changed("\nurl = ", "\nuri = "), "source 1: unknown key 'uri'"},
      {changed("a-b==1.0", "a-b"), "source 2: expected packages as name==version, got 'a-b'"},
      {changed("a-b==1.0", "--index-url==x"), "got '--index-url==x'"},
      {changed("a-b==1.0", "a @ https://x==1"), "expected packages as name==version"},
      {changed("\"a-b==1.0\", ", "7, "), "expected 'packages' to hold texts only"},
      {changed("[\"*/x.bin\"]", "[\"a\", \"b\", \"c\"]"), "expected one member, or one a package (2), got 3"},
      {changed("members = [\"*/x.bin\"]", "members = []"), "expected a list of texts 'members'"},
      {model("tiny") + model("tiny"), "model 'tiny': this name appears twice"},
      {model("tiny") + model("other"), "model 'other': 'tiny' is the default already"},
  };
  for (const auto& [text, expected] : cases) {
    const auto catalog = read_catalog(text);
    ASSERT_FALSE(catalog) << expected;
    EXPECT_EQ(catalog.error().code, Code::malformed);
    EXPECT_NE(catalog.error().text.find(expected), std::string::npos)
        << catalog.error().text << "\nwanted " << expected;
  }
}

TEST(Catalog, ACutTextNeverCrashes) {
  const std::string text = model("tiny");
  for (std::size_t n = 0; n < text.size(); ++n) {
    const auto catalog = read_catalog(text.substr(0, n));
    EXPECT_TRUE(catalog || !catalog.error().text.empty()) << n;
  }
}

TEST(Catalog, HomeFollowsTheEnvironment) {
  const char* before = std::getenv("HEED_HOME");
  const std::string saved = before != nullptr ? before : "";
  ::setenv("HEED_HOME", "/somewhere/else", 1);
  EXPECT_EQ(home_directory(), "/somewhere/else");
  ::unsetenv("HEED_HOME");
  EXPECT_TRUE(home_directory().ends_with("/.local/share/heed"));
  if (before != nullptr) ::setenv("HEED_HOME", saved.c_str(), 1);
}

}  // namespace
}  // namespace heed
