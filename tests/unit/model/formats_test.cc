// formats_test.cc -- the same model in another format is the same model; what is converted is, too.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "formats/gguf.h"
#include "model/convert.h"
#include "model/recode.h"
#include "tests/unit/faulty_files.h"
#include "tests/unit/model/expectation.h"
#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = std::string(HEED_SOURCE_DIR) + "/tests/golden/";

std::vector<std::byte> bytes_of(const ModelFile& file, const std::string& name) {
  const Tensor& t = *file.find(name);
  std::vector<std::byte> out(static_cast<std::size_t>(t.bytes()));
  if (const TensorSource* source = file.source(name)) {
    const auto rows = gather_rows(*source, t, 0, t.rows());
    EXPECT_TRUE(rows) << name;
    std::memcpy(out.data(), rows->data(), out.size());
  } else {
    std::memcpy(out.data(), t.data, out.size());
  }
  return out;
}

void expect_same_tensors(const ModelFile& got, const ModelFile& want) {
  ASSERT_EQ(got.tensors().size(), want.tensors().size());
  for (const NamedTensor& named : want.tensors()) {
    const Tensor* t = got.find(named.name);
    ASSERT_NE(t, nullptr) << named.name;
    EXPECT_EQ(t->shape, named.tensor.shape) << named.name;
    ASSERT_EQ(t->dtype, named.tensor.dtype) << named.name;
    EXPECT_EQ(bytes_of(got, named.name), bytes_of(want, named.name)) << named.name;
  }
}

void expect_golden_logits(TestModel& model, const std::string& name) {
  const auto expected = GgufFile::open(kGolden + "models/" + name + ".expected.gguf");
  ASSERT_TRUE(expected) << expected.error().text;
  const Tensor& tokens = *expected->find("tokens");
  std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens.cols()));
  std::memcpy(ids.data(), tokens.data, ids.size() * 4);
  Expectation check{&*expected, kMaxNmse};
  KvCache cache(*model.pages);
  const auto logits = model.run(cache, ids, {&check, Expectation::on_layer});
  ASSERT_TRUE(logits) << logits.error().text;
  const auto* want = reinterpret_cast<const float*>(expected->find("logits")->data);
  EXPECT_LE(nmse(logits->data(), want, logits->size()), kMaxNmse);
}

class Hub : public testing::TestWithParam<std::string> {};

TEST_P(Hub, IsTheModelThatItsGgufIs) {
  const auto hub = open_model_file(kGolden + "hub/" + GetParam());
  ASSERT_TRUE(hub) << hub.error().text;
  EXPECT_EQ((*hub)->format(), "safetensors");
  const auto gguf = GgufFile::open(kGolden + "models/" + GetParam() + ".gguf");
  ASSERT_TRUE(gguf) << gguf.error().text;
  expect_same_tensors(**hub, *gguf);
  TestModel model(2, best_kernels());
  const auto loaded = model.load(**hub);
  ASSERT_TRUE(loaded) << loaded.error().text;
  expect_golden_logits(model, GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, Hub,
                         testing::Values("llama", "llama3-rope", "mixtral", "qwen2", "qwen2moe", "qwen3", "gemma",
                                         "gemma2", "gemma3", "phi3", "arcee", "seed-oss", "ernie4-5", "chatglm",
                                         "glm4"),
                         [](const auto& p) {
                           std::string name = p.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Llama2cModel, GivesTheLogitsOfThePublishedAlgorithm) {
  const auto file = open_model_file(kGolden + "llama2c/tiny.bin");
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ((*file)->format(), "llama2.c");
  TestModel model(2, best_kernels());
  const auto loaded = model.load(**file);
  ASSERT_TRUE(loaded) << loaded.error().text;
  const auto expected = system_files().read(kGolden + "llama2c/expected.bin", 1 << 20);
  ASSERT_TRUE(expected);
  const std::size_t n = expected->size() / 4 / (1 + static_cast<std::size_t>(model.spec.vocab));
  std::vector<std::int32_t> ids(n);
  std::vector<float> want(n * static_cast<std::size_t>(model.spec.vocab));
  ASSERT_EQ(expected->size(), 4 * (ids.size() + want.size()));
  std::memcpy(ids.data(), expected->data(), 4 * n);
  std::memcpy(want.data(), expected->data() + 4 * n, 4 * want.size());
  KvCache cache(*model.pages);
  const auto logits = model.run(cache, ids);
  ASSERT_TRUE(logits) << logits.error().text;
  EXPECT_LE(nmse(logits->data(), want.data(), want.size()), kMaxNmse);
}

TEST(LoadedAs, EveryMixIsNearTheModel) {
  for (const auto& [name, most] :
       {std::pair{"F32", 1e-6}, {"BF16", 1e-3}, {"Q8_0", 1e-3}, {"Q5_K_M", 2e-2}, {"Q4_K_M", 6e-2}, {"Q4_0", 0.1}}) {
    TestModel exact(2, best_kernels()), coded(2, best_kernels());
    ASSERT_TRUE(exact.load("llama"));
    const auto loaded = coded.load(exact.file, {.mix = *mix_named(name)});
    ASSERT_TRUE(loaded) << loaded.error().text;
    const std::vector<std::int32_t> ids = {1, 5, 9, 13, 60, 2, 33, 8};
    KvCache a(*exact.pages), b(*coded.pages);
    const auto want = exact.run(a, ids), got = coded.run(b, ids);
    ASSERT_TRUE(want && got);
    EXPECT_LE(nmse(got->data(), want->data(), want->size()), most) << name;
  }
}

class Convert : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("heed_convert_" + std::to_string(::getpid()));
    fs::remove_all(directory_);
    fs::create_directories(directory_);
    out_ = directory_ / "out.gguf";
  }
  void TearDown() override { fs::remove_all(directory_); }

  bool is_empty() const { return fs::is_empty(directory_); }

  ThreadPool pool_{2};
  fs::path directory_;
  std::string out_;
};

