// attention_bits_test.cc -- the promise on bits: a row depends on its own query, keys and mask, and on nothing else.
// Also append_kv's layout and merge_attention.
#include <gtest/gtest.h>

#include "kernels/dequantize.h"
#include "tests/unit/kernels/attention_cases.h"
#include "tests/unit/kernels/emulated_tables.h"

namespace heed {
namespace {

using namespace attention_cases;

const MaskRow kMasks[] = {{"full", {}},
                          {"causal", {.causal = true}},
                          {"window + sink", {.causal = true, .window = 70, .sink = 5}},
                          {"blocks", {.causal = true}, 64}};
const ScoreRow kScores[] = {{"plain"}, {"everything", 5.0f, true, true, true}};

// The same sequence cut into calls of `step` queries.
Output in_steps(const AttentionSpec& spec, const Sequence& s, std::int32_t step, Exec& exec) {
  Output o = make_output(spec, s);
  const std::int64_t q_stride = std::int64_t{spec.heads} * s.shape.k_dim,
                     out_stride = std::int64_t{spec.heads} * s.shape.v_dim;
  for (std::int32_t i = 0; i < s.shape.q_len; i += step) {
    const AttentionJob job{.q = s.q.data() + i * q_stride,
                           .q_stride = q_stride,
                           .out = o.out.data() + i * out_stride,
                           .out_stride = out_stride,
                           .q_len = std::min(step, s.shape.q_len - i),
                           .first_pos = s.shape.first_pos + i,
                           .kv = s.view,
                           .lse = o.lse.data() + i * spec.heads};
    EXPECT_TRUE(attention(spec, {&job, 1}, exec));
  }
  return o;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

TEST(AttentionBits, PrefillEqualsDecodingOnAnyNumberOfThreads) {
  const Shape shapes[] = {{30, 1010, 1040, 16, 32}, {33, 2040, 2073, 64, 48}, {40, 0, 40, 80, 80}};
  for (const Kernels* kernels : attention_and_layer_kernels())
    for (const Shape& shape : shapes)
      for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::i8, DType::i4})
        for (const MaskRow& mask : kMasks)
          for (const ScoreRow& score : kScores) {
            const double multiplications = 7.0 * shape.q_len * shape.length * (shape.k_dim + shape.v_dim);
            if (is_slow(*kernels) && (multiplications > 20 * most_multiplications() || score.softcap == 0)) continue;
            Rig one(*kernels, 1), two(*kernels, 2), three(*kernels, 3);
            Exec e1 = one.exec(), e2 = two.exec(), e3 = three.exec();
            const auto s = make_sequence(shape, {7, 1}, dtype, PageOrder::shuffled, 9, e1);
            const auto spec = make_spec(mask, score, s->heads, shape);
            const Output whole = in_steps(spec->spec, *s, shape.q_len, e1);
            for (const std::int32_t step : {1, 3}) {
              const Output parts = in_steps(spec->spec, *s, step, step == 1 ? e2 : e3);
              EXPECT_TRUE(same_bits(whole.out, parts.out)) << kernels->name << " " << mask.name << " " << score.name;
              EXPECT_TRUE(same_bits(whole.lse, parts.lse)) << kernels->name << " " << mask.name << " " << score.name;
            }
            EXPECT_TRUE(same_bits(whole.out, in_steps(spec->spec, *s, shape.q_len, e3).out));
          }
}

TEST(AttentionBits, ABatchEqualsItsMembersAlone) {
  const Shape shapes[] = {
      {1, 1500, 1501, 64, 64}, {20, 3, 23, 64, 64}, {1, 0, 1, 64, 64}, {0, 5, 5, 64, 64}, {5, 1020, 1025, 64, 64}};
  for (const Kernels* kernels : attention_and_layer_kernels())
    for (const int threads : {1, 2, 3}) {
      Rig rig(*kernels, threads), alone(*kernels, 1);
      Exec exec = rig.exec(), single = alone.exec();
      const AttentionSpec spec{.heads = 4, .kv_heads = 2, .mask = {.causal = true}, .score = {.scale = 0.125f}};
      std::vector<std::unique_ptr<Sequence>> sequences;
      std::vector<Output> outputs;
      std::vector<AttentionJob> jobs;
      for (const Shape& shape : shapes) {
        sequences.push_back(make_sequence(shape, {4, 2}, DType::bf16, PageOrder::shuffled, 17, exec));
        outputs.push_back(make_output(spec, *sequences.back()));
      }
      for (std::size_t i = 0; i < sequences.size(); ++i)
        jobs.push_back({.q = sequences[i]->q.data(),
                        .q_stride = 256,
                        .out = outputs[i].out.data(),
                        .out_stride = 256,
                        .q_len = shapes[i].q_len,
                        .first_pos = shapes[i].first_pos,
                        .kv = sequences[i]->view,
                        .lse = outputs[i].lse.data()});
      ASSERT_TRUE(attention(spec, jobs, exec));
      for (std::size_t i = 0; i < sequences.size(); ++i) {
        const Output want = in_steps(spec, *sequences[i], std::max(1, shapes[i].q_len), single);
        EXPECT_TRUE(same_bits(want.out, outputs[i].out)) << kernels->name << " job " << i;
        EXPECT_TRUE(same_bits(want.lse, outputs[i].lse)) << kernels->name << " job " << i;
      }
    }
}

// Strides wider than the rows: what lies between stays as it was.
TEST(AttentionBits, StridesAreHonoured) {
  Rig rig(best_kernels());
  Exec exec = rig.exec();
  const auto s = make_sequence({5, 60, 65, 32, 32}, {4, 2}, DType::bf16, PageOrder::shuffled, 3, exec);
  const AttentionSpec spec{.heads = 4, .kv_heads = 2, .mask = {.causal = true}, .score = {.scale = 0.2f}};
  const Output want = in_steps(spec, *s, 5, exec);
  constexpr std::size_t kWide = 150;
  std::vector<float> q(5 * kWide, 1e30f), out(5 * kWide, -3.0f);
  for (std::size_t i = 0; i < 5; ++i) std::copy_n(s->q.data() + i * 128, 128, q.data() + i * kWide);
  const AttentionJob job{.q = q.data(),
                         .q_stride = kWide,
                         .out = out.data(),
                         .out_stride = kWide,
                         .q_len = 5,
                         .first_pos = 60,
                         .kv = s->view};
  ASSERT_TRUE(attention(spec, {&job, 1}, exec));
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t c = 0; c < kWide; ++c) EXPECT_EQ(out[i * kWide + c], c < 128 ? want.out[i * 128 + c] : -3.0f);
}

