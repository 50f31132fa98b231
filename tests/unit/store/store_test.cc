// store_test.cc -- names to files, what is listed, and what an unknown name is told.
#include "store/store.h"

#include "core/file_lock.h"
#include "tests/unit/store/store_fixture.h"

namespace heed {
namespace {

using namespace testing_store;

class Names : public StoreTest {
 protected:
  std::vector<CatalogEntry> catalog() const {
    const auto catalog = read_catalog(builtin_catalog());
    EXPECT_TRUE(catalog);
    return *catalog;
  }
  Store built_in() { return Store(home_, catalog(), files_); }
};

TEST_F(Names, APathStaysAPath) {
  const std::string path = home_ + "/mine.gguf";
  spill(path, "x");
  EXPECT_EQ(*built_in().resolve(path), path);
  const auto missing = built_in().resolve(home_ + "/none.gguf");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::not_found);
  EXPECT_NE(missing.error().text.find("no such file"), std::string::npos);
}

TEST_F(Names, ACatalogueNameIsItsFileOnceItIsWhole) {
  const Store s = store(entry("hello"));
  const auto before = s.resolve("tiny");
  ASSERT_FALSE(before);
  EXPECT_EQ(before.error().code, Code::not_found);
  EXPECT_NE(before.error().text.find("run `heed pull tiny`"), std::string::npos) << before.error().text;
  spill(model_path(), "hell");
  EXPECT_FALSE(s.resolve("tiny")) << "a file of another size is not the model";
  spill(model_path(), "hello");
  EXPECT_EQ(*s.resolve("tiny"), model_path());
  EXPECT_EQ(*s.resolve("default"), model_path());
}

TEST_F(Names, YourOwnFilesHaveNamesToo) {
  spill(home_ + "/models/own.gguf", "12345");
  spill(home_ + "/models/notes.txt", "x");
  spill(model_path(), "hello");
  const Store s = store(entry("hello"));
  EXPECT_EQ(*s.resolve("own"), home_ + "/models/own.gguf");
  EXPECT_EQ(*s.resolve("own.gguf"), home_ + "/models/own.gguf");
  const auto list = s.list();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ(list->at(0).name, "own");
  EXPECT_EQ(list->at(0).bytes, 5);
  EXPECT_FALSE(list->at(0).in_catalog);
  EXPECT_EQ(list->at(1).name, "tiny");
  EXPECT_TRUE(list->at(1).in_catalog);
}

TEST_F(Names, NoDirectoryYetIsAnEmptyList) {
  fs::remove_all(home_);
  const auto list = built_in().list();
  ASSERT_TRUE(list);
  EXPECT_TRUE(list->empty());
}

TEST_F(Names, AMisspeltNameGetsTheNearest) {
  const Store s = built_in();
  const auto hint = [&](const std::string& name) { return s.resolve(name).error().text; };
  EXPECT_NE(hint("gemma-3-270").find("did you mean 'gemma-3-270m'"), std::string::npos) << hint("gemma-3-270");
  EXPECT_NE(hint("smolm2").find("did you mean 'smollm2-135m-instruct'"), std::string::npos) << hint("smolm2");
  EXPECT_NE(hint("coder-1.5b").find("did you mean 'qwen2.5-coder-1.5b-instruct'"), std::string::npos);
  EXPECT_EQ(hint("zzzzzzzzzzzz").find("did you mean"), std::string::npos) << hint("zzzzzzzzzzzz");
  EXPECT_NE(hint("zzzzzzzzzzzz").find("`heed models`"), std::string::npos);
}

TEST_F(Names, PullOfAnUnknownNameSaysSo) {
  Store s = built_in();
  const auto path = s.pull("gema-3-270m", go_on);
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, Code::not_found);
  EXPECT_NE(path.error().text.find("did you mean 'gemma-3-270m'"), std::string::npos);
}

TEST_F(Names, VerifyFindsAChangedByte) {
  const Store s = store(entry("hello"));
  EXPECT_EQ(s.verify("tiny", go_on).error().code, Code::not_found);
  spill(model_path(), "hallo");
  const auto wrong = s.verify("tiny", go_on);
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().text.find(sha256_of("hallo")), std::string::npos);
  spill(model_path(), "hello");
  EXPECT_TRUE(s.verify("tiny", go_on));
  EXPECT_EQ(s.verify("tiny", [](const Store::Progress&) { return false; }).error().code, Code::cancelled);
}

TEST(Digest, KnownAnswers) {
  EXPECT_EQ(sha256_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(Names, ALockIsExclusiveAndLeavesNoFile) {
  const std::string path = home_ + "/lock";
  {
    auto first = FileLock::try_lock(path);
    ASSERT_TRUE(first && first->has_value());
    const auto second = FileLock::try_lock(path);
    ASSERT_TRUE(second);
    EXPECT_FALSE(second->has_value());
  }
  EXPECT_FALSE(fs::exists(path));
  const auto third = FileLock::try_lock(path);
  EXPECT_TRUE(third && third->has_value());
  EXPECT_FALSE(FileLock::try_lock("/nonexistent/directory/lock"));
}

}  // namespace
}  // namespace heed