TEST_F(Convert, HubBecomesTheGgufThatItIs) {
  for (const std::string name : {"llama", "qwen2", "mixtral", "gemma2"}) {
    const auto hub = open_model_file(kGolden + "hub/" + name);
    ASSERT_TRUE(hub) << hub.error().text;
    const auto bytes = convert_model(**hub, *mix_named("F32"), out_, pool_);
    ASSERT_TRUE(bytes) << bytes.error().text;
    EXPECT_EQ(*bytes, static_cast<std::int64_t>(fs::file_size(out_)));
    const auto made = GgufFile::open(out_), want = GgufFile::open(kGolden + "models/" + name + ".gguf");
    ASSERT_TRUE(made && want) << made.error().text;
    expect_same_tensors(*made, *want);
    TestModel model(2, best_kernels());
    ASSERT_TRUE(model.load(*made));
    expect_golden_logits(model, name);
  }
}

TEST_F(Convert, MetadataStaysAndSaysTheType) {
  const auto from = GgufFile::open(kGolden + "models/gemma3.gguf");
  ASSERT_TRUE(from);
  ASSERT_TRUE(convert_model(*from, *mix_named("q8_0"), out_, pool_));
  const auto made = GgufFile::open(out_);
  ASSERT_TRUE(made) << made.error().text;
  for (const auto& [key, value] : from->metadata().all()) {
    const MetaValue* kept = made->metadata().find(key);
    ASSERT_NE(kept, nullptr) << key;
    const bool is_made_anew = key == "general.file_type" || key == "general.quantization_version";
    EXPECT_TRUE(is_made_anew || *kept == value) << key;
  }
  EXPECT_EQ(*made->metadata().integer("general.file_type", -1), 7);
  EXPECT_EQ(made->find("blk.0.attn_q.weight")->dtype, DType::q8_0);
  EXPECT_EQ(made->find("blk.0.attn_norm.weight")->dtype, DType::f32);
}

TEST_F(Convert, CancelledOrFailedItLeavesNothing) {
  const auto from = GgufFile::open(kGolden + "models/llama.gguf");
  ASSERT_TRUE(from);
  int steps = 0;
  const ConvertOptions cancel = {.progress = [&](const std::string&, auto, auto) { return ++steps < 3; }};
  const auto cancelled = convert_model(*from, *mix_named("Q8_0"), out_, pool_, cancel);
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, Code::cancelled);
  EXPECT_TRUE(is_empty());
  for (int n = 1; n <= 5; ++n) {
    FaultyFiles files;
    files.fail_write = n;
    EXPECT_FALSE(convert_model(*from, *mix_named("Q8_0"), out_, pool_, {}, files));
    EXPECT_TRUE(is_empty()) << n;
  }
  FaultyFiles sync, rename;
  sync.fail_sync = rename.fail_rename = 1;
  EXPECT_FALSE(convert_model(*from, *mix_named("Q8_0"), out_, pool_, {}, sync));
  EXPECT_FALSE(convert_model(*from, *mix_named("Q8_0"), out_, pool_, {}, rename));
  EXPECT_TRUE(is_empty());
}

TEST_F(Convert, AFileThatIsThereStaysUntilTheNewOneIsWhole) {
  const auto from = GgufFile::open(kGolden + "models/llama.gguf");
  ASSERT_TRUE(convert_model(*from, *mix_named("F32"), out_, pool_));
  const auto before = fs::file_size(out_);
  FaultyFiles files;
  files.fail_write = 4;
  EXPECT_FALSE(convert_model(*from, *mix_named("Q8_0"), out_, pool_, {}, files));
  EXPECT_EQ(fs::file_size(out_), before);
}

TEST(MixNames, AreTakenInAnyCaseAndRefusedByList) {
  EXPECT_EQ(mix_named("q4_k_m")->file_type, 15);
  const auto wrong = mix_named("Q9");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().text.find("Q4_K_M"), std::string::npos);
}

TEST(MixedType, RowsThatDoNotFitGetTheNearestEncoding) {
  const Mix mix = *mix_named("Q4_K_M");
  const MixedModel model = {.layers = 16, .is_tied = true};
  const auto type = [&](const char* name, std::int64_t cols) {
    return mixed_type(mix, model, name, {.dtype = DType::f32, .rank = 2, .shape = {64, cols}});
  };
  EXPECT_EQ(type("blk.3.attn_q.weight", 512), DType::q4_k);
  EXPECT_EQ(type("blk.3.attn_q.weight", 576), DType::q5_0);
  EXPECT_EQ(type("blk.3.attn_q.weight", 36), DType::f16);
  EXPECT_EQ(type("blk.0.attn_v.weight", 512), DType::q6_k);
  EXPECT_EQ(type("blk.0.attn_v.weight", 576), DType::q8_0);
  EXPECT_EQ(type("blk.3.ffn_down.weight", 512), DType::q4_k);
  EXPECT_EQ(type("blk.4.ffn_down.weight", 512), DType::q6_k);
  EXPECT_EQ(type("token_embd.weight", 512), DType::q6_k);
  EXPECT_EQ(type("blk.0.ffn_gate_inp.weight", 512), DType::f32);
  EXPECT_EQ(mixed_type(mix, model, "blk.0.attn_norm.weight", {.dtype = DType::f32, .rank = 1, .shape = {512}}),
            DType::f32);
}

}  // namespace
}  // namespace heed
