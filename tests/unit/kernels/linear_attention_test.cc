// linear_attention_test.cc -- chunks against the recurrence of the papers, bits against the way a text is cut, and the
// performer's promises: right on average, and closer with more features.
#include "kernels/linear_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernels/reference/attention_reference.h"
#include "kernels/reference/linear_reference.h"
#include "tests/unit/kernels/attention_cases.h"
#include "tests/unit/kernels/emulated_tables.h"

namespace heed {
namespace {

using attention_cases::normals;
using attention_cases::Rig;

struct Text {  // one sequence's numbers; q, k and v of a token stand in one row, as forward() has them
  std::int32_t n;
  std::vector<float> q, k, v, decay, write, rows;

  Text(const LinearSpec& s, std::int32_t tokens, std::uint32_t seed) : n(tokens) {
    std::mt19937 random(seed);
    const auto count = [&](std::int64_t per_token) { return static_cast<std::size_t>(per_token * tokens); };
    q = normals(count(std::int64_t{s.heads} * s.k_dim), random);
    k = normals(count(std::int64_t{s.kv_heads} * s.k_dim), random);
    v = normals(count(std::int64_t{s.kv_heads} * s.v_dim), random);
    std::uniform_real_distribution<float> share(0.0f, 1.0f);
    for (std::size_t i = 0; i < count(s.kv_heads); ++i) {
      decay.push_back(-0.2f * share(random) * share(random));
      write.push_back(share(random));
    }
    const std::int64_t qs = std::int64_t{s.heads} * s.k_dim, ks = std::int64_t{s.kv_heads} * s.k_dim,
                       vs = std::int64_t{s.kv_heads} * s.v_dim;
    for (std::int64_t t = 0; t < tokens; ++t) {
      rows.insert(rows.end(), q.begin() + t * qs, q.begin() + (t + 1) * qs);
      rows.insert(rows.end(), k.begin() + t * ks, k.begin() + (t + 1) * ks);
      rows.insert(rows.end(), v.begin() + t * vs, v.begin() + (t + 1) * vs);
    }
  }

  std::vector<double> want(const LinearSpec& s) const {
    return linear_reference(s, n, q.data(), k.data(), v.data(), is_gated(s.kind) ? decay.data() : nullptr,
                            s.kind == LinearKind::gated_delta ? write.data() : nullptr);
  }

  // The text in calls of `step` tokens over one state.
  std::vector<float> run(const LinearSpec& s, std::int32_t step, Exec& exec) const {
    std::vector<float> out(static_cast<std::size_t>(std::int64_t{n} * s.heads * s.v_dim), -7.0f);
    std::vector<float> state(static_cast<std::size_t>(linear_state_floats(s)), NAN);
    const std::int64_t q_dim = std::int64_t{s.heads} * s.k_dim, k_dim = std::int64_t{s.kv_heads} * s.k_dim,
                       out_dim = std::int64_t{s.heads} * s.v_dim, stride = q_dim + k_dim + s.kv_heads * s.v_dim;
    for (std::int32_t t = 0; t < n; t += step) {
      const float* row = rows.data() + t * stride;
      const LinearJob job{.q = row,
                          .k = row + q_dim,
                          .v = row + q_dim + k_dim,
                          .stride = stride,
                          .out = out.data() + t * out_dim,
                          .out_stride = out_dim,
                          .log_decay = decay.data() + t * s.kv_heads,
                          .write = write.data() + t * s.kv_heads,
                          .q_len = std::min(step, n - t),
                          .first_pos = t,
                          .state = state.data()};
      EXPECT_TRUE(linear_attention(s, {&job, 1}, exec));
    }
    return out;
  }
};

double nmse(const std::vector<float>& got, const std::vector<double>& want) {
  return attention_cases::nmse(got.data(), want.data(), want.size());
}

struct OwnedLinear {
  LinearSpec spec;
  std::vector<float> projection;
};

OwnedLinear make(LinearKind kind, std::int32_t heads, std::int32_t kv_heads, std::int32_t k_dim, std::int32_t v_dim,
                 std::int32_t features = 32) {
  OwnedLinear own{{.kind = kind,
                   .heads = heads,
                   .kv_heads = kv_heads,
                   .k_dim = k_dim,
                   .v_dim = v_dim,
                   .scale = 1.0f / std::sqrt(static_cast<float>(k_dim))},
                  {}};
  if (kind != LinearKind::performer) return own;
  own.projection = draw_features(k_dim, features, 5);
  own.spec.features = features;
  own.spec.projection = own.projection;
  return own;
}

constexpr LinearKind kKinds[] = {LinearKind::elu, LinearKind::performer, LinearKind::gated, LinearKind::gated_delta};

TEST(LinearAttention, EqualsTheRecurrenceOfThePapers) {
  for (const Kernels* kernels : attention_and_layer_kernels()) {
    double worst = 0;
    for (const LinearKind kind : kKinds)
      for (const std::int32_t n : {1, 16, 63, 64, 65, 200}) {
        Rig rig(*kernels);
        Exec exec = rig.exec();
        const OwnedLinear own = n % 2 == 0 ? make(kind, 4, 2, 32, 48) : make(kind, 3, 3, 16, 16, 64);
        const Text text(own.spec, n, static_cast<std::uint32_t>(n));
        const double e = nmse(text.run(own.spec, n, exec), text.want(own.spec));
        EXPECT_LT(e, 1e-9) << kernels->name << " kind " << static_cast<int>(kind) << ", " << n << " tokens";
        worst = std::max(worst, e);
      }
    std::printf("linear attention %s: worst NMSE %.2e\n", kernels->name, worst);
  }
}

TEST(LinearAttention, BitsDoNotDependOnTheCutOrTheThreads) {
  for (const Kernels* kernels : attention_and_layer_kernels())
    for (const LinearKind kind : kKinds) {
      Rig one(*kernels, 1), three(*kernels, 3);
      Exec e1 = one.exec(), e3 = three.exec();
      const OwnedLinear own = make(kind, 4, 2, 32, 32);
      const Text text(own.spec, 150, 9);
      const auto whole = text.run(own.spec, 150, e1);
      for (const std::int32_t step : {1, 7, 64, 100}) {
        const auto parts = text.run(own.spec, step, e3);
        EXPECT_EQ(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)), 0)
            << kernels->name << " kind " << static_cast<int>(kind) << " step " << step;
      }
    }
}

