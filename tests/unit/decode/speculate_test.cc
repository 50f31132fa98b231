// speculate_test.cc -- the automaton against a naive search, the drafter against what it promises, and no allocation.
#include "decode/speculate.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/unit/counted_allocations.h"

namespace heed {
namespace {

using Tokens = std::vector<std::int32_t>;

/// Longest suffix of `text` that also ends earlier; 0: none.
std::int32_t naive_repeat(const Tokens& text) {
  const auto n = static_cast<std::int32_t>(text.size());
  std::int32_t best = 0;
  for (std::int32_t end = 1; end < n; ++end) {
    std::int32_t length = 0;
    while (length < end &&
           text[static_cast<std::size_t>(end - 1 - length)] == text[static_cast<std::size_t>(n - 1 - length)])
      ++length;
    best = std::max(best, length);
  }
  return best;
}

void expect_like_naive(const Tokens& text) {
  SuffixAutomaton automaton(static_cast<std::int32_t>(text.size()));
  Tokens so_far;
  const std::int64_t before = allocations;
  std::int64_t inside = 0;
  for (const std::int32_t token : text) {
    const std::int64_t start = allocations;
    automaton.push(token);
    inside += allocations - start;
    so_far.push_back(token);
    const auto [length, next] = automaton.match();
    ASSERT_EQ(length, naive_repeat(so_far)) << "after " << so_far.size() << " tokens";
    if (length == 0) continue;
    ASSERT_GE(next, length);
    ASSERT_LT(next, automaton.size());
    for (std::int32_t i = 1; i <= length; ++i)
      ASSERT_EQ(so_far[static_cast<std::size_t>(next - i)], so_far[so_far.size() - static_cast<std::size_t>(i)]);
  }
  EXPECT_GE(allocations, before);
  EXPECT_EQ(inside, 0) << "push() allocated";
}

Tokens random_text(std::mt19937& random, std::size_t n, std::uint32_t alphabet) {
  Tokens text;
  for (std::size_t i = 0; i < n; ++i) text.push_back(static_cast<std::int32_t>(random() % alphabet) * 7919);
  return text;
}

TEST(SuffixAutomaton, FindsWhatANaiveSearchFinds) {
  std::mt19937 random(3);
  for (const std::uint32_t alphabet : {1u, 2u, 3u, 8u, 50u, 100'000u}) {
    for (int i = 0; i < 8; ++i) expect_like_naive(random_text(random, 1 + random() % 250, alphabet));
  }
}

TEST(SuffixAutomaton, FindsWhatANaiveSearchFindsInStructuredTexts) {
  Tokens doubled, fibonacci = {1, 2}, previous = {1};
  for (std::int32_t i = 0; i < 120; ++i) doubled.push_back(i % 60);
  while (fibonacci.size() < 250) {
    const Tokens longer = [&] {
      Tokens t = fibonacci;
      t.insert(t.end(), previous.begin(), previous.end());
      return t;
    }();
    previous = std::exchange(fibonacci, longer);
  }
  expect_like_naive(doubled);
  expect_like_naive(fibonacci);
  Tokens most_states = {1};  // a b b b ...: 2n - 1 states
  most_states.resize(200, 2);
  expect_like_naive(most_states);
  Tokens most_edges = {1};  // a b b ... b c: 3n - 4 edges
  most_edges.resize(200, 2);
  most_edges.push_back(3);
  expect_like_naive(most_edges);
}

TEST(SuffixAutomaton, AFullOneFindsNothingAndStaysAsItIs) {
  SuffixAutomaton automaton(3);
  for (const std::int32_t token : {5, 6, 5}) automaton.push(token);
  EXPECT_EQ(automaton.match().length, 1);
  automaton.push(6);
  EXPECT_EQ(automaton.match().length, 0);
  EXPECT_EQ(automaton.size(), 3);
  SuffixAutomaton none(0);
  none.push(1);
  EXPECT_EQ(none.size(), 0);
}

TEST(Drafter, QuotesThePrompt) {
  Tokens prompt;
  for (std::int32_t i = 0; i < 40; ++i) prompt.push_back(100 + i);
  Drafter drafter({}, 40, 40);
  drafter.read(prompt);
  EXPECT_TRUE(drafter.draft(15).tokens.empty());  // the prompt is not an answer
  drafter.write(7);
  EXPECT_TRUE(drafter.draft(15).tokens.empty());  // never seen
  drafter.write(110);
  const Drafter::Draft draft = drafter.draft(6);
  EXPECT_EQ(Tokens(draft.tokens.begin(), draft.tokens.end()), (Tokens{111, 112, 113, 114, 115, 116}));
  ASSERT_EQ(draft.odds.size(), 6u);
  for (std::size_t i = 1; i < 6; ++i) EXPECT_LT(draft.odds[i], draft.odds[i - 1]);
  EXPECT_EQ(drafter.draft(100).tokens.size(), static_cast<std::size_t>(Drafter::kMostDrafted));
  EXPECT_TRUE(drafter.draft(0).tokens.empty());
  EXPECT_TRUE(drafter.draft(-3).tokens.empty());
}

TEST(Drafter, LearnsFromPredictionsThatNobodyUsed) {
  const Tokens prompt = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto odds_after = [&](int rounds, bool hits) {
    Drafter drafter({}, 8, 1000);
    drafter.read(prompt);
    for (int i = 0; i < rounds; ++i) {
      drafter.write(1'000'000 + i);       // new
      drafter.write(3);                   // evidence of length 1 for a 4
      drafter.write(hits ? 4 : -i - 10);  // right, or something new
    }
    drafter.write(2'000'000);
    drafter.write(3);
    return drafter.draft(1).odds[0];
  };
  const float unknown = odds_after(0, true);
  EXPECT_GT(odds_after(5, true), unknown + 0.2f);
  EXPECT_LT(odds_after(5, false), unknown * 0.6f);
  EXPECT_GT(odds_after(60, true), 0.8f);
  EXPECT_LT(odds_after(60, false), 0.05f);
}

TEST(Drafter, ALoopGoesOnAsALoop) {
  Drafter drafter({}, 1, 100);
  drafter.read(Tokens{9});
  for (const std::int32_t token : {1, 2, 3, 1, 2, 3, 1}) drafter.write(token);
  const Drafter::Draft draft = drafter.draft(8);
  EXPECT_EQ(Tokens(draft.tokens.begin(), draft.tokens.end()), (Tokens{2, 3, 1, 2, 3, 1, 2, 3}));
}

TEST(Drafter, BeginsWithTheSuppliedContextAndStopsAtItsEnd) {
  const Tokens context = {11, 12, 13}, prompt = {1, 2, 3};
  Drafter drafter(context, 3, 50);
  drafter.read(prompt);
  Drafter::Draft draft = drafter.draft(10);
  EXPECT_EQ(Tokens(draft.tokens.begin(), draft.tokens.end()), context);  // not on into the prompt
  EXPECT_EQ(draft.from_context, 3);
  drafter.write(11);
  EXPECT_EQ(drafter.draft(10).tokens.size(), 2u);
  drafter.write(77);
  EXPECT_TRUE(drafter.draft(10).tokens.empty());
  drafter.write(2);
  draft = drafter.draft(1);
  EXPECT_EQ(Tokens(draft.tokens.begin(), draft.tokens.end()), (Tokens{3}));
  EXPECT_EQ(draft.from_context, 0);
  drafter.write(12);
  draft = drafter.draft(4);
  EXPECT_EQ(Tokens(draft.tokens.begin(), draft.tokens.end()), (Tokens{13}));
  EXPECT_EQ(draft.from_context, 1);
}

TEST(Drafter, OfAPromptThatIsTooLongTheEndIsUsed) {
  constexpr std::int32_t kLong = Drafter::kMostTokens + 1000;
  Tokens prompt(static_cast<std::size_t>(kLong));
  for (std::int32_t i = 0; i < kLong; ++i) prompt[static_cast<std::size_t>(i)] = i;
  Drafter drafter({}, kLong, 100);
  for (std::int32_t at = 0; at < kLong; at += 512)  // as it is prefilled
    drafter.read(
        std::span(prompt).subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(std::min(512, kLong - at))));
  drafter.write(5);
  EXPECT_TRUE(drafter.draft(3).tokens.empty());
  drafter.write(kLong - 10);
  const Drafter::Draft draft = drafter.draft(3);
  EXPECT_EQ(Tokens(draft.tokens.begin(), draft.tokens.end()), (Tokens{kLong - 9, kLong - 8, kLong - 7}));
}

TEST(Drafter, AnAnswerLongerThanPromisedOnlyEndsTheGuessing) {
  Drafter drafter({}, 4, 4);
  drafter.read(Tokens{1, 2, 3, 4});
  std::mt19937 random(5);
  for (int i = 0; i < 200; ++i) {
    drafter.write(static_cast<std::int32_t>(random() % 4) + 1);
    for (const std::int32_t token : drafter.draft(15).tokens) EXPECT_TRUE(token >= 1 && token <= 4);
  }
  drafter.write(50);
  EXPECT_TRUE(drafter.draft(15).tokens.empty());
}

TEST(Drafter, NoAllocationAfterConstruction) {
  std::mt19937 random(6);
  const Tokens prompt = random_text(random, 3000, 40), answer = random_text(random, 3000, 40);
  Drafter drafter(prompt, 3000, 3000);
  const std::int64_t before = allocations;
  drafter.read(prompt);
  std::size_t guessed = 0;
  for (const std::int32_t token : answer) {
    drafter.write(token);
    guessed += drafter.draft(15).tokens.size();
  }
  EXPECT_EQ(allocations - before, 0);
  EXPECT_GT(guessed, 1000u);
}

/// Every guess continues a true earlier occurrence of the last token, whatever was written.
TEST(Drafter, GuessesAreTrueContinuations) {
  std::mt19937 random(8);
  for (int round = 0; round < 30; ++round) {
    const Tokens prompt = random_text(random, 60, 4);
    Tokens text = prompt;
    Drafter drafter({}, 60, 60);
    drafter.read(prompt);
    for (int i = 0; i < 60; ++i) {
      text.push_back(static_cast<std::int32_t>(random() % 4) * 7919);
      drafter.write(text.back());
      const auto guess = drafter.draft(1).tokens;
      ASSERT_EQ(guess.size(), 1u);  // four tokens: all were seen
      bool is_true = false;
      for (std::size_t at = 1; at < text.size(); ++at) is_true |= text[at - 1] == text.back() && text[at] == guess[0];
      EXPECT_TRUE(is_true);
    }
  }
}

}  // namespace
}  // namespace heed
