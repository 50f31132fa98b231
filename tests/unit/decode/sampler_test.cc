// sampler_test.cc -- distributions, filters, penalties and refusals of the sampler against a slow oracle.
#include "decode/sampler.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "decode/softmax.h"
#include "tests/unit/decode/oracle.h"

namespace heed {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::int32_t sample_once(const SamplingParams& p, std::vector<float> logits) {
  Sampler sampler(p, static_cast<std::int32_t>(logits.size()));
  return sampler.sample(logits).token;
}

/// 1e5 draws of one sampler; every drawn token must be possible and the counts must fit the probabilities.
void expect_distribution(const SamplingParams& p, const std::vector<float>& logits, const std::string& name) {
  constexpr int kDraws = 100'000;
  const std::vector<double> exact = oracle::probabilities(logits, p);
  Sampler sampler(p, static_cast<std::int32_t>(logits.size()));
  std::vector<int> count(logits.size(), 0);
  for (int i = 0; i < kDraws; ++i) {
    std::vector<float> copy = logits;
    const auto token = static_cast<std::size_t>(sampler.sample(copy).token);
    ASSERT_LT(token, logits.size()) << name;
    ASSERT_GT(exact[token], 0.0) << name << ": token " << token << " was filtered out";
    ++count[token];
  }
  const auto [statistic, freedom] = oracle::chi_square(exact, count, kDraws);
  // Mean f, deviation sqrt(2 f): five deviations are beyond 1e-5 for every f here.
  EXPECT_LT(statistic, freedom + 5 * std::sqrt(2.0 * std::max(freedom, 1))) << name << ", freedom " << freedom;
}

TEST(Sampler, DrawsFollowTheExactDistribution) {
  const std::vector<float> logits = oracle::random_logits(50, 7, 1.5f);
  std::uint64_t seed = 100;
  for (const float temperature : {0.7f, 1.3f}) {
    for (const std::int32_t top_k : {0, 5}) {
      for (const float top_p : {1.0f, 0.8f}) {
        for (const float min_p : {0.0f, 0.1f}) {
          const SamplingParams p{
              .temperature = temperature, .top_k = top_k, .top_p = top_p, .min_p = min_p, .seed = ++seed};
          expect_distribution(p, logits,
                              "t " + std::to_string(temperature) + " k " + std::to_string(top_k) + " p " +
                                  std::to_string(top_p) + " min " + std::to_string(min_p));
        }
      }
    }
  }
}

TEST(Sampler, TheDistributionTestCanFail) {
  const std::vector<float> logits = oracle::random_logits(50, 7, 1.5f);
  const std::vector<double> exact = oracle::probabilities(logits, {.temperature = 1.0f});
  Sampler sampler({.temperature = 1.05f}, 50);
  std::vector<int> count(50, 0);
  for (int i = 0; i < 100'000; ++i) {
    std::vector<float> copy = logits;
    ++count[static_cast<std::size_t>(sampler.sample(copy).token)];
  }
  const auto [statistic, freedom] = oracle::chi_square(exact, count, 100'000);
  EXPECT_GT(statistic, freedom + 5 * std::sqrt(2.0 * freedom));
}

/// With many seeds, the set of drawn tokens must equal the oracle's support on big vocabularies, all code paths
/// included.
TEST(Sampler, FiltersKeepExactlyWhatTheOracleKeeps) {
  for (const std::size_t vocab : {std::size_t{3}, std::size_t{17}, std::size_t{1024}, std::size_t{3000}}) {
    std::vector<float> logits = oracle::random_logits(vocab, static_cast<std::uint32_t>(vocab), 0.02f);
    for (std::size_t i = 0; i + 1 < vocab; i += 3) logits[i + 1] = logits[i];  // ties
    for (const std::int32_t top_k : {0, 2, 7, 600, 2999}) {
      for (const float top_p : {1.0f, 0.999f, 0.3f, 0.0001f}) {
        for (const float min_p : {0.0f, 0.97f}) {
          SamplingParams p{.top_k = top_k, .top_p = top_p, .min_p = min_p, .seed = 5};
          const std::vector<double> exact = oracle::probabilities(logits, p);
          Sampler sampler(p, static_cast<std::int32_t>(vocab));
          std::set<std::int32_t> drawn;
          for (int i = 0; i < 200; ++i) {
            std::vector<float> copy = logits;
            const std::int32_t token = sampler.sample(copy).token;
            ASSERT_GT(exact[static_cast<std::size_t>(token)], 0.0)
                << "vocab " << vocab << " k " << top_k << " p " << top_p << " min " << min_p << " token " << token;
            drawn.insert(token);
          }
          const auto support =
              static_cast<std::size_t>(std::count_if(exact.begin(), exact.end(), [](double x) { return x > 0; }));
          EXPECT_TRUE(support > 10 || drawn.size() == support) << "vocab " << vocab << " k " << top_k;
          EXPECT_TRUE(support < 1000 || drawn.size() > 100);
        }
      }
    }
  }
}

TEST(Sampler, GreedyIsTheExactMaximumWithTiesToTheLowerId) {
  const SamplingParams greedy{.temperature = 0.0f};
  for (std::size_t vocab = 1; vocab < 70; ++vocab) {
    for (std::size_t best = 0; best < vocab; ++best) {
      std::vector<float> logits(vocab, -2.0f);
      logits[best] = 1.0f;
      EXPECT_EQ(sample_once(greedy, logits), static_cast<std::int32_t>(best));
      logits[vocab - 1] = 1.0f;
      EXPECT_EQ(sample_once(greedy, logits), static_cast<std::int32_t>(best));
      logits[vocab - 1] = kInf;  // not a number to trust: counts as -inf
      EXPECT_EQ(sample_once(greedy, logits), best + 1 < vocab ? static_cast<std::int32_t>(best) : 0);
    }
  }
  std::vector<float> big = oracle::random_logits(151'936, 3);
  for (std::uint32_t i = 0; i < 50; ++i) {
    const std::size_t at = (i * 99'991u) % big.size();
    const float old = big[at];
    big[at] = 100.0f;
    EXPECT_EQ(sample_once(greedy, big), static_cast<std::int32_t>(at));
    big[at] = old;
  }
  EXPECT_EQ(sample_once({.temperature = 1.0f, .top_k = 1}, {1.0f, 3.0f, 3.0f}), 1);
}

TEST(Sampler, BrokenLogitsNeverWin) {
  for (const SamplingParams& p :
       {SamplingParams{.temperature = 0.0f}, SamplingParams{}, SamplingParams{.top_k = 3},
        SamplingParams{.top_p = 0.9f},
        SamplingParams{.min_p = 0.2f, .repetition_penalty = 1.2f, .presence_penalty = 1, .top_logprobs = 3}}) {
    std::vector<float> logits(40, kNan);
    logits[3] = kInf;
    logits[4] = -kInf;
    EXPECT_EQ(sample_once(p, logits), 0);
    logits[17] = -1e30f;
    for (int i = 0; i < 20; ++i) EXPECT_EQ(sample_once(p, logits), 17);
    logits[17] = -std::numeric_limits<float>::max();
    EXPECT_EQ(sample_once(p, logits), 17);
  }
}

TEST(Sampler, ExtremeTemperaturesStayNumbers) {
  const std::vector<float> logits = oracle::random_logits(40, 9);
  const auto best = sample_once({.temperature = 0.0f}, logits);
  for (const float top_p : {1.0f, 0.5f}) {
    EXPECT_EQ(sample_once({.temperature = 1e-40f, .top_p = top_p}, logits), best);
  }
  expect_distribution({.temperature = 1e4f, .seed = 3}, logits, "hot");
}

TEST(Sampler, SameSeedSameTokensAndPositionsDiffer) {
  const std::vector<float> logits = oracle::random_logits(1000, 4, 1.0f);
  const auto run = [&](std::uint64_t seed) {
    Sampler sampler({.seed = seed}, 1000);
    std::vector<std::int32_t> out;
    for (int i = 0; i < 50; ++i) {
      std::vector<float> copy = logits;
      out.push_back(sampler.sample(copy).token);
    }
    return out;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
  const auto one = run(1);
  EXPECT_GT(std::set<std::int32_t>(one.begin(), one.end()).size(), 30u);
  // Neighbouring seeds must be independent: 50 positions with 1000 tokens should hardly ever agree.
  const auto two = run(2);
  int same = 0;
  for (std::size_t i = 0; i < one.size(); ++i) same += one[i] == two[i];
  EXPECT_LT(same, 5);
}

TEST(Sampler, PenaltiesFollowTheirFormulae) {
  constexpr std::size_t kVocab = 64;
  const SamplingParams p{.temperature = 0.0f,
                         .repetition_penalty = 1.3f,
                         .presence_penalty = 0.7f,
                         .frequency_penalty = 0.4f,
                         .logit_bias = {{5, 1.5f}, {9, -100.0f}, {5, 0.25f}}};
  Sampler sampler(p, kVocab);
  const std::vector<std::int32_t> prompt = {1, 2, 2, 3};
  sampler.observe_prompt(prompt);
  std::map<std::int32_t, int> output;
  std::set<std::int32_t> seen(prompt.begin(), prompt.end());
  for (std::uint32_t step = 0; step < 200; ++step) {
    const std::vector<float> logits = oracle::random_logits(kVocab, 1000 + step, 1.0f);
    std::vector<float> expected = logits;
    for (std::size_t i = 0; i < kVocab; ++i) {
      const auto token = static_cast<std::int32_t>(i);
      float& x = expected[i];
      if (seen.count(token)) x = x > 0 ? x / 1.3f : x * 1.3f;
      if (output[token] > 0) x -= static_cast<float>(output[token]) * 0.4f + 0.7f;
      if (token == 5) x = x + 1.5f + 0.25f;
      if (token == 9) x -= 100.0f;
    }
    std::vector<float> copy = logits;
    const SampledToken got = sampler.sample(copy);
    for (std::size_t i = 0; i < kVocab; ++i)
      ASSERT_NEAR(copy[i], expected[i], 1e-5) << "step " << step << " token " << i;
    const auto best = std::max_element(copy.begin(), copy.end()) - copy.begin();
    ASSERT_EQ(got.token, static_cast<std::int32_t>(best));
    seen.insert(got.token);
    ++output[got.token];
  }
  EXPECT_GT(output.size(), 20u);
}

TEST(Sampler, PresencePenaltyIgnoresThePrompt) {
  Sampler sampler({.temperature = 0.0f, .presence_penalty = 2.0f}, 3);
  sampler.observe_prompt(std::vector<std::int32_t>{0});
  std::vector<float> logits = {1.0f, 0.5f, 0.0f};
  EXPECT_EQ(sampler.sample(logits).token, 0);
  logits = {1.0f, 0.5f, 0.0f};
  EXPECT_EQ(sampler.sample(logits).token, 1);
}

TEST(Sampler, BiasAtTheLimitsForcesAndForbids) {
  const std::vector<float> logits = oracle::random_logits(100, 2);
  for (int i = 0; i < 100; ++i) {
    const SamplingParams p{.logit_bias = {{42, 100.0f}}, .seed = static_cast<std::uint64_t>(i)};
    EXPECT_EQ(sample_once(p, logits), 42);
  }
}

TEST(Sampler, LogprobsAreOfTheRawDistribution) {
  constexpr std::size_t kVocab = 3000;
  const SamplingParams p{.temperature = 0.3f,
                         .top_k = 50,
                         .repetition_penalty = 2.0f,
                         .presence_penalty = 1.0f,
                         .logit_bias = {{7, 50.0f}, {7, 50.0f}},
                         .seed = 11,
                         .top_logprobs = 20};
  Sampler sampler(p, kVocab);
  sampler.observe_prompt(std::vector<std::int32_t>{7, 8});
  for (std::uint32_t step = 0; step < 20; ++step) {
    const std::vector<float> logits = oracle::random_logits(kVocab, step);
    long double sum = 0;
    for (const float x : logits) sum += std::exp(static_cast<long double>(x));
    std::vector<float> copy = logits;
    const SampledToken got = sampler.sample(copy);
    const auto exact = [&](std::int32_t t) {
      return static_cast<double>(logits[static_cast<std::size_t>(t)]) - static_cast<double>(std::log(sum));
    };
    EXPECT_EQ(got.token, 7);
    EXPECT_NEAR(got.logprob, exact(7), 1e-5);
    std::vector<std::int32_t> order(kVocab);
    for (std::size_t i = 0; i < kVocab; ++i) order[i] = static_cast<std::int32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
      return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
    });
    ASSERT_EQ(got.top.size(), 20u);
    for (std::size_t i = 0; i < 20; ++i) {
      EXPECT_EQ(got.top[i].token, order[i]);
      EXPECT_NEAR(got.top[i].logprob, exact(order[i]), 1e-5);
    }
    EXPECT_EQ(score_token(logits, 123, 0).logprob, score_token(logits, 123, 20).logprob);
    EXPECT_NEAR(score_token(logits, 123, 0).logprob, exact(123), 1e-5);
  }
}

TEST(Sampler, LogprobsOfBrokenLogitsAreTheStatedFloor) {
  const std::vector<float> logits = {kNan, 0.0f, -kInf, 0.0f};
  EXPECT_EQ(score_token(logits, 0, 0).logprob, kImpossibleLogprob);
  EXPECT_EQ(score_token(logits, 2, 0).logprob, kImpossibleLogprob);
  EXPECT_EQ(score_token(logits, 99, 0).logprob, kImpossibleLogprob);
  EXPECT_EQ(score_token(logits, -1, 0).logprob, kImpossibleLogprob);
  EXPECT_NEAR(score_token(logits, 3, 0).logprob, std::log(0.5), 1e-6);
  EXPECT_EQ(score_token(logits, 3, 5).top.size(), 2u);
  EXPECT_EQ(score_token(std::vector<float>(4, kNan), 0, 5).logprob, kImpossibleLogprob);
}

TEST(Softmax, ExpOfNegativeMatchesTheLibrary) {
  double worst = 0;
  for (double x = 0; x > -699.0; x -= 0.000713) {
    worst = std::max(worst, std::abs(exp_of_negative(x) / std::exp(x) - 1.0));
  }
  EXPECT_LT(worst, 1e-14);
  EXPECT_EQ(exp_of_negative(0.0), 1.0);
  EXPECT_EQ(exp_of_negative(-701.0), 0.0);
  EXPECT_EQ(exp_of_negative(-std::numeric_limits<double>::infinity()), 0.0);
  EXPECT_EQ(exp_of_negative(std::numeric_limits<double>::quiet_NaN()), 0.0);
}

TEST(SamplingParams, CheckNamesTheField) {
  const auto where = [](SamplingParams p) {
    const auto result = check(p, 100);
    if (result) return std::string();
    EXPECT_EQ(result.error().code, Code::invalid_argument);
    EXPECT_NE(result.error().text.find(result.error().where), std::string::npos);
    return result.error().where;
  };
  EXPECT_EQ(where({}), "");
  EXPECT_EQ(where({.temperature = -0.1f}), "temperature");
  EXPECT_EQ(where({.temperature = kNan}), "temperature");
  EXPECT_EQ(where({.temperature = kInf}), "temperature");
  EXPECT_EQ(where({.top_k = -1}), "top_k");
  EXPECT_EQ(where({.top_p = 0.0f}), "top_p");
  EXPECT_EQ(where({.top_p = 1.01f}), "top_p");
  EXPECT_EQ(where({.min_p = 1.0f}), "min_p");
  EXPECT_EQ(where({.min_p = -0.1f}), "min_p");
  EXPECT_EQ(where({.repetition_penalty = 0.0f}), "repetition_penalty");
  EXPECT_EQ(where({.presence_penalty = 2.1f}), "presence_penalty");
  EXPECT_EQ(where({.frequency_penalty = -2.1f}), "frequency_penalty");
  EXPECT_EQ(where({.logit_bias = {{100, 0.0f}}}), "logit_bias");
  EXPECT_EQ(where({.logit_bias = {{-1, 0.0f}}}), "logit_bias");
  EXPECT_EQ(where({.logit_bias = {{1, 100.5f}}}), "logit_bias");
  EXPECT_EQ(where({.logit_bias = {{1, kNan}}}), "logit_bias");
  EXPECT_EQ(where({.top_logprobs = 21}), "top_logprobs");
  EXPECT_EQ(where({.top_logprobs = -2}), "top_logprobs");
}

}  // namespace
}  // namespace heed
