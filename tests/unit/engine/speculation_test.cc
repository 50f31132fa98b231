// speculation_test.cc -- guessed tokens change no answer, only the number of steps; the gate keeps them worth it.
#include <cstdlib>
#include <filesystem>
#include <random>

#include "engine/loaded_model.h"
#include "tests/unit/engine/harness.h"

namespace heed::testing {
namespace {

constexpr auto kOff = SpeculationMode::off, kAuto = SpeculationMode::automatic, kAlways = SpeculationMode::always;

void expect_same(const Answer& a, const Answer& b, const std::string& what) {
  EXPECT_EQ(a.text, b.text) << what;
  EXPECT_EQ(a.reason, b.reason) << what;
  EXPECT_EQ(a.deltas, b.deltas) << what;
  EXPECT_EQ(a.usage.completion_tokens, b.usage.completion_tokens) << what;
  ASSERT_EQ(ids(a.tokens), ids(b.tokens)) << what;
  for (std::size_t i = 0; i < a.tokens.size(); ++i) {
    ASSERT_EQ(a.tokens[i].logprob, b.tokens[i].logprob) << what;
    ASSERT_EQ(a.tokens[i].top.size(), b.tokens[i].top.size()) << what;
    for (std::size_t j = 0; j < a.tokens[i].top.size(); ++j) {
      ASSERT_EQ(a.tokens[i].top[j].token, b.tokens[i].top[j].token) << what;
      ASSERT_EQ(a.tokens[i].top[j].logprob, b.tokens[i].top[j].logprob) << what;
    }
  }
}

std::string repetitive_text(std::mt19937& random) {
  const std::string words[] = {"alpha ", "beta ", "gamma\n", "if (x) ", "return 0;\n"};
  std::string text;
  for (std::size_t n = 3 + random() % 25; n > 0; --n) text += words[random() % 5];
  return text;
}

/// Answers that mostly echo the prompt, and are thrown off course by heat, penalties and bias.
GenerationRequest random_guessed_request(std::mt19937& random) {
  GenerationRequest r = ask(chat(repetitive_text(random)), static_cast<std::int32_t>(1 + random() % 150));
  SamplingParams& s = r.sampling;
  s.temperature = random() % 3 == 0 ? 0.0f : random() % 2 == 0 ? 1.0f : 16.0f;
  s.top_k = random() % 3 == 0 ? static_cast<std::int32_t>(1 + random() % 50) : 0;
  s.top_p = random() % 3 == 0 ? 0.9f : 1.0f;
  s.min_p = random() % 4 == 0 ? 0.02f : 0.0f;
  s.repetition_penalty = random() % 3 == 0 ? 3.0f : 1.0f;
  s.frequency_penalty = random() % 3 == 0 ? 2.0f : 0.0f;
  s.presence_penalty = random() % 3 == 0 ? 1.0f : 0.0f;
  if (random() % 3 == 0) s.logit_bias = {{'a', -100.0f}, {'\n', 3.0f}};
  s.seed = random();
  s.top_logprobs = random() % 2 == 0 ? 3 : -1;
  if (random() % 3 == 0) r.stop = {"gamma\nif", "0;\nalpha beta", "zz"};
  r.ignore_end = random() % 3 == 0;
  if (random() % 3 == 0) r.prediction = to_tokens(repetitive_text(random));
  r.tenant = std::string(1, static_cast<char>('A' + random() % 3));
  return r;
}

struct Totals {
  std::int64_t steps = 0, drafted = 0, accepted = 0;
};

/// Each request alone without guesses, then all together under `options`.
Totals expect_same_answers(FakeMode mode, EngineOptions options, FakeModelOptions model_options, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<GenerationRequest> requests;
  for (int i = 0; i < 60; ++i) requests.push_back(random_guessed_request(random));
  std::vector<Answer> plain;
  {
    FakeModel model({.mode = mode});
    Engine engine(model, {.max_running = 1, .kept_states = 0, .speculation = kOff});
    for (const auto& r : requests) plain.push_back(run(engine, r));
    EXPECT_EQ(engine.stats().drafted_tokens, 0);
  }
  model_options.mode = mode;
  FakeModel model(model_options);
  Totals totals;
  {
    Engine engine(model, options);
    model.hold();
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (const auto& r : requests) sinks.push_back(submit(engine, r));
    model.resume();
    std::int64_t drafted = 0, accepted = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const Answer guessed = sinks[i]->wait();
      expect_same(plain[i], guessed, "request " + std::to_string(i));
      drafted += guessed.usage.drafted_tokens;
      accepted += guessed.usage.accepted_tokens;
      EXPECT_LE(guessed.usage.accepted_prediction_tokens + guessed.usage.rejected_prediction_tokens,
                guessed.usage.drafted_tokens);
    }
    engine.drain(10'000);
    const EngineStats stats = engine.stats();
    EXPECT_EQ(stats.drafted_tokens, drafted);
    EXPECT_EQ(stats.accepted_tokens, accepted);
    totals = {stats.steps, drafted, accepted};
    EXPECT_LE(model.largest_step(), model_options.max_step_tokens);
    EXPECT_LE(model.peak_pages(), model_options.pages);
  }
  EXPECT_EQ(model.states_alive(), 0);
  EXPECT_EQ(model.pages_used(), 0);
  return totals;
}

TEST(Speculation, AnswersAreTheSameToTheLastLogprob) {
  const Totals echo = expect_same_answers(FakeMode::echo, {.max_running = 1, .speculation = kAlways}, {}, 1);
  EXPECT_GT(echo.accepted, 1000);
  EXPECT_GT(echo.drafted - echo.accepted, 1000);  // rejected ones, or nothing was tested
  const Totals hash = expect_same_answers(FakeMode::hash, {.max_running = 1, .speculation = kAlways}, {}, 2);
  EXPECT_GT(hash.drafted, 1000);
  expect_same_answers(FakeMode::echo, {.max_running = 1}, {}, 3);
}

TEST(Speculation, AnswersAreTheSameInABatch) {
  const Totals t = expect_same_answers(FakeMode::echo, {.max_running = 12, .speculation = kAlways}, {}, 4);
  EXPECT_GT(t.accepted, 100);
  expect_same_answers(FakeMode::echo, {.max_running = 40, .prefill_chunk = 7, .kept_states = 2, .speculation = kAlways},
                      {}, 5);
  expect_same_answers(FakeMode::hash, {.max_running = 8}, {}, 6);
}

TEST(Speculation, AnswersAreTheSameWhenStepsAndMemoryAreShort) {
  expect_same_answers(FakeMode::echo, {.max_running = 8, .speculation = kAlways}, {.max_step_tokens = 10}, 7);
  expect_same_answers(FakeMode::echo, {.max_running = 8, .speculation = kAlways}, {.max_step_tokens = 3}, 8);
  expect_same_answers(FakeMode::echo, {.max_running = 16, .speculation = kAlways}, {.pages = 48}, 9);
  expect_same_answers(FakeMode::echo, {.max_running = 16, .speculation = kAlways}, {.page_tokens = 4, .pages = 190},
                      10);
}

/// Simulated time: a step costs `step_ns`, and `row_ns` for each row beyond the first.
struct Race {
  std::int64_t ns = 0, steps = 0, drafted = 0;
  std::string text;
};

Race race(FakeMode mode, SpeculationMode speculation, std::int64_t row_ns, std::size_t parallel = 1) {
  FakeClock clock;
  FakeModel model({.mode = mode, .clock = &clock, .step_ns = 1'000'000, .row_ns = row_ns});
  Engine engine(model, {.kept_states = 0, .speculation = speculation, .clock = &clock});
  std::string text;
  for (int i = 0; i < 60; ++i) text += "line " + std::to_string(i * 37) + " of the file\n";
  model.hold();
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (std::size_t i = 0; i < parallel; ++i) {
    GenerationRequest r = ask(chat(text), 800);
    r.ignore_end = mode == FakeMode::hash;
    r.tenant = std::to_string(i);
    sinks.push_back(submit(engine, r));
  }
  model.resume();
  Race out;
  for (auto& sink : sinks) {
    const Answer a = sink->wait();
    out.text += a.text;
    out.ns = std::max(out.ns, static_cast<std::int64_t>(a.usage.decode_ms * 1e6));
  }
  out.steps = engine.stats().steps;
  out.drafted = engine.stats().drafted_tokens;
  return out;
}

TEST(Speculation, CheapRowsMakeEchoesManyTimesFaster) {
  const Race off = race(FakeMode::echo, kOff, 100'000), automatic = race(FakeMode::echo, kAuto, 100'000);
  EXPECT_EQ(off.text, automatic.text);
  EXPECT_LT(automatic.ns * 4, off.ns);
  EXPECT_LT(automatic.steps * 8, off.steps);
}

TEST(Speculation, DearRowsAreLeftAlone) {
  // Each row costs what a step costs: nothing can be won, even by a perfect guess.
  const Race off = race(FakeMode::echo, kOff, 1'000'000), automatic = race(FakeMode::echo, kAuto, 1'000'000);
  EXPECT_EQ(off.text, automatic.text);
  EXPECT_LE(static_cast<double>(automatic.ns), 1.03 * static_cast<double>(off.ns));
  EXPECT_LT(automatic.drafted, 60);
}

TEST(Speculation, TextThatDoesNotRepeatIsNotSlower) {
  for (const std::int64_t row_ns : {50'000, 200'000, 1'000'000}) {
    const Race off = race(FakeMode::hash, kOff, row_ns), automatic = race(FakeMode::hash, kAuto, row_ns);
    EXPECT_EQ(off.text, automatic.text);
    EXPECT_LE(static_cast<double>(automatic.ns), 1.02 * static_cast<double>(off.ns)) << row_ns;
  }
}

TEST(Speculation, RowsOfAllSequencesCountTogether) {
  const Race off = race(FakeMode::echo, kOff, 100'000, 6), automatic = race(FakeMode::echo, kAuto, 100'000, 6);
  EXPECT_EQ(off.text, automatic.text);
  EXPECT_LT(automatic.ns, off.ns);
  EXPECT_LT(automatic.steps * 3, off.steps);
  const Race dear = race(FakeMode::echo, kAuto, 1'000'000, 6), plain = race(FakeMode::echo, kOff, 1'000'000, 6);
  EXPECT_LE(static_cast<double>(dear.ns), 1.03 * static_cast<double>(plain.ns));
}

TEST(Speculation, ARequestMayDecline) {
  FakeModel model({.mode = FakeMode::echo});
  Engine engine(model, {.kept_states = 0, .speculation = kAlways});
  GenerationRequest r = ask(chat("one two three four, one two three four, one two three four"), 100);
  r.speculates = false;
  EXPECT_EQ(run(engine, r).usage.drafted_tokens, 0);
  r.speculates = true;
  EXPECT_GT(run(engine, r).usage.drafted_tokens, 0);
}

TEST(Speculation, APredictionCountsWhatCameTrue) {
  FakeModel model({.mode = FakeMode::echo});
  Engine engine(model, {.kept_states = 0, .speculation = kAlways});
  GenerationRequest r = ask(chat("0123456789abcdefghijklmnopqrstuvwxyz"), 100);
  r.prediction = to_tokens("0123456789abcdefghijklmnopqrstuvwxyz");
  const Answer right = run(engine, r);
  EXPECT_EQ(right.text, "0123456789abcdefghijklmnopqrstuvwxyz");
  EXPECT_GT(right.usage.accepted_prediction_tokens, 25);
  EXPECT_EQ(right.usage.rejected_prediction_tokens, 0);
  r.prediction = to_tokens("0123456789ABCDEFGHIJKLMNOP");
  const Answer half = run(engine, r);
  EXPECT_EQ(half.text, right.text);
  EXPECT_GE(half.usage.accepted_prediction_tokens, 8);
  EXPECT_GT(half.usage.rejected_prediction_tokens, 0);
  r.prediction.assign(100'000, '#');  // longer than anything, and wrong
  EXPECT_EQ(run(engine, r).text, right.text);
}

TEST(Speculation, APredictionOutsideTheVocabularyIsRefused) {
  FakeModel model;
  Engine engine(model);
  for (const std::int32_t token : {-1, static_cast<std::int32_t>(FakeTokenizer::vocab)}) {
    GenerationRequest r = ask("x");
    r.prediction = {'a', token};
    const auto refused = engine.submit(r, std::make_shared<RecordingSink>());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().where, "prediction");
  }
}

TEST(Speculation, NeverBeyondTheLimit) {
  for (std::int32_t most = 1; most < 40; ++most) {
    FakeModel model({.mode = FakeMode::echo, .context = 150});
    Engine engine(model, {.kept_states = 0, .speculation = kAlways});
    GenerationRequest r = ask(chat("abcdefghij abcdefghij abcdefghij abcdefghij"), most % 2 == 0 ? most : -1);
    r.ignore_end = true;
    const Answer a = run(engine, r);
    EXPECT_EQ(a.reason, FinishReason::length);
    const std::int32_t room = 150 - static_cast<std::int32_t>(r.prompt.size());
    EXPECT_EQ(a.usage.completion_tokens, most % 2 == 0 ? std::min(most, room) : room);
  }
}

TEST(Speculation, TheNextTurnContinuesTheKeptState) {
  FakeModel model({.mode = FakeMode::echo});
  Engine engine(model, {.speculation = kAlways});
  const std::string first = chat("round and round and round and round");
  const Answer a = run(engine, ask(first, 100));
  ASSERT_GT(a.usage.accepted_tokens, 0);
  const Answer b = run(engine, ask(first + a.text + "<|im_end|>\n" + chat("again"), 100));
  EXPECT_EQ(b.text, "again");
  EXPECT_GE(b.usage.cached_tokens, static_cast<std::int32_t>(to_tokens(first + a.text).size()) - 1);
}

std::filesystem::path small_model() {
  const char* dir = std::getenv("HEED_MODELS_DIR");
  const char* home = std::getenv("HEED_HOME");
  const char* user = std::getenv("HOME");
  const std::filesystem::path models = dir    ? std::filesystem::path(dir)
                                       : home ? std::filesystem::path(home) / "models"
                                              : std::filesystem::path(user ? user : "") / ".local/share/heed/models";
  return models / "smollm2-135m-instruct.gguf";
}

class RealSpeculation : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto path = small_model();
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no smollm2-135m-instruct in " << path.parent_path();
    LoadOptions options{.threads = 2, .context = 2048};
    options.engine.speculation = kAlways;
    auto loaded = LoadedModel::load("small", path.string(), options);
    ASSERT_TRUE(loaded) << loaded.error().text;
    model_ = std::move(*loaded);
  }

