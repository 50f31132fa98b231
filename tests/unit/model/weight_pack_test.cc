// weight_pack_test.cc -- weights that come from a pack are, bit for bit, those that come from the model file.
#include "model/weight_pack.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

std::string slurp(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}
void spill(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

class WeightPackTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("heed_packs_" + std::to_string(::getpid()));
    fs::remove_all(directory_);
    model_ = std::string(HEED_SOURCE_DIR) + "/tests/golden/models/" + GetParam() + ".gguf";
  }
  void TearDown() override { fs::remove_all(directory_); }

  struct Loaded {
    GgufFile file;
    ModelSpec spec;
    ModelWeights weights;
  };
  std::unique_ptr<Loaded> load(const std::string& path, FileCache* cache) {
    auto out = std::make_unique<Loaded>();
    auto file = GgufFile::open(path);
    EXPECT_TRUE(file) << file.error().text;
    if (!file) return out;
    out->file = *std::move(file);
    out->spec = *read_spec(out->file.metadata());
    Exec exec{pool_, arena_, best_kernels(), counters_};
    warning_.clear();
    made_parts_ = 0;
    const LoadWeightsOptions options{.progress = [&](auto, auto) { return ++made_parts_ != cancel_at_; },
                                     .packs = cache,
                                     .warn = [&](const std::string& text) { warning_ = text; }};
    auto weights = load_weights(out->spec, out->file, exec, options);
    error_ = weights ? Error{} : weights.error();
    if (weights) out->weights = *std::move(weights);
    return out;
  }

  /// All numbers of all slots, by name.
  static std::string bytes_of(Loaded& loaded) {
    std::string all;
    const auto add = [&](const WeightSlot& slot) -> Expected<void> {
      all += slot.name;
      if (auto* const* m = std::get_if<PackedMatrix*>(&slot.target))
        all.append(reinterpret_cast<const char*>((*m)->data()), (*m)->bytes());
      if (auto* const* t = std::get_if<Tensor*>(&slot.target))
        all.append(reinterpret_cast<const char*>((*t)->data), static_cast<std::size_t>((*t)->bytes()));
      if (auto* const* v = std::get_if<Vector*>(&slot.target))
        all.append(reinterpret_cast<const char*>((*v)->data()), (*v)->size() * sizeof(float));
      return {};
    };
    EXPECT_TRUE(visit_weights(loaded.spec, loaded.weights, add));
    return all;
  }
  std::string packed(const std::string& path, FileCache* cache) {
    const auto loaded = load(path, cache);
    EXPECT_EQ(error_.text, "");
    return bytes_of(*loaded);
  }
  std::vector<fs::path> files(const char* suffix) const {
    std::vector<fs::path> found;
    for (const auto& item : fs::directory_iterator(directory_))
      if (item.path().extension() == suffix) found.push_back(item.path());
    return found;
  }
  bool was_made() const { return made_parts_ > 0; }

  fs::path directory_;
  std::string model_, warning_;
  Error error_;
  int made_parts_ = 0, cancel_at_ = -1;
  ThreadPool pool_{2};
  Arena arena_;
  Counters counters_;
};

constexpr std::int64_t kLots = std::int64_t{1} << 40;

TEST_P(WeightPackTest, ColdAndWarmAreBitIdentical) {
  const std::string expected = packed(model_, nullptr);
  FileCache cache(directory_, kLots);
  EXPECT_EQ(packed(model_, &cache), expected);
  EXPECT_TRUE(was_made());
  const auto warm = load(model_, &cache);
  EXPECT_FALSE(was_made());
  EXPECT_FALSE(warm->weights.pack.bytes().empty());
  EXPECT_EQ(bytes_of(*warm), expected);
  EXPECT_EQ(warning_, "");
  EXPECT_EQ(files(".pack").size(), 1u);
}

