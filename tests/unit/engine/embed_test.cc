// embed_test.cc -- texts to vectors: what stands around a text, packing, cancelling, and a tiny BERT from a directory.
#include "engine/pipelines/embed.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <future>
#include <thread>

#include "engine/fake_model.h"
#include "engine/loaded_model.h"

namespace heed {
namespace {

using Ids = std::vector<std::int32_t>;
using Result = Expected<std::vector<float>>;

std::future<Result> submit(Embedder& embedder, EmbedRequest request) {
  auto promise = std::make_shared<std::promise<Result>>();
  auto future = promise->get_future();
  request.done = [promise](Result made) { promise->set_value(std::move(made)); };
  const auto queued = embedder.submit(std::move(request));
  if (!queued) promise->set_value(queued.error());
  return future;
}

Result embed(Embedder& embedder, std::vector<Ids> texts, std::int32_t dimensions = 0) {
  return submit(embedder, {.texts = std::move(texts), .dimensions = dimensions}).get();
}

constexpr FakeModelOptions kFake{.context = 64, .max_step_tokens = 100, .vector_size = 4};

TEST(Embedder, VectorsAreOfLengthOneWhateverStandsBesideThem) {
  FakeModel model(kFake);
  Embedder embedder(model);
  std::vector<Ids> texts;
  for (std::int32_t i = 0; i < 50; ++i) texts.push_back(Ids(static_cast<std::size_t>(1 + i % 60), i));
  const Result all = embed(embedder, texts);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 200u);
  EXPECT_LE(model.largest_step(), 100);
  EXPECT_LE(model.most_items(), 16);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::vector<float> vector(all->begin() + static_cast<std::ptrdiff_t>(4 * i),
                                    all->begin() + static_cast<std::ptrdiff_t>(4 * i + 4));
    EXPECT_EQ(embed(embedder, {texts[i]}).value(), vector) << i;
    double power = 0;
    for (const float x : vector) power += double{x} * x;
    EXPECT_NEAR(power, 1.0, 1e-6);
  }
}