TEST(AppendKv, WritesTheDocumentedLayoutAndNothingElse) {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    Rig rig(best_kernels(), 3);
    Exec exec = rig.exec();
    const auto s = make_sequence({1, 149, 150, 32, 48}, {4, 2}, dtype, PageOrder::shuffled, 21, exec);
    std::size_t stale = 0;
    const auto* words = reinterpret_cast<const std::uint16_t*>(s->memory.data());
    for (std::size_t i = 0; i < s->memory.size() * 2; ++i) stale += words[i] == 0x4479;
    const std::size_t word_count = dtype == DType::f32 ? 2 : 1;
    EXPECT_GE(stale, ((3 + 2) * 64 - 150) * 2 * (32 + 48) * word_count);
    for (std::int32_t t = 0; t < 150; ++t)
      for (std::int32_t h = 0; h < 2; ++h)
        for (std::int32_t d = 0; d < 48; ++d) {
          const std::byte* page = s->view.base + s->pages[static_cast<std::size_t>(t / 64)] * s->view.page_stride;
          const std::int32_t r = t % 64;
          float k = 0, v = 0;
          if (dtype == DType::f32) {
            if (d < 32) std::memcpy(&k, page + 4 * (h * 64 * 32 + d * 64 + r), 4);
            std::memcpy(&v, page + s->view.v_offset + 4 * (h * 64 * 48 + r * 48 + d), 4);
          } else if (dtype == DType::f16) {
            std::uint16_t bits = 0;
            if (d < 32) std::memcpy(&bits, page + 2 * (h * 64 * 32 + d * 64 + r), 2);
            k = half_to_float(bits);
            std::memcpy(&bits, page + s->view.v_offset + 2 * (h * 64 * 48 + r * 48 + d), 2);
            v = half_to_float(bits);
          } else {
            std::uint16_t bits = 0;
            if (d < 32) std::memcpy(&bits, page + 2 * (h * 64 * 32 + (d / 2 * 64 + r) * 2 + d % 2), 2);
            k = bf16_to_float(bits);
            std::memcpy(&bits, page + s->view.v_offset + 2 * (h * 64 * 48 + (r / 2 * 48 + d) * 2 + r % 2), 2);
            v = bf16_to_float(bits);
          }
          if (d < 32) {
            ASSERT_EQ(k, s->k[static_cast<std::size_t>((t * 2 + h) * 32 + d)]) << t << " " << d;
          }
          ASSERT_EQ(v, s->v[static_cast<std::size_t>((t * 2 + h) * 48 + d)]) << t << " " << d;
        }
  }
}

