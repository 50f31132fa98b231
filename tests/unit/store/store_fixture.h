// store_fixture.h -- a store in a directory of its own, a file layer that fails on demand, and small wheels.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>
#include <zip.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/digest.h"
#include "store/store.h"
#include "tests/unit/faulty_files.h"

namespace heed::testing_store {

namespace fs = std::filesystem;

inline std::string sha256_of(const std::string& text) {
  auto digest = Sha256::make();
  EXPECT_TRUE(digest && digest->add(std::as_bytes(std::span(text))));
  return *digest->finish();
}

inline std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

inline void spill(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

/// Bytes that no repetition or shift equals.
inline std::string content_of(std::size_t n) {
  std::string out(n, '\0');
  std::uint32_t state = 12345;
  for (char& c : out) {
    state = state * 1664525u + 1013904223u;
    c = static_cast<char>(state >> 24);
  }
  return out;
}

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    home_ = (fs::temp_directory_path() / ("heed_store_" + std::to_string(::getpid()) + "_" +
                                          ::testing::UnitTest::GetInstance()->current_test_info()->name()))
                .string();
    fs::remove_all(home_);
    fs::create_directories(blobs_directory());
    ::setenv("no_proxy", "127.0.0.1", 1);
    for (const char* name : {"HEED_OFFLINE", "HEED_PYTHON", "HEED_HUB", "HEED_HUB_TOKEN"}) ::unsetenv(name);
  }
  void TearDown() override { fs::remove_all(home_); }

  CatalogEntry entry(const std::string& content) const {
    CatalogEntry e{.name = "tiny",
                   .file = "tiny.gguf",
                   .size_bytes = static_cast<std::int64_t>(content.size()),
                   .sha256 = sha256_of(content),
                   .is_default = true};
    return e;
  }
  CatalogEntry https_entry(const std::string& content, const std::vector<std::string>& urls) const {
    CatalogEntry e = entry(content);
    for (const std::string& url : urls) e.sources.push_back({.kind = "https", .url = url});
    return e;
  }
  Store store(CatalogEntry e) { return Store(home_, {std::move(e)}, files_); }
  std::string model_path() const { return home_ + "/models/tiny.gguf"; }
  std::string blobs_directory() const { return home_ + "/models/.blobs"; }
  std::string blob_path(const std::string& content) const {
    return blobs_directory() + "/sha256-" + sha256_of(content);
  }
  /// Neither name nor content: what is pulled next comes anew.
  void forget(const std::string& content) const {
    fs::remove(model_path());
    fs::remove(blob_path(content));
  }
  /// Names under models/, and what lies beside the contents.
  std::vector<std::string> left_behind() const {
    std::vector<std::string> names;
    for (const auto& item : fs::directory_iterator(home_ + "/models")) {
      if (item.path().filename() != ".blobs") names.push_back(item.path().filename().string());
    }
    for (const auto& item : fs::directory_iterator(blobs_directory())) {
      const std::string name = item.path().filename().string();
      if (name.size() != 7 + 64 || name[0] == '.') names.push_back(name.substr(name.find_last_of('.')));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  FaultyFiles files_;
  std::string home_;
};

inline bool go_on(const Store::Progress&) { return true; }

/// A wheel with one member among others.
inline void make_wheel(const std::string& path, const std::string& member, const std::string& content) {
  int code = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(archive, nullptr);
  static const std::string kOther = "# nothing";
  const auto add = [&](const std::string& name, const std::string& text) {
    zip_source_t* source = zip_source_buffer(archive, text.data(), text.size(), 0);
    ASSERT_GE(zip_file_add(archive, name.c_str(), source, ZIP_FL_OVERWRITE), 0);
  };
  add("pkg/__init__.py", kOther);
  add(member, content);
  add("pkg/data/deeper/part99.bin", kOther);
  ASSERT_EQ(zip_close(archive), 0);
}

/// A stand-in for python3 -m pip download: copies HOME/wheels/NAME.whl, logs what it was asked, and does what
/// HOME/behave says ("fail", "hang", "slow") for the package named there.
inline std::string fake_python(const std::string& home) {
  const std::string path = home + "/python";
  spill(path,
        "#!/bin/sh\nwhile [ $# -gt 1 ]; do [ \"$1\" = -d ] && dir=$2; shift; done\nname=${1%%==*}\n"
        "echo \"$1\" >> " +
            home +
            "/asked\n"
            "set -- $(cat " +
            home +
            "/behave 2>/dev/null)\n"
            "if [ \"$1\" = \"$name\" ]; then\n"
            "  [ \"$2\" = fail ] && { echo 'WARNING: x'; echo 'ERROR: No matching distribution found'; exit 1; }\n"
            "  [ \"$2\" = hang ] && { echo $$ > " +
            home +
            "/pid; sleep 60; }\n"
            "fi\n"
            "cp " +
            home + "/wheels/$name.whl \"$dir/$name-1.0-py3-none-any.whl\"\n");
  fs::permissions(path, fs::perms::owner_all);
  ::setenv("HEED_PYTHON", path.c_str(), 1);
  return path;
}

}  // namespace heed::testing_store
