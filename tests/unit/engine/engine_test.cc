// engine_test.cc -- one request at a time: text, limits, refusals, logprobs, prefix reuse, errors.
#include "engine/engine.h"

#include <limits>

#include "tests/unit/engine/harness.h"
#include "text/stream_decode.h"

namespace heed::testing {
namespace {

/// The answer computed without an engine: feed everything, sample, append.
std::vector<std::int32_t> by_hand(FakeModel& model, const GenerationRequest& r, std::int32_t count) {
  auto state = model.new_state();
  Sampler sampler(r.sampling, model.vocab_size());
  sampler.observe_prompt(r.prompt);
  std::vector<std::int32_t> next = r.prompt, out;
  std::vector<float> logits(static_cast<std::size_t>(model.vocab_size()));
  while (static_cast<std::int32_t>(out.size()) < count) {
    EXPECT_TRUE(model.reserve(*state, static_cast<std::int32_t>(next.size())));
    StepItem item{state.get(), next, logits};
    EXPECT_TRUE(model.step(std::span(&item, 1)));
    next = {sampler.sample(logits).token};
    if (next[0] == FakeTokenizer::im_end) break;
    out.push_back(next[0]);
  }
  return out;
}

TEST(Engine, AnswersWhatTheModelSays) {
  FakeModel model;
  Engine engine(model, {.prefill_chunk = 7});
  GenerationRequest r = ask("a prompt of more than one chunk", 50);
  r.sampling.temperature = 0.8f;
  r.sampling.seed = 3;
  r.sampling.frequency_penalty = 0.3f;
  const auto expected = by_hand(model, r, 50);
  const Answer a = run(engine, r);
  EXPECT_EQ(ids(a.tokens), expected);
  EXPECT_EQ(a.usage.prompt_tokens, 31);
  EXPECT_EQ(a.prefill, (std::vector<std::int32_t>{7, 14, 21, 28, 31}));
  std::string bytes;
  StreamDecoder decoder(model.tokenizer());
  for (const std::int32_t t : expected) bytes += decoder.push(t);
  EXPECT_EQ(a.text, bytes + decoder.finish());
}

TEST(Engine, EchoAnswersTheLastUserTextAndStopsAtTheEnd) {
  FakeModel model({.mode = FakeMode::echo});
  Engine engine(model);
  const std::string text =
      "Gr\xC3\xBC\xC3\x9F"
      "e \xF0\x9F\x98\x80!";
  const Answer a = run(engine, ask(chat("first") + "x<|im_end|>\n" + chat(text), 100));
  EXPECT_EQ(a.text, text);
  EXPECT_EQ(a.reason, FinishReason::stop);
  EXPECT_EQ(a.tokens.size(), text.size());  // the end token is not part of the answer,
  EXPECT_EQ(a.usage.completion_tokens, static_cast<std::int32_t>(text.size()) + 1);  // but it was computed
}

TEST(Engine, IgnoreEndKeepsGoing) {
  FakeModel model({.mode = FakeMode::echo});
  Engine engine(model);
  GenerationRequest r = ask(chat("hi"), 10);
  r.ignore_end = true;
  const Answer a = run(engine, r);
  EXPECT_EQ(a.reason, FinishReason::length);
  EXPECT_EQ(a.usage.completion_tokens, 10);
  EXPECT_EQ(a.tokens.size(), 10u);
  EXPECT_EQ(a.text, "hi");  // control tokens have no text
}

TEST(Engine, StopStringsAcrossTokenBorders) {
  FakeModel model({.mode = FakeMode::echo});
  Engine engine(model);
  GenerationRequest r = ask(chat("one two STSTOP three"), 100);
  r.stop = {"STOP", "three"};
  const Answer a = run(engine, r);
  EXPECT_EQ(a.text, "one two ST");
  EXPECT_EQ(a.tokens.size(), 10u);
  EXPECT_EQ(a.reason, FinishReason::stop);
  EXPECT_EQ(a.usage.completion_tokens, 14);
  r = ask(chat("ends with ST"), 100);
  r.stop = {"STOP"};
  EXPECT_EQ(run(engine, r).text, "ends with ST");
}

TEST(Engine, LengthLimits) {
  FakeModel model({.mode = FakeMode::echo, .context = 64});
  Engine engine(model);
  const std::string prompt = chat("0123456789");
  const auto length = static_cast<std::int32_t>(to_tokens(prompt).size());
  EXPECT_EQ(run(engine, ask(prompt, 4)).text, "0123");
  EXPECT_EQ(run(engine, ask(prompt, 4)).reason, FinishReason::length);
  GenerationRequest r = ask(prompt, -1);
  r.ignore_end = true;
  Answer a = run(engine, r);
  EXPECT_EQ(a.usage.completion_tokens, 64 - length);
  EXPECT_EQ(a.reason, FinishReason::length);
  r.max_tokens = std::numeric_limits<std::int32_t>::max();  // beyond the context: accepted, ends when it is full
  a = run(engine, r);
  EXPECT_EQ(a.usage.completion_tokens, 64 - length);
  a = run(engine, ask(prompt, 0));
  EXPECT_EQ(a.usage.completion_tokens, 0);
  EXPECT_EQ(a.reason, FinishReason::length);
  EXPECT_EQ(a.prefill.back(), length);
  a = run(engine, ask(std::string(64, 'x'), -1));  // fills the context: no room for an answer
  EXPECT_EQ(a.usage.completion_tokens, 0);
  EXPECT_EQ(a.reason, FinishReason::length);
}

TEST(Engine, RefusalsNameTheField) {
  FakeModel model({.context = 64});
  Engine engine(model);
  const auto refused = [&](GenerationRequest r) {
    const auto result = engine.submit(std::move(r), std::make_shared<RecordingSink>());
    EXPECT_FALSE(result);
    return result ? Error{} : result.error();
  };
  EXPECT_EQ(refused(ask("", 1)).where, "prompt");
  const Error e = refused(ask(std::string(65, 'x'), 1));
  EXPECT_EQ(e.code, Code::too_long);
  EXPECT_EQ(e.text, "prompt has 65 tokens, the model's context holds 64");
  GenerationRequest r = ask("x");
  r.prompt = {-1};
  EXPECT_EQ(refused(r).where, "prompt");
  r.prompt = {FakeTokenizer::vocab};
  EXPECT_EQ(refused(r).where, "prompt");
  EXPECT_EQ(refused(ask("x", -2)).where, "max_tokens");
  r = ask("x");
  r.deadline_ms = -1;
  EXPECT_EQ(refused(r).where, "deadline_ms");
  r = ask("x");
  r.stop = {""};
  EXPECT_EQ(refused(r).where, "stop");
  r = ask("x");
  r.sampling.top_p = 0;
  EXPECT_EQ(refused(r).where, "top_p");
  EXPECT_FALSE(engine.submit(ask("x"), nullptr));
  EXPECT_EQ(engine.stats().queued, 0);
  EXPECT_EQ(run(engine, ask("fine")).finishes, 1);
}

TEST(Engine, PromptLogprobsScoreEveryPromptToken) {
  FakeModel model;
  Engine engine(model, {.prefill_chunk = 5});
  GenerationRequest r = ask("score these tokens, please", 3);
  r.prompt_logprobs = true;
  r.sampling.top_logprobs = 2;
  const Answer a = run(engine, r);
  ASSERT_EQ(a.prompt_scores.size(), r.prompt.size());
  EXPECT_EQ(ids(a.prompt_scores), r.prompt);
  EXPECT_EQ(a.prompt_scores[0].logprob, 0.0f);
  auto state = model.new_state();
  std::vector<float> logits(FakeTokenizer::vocab);
  for (std::size_t i = 0; i + 1 < r.prompt.size(); ++i) {
    ASSERT_TRUE(model.reserve(*state, 1));
    StepItem item{state.get(), std::span(r.prompt).subspan(i, 1), logits};
    ASSERT_TRUE(model.step(std::span(&item, 1)));
    const SampledToken expected = score_token(logits, r.prompt[i + 1], 2);
    EXPECT_EQ(a.prompt_scores[i + 1].logprob, expected.logprob);
    ASSERT_EQ(a.prompt_scores[i + 1].top.size(), 2u);
    EXPECT_EQ(a.prompt_scores[i + 1].top[1].token, expected.top[1].token);
  }
  // Again, now that the prefix is kept: every position must be computed nevertheless.
  const Answer again = run(engine, r);
  EXPECT_EQ(again.usage.cached_tokens, 0);
  EXPECT_EQ(again.prompt_scores.size(), r.prompt.size());
  EXPECT_EQ(ids(again.tokens), ids(a.tokens));
  r.max_tokens = 0;
  EXPECT_EQ(run(engine, r).prompt_scores.size(), r.prompt.size());
  r = ask("x", 1);
  r.prompt_logprobs = true;
  EXPECT_EQ(run(engine, r).prompt_scores.size(), 1u);
}

TEST(Engine, LogprobsComeWithTheTokens) {
  FakeModel model;
  Engine engine(model);
  GenerationRequest r = ask("logprobs", 5);
  r.sampling.top_logprobs = 3;
  const Answer a = run(engine, r);
  for (const SampledToken& t : a.tokens) {
    EXPECT_LT(t.logprob, 0);
    ASSERT_EQ(t.top.size(), 3u);
    EXPECT_EQ(t.top[0].token, t.token);  // greedy
    EXPECT_EQ(t.top[0].logprob, t.logprob);
  }
}

TEST(Engine, NextTurnReusesTheConversation) {
  FakeModel model({.mode = FakeMode::echo});
  Engine engine(model, {.speculation = SpeculationMode::off});  // guesses are computed tokens too
  const std::string first = chat("a question of some length");
  const Answer a = run(engine, ask(first, 100));
  EXPECT_EQ(a.usage.cached_tokens, 0);
  const std::int64_t before = model.tokens();
  const std::string second = first + a.text + "<|im_end|>\n" + chat("and more");
  const Answer b = run(engine, ask(second, 100));
  EXPECT_EQ(b.text, "and more");
  // All of the first turn but the end token, which was sampled and never fed.
  const auto known = static_cast<std::int32_t>(to_tokens(first + a.text).size());
  EXPECT_EQ(b.usage.cached_tokens, known);
  EXPECT_EQ(model.tokens() - before, b.usage.prompt_tokens - known + b.usage.completion_tokens - 1);
  EXPECT_EQ(engine.stats().cached_tokens, known);
}

TEST(Engine, ReuseChangesNoAnswerAndLeavesOneTokenToCompute) {
  FakeModel model;
  Engine engine(model);
  const GenerationRequest r = ask("the same prompt twice, longer than sixteen", 30);
  const Answer a = run(engine, r), b = run(engine, r);
  EXPECT_EQ(b.usage.cached_tokens, b.usage.prompt_tokens - 1);
  EXPECT_EQ(ids(a.tokens), ids(b.tokens));
  FakeModel fresh_model;
  Engine fresh(fresh_model, {.kept_states = 0});
  const GenerationRequest diverging = ask("the same prompt twice, but it diverges", 30);
  const Answer c = run(engine, diverging), d = run(fresh, diverging);
  EXPECT_GE(c.usage.cached_tokens, 22);
  EXPECT_EQ(d.usage.cached_tokens, 0);
  EXPECT_EQ(ids(c.tokens), ids(d.tokens));
  EXPECT_EQ(run(fresh, diverging).usage.cached_tokens, 0);
}

TEST(Engine, TenantsNeverReuseEachOthersStates) {
  FakeModel model;
  Engine engine(model, {.kept_states = 8});
  GenerationRequest r = ask("a secret prompt of tenant a, long enough", 5);
  r.tenant = "a";
  run(engine, r);
  for (const char* other : {"b", "", "A", "a "}) {
    r.tenant = other;
    EXPECT_EQ(run(engine, r).usage.cached_tokens, 0) << other;
  }
  r.tenant = "a";
  EXPECT_GT(run(engine, r).usage.cached_tokens, 0);
}

TEST(Engine, StatesAreNotSharedAcrossAttentionPolicies) {
  FakeModel model;
  Engine engine(model);
  GenerationRequest r = ask("a prompt that is long enough to be kept for later");
  r.tenant = "a";
  EXPECT_EQ(run(engine, r).usage.cached_tokens, 0);
  r.attention = {AttentionKept::window, 256, 64, 64};
  EXPECT_EQ(run(engine, r).usage.cached_tokens, 0);
  EXPECT_GT(run(engine, r).usage.cached_tokens, 0);
  r.attention.window = 512;
  EXPECT_EQ(run(engine, r).usage.cached_tokens, 0);
  r.attention = {};
  EXPECT_GT(run(engine, r).usage.cached_tokens, 0);
}

TEST(Engine, AttentionPoliciesHaveLimits) {
  FakeModel model;
  Engine engine(model, {.attention_policies = {"window"}, .least_attention = 256});
  const auto refusal = [&](const AttentionPolicy& policy) {
    GenerationRequest r = ask("prompt", 3);
    r.attention = policy;
    const auto id = engine.submit(r, std::make_shared<RecordingSink>());
    return id ? std::string("none") : id.error().where;
  };
  EXPECT_EQ(refusal({AttentionKept::topk_pages, 1024, 64, 1024}), "policy");
  EXPECT_EQ(refusal({AttentionKept::window, 255, 64, 1024}), "window");
  EXPECT_EQ(refusal({AttentionKept::window, 256, -1, 1024}), "sinks");
  EXPECT_EQ(refusal({AttentionKept::window, 256, 64, 1024}), "none");
  EXPECT_EQ(refusal({AttentionKept::full, 0, 0, 0}), "none");
}

TEST(Engine, AFailingStepFailsItsRequestsAndTheEngineGoesOn) {
  for (std::int64_t k = 1; k <= 12; ++k) {
    FakeModel model({.fail_at_step = k});
    Engine engine(model, {.prefill_chunk = 4, .kept_states = 0});
    GenerationRequest r = ask("some prompt", 8);
    r.ignore_end = true;
    const Answer a = run(engine, r);
    const bool is_hit = k <= 10;  // 3 chunks, the last of which gives the first of 8 tokens
    EXPECT_EQ(a.reason, is_hit ? FinishReason::error : FinishReason::length) << k;
    EXPECT_EQ(a.finishes, 1);
    EXPECT_EQ(a.error.text, is_hit ? "step: injected failure at step " + std::to_string(k) : "");
    EXPECT_EQ(model.states_alive(), 0);
    EXPECT_EQ(model.pages_used(), 0);
    EXPECT_EQ(engine.stats().failed, is_hit ? 1 : 0);
    model.fail_at_step(0);
    EXPECT_EQ(run(engine, r).reason, FinishReason::length);
  }
}

TEST(Engine, APromptThatCanNeverFitFailsAndFreesEverything) {
  FakeModel model({.context = 1000, .pages = 4});
  Engine engine(model);
  const Answer a = run(engine, ask(std::string(100, 'x'), 5));
  EXPECT_EQ(a.reason, FinishReason::error);
  EXPECT_EQ(a.error.code, Code::busy);
  EXPECT_EQ(run(engine, ask(std::string(60, 'x'), 3)).reason, FinishReason::length);  // 4 pages, without headroom
  // An answer that outgrows the memory fails too, with what it had so far.
  GenerationRequest r = ask(std::string(40, 'x'), 500);
  r.ignore_end = true;
  const Answer b = run(engine, r);
  EXPECT_EQ(b.reason, FinishReason::error);
  EXPECT_EQ(b.usage.completion_tokens, 25);  // 64 places hold 40 + 24 fed tokens, the 25th is sampled
}

TEST(Engine, KeptStatesHoldNoMoreThanTheirTokens) {
  FakeModel model({.mode = FakeMode::echo});
  Engine engine(model);
  const Answer a = run(engine, ask(chat("hi"), -1));  // reserved far more at admission
  EXPECT_EQ(model.states_alive(), 1);
  const std::int64_t fed = a.usage.prompt_tokens + a.usage.completion_tokens - 1;
  EXPECT_EQ(model.pages_used(), (fed + 15) / 16);
}

TEST(Engine, KeptStatesMakeRoomForNewRequests) {
  FakeModel model({.pages = 10});
  Engine engine(model);
  for (int i = 0; i < 10; ++i) {
    GenerationRequest r = ask(std::string(70, static_cast<char>('a' + i)), 8);
    r.ignore_end = true;
    EXPECT_EQ(run(engine, r).reason, FinishReason::length) << i;
  }
  EXPECT_LE(model.peak_pages(), 10);
}

}  // namespace
}  // namespace heed::testing