// Every number is within half a step of the rotated row, and the largest takes the highest level.
TEST(AppendKv, IntegersHoldTheRotatedRow) {
  for (const DType dtype : {DType::i8, DType::i4}) {
    Rig rig(best_kernels(), 3);
    Exec exec = rig.exec();
    const auto s = make_sequence({1, 149, 150, 96, 64}, {4, 2}, dtype, PageOrder::shuffled, 21, exec);
    std::mt19937 random(5);
    const std::vector<float> k = normals(150 * 2 * 96, random), v = normals(150 * 2 * 64, random);
    append_kv(s->view, 0, 97, k.data(), 2 * 96, v.data(), 2 * 64, exec);
    append_kv(s->view, 97, 53, k.data() + 97 * 2 * 96, 2 * 96, v.data() + 97 * 2 * 64, 2 * 64, exec);
    for (std::int32_t t = 0; t < 150; ++t)
      for (std::int32_t h = 0; h < 2; ++h)
        for (const bool is_key : {true, false}) {
          const std::int32_t dim = is_key ? 96 : 64, block = is_key ? 32 : 64;
          const float* plain = (is_key ? k : v).data() + (t * 2 + h) * dim;
          const std::vector<double> want = turned({plain, plain + dim});
          const double levels = is_key || dtype == DType::i8 ? 127 : 7, norm = std::sqrt(block);
          double top = 0;
          for (const double x : want) top = std::max(top, std::fabs(x * norm));
          double highest = 0;
          for (std::int32_t d = 0; d < dim; ++d) {
            const double got = stored(s->view, is_key, h, t % 64, d, s->pages[static_cast<std::size_t>(t / 64)]);
            ASSERT_NEAR(got, want[static_cast<std::size_t>(d)] * norm, top / levels * 0.502) << t << " " << d;
            highest = std::max(highest, std::fabs(got));
          }
          ASSERT_NEAR(highest, top, top * 1e-3 + top / levels * 0.5);
        }
  }
}