// Keys of very different sizes: features from e^-100 to e^100.
TEST(LinearAttention, LargeKeysDoNotOverflow) {
  Rig rig(best_kernels());
  Exec exec = rig.exec();
  const OwnedLinear own = make(LinearKind::performer, 2, 1, 16, 16, 64);
  Text text(own.spec, 140, 3);
  for (std::size_t i = 0; i < text.rows.size(); ++i) {
    const float factor = i / 64 % 3 == 0 ? 4.0f : 0.3f;  // a row is 2 * 16 + 16 + 16 floats
    if (i % 64 < 48) text.rows[i] *= factor;
    if (i % 64 < 32) text.q[i / 64 * 32 + i % 64] *= factor;
    if (i % 64 >= 32 && i % 64 < 48) text.k[i / 64 * 16 + i % 64 - 32] *= factor;
  }
  EXPECT_LT(nmse(text.run(own.spec, 140, exec), text.want(own.spec)), 1e-8);
}

double kernel_estimate(const std::vector<float>& x, const std::vector<float>& y, std::int32_t features,
                       const std::vector<float>& projection) {
  const std::size_t dim = x.size(), m = static_cast<std::size_t>(features);
  double xx = 0, yy = 0, sum = 0;
  for (std::size_t i = 0; i < dim; ++i) xx += double{x[i]} * x[i], yy += double{y[i]} * y[i];
  for (std::size_t j = 0; j < m; ++j) {
    double along = 0;
    for (std::size_t i = 0; i < dim; ++i) along += (double{x[i]} + y[i]) * projection[i * m + j];
    sum += std::exp(along - (xx + yy) / 2);
  }
  return sum / features;
}

struct Moments {
  double mean, variance;
};

Moments moments_of(const std::vector<float>& x, const std::vector<float>& y, std::int32_t features, int draws) {
  double sum = 0, squares = 0;
  for (int i = 0; i < draws; ++i) {
    const double e = kernel_estimate(
        x, y, features,
        draw_features(static_cast<std::int32_t>(x.size()), features, 1000 + static_cast<std::uint64_t>(i)));
    sum += e, squares += e * e;
  }
  const double mean = sum / draws;
  return {mean, squares / draws - mean * mean};
}

