// batching_test.cc -- many requests at once: no neighbour effects, fairness, cancellation, deadlines, overload, drain.
#include <algorithm>
#include <atomic>
#include <limits>
#include <random>

#include "tests/unit/engine/harness.h"

namespace heed::testing {
namespace {

GenerationRequest random_request(std::mt19937& random) {
  std::string text;
  for (std::size_t n = 1 + random() % 120; n > 0; --n) text += static_cast<char>('a' + random() % 26);
  if (random() % 3 == 0) text = "a common beginning of some prompts " + text;
  GenerationRequest r = ask(text, static_cast<std::int32_t>(random() % 80));
  SamplingParams& s = r.sampling;
  s.temperature = random() % 3 == 0 ? 0.0f : 0.3f + 0.1f * static_cast<float>(random() % 12);
  s.top_k = random() % 3 == 0 ? static_cast<std::int32_t>(random() % 50) : 0;
  s.top_p = random() % 3 == 0 ? 0.8f : 1.0f;
  s.min_p = random() % 4 == 0 ? 0.05f : 0.0f;
  s.repetition_penalty = random() % 3 == 0 ? 1.2f : 1.0f;
  s.frequency_penalty = random() % 3 == 0 ? 0.5f : 0.0f;
  s.seed = random();
  s.top_logprobs = random() % 3 == 0 ? 2 : -1;
  if (random() % 3 == 0) r.stop = {"e", "xy"};
  r.prompt_logprobs = random() % 8 == 0;
  r.tenant = std::string(1, static_cast<char>('A' + random() % 4));
  r.priority = static_cast<std::int32_t>(random() % 3);
  return r;
}

bool is_same(const Answer& a, const Answer& b) {
  if (a.text != b.text || ids(a.tokens) != ids(b.tokens) || a.reason != b.reason) return false;
  if (a.usage.completion_tokens != b.usage.completion_tokens || a.prompt_scores.size() != b.prompt_scores.size())
    return false;
  for (std::size_t i = 0; i < a.tokens.size(); ++i) {
    if (a.tokens[i].logprob != b.tokens[i].logprob) return false;
  }
  for (std::size_t i = 0; i < a.prompt_scores.size(); ++i) {
    if (a.prompt_scores[i].logprob != b.prompt_scores[i].logprob) return false;
  }
  return true;
}

/// Alone, one after another without reuse, against all together under `options` and `model_options`.
void expect_no_neighbour_effects(EngineOptions options, FakeModelOptions model_options, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<GenerationRequest> requests;
  for (int i = 0; i < 50; ++i) requests.push_back(random_request(random));
  std::vector<Answer> alone;
  {
    FakeModel model;
    Engine engine(model, {.max_running = 1, .kept_states = 0});
    for (const auto& r : requests) alone.push_back(run(engine, r));
    EXPECT_EQ(model.states_alive(), 0);
  }
  FakeModel model(model_options);
  {
    Engine engine(model, options);
    model.hold();
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (const auto& r : requests) sinks.push_back(submit(engine, r));
    model.resume();
    int different_texts = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const Answer together = sinks[i]->wait();
      EXPECT_TRUE(is_same(alone[i], together))
          << "request " << i << ": '" << alone[i].text << "' '" << together.text << "'";
      different_texts += together.text != alone[0].text;
    }
    EXPECT_GT(different_texts, 40);
    EXPECT_GT(model.most_items(), 1);
    EXPECT_LE(model.largest_step(), model_options.max_step_tokens);
    EXPECT_LE(model.peak_pages(), model_options.pages);
  }
  EXPECT_EQ(model.states_alive(), 0);
  EXPECT_EQ(model.pages_used(), 0);
}

TEST(Batching, NoNeighbourEffects) {
  expect_no_neighbour_effects({.max_running = 16}, {}, 1);
  expect_no_neighbour_effects({.max_running = 64, .prefill_chunk = 3, .kept_states = 2}, {}, 2);
  expect_no_neighbour_effects({.max_running = 5, .prefill_chunk = 1000, .kept_states = 0}, {}, 3);
}

TEST(Batching, NoNeighbourEffectsWhenAStepCannotHoldEveryone) {
  expect_no_neighbour_effects({.max_running = 32}, {.max_step_tokens = 6}, 4);
  expect_no_neighbour_effects({.max_running = 8}, {.max_step_tokens = 2}, 5);
}

TEST(Batching, NoNeighbourEffectsWhenMemoryIsShortAndSequencesArePreempted) {
  // 16 pages of 16 tokens: one long request fits (up to 235 tokens), 32 running ones never do.
  expect_no_neighbour_effects({.max_running = 32}, {.pages = 16}, 6);
  expect_no_neighbour_effects({.max_running = 32, .prefill_chunk = 16}, {.page_tokens = 4, .pages = 64}, 7);
}

TEST(Batching, PreemptedAnswersComeOutWhole) {
  FakeModel model({.pages = 14});
  Engine engine(model, {.max_running = 2, .kept_states = 0, .speculation = SpeculationMode::off});
  model.hold();
  GenerationRequest r = ask(std::string(40, 'p'), 150);  // 12 pages each in the end, 7 at admission
  r.ignore_end = true;
  auto a = submit(engine, r), b = submit(engine, r);
  model.resume();
  const Answer x = a->wait(), y = b->wait();
  EXPECT_EQ(x.reason, FinishReason::length);
  EXPECT_EQ(y.reason, FinishReason::length);
  EXPECT_EQ(ids(x.tokens), ids(y.tokens));
  EXPECT_EQ(model.most_items(), 2);
  EXPECT_GT(model.tokens(), 2 * (40 + 149));  // something was computed twice, so somebody was preempted
}

/// Returns with the model held right after the nth delta: by the engine's own thread, so the answer cannot run ahead.
std::shared_ptr<RecordingSink> submit_and_hold_at_delta(int n, FakeModel& model, Engine& engine,
                                                        const GenerationRequest& request, RequestId* id = nullptr) {
  auto sink = std::make_shared<RecordingSink>();
  sink->each = [&model, n, deltas = 0]() mutable {
    if (++deltas == n) model.hold();
  };
  submit(engine, request, sink, id);
  EXPECT_TRUE(model.wait_until_held(10'000));
  return sink;
}

TEST(Batching, APrefillDoesNotStopRunningAnswers) {
  FakeModel model({.mode = FakeMode::echo});
  Engine engine(model, {.prefill_chunk = 8, .kept_states = 0, .speculation = SpeculationMode::off});
  GenerationRequest r = ask(chat("short"), 400);
  r.ignore_end = true;
  auto running = submit_and_hold_at_delta(1, model, engine, r);
  auto heavy = submit(engine, ask(std::string(800, 'x'), 1));
  const std::int64_t before = model.steps();
  model.resume();
  const Answer h = heavy->wait();
  EXPECT_EQ(h.prefill.size(), 100u);
  for (std::size_t i = 0; i + 1 < h.prefill.size(); ++i)
    ASSERT_EQ(h.prefill[i], static_cast<std::int32_t>(8 * (i + 1)));
  EXPECT_GE(model.steps() - before, 100);
  EXPECT_EQ(running->wait().usage.completion_tokens, 400);
  EXPECT_LE(model.largest_step(), 8 + static_cast<std::int64_t>(to_tokens(chat("short")).size()));
}

/// The order of finishing of requests that are all there before the first step.
TEST(Batching, AFloodOfOneTenantDoesNotStarveAnother) {
  FakeModel model;
  Engine engine(model, {.max_running = 4});
  std::atomic<int> finished{0};
  int place_of_b = -1;
  const auto flood = [&](const std::string& tenant) {
    GenerationRequest r = ask("a prompt of " + tenant, 30);
    r.ignore_end = true;
    r.tenant = tenant;
    return r;
  };
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  model.hold();
  for (int i = 0; i < 51; ++i) {
    auto sink = std::make_shared<RecordingSink>();
    const bool is_b = i == 50;
    sink->at_finish = [&finished, &place_of_b, is_b] {
      const int place = ++finished;
      if (is_b) place_of_b = place;
    };
    ASSERT_TRUE(engine.submit(flood(is_b ? "b" : "a"), sink));
    ASSERT_TRUE(i != 49 || model.wait_until_held(10'000));  // the first of a runs
    sinks.push_back(sink);
  }
  model.resume();
  for (auto& sink : sinks) EXPECT_EQ(sink->wait().reason, FinishReason::length);
  EXPECT_GT(place_of_b, 0);
  EXPECT_LE(place_of_b, 8);  // at most everything of a that ran already, and what ran beside it
}

TEST(Batching, ServiceIsSharedEvenlyWhileBothWait) {
  FakeModel model;
  Engine engine(model, {.max_running = 2});
  std::vector<char> order;
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  model.hold();
  for (int i = 0; i < 40; ++i) {
    const char tenant = i < 30 ? 'a' : 'b';
    GenerationRequest r = ask(std::string(20, tenant), 20);
    r.ignore_end = true;
    r.tenant = std::string(1, tenant);
    auto sink = std::make_shared<RecordingSink>();
    sink->at_finish = [&order, tenant] { order.push_back(tenant); };
    ASSERT_TRUE(engine.submit(r, sink));
    sinks.push_back(sink);
  }
  model.resume();
  for (auto& sink : sinks) sink->wait();
  const auto b_early = std::count(order.begin(), order.begin() + 24, 'b');
  EXPECT_GE(b_early, 9) << std::string(order.begin(), order.end());
}

TEST(Batching, IdlingEarnsNothing) {
  FakeModel model;
  Engine engine(model, {.max_running = 1});
  const auto request = [](char tenant) {
    GenerationRequest r = ask(std::string(20, tenant), 20);
    r.ignore_end = true;
    r.tenant = std::string(1, tenant);
    return r;
  };
  std::vector<char> order;
  std::vector<std::shared_ptr<RecordingSink>> sinks;  // 40 of a, 20 of b
  for (int i = 0; i < 60; ++i) sinks.push_back(std::make_shared<RecordingSink>());
  for (std::size_t i = 0; i < 60; ++i) {
    sinks[i]->at_finish = [&, i] {
      order.push_back(i < 40 ? 'a' : 'b');
      // a was served a lot by now; b wakes up.
      for (std::size_t j = 40; i == 19 && j < 60; ++j) EXPECT_TRUE(engine.submit(request('b'), sinks[j]));
    };
  }
  model.hold();
  for (std::size_t i = 0; i < 40; ++i) ASSERT_TRUE(engine.submit(request('a'), sinks[i]));
  model.resume();
  for (auto& sink : sinks) sink->wait();
  const auto first_b = std::find(order.begin(), order.end(), 'b');
  ASSERT_GT(order.end() - first_b, 20);
  const auto a_meanwhile = std::count(first_b, first_b + 10, 'a');
  EXPECT_GE(a_meanwhile, 3) << std::string(order.begin(), order.end());
  EXPECT_LE(a_meanwhile, 7) << std::string(order.begin(), order.end());
}

TEST(Batching, PriorityGoesFirstWithinATenant) {
  FakeModel model;
  Engine engine(model, {.max_running = 1});
  std::vector<int> order;
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  model.hold();
  for (int i = 0; i < 6; ++i) {
    GenerationRequest r = ask("prompt", 3);
    r.priority = i == 0 ? 100 : i % 3;  // the first one runs at once
    auto sink = std::make_shared<RecordingSink>();
    sink->at_finish = [&order, i] { order.push_back(i); };
    ASSERT_TRUE(engine.submit(r, sink));
    ASSERT_TRUE(i != 0 || model.wait_until_held(10'000));
    sinks.push_back(sink);
  }
  model.resume();
  for (auto& sink : sinks) sink->wait();
  EXPECT_EQ(order, (std::vector<int>{0, 2, 5, 1, 4, 3}));
}

TEST(Batching, BeyondTheQueueIsBusy) {
  FakeModel model;
  Engine engine(model, {.max_running = 2, .max_queued = 3});
  model.hold();
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 5; ++i) sinks.push_back(submit(engine, ask("x", 3)));
  for (int i = 0; i < 100; ++i) {
    const auto refused = engine.submit(ask("x", 3), std::make_shared<RecordingSink>());
    ASSERT_FALSE(refused);
    ASSERT_EQ(refused.error().code, Code::busy);
  }
  ASSERT_TRUE(model.wait_until_held(10'000));
  EXPECT_EQ(engine.stats().running + engine.stats().queued, 5);
  model.resume();
  for (auto& sink : sinks) EXPECT_EQ(sink->wait().finishes, 1);  // nothing accepted is lost
  EXPECT_EQ(run(engine, ask("x", 3)).finishes, 1);
  EXPECT_EQ(engine.stats().finished, 6);
}

TEST(Batching, CancelTakesEffectAtTheNextStep) {
  FakeModel model;
  Engine engine(model, {.kept_states = 0});
  GenerationRequest r = ask("to be cancelled", -1);
  r.ignore_end = true;
  RequestId id = 0;
  auto sink = submit_and_hold_at_delta(3, model, engine, r, &id);
  engine.cancel(id);
  const std::int64_t steps = model.steps();
  model.resume();
  EXPECT_EQ(sink->wait().reason, FinishReason::cancelled);
  EXPECT_LE(model.steps() - steps, 1);
  EXPECT_EQ(model.states_alive(), 0);
  engine.cancel(id);
  engine.cancel(123'456);
  EXPECT_EQ(run(engine, ask("goes on", 3)).finishes, 1);
}

TEST(Batching, ThousandRandomCancellationsLeakNothing) {
  FakeModel model({.pages = 60});
  std::mt19937 random(11);
  std::int64_t cancelled = 0;
  {
    Engine engine(model, {.max_running = 6, .max_queued = 2000, .prefill_chunk = 16, .kept_states = 3});
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    std::vector<RequestId> open;
    for (int i = 0; i < 1000; ++i) {
      RequestId id = 0;
      sinks.push_back(submit(engine, random_request(random), &id));
      open.push_back(id);
      if (random() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
      if (random() % 2 == 0) engine.cancel(open[open.size() - 1 - random() % std::min<std::size_t>(open.size(), 12)]);
    }
    for (std::size_t i = 0; i < sinks.size(); i += 3) engine.cancel(open[i]);
    for (auto& sink : sinks) {
      const Answer a = sink->wait();
      EXPECT_EQ(a.finishes, 1);
      EXPECT_NE(a.reason, FinishReason::error) << a.error.text;
      cancelled += a.reason == FinishReason::cancelled;
    }
    engine.drain(10'000);
    const EngineStats stats = engine.stats();
    EXPECT_EQ(stats.cancelled, cancelled);
    EXPECT_EQ(stats.cancelled + stats.finished, 1000);
    EXPECT_EQ(stats.running + stats.queued, 0);
    EXPECT_LE(model.states_alive(), 3);
  }
  EXPECT_GT(cancelled, 100);
  EXPECT_LT(cancelled, 950);
  EXPECT_EQ(model.states_alive(), 0);
  EXPECT_EQ(model.pages_used(), 0);
  EXPECT_LE(model.peak_pages(), 60);
}

TEST(Batching, DeadlinesByTheClock) {
  FakeClock clock;
  FakeModel model({.clock = &clock, .step_ns = 1'000'000});  // one millisecond a step
  Engine engine(model, {.max_running = 1, .kept_states = 0, .speculation = SpeculationMode::off, .clock = &clock});
  model.hold();
  GenerationRequest r = ask("x", 50);
  r.ignore_end = true;
  r.deadline_ms = 10;
  auto first = submit(engine, r);
  ASSERT_TRUE(model.wait_until_held(10'000));
  auto second = submit(engine, r);  // never gets its turn in time
  r.deadline_ms = 1000;
  auto third = submit(engine, r);
  r.deadline_ms = std::numeric_limits<std::int64_t>::max();
  auto fourth = submit(engine, r);
  model.resume();
  const Answer a = first->wait();
  EXPECT_EQ(a.reason, FinishReason::deadline);
  EXPECT_EQ(a.usage.completion_tokens, 10);
  EXPECT_EQ(a.tokens.size(), 10u);
  const Answer b = second->wait();
  EXPECT_EQ(b.reason, FinishReason::deadline);
  EXPECT_EQ(b.usage.completion_tokens, 0);
  EXPECT_DOUBLE_EQ(b.usage.queue_ms, 10.0);
  const Answer c = third->wait();
  EXPECT_EQ(c.reason, FinishReason::length);
  EXPECT_DOUBLE_EQ(c.usage.queue_ms, 10.0);
  EXPECT_DOUBLE_EQ(c.usage.prefill_ms, 1.0);
  EXPECT_DOUBLE_EQ(c.usage.decode_ms, 49.0);
  EXPECT_EQ(fourth->wait().reason, FinishReason::length);
}

TEST(Batching, ADeadlineReleasesHeldText) {
  FakeClock clock;
  FakeModel model({.mode = FakeMode::echo, .clock = &clock});
  Engine engine(model, {.speculation = SpeculationMode::off, .clock = &clock});  // one token a step
  GenerationRequest r = ask(chat("ab" + std::string(15, 'S')), 100);
  r.stop = {std::string(20, 'S')};
  r.deadline_ms = 10;
  const Answer a = run(engine, r);
  EXPECT_EQ(a.reason, FinishReason::deadline);
  EXPECT_EQ(a.text, "abSSSSSSSS");
  EXPECT_EQ(a.tokens.size(), 10u);
}

TEST(Batching, AFailingStepSparesWaitingRequests) {
  FakeModel model;
  Engine engine(model, {.max_running = 3, .kept_states = 0, .speculation = SpeculationMode::off});
  model.hold();
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  GenerationRequest r = ask("x", 10);
  r.ignore_end = true;
  auto warm = submit(engine, r);
  ASSERT_TRUE(model.wait_until_held(10'000));
  for (int i = 0; i < 7; ++i) sinks.push_back(submit(engine, r));
  model.fail_at_step(model.steps() + 4);  // three run by then
  model.resume();
  int failed = warm->wait().reason == FinishReason::error;
  for (auto& sink : sinks) failed += sink->wait().reason == FinishReason::error;
  EXPECT_EQ(failed, 3);
  EXPECT_EQ(engine.stats().failed, 3);
  EXPECT_EQ(engine.stats().finished, 5);
  EXPECT_EQ(model.states_alive(), 0);
}

TEST(Batching, ParallelAnswersShareTheirPrompt) {
  FakeModel model;
  Engine engine(model);
  GenerationRequest r = ask("a long prompt that several answers share", -1);
  r.ignore_end = true;
  RequestId id = 0;
  auto first = submit(engine, r, &id);
  first->wait_for_deltas(1);
  r.max_tokens = 5;
  EXPECT_EQ(run(engine, r).usage.cached_tokens, static_cast<std::int32_t>(r.prompt.size()) - 1);
  r.tenant = "other";
  EXPECT_EQ(run(engine, r).usage.cached_tokens, 0);
  engine.cancel(id);
  first->wait();
}

TEST(Batching, DrainFinishesWhatWasAccepted) {
  FakeModel model;
  Engine engine(model, {.max_running = 2});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 10; ++i) sinks.push_back(submit(engine, ask("x", 20)));
  engine.drain(60'000);
  for (auto& sink : sinks) {
    ASSERT_TRUE(sink->is_finished());
    EXPECT_NE(sink->peek().reason, FinishReason::cancelled);
  }
  const auto refused = engine.submit(ask("x"), std::make_shared<RecordingSink>());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::busy);
}

TEST(Batching, DrainCancelsAfterItsTimeout) {
  FakeModel model({.context = 1 << 20, .pages = 1 << 17, .step_sleep_us = 200});
  Engine engine(model, {.max_running = 2});
  GenerationRequest r = ask("x", -1);
  r.ignore_end = true;
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 5; ++i) sinks.push_back(submit(engine, r));
  engine.drain(20);
  for (auto& sink : sinks) {
    ASSERT_TRUE(sink->is_finished());
    EXPECT_EQ(sink->peek().reason, FinishReason::cancelled);
  }
}

TEST(Batching, TheDestructorCancelsAll) {
  FakeModel model({.context = 1 << 20, .pages = 1 << 17});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  {
    Engine engine(model, {.max_running = 2});
    GenerationRequest r = ask("x", -1);
    r.ignore_end = true;
    for (int i = 0; i < 5; ++i) sinks.push_back(submit(engine, r));
  }
  for (auto& sink : sinks) {
    ASSERT_TRUE(sink->is_finished());
    EXPECT_EQ(sink->peek().reason, FinishReason::cancelled);
  }
  EXPECT_EQ(model.states_alive(), 0);
}

TEST(Batching, SinksMayCallTheEngine) {
  FakeModel model;
  Engine engine(model);
  auto second = std::make_shared<RecordingSink>();
  auto first = std::make_shared<RecordingSink>();
  RequestId id = 0;
  first->each = [&] { engine.cancel(id); };
  first->at_finish = [&] { EXPECT_TRUE(engine.submit(ask("next", 3), second)); };
  GenerationRequest r = ask("x", 1000);
  r.ignore_end = true;
  model.hold();
  id = *engine.submit(r, first);
  model.resume();
  EXPECT_EQ(first->wait().reason, FinishReason::cancelled);
  EXPECT_EQ(second->wait().finishes, 1);
}

TEST(Batching, ManyThreadsSubmitAndCancel) {
  FakeModel model;
  Engine engine(model, {.max_queued = 1000});
  std::atomic<int> finished{0};
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 25; ++i) {
        RequestId id = 0;
        auto sink = submit(engine, random_request(random), &id);
        if (random() % 4 == 0) engine.cancel(id);
        engine.stats();
        finished += sink->wait().finishes;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(finished, 100);
}

}  // namespace
}  // namespace heed::testing