  Answer answer(const std::string& user, SamplingParams sampling, bool speculates) {
    GenerationRequest r;
    r.prompt = model_->model().tokenizer().encode("<|im_start|>user\n" + user + "<|im_end|>\n<|im_start|>assistant\n",
                                                  true, {});
    r.max_tokens = 48;
    r.sampling = std::move(sampling);
    r.speculates = speculates;
    return run(model_->engine(), r);
  }

  std::unique_ptr<LoadedModel> model_;
};

constexpr const char* kRepeat =
    "Repeat this text word for word: the quick brown fox jumps over the lazy dog, and the lazy dog sleeps on; "
    "the quick brown fox jumps over the lazy dog, and the lazy dog sleeps on.";

TEST_F(RealSpeculation, SameBytesGreedySeededAndPenalized) {
  std::int64_t drafted = 0, accepted = 0;
  const std::vector<SamplingParams> ways = {
      {.temperature = 0, .top_logprobs = 2},
      {.temperature = 0.8f, .top_p = 0.95f, .seed = 7, .top_logprobs = 0},
      {.temperature = 1, .repetition_penalty = 1.1f, .frequency_penalty = 0.3f, .seed = 11},
  };
  for (const SamplingParams& way : ways) {
    for (const char* user : {kRepeat, "Write a short poem about the sea."}) {
      const Answer plain = answer(user, way, false), guessed = answer(user, way, true);
      expect_same(plain, guessed, user);
      drafted += guessed.usage.drafted_tokens;
      accepted += guessed.usage.accepted_tokens;
    }
  }
  EXPECT_GT(accepted, 20);
  EXPECT_GT(drafted, accepted);
}

}  // namespace
}  // namespace heed::testing