TEST(RandomFeatures, TheKernelIsRightOnAverageAndItsVarianceFallsWithTheirNumber) {
  std::mt19937 random(4);
  for (int pair = 0; pair < 3; ++pair) {
    std::vector<float> x = normals(16, random), y = normals(16, random);
    for (float& f : x) f *= 0.25f;
    for (float& f : y) f *= 0.25f;
    double exact = 0;
    for (std::size_t i = 0; i < 16; ++i) exact += double{x[i]} * y[i];
    exact = std::exp(exact);
    double before = HUGE_VAL;
    for (const std::int32_t features : {16, 64, 256}) {
      constexpr int kDraws = 1500;
      const Moments m = moments_of(x, y, features, kDraws);
      std::printf("performer kernel, pair %d, %3d features: exact %.4f, mean %.4f, variance %.2e\n", pair, features,
                  exact, m.mean, m.variance);
      EXPECT_LT(std::abs(m.mean - exact), 4 * std::sqrt(m.variance / kDraws)) << features;  // four standard errors
      EXPECT_LT(m.variance, before / 3) << features;  // a quarter, with room for chance
      before = m.variance;
    }
  }
}

TEST(RandomFeatures, GroupsAreOrthogonal) {
  const auto p = draw_features(16, 48, 7);
  for (std::size_t a = 0; a < 48; ++a)
    for (std::size_t b = a + 1; b < 48; ++b) {
      double dot = 0;
      for (std::size_t i = 0; i < 16; ++i) dot += double{p[i * 48 + a]} * p[i * 48 + b];
      const bool is_one_group = a / 16 == b / 16;
      EXPECT_TRUE(!is_one_group || std::abs(dot) < 1e-5) << a << " " << b;
    }
  EXPECT_EQ(p, draw_features(16, 48, 7));
  EXPECT_NE(p, draw_features(16, 48, 8));
}

// More features come closer to softmax attention.
TEST(LinearAttention, ThePerformerApproachesSoftmax) {
  Rig rig(best_kernels());
  Exec exec = rig.exec();
  double before = HUGE_VAL;
  for (const std::int32_t features : {16, 128, 1024}) {
    OwnedLinear own = make(LinearKind::performer, 2, 1, 16, 16, features);
    own.spec.scale = 0.0625f;  // scores as after a norm: large ones need exponentially many features
    const Text text(own.spec, 120, 2);
    const AttentionSpec softmax{.heads = 2, .mask = {.causal = true}, .score = {.scale = own.spec.scale}};
    const auto want = attention_reference(softmax, {.q = text.q.data(),
                                                    .q_stride = 32,
                                                    .q_len = 120,
                                                    .k = text.k.data(),
                                                    .v = text.v.data(),
                                                    .length = 120,
                                                    .k_dim = 16,
                                                    .v_dim = 16});
    const double e = nmse(text.run(own.spec, 120, exec), want.out);
    std::printf("performer, %4d features: NMSE to softmax %.3e\n", features, e);
    EXPECT_LT(e, before / 3);
    before = e;
  }
  EXPECT_LT(before, 0.1);
}

TEST(LinearAttention, WrongArgumentsAreNamed) {
  Rig rig(best_kernels());
  Exec exec = rig.exec();
  std::vector<float> state(1 << 16);
  const LinearJob job{.q_len = 0, .state = state.data()}, no_state{};
  const auto refuses = [&](const LinearSpec& spec, const LinearJob& j, const char* where) {
    const auto got = linear_attention(spec, {&j, 1}, exec);
    ASSERT_FALSE(got) << where;
    EXPECT_EQ(got.error().where, where);
  };
  refuses({.heads = 3, .kv_heads = 2, .k_dim = 16, .v_dim = 16}, job, "kv_heads");
  refuses({.k_dim = 24, .v_dim = 16}, job, "k_dim");
  refuses({.kind = LinearKind::performer, .k_dim = 16, .v_dim = 16, .features = 32}, job, "features");
  refuses({.k_dim = 16, .v_dim = 16}, no_state, "state");
  refuses({.kind = LinearKind::gated, .k_dim = 16, .v_dim = 16}, job, "log_decay");
  const LinearJob no_write{.log_decay = state.data(), .state = state.data()};
  refuses({.kind = LinearKind::gated_delta, .k_dim = 16, .v_dim = 16}, no_write, "write");
  rig.arena = std::move(*Arena::make(64));
  const auto full = linear_attention({.k_dim = 16, .v_dim = 16}, {&job, 1}, exec);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::out_of_memory);
}

}  // namespace
}  // namespace heed