TEST_P(WeightPackTest, FlippedAndCutBytesAreMadeGood) {
  FileCache cache(directory_, kLots);
  const std::string expected = packed(model_, &cache);
  const fs::path pack = files(".pack").at(0);
  const std::string whole = slurp(pack);
  for (std::size_t i = 0; i < 48; ++i) {
    std::string damaged = whole;
    const std::size_t at = whole.size() * i / 47 - (i == 47);
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << i % 8));
    spill(pack, i % 4 == 3 ? whole.substr(0, at) : damaged);
    EXPECT_EQ(packed(model_, &cache), expected) << at;
    EXPECT_TRUE(was_made()) << at;
    EXPECT_EQ(slurp(pack), whole);
  }
}

TEST_P(WeightPackTest, AChangedModelGetsItsOwnPack) {
  FileCache cache(directory_, kLots);
  const std::string before = packed(model_, &cache);
  const std::string copy = directory_ / "copy.gguf";
  std::string text = slurp(model_);
  spill(copy, text);
  EXPECT_EQ(packed(copy, &cache), before) << "the same content under another name: the same pack";
  EXPECT_FALSE(was_made());
  const auto time = fs::last_write_time(copy);
  for (const std::size_t from_end : {std::size_t{40}, text.size() / 4}) {  // in the tensors
    text[text.size() - from_end] = static_cast<char>(text[text.size() - from_end] ^ 2);
    spill(copy, text);
    fs::last_write_time(copy, time);  // as if nothing had happened
    const std::string fresh = packed(copy, nullptr);
    EXPECT_NE(fresh, before);
    EXPECT_EQ(packed(copy, &cache), fresh);
    EXPECT_EQ(packed(copy, &cache), fresh);
  }
  EXPECT_EQ(packed(model_, &cache), before);
}

TEST_P(WeightPackTest, ALyingNoteOrNameDoesNoHarm) {
  FileCache cache(directory_, kLots);
  const std::string expected = packed(model_, &cache);
  const fs::path right = files(".pack").at(0);
  ASSERT_EQ(files(".note").size(), 1u) << "a file this old is remembered";
  const std::string other = "v" + std::to_string(kPackVersion) + "-" + std::string(64, 'a') + ".pack";
  fs::copy_file(right, directory_ / other);  // whole, but another model's name
  spill(files(".note")[0], other + "\n");
  EXPECT_EQ(packed(model_, &cache), expected);
  EXPECT_FALSE(was_made()) << "by its digest";
  EXPECT_EQ(slurp(files(".note")[0]), right.filename().string() + "\n");
  spill(files(".note")[0], "v999-" + std::string(64, 'a') + ".pack\n");
  EXPECT_EQ(packed(model_, &cache), expected);
  std::string foreign = slurp(right);
  spill(right, std::string(foreign.size(), 'x'));
  EXPECT_EQ(packed(model_, &cache), expected);
  EXPECT_EQ(slurp(right), foreign);
}

TEST_P(WeightPackTest, WithoutACacheItWorksAndSaysSo) {
  const std::string expected = packed(model_, nullptr);
  spill(directory_, "no directory");
  FileCache broken(directory_, kLots);
  EXPECT_EQ(packed(model_, &broken), expected);
  EXPECT_NE(warning_.find("packed in memory"), std::string::npos) << warning_;
  fs::remove_all(directory_);
  FileCache small(directory_, 1000);
  EXPECT_EQ(packed(model_, &small), expected);
  EXPECT_NE(warning_.find("the limit is 1000"), std::string::npos) << warning_;
}

TEST_P(WeightPackTest, CancelledLeavesNothing) {
  FileCache cache(directory_, kLots);
  cancel_at_ = 5;
  const auto none = load(model_, &cache);
  EXPECT_EQ(error_.code, Code::cancelled);
  EXPECT_TRUE(files(".pack").empty());
  EXPECT_TRUE(files(".partial").empty());
}

INSTANTIATE_TEST_SUITE_P(Families, WeightPackTest, ::testing::Values("llama", "qwen2", "gemma3", "hybrid", "deepseek3"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace heed
