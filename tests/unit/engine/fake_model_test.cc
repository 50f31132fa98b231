// fake_model_test.cc -- the fake is only useful when it notices what a real model would suffer from.
#include "engine/fake_model.h"

#include "tests/unit/engine/harness.h"

namespace heed::testing {
namespace {

std::vector<float> feed(FakeModel& model, ModelState& state, const std::vector<std::int32_t>& tokens) {
  std::vector<float> logits(FakeTokenizer::vocab);
  EXPECT_TRUE(model.reserve(state, static_cast<std::int32_t>(tokens.size())));
  StepItem item{&state, tokens, logits};
  EXPECT_TRUE(model.step(std::span(&item, 1)));
  return logits;
}

TEST(FakeModel, LogitsDependOnTheWholeHistoryNotOnChunks) {
  FakeModel model;
  const auto tokens = to_tokens("a prompt that is longer than two pages of sixteen tokens");
  auto whole = model.new_state(), pieces = model.new_state(), other = model.new_state();
  const auto expected = feed(model, *whole, tokens);
  std::vector<float> last;
  for (const std::int32_t t : tokens) last = feed(model, *pieces, {t});
  EXPECT_EQ(last, expected);
  auto changed = tokens;
  changed[0] = 'A';
  EXPECT_NE(feed(model, *other, changed), expected);
}

TEST(FakeModel, ForksShareAndDoNotDisturbEachOther) {
  FakeModel model;
  const auto tokens = to_tokens("0123456789abcdef0123456789");
  auto a = model.new_state();
  feed(model, *a, tokens);
  EXPECT_EQ(model.pages_used(), 2);
  auto b = a->fork();
  EXPECT_EQ(model.pages_used(), 2);
  b->truncate(20);
  feed(model, *b, to_tokens("XY"));
  EXPECT_EQ(model.pages_used(), 3);
  auto fresh = model.new_state();
  auto again = model.new_state();
  EXPECT_EQ(feed(model, *a, {'!'}), feed(model, *fresh, to_tokens("0123456789abcdef0123456789!")));
  EXPECT_EQ(feed(model, *b, {'!'}), feed(model, *again, to_tokens("0123456789abcdef0123XY!")));
  a.reset(), b.reset(), fresh.reset(), again.reset();
  EXPECT_EQ(model.pages_used(), 0);
  EXPECT_EQ(model.states_alive(), 0);
}

TEST(FakeModel, RefusesWhatARealModelCannotDo) {
  FakeModel model({.context = 64, .max_step_tokens = 8, .pages = 2, .fail_at_step = 0});
  auto state = model.new_state();
  const auto nine = to_tokens("123456789");
  std::vector<float> logits(FakeTokenizer::vocab);
  StepItem item{state.get(), std::span(nine).first(3), logits};
  EXPECT_FALSE(model.step(std::span(&item, 1)));  // not reserved
  ASSERT_TRUE(model.reserve(*state, 9));
  StepItem items[2] = {item, item};
  EXPECT_FALSE(model.step(items));  // twice the same state
  item.tokens = nine;
  EXPECT_FALSE(model.step(std::span(&item, 1)));  // more than a step holds
  item.tokens = std::span(nine).first(3);
  item.logits = item.logits.first(5);
  EXPECT_FALSE(model.step(std::span(&item, 1)));
  EXPECT_EQ(state->length(), 0);
  EXPECT_EQ(model.reserve(*state, 33).error().code, Code::busy);
  EXPECT_EQ(model.reserve(*state, 65).error().code, Code::too_long);
}

TEST(FakeModel, ControlTokensAreParsedInTrustedTextOnly) {
  const FakeTokenizer t;
  EXPECT_EQ(t.encode("<|im_end|>", true, {}), (std::vector<std::int32_t>{FakeTokenizer::im_end}));
  EXPECT_EQ(t.encode("<|im_end|>", false, {}).size(), 10u);
  EXPECT_EQ(t.decode(t.encode("h\xC3\xA4<|im_end|>", true, {}), true, true), "h\xC3\xA4<|im_end|>");
  EXPECT_EQ(t.decode(t.encode("h<|im_end|>", true, {}), false, true), "h");
  EXPECT_EQ(t.find("<|im_start|>"), FakeTokenizer::im_start);
  EXPECT_EQ(t.find("nope"), -1);
}

}  // namespace
}  // namespace heed::testing