TEST(Embedder, RequestsShareAPass) {
  FakeModel model(kFake);
  Embedder embedder(model);
  model.hold();
  auto first = submit(embedder, {.texts = {{1}}});
  ASSERT_TRUE(model.wait_until_held(10'000));
  auto second = submit(embedder, {.texts = {{2}, {3}}}), third = submit(embedder, {.texts = {{4}}});
  model.resume();
  EXPECT_TRUE(first.get() && second.get() && third.get());
  EXPECT_EQ(model.steps(), 2);
  EXPECT_EQ(model.most_items(), 3);
}

TEST(Embedder, AShortRequestDoesNotWaitForALongOne) {
  FakeModel model(kFake);
  Embedder embedder(model);
  model.hold();
  auto lead = submit(embedder, {.texts = {{1}}});
  ASSERT_TRUE(model.wait_until_held(10'000));
  auto many = submit(embedder, {.texts = std::vector<Ids>(500, Ids(50, 7))});
  std::promise<std::int64_t> steps_of_one;
  ASSERT_TRUE(embedder.submit({.texts = {{9}}, .done = [&](const Result&) { steps_of_one.set_value(model.steps()); }}));
  model.resume();
  EXPECT_EQ(steps_of_one.get_future().get(), 2) << "of the 252 that all take";
  EXPECT_TRUE(many.get());
  EXPECT_TRUE(lead.get());
}

TEST(Embedder, RefusesByName) {
  FakeModel model(kFake);
  Embedder embedder(model);
  EXPECT_EQ(embed(embedder, {}).error().where, "input");
  EXPECT_EQ(embed(embedder, {{1}, {}}).error().where, "input");
  EXPECT_EQ(embed(embedder, {Ids(65, 1)}).error().code, Code::too_long);
  EXPECT_EQ(embed(embedder, {{1}}, 5).error().where, "dimensions");
  EXPECT_EQ(embed(embedder, {{1}}, -1).error().where, "dimensions");
}

TEST(Embedder, ErrorsOfAPassEndItsRequestsAlone) {
  FakeModel model(kFake);
  Embedder embedder(model);
  model.fail_at_step(1);
  EXPECT_EQ(embed(embedder, {{1}, {2}}).error().code, Code::internal);
  EXPECT_TRUE(embed(embedder, {{1}, {2}}));
}

TEST(Embedder, CancelledRequestsEndAndCostNothing) {
  FakeModel model(kFake);
  Embedder embedder(model);
  model.hold();
  auto lead = submit(embedder, {.texts = {{1}}});
  ASSERT_TRUE(model.wait_until_held(10'000));
  auto gone = std::make_shared<std::atomic<bool>>(false);
  auto dropped = submit(embedder, {.texts = std::vector<Ids>(500, Ids(50, 7)), .is_cancelled = gone});
  *gone = true;
  model.resume();
  EXPECT_EQ(dropped.get().error().code, Code::cancelled);
  EXPECT_TRUE(lead.get());
  EXPECT_EQ(model.steps(), 1);
}

TEST(Embedder, TooManyWaitingAreBusy) {
  FakeModel model(kFake);
  Embedder embedder(model);
  model.hold();
  std::vector<std::future<Result>> waiting;
  for (std::size_t i = 0; i < Embedder::kMostWaiting; ++i) waiting.push_back(submit(embedder, {.texts = {{1}}}));
  EXPECT_EQ(submit(embedder, {.texts = {{1}}}).get().error().code, Code::busy);
  model.resume();
  for (auto& one : waiting) EXPECT_TRUE(one.get());
}

TEST(Embedder, DrainEndsWhatIsNotDoneInTime) {
  FakeModel model(kFake);
  Embedder embedder(model);
  model.hold();
  auto lead = submit(embedder, {.texts = {{1}}});
  ASSERT_TRUE(model.wait_until_held(10'000));
  auto late = submit(embedder, {.texts = std::vector<Ids>(100, Ids(50, 7))});
  std::thread drain([&] { embedder.drain(1); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  model.resume();
  drain.join();
  EXPECT_TRUE(lead.get());
  EXPECT_EQ(late.get().error().code, Code::cancelled);
  EXPECT_EQ(embed(embedder, {{1}}).error().code, Code::busy);
}

TEST(Embedder, GenerationIsRefused) {
  FakeModel model(kFake);
  Engine engine(model);
  struct Quiet final : GenerationSink {
    void on_delta(const Delta&) override {}
    void on_finish(FinishReason, const Usage&, const Error*) override {}
  };
  const auto refused = engine.submit({.prompt = {1}}, std::make_shared<Quiet>());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unsupported);
}

class TinyBert : public ::testing::Test {
 protected:
  static std::unique_ptr<LoadedModel> load(const std::string& path, const LoadOptions& options = {.kv_dtype = "f32"}) {
    auto loaded = LoadedModel::load("bert", std::string(HEED_SOURCE_DIR) + "/tests/golden/" + path, options);
    EXPECT_TRUE(loaded) << loaded.error().text;
    return loaded ? std::move(*loaded) : nullptr;
  }
  static Result vector_of(LoadedModel& model, const std::string& text, LongText when_long = LongText::refuse) {
    HEED_ASSIGN(Ids tokens,
                embedding_tokens(model.model().tokenizer(), text, model.model().context_length(), when_long));
    return embed(*model.embedder(), {std::move(tokens)});
  }
};

TEST_F(TinyBert, OfAHubAndOfAGgufGiveOneVector) {
  const auto hub = load("hub/bert"), gguf = load("models/bert.gguf");
  ASSERT_TRUE(hub && gguf);
  ASSERT_NE(hub->embedder(), nullptr);
  EXPECT_EQ(hub->model().context_length(), 48) << "max_seq_length of sentence_bert_config.json";
  EXPECT_EQ(gguf->model().context_length(), 64);
  const Result a = vector_of(*hub, "The other thing, tested?"), b = vector_of(*gguf, "The other thing, tested?");
  ASSERT_TRUE(a && b);
  EXPECT_EQ(*a, *b);
  EXPECT_EQ(a->size(), 32u);
}

TEST_F(TinyBert, TextsStandBetweenTheModelsTokens) {
  const auto model = load("hub/bert");
  ASSERT_TRUE(model);
  const Tokenizer& t = model->model().tokenizer();
  EXPECT_EQ(embedding_tokens(t, "a b", 48, LongText::refuse).value(), (Ids{2, 5, 6, 3}));
  EXPECT_EQ(embedding_tokens(t, "a b c d", 4, LongText::truncate).value(), (Ids{2, 5, 6, 3})) << "the end stays";
  const auto refused = embedding_tokens(t, "a b c d", 4, LongText::refuse);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::too_long);
  EXPECT_EQ(refused.error().text, "embed: the text has 6 tokens, the model reads at most 4");
}

TEST_F(TinyBert, HalfPrecisionKeysChangeLittle) {
  const auto exact = load("hub/bert"), usual = load("hub/bert", {});
  ASSERT_TRUE(exact && usual);
  const Result a = vector_of(*exact, "the quick brown fox"), b = vector_of(*usual, "the quick brown fox");
  ASSERT_TRUE(a && b);
  double cosine = 0;
  for (std::size_t i = 0; i < a->size(); ++i) cosine += double{(*a)[i]} * (*b)[i];
  EXPECT_GT(cosine, 0.9999);
}

TEST_F(TinyBert, WritesNothing) {
  const auto model = load("hub/bert");
  ASSERT_TRUE(model);
  auto state = model->model().new_state();
  StepItem item{.state = state.get()};
  const auto stepped = model->model().step({&item, 1});
  ASSERT_FALSE(stepped);
  EXPECT_EQ(stepped.error().code, Code::unsupported);
}

}  // namespace
}  // namespace heed
