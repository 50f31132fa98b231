// sequence_test.cc -- what a preempted sequence may be asked to do twice must count once.
#include "engine/sequence.h"

#include <limits>

#include "tests/unit/engine/harness.h"

namespace heed::testing {
namespace {

TEST(Sequence, PromptScoresSurviveBeingFedAgain) {
  FakeModel model;
  GenerationRequest r = ask("abc", 5);
  r.prompt_logprobs = true;
  auto sink = std::make_shared<RecordingSink>();
  Sequence s(r, sink, *StopMatcher::make({}), model, 0);
  s.state = model.new_state();
  std::vector<float> logits(3 * static_cast<std::size_t>(FakeTokenizer::vocab), 0.0f);
  const std::span<const float> one = std::span(logits).first(FakeTokenizer::vocab);
  s.score_prompt(0, 1, one, FakeTokenizer::vocab);
  s.score_prompt(0, 1, one, FakeTokenizer::vocab);
  EXPECT_TRUE(s.scores_prompt());
  s.score_prompt(0, 3, logits, FakeTokenizer::vocab);
  EXPECT_FALSE(s.scores_prompt());
  const auto tokens = to_tokens("abc");
  ASSERT_TRUE(model.reserve(*s.state, 3));
  StepItem item{s.state.get(), tokens, {}};
  ASSERT_TRUE(model.step(std::span(&item, 1)));
  s.report_prefill(1);
  s.report_prefill(2);
  EXPECT_EQ(ids(sink->peek().prompt_scores), tokens);
  EXPECT_EQ(sink->peek().prefill, (std::vector<std::int32_t>{3}));
}

TEST(Sequence, LimitsNeverOverflow) {
  FakeModel model({.context = 100});
  GenerationRequest r = ask("abc", std::numeric_limits<std::int32_t>::max());
  r.deadline_ms = std::numeric_limits<std::int64_t>::max();
  const Sequence s(r, std::make_shared<RecordingSink>(), *StopMatcher::make({}), model, 1'000'000'000'000);
  EXPECT_EQ(s.limit(), 100);
  EXPECT_FALSE(s.is_expired(2'000'000'000'000));
}

}  // namespace
}  // namespace heed::testing