// What is no number must not reach other tokens' scores.
TEST(AppendKv, IntegersOfNoNumbersAreFinite) {
  for (const DType dtype : {DType::i8, DType::i4}) {
    Rig rig(best_kernels());
    Exec exec = rig.exec();
    auto s = make_sequence({1, 0, 2, 16, 16}, {1, 1}, dtype, PageOrder::identity, 1, exec);
    const float k[16] = {NAN, HUGE_VALF, -HUGE_VALF, 1.0f}, zeros[16] = {};
    append_kv(s->view, 0, 1, k, 16, k, 16, exec);
    append_kv(s->view, 1, 1, zeros, 16, zeros, 16, exec);
    for (const bool is_key : {true, false})
      for (std::int32_t d = 0; d < 16; ++d) {
        EXPECT_TRUE(std::isfinite(stored(s->view, is_key, 0, 0, d, 0)));
        EXPECT_EQ(stored(s->view, is_key, 0, 1, d, 0), 0.0);
      }
  }
}

// NaN stays NaN, infinities stay, halves round to even.
TEST(AppendKv, RoundsToNearestEven) {
  Rig rig(best_kernels());
  Exec exec = rig.exec();
  auto s = make_sequence({1, 0, 1, 16, 16}, {1, 1}, DType::bf16, PageOrder::identity, 1, exec);
  const float k[16] = {1.00390625f, 1.01171875f, -1.00390625f, HUGE_VALF, -HUGE_VALF, NAN, 3.4e38f, 1e-45f, -0.0f};
  append_kv(s->view, 0, 1, k, 16, k, 16, exec);
  const float want[9] = {1.0f, 1.015625f, -1.0f, HUGE_VALF, -HUGE_VALF, NAN, HUGE_VALF, 0.0f, -0.0f};
  const auto* v = reinterpret_cast<const std::uint16_t*>(s->view.base + s->view.v_offset);
  for (std::size_t d = 0; d < 9; ++d) {
    const float got = bf16_to_float(v[2 * d]);
    if (std::isnan(want[d]))
      EXPECT_TRUE(std::isnan(got));
    else
      EXPECT_EQ(got, want[d]) << d;
  }
  EXPECT_TRUE(std::signbit(bf16_to_float(v[16])));
}

TEST(MergeAttention, DisjointKeysJoinToTheWhole) {
  for (const Kernels* kernels : attention_and_layer_kernels()) {
    Rig rig(*kernels);
    Exec exec = rig.exec();
    const auto s = make_sequence({3, 500, 300, 64, 64}, {4, 2}, DType::f32, PageOrder::shuffled, 31, exec);
    const AttentionSpec spec{.heads = 4, .kv_heads = 2, .score = {.scale = 0.3f}};
    const auto part = [&](std::int32_t first_page, std::int32_t length) {
      auto view = s->view;
      view.pages = view.pages.subspan(static_cast<std::size_t>(first_page));
      view.length = length;
      Output o = make_output(spec, *s);
      const AttentionJob job{.q = s->q.data(),
                             .q_stride = 256,
                             .out = o.out.data(),
                             .out_stride = 256,
                             .q_len = 3,
                             .first_pos = 500,
                             .kv = view,
                             .lse = o.lse.data()};
      EXPECT_TRUE(attention(spec, {&job, 1}, exec));
      return o;
    };
    Output a = part(0, 128);
    const Output b = part(2, 300 - 128), nothing = part(0, 0);
    merge_attention(a.out.data(), a.lse.data(), b.out.data(), b.lse.data(), 12, 64, exec);
    merge_attention(a.out.data(), a.lse.data(), nothing.out.data(), nothing.lse.data(), 12, 64, exec);
    Output c = nothing;
    merge_attention(c.out.data(), c.lse.data(), a.out.data(), a.lse.data(), 12, 64, exec);
    const auto want = attention_reference(spec, s->reference());
    for (Output* o : {&a, &c}) {
      o->probs.clear();
      EXPECT_LT(distance(*o, want, *s), 1e-10) << kernels->name;
    }
    Output still = nothing;
    merge_attention(still.out.data(), still.lse.data(), nothing.out.data(), nothing.lse.data(), 12, 64, exec);
    EXPECT_TRUE(same_bits(still.out, nothing.out));
    EXPECT_TRUE(same_bits(still.lse, nothing.lse));
  }
}

}  // namespace
}  // namespace heed
