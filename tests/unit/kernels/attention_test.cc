// attention_test.cc -- attention against the oracle over the whole grid, and the grid against planted mistakes.
#include <gtest/gtest.h>

#include "tests/unit/kernels/emulated_tables.h"
#include "tests/unit/kernels/planted_attention.h"

namespace heed {
namespace {

using namespace attention_cases;

// Scalar and emulated tables leave the largest cases to the others.
GridOptions options_for(const Kernels& kernels) {
  GridOptions options;
  if (is_slow(kernels)) options.max_multiplications = most_multiplications();
  if (rounds_to_bf16(kernels)) options.max_nmse_bf16 = 5e-5;
  return options;
}

TEST(Attention, EveryVariantEqualsTheOracle) {
  for (const Kernels* kernels : attention_and_layer_kernels()) {
    Rig rig(*kernels);
    Exec exec = rig.exec();
    const Verdict v = run_grid(kernel_subject(exec), exec, options_for(*kernels));
    std::printf("attention %s: %d cases, worst NMSE %.2e\n", kernels->name, v.cases, v.worst);
    EXPECT_EQ(v.failures, 0) << kernels->name << ": " << v.first_failure;
    EXPECT_GE(v.cases, 300);
  }
}

TEST(Attention, TheGridFindsEveryPlantedBug) {
  Rig rig(best_kernels());
  Exec exec = rig.exec();
  GridOptions options;
  options.max_multiplications = 2e6;
  options.stop_at_first_failure = true;
  options.dtypes = {DType::f32, DType::f16, DType::bf16};
  int found = 0;
  for (int bug = 0; bug < static_cast<int>(PlantedBug::last); ++bug) {
    const auto subject = [&](AttentionSpec spec, const Sequence& s, const Mask* of_job) {
      if (of_job) spec.mask = *of_job;
      return PlantedAttention(spec, s, static_cast<PlantedBug>(bug)).run();
    };
    const Verdict v = run_grid(subject, exec, options);
    if (bug == 0) {
      EXPECT_EQ(v.failures, 0) << v.first_failure;
    } else {
      EXPECT_GT(v.failures, 0) << "planted bug " << bug << " was not found";
      found += v.failures > 0;
    }
  }
  std::printf("attention: %d of %d planted bugs found\n", found, static_cast<int>(PlantedBug::last) - 1);
}

// Four queries over two keys each, by hand: uniform scores average the values.
TEST(Attention, EqualScoresAverageTheValues) {
  Rig rig(best_kernels());
  Exec exec = rig.exec();
  auto s = make_sequence({4, 0, 4, 16, 16}, {1, 1}, DType::f32, PageOrder::identity, 1, exec);
  std::fill(s->q.begin(), s->q.end(), 0.0f);
  const AttentionSpec spec{.mask = {.causal = true}};
  const Output o = kernel_subject(exec)(
      {.heads = 2, .kv_heads = 1, .mask = {.causal = true}},
      *make_sequence({4, 0, 4, 16, 16}, {2, 1}, DType::f32, PageOrder::identity, 1, exec), nullptr);
  EXPECT_EQ(o.lse.size(), 8u);
  std::vector<float> out(4 * 16), lse(4);
  const AttentionJob job{.q = s->q.data(),
                         .q_stride = 16,
                         .out = out.data(),
                         .out_stride = 16,
                         .q_len = 4,
                         .first_pos = 0,
                         .kv = s->view,
                         .lse = lse.data()};
  ASSERT_TRUE(attention(spec, {&job, 1}, exec));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(lse[i], std::log(static_cast<double>(i + 1)), 1e-6);
    for (std::size_t d = 0; d < 16; ++d) {
      double mean = 0;
      for (std::size_t key = 0; key <= i; ++key) mean += s->v[key * 16 + d];
      EXPECT_NEAR(out[i * 16 + d], mean / static_cast<double>(i + 1), 1e-6);
    }
  }
}

TEST(Attention, ARowThatSeesNothingIsZero) {
  for (const Kernels* kernels : attention_and_layer_kernels()) {
    Rig rig(*kernels);
    Exec exec = rig.exec();
    const auto s = make_sequence({3, 0, 3, 16, 32}, {2, 1}, DType::bf16, PageOrder::identity, 3, exec);
    const std::vector<std::int32_t> row_start{0, 0}, key_block;
    const BlockList nothing{.block = 64, .row_start = row_start, .key_block = key_block};
    const AttentionSpec spec{.heads = 2, .kv_heads = 1, .mask = {.blocks = &nothing}};
    const Output o = kernel_subject(exec)(spec, *s, nullptr);
    for (const float x : o.out) EXPECT_EQ(x, 0.0f);
    for (const float x : o.lse) EXPECT_EQ(x, -HUGE_VALF);
    for (const float x : o.probs) EXPECT_EQ(x, 0.0f);
  }
}

TEST(Attention, NoKeysAtAllIsZero) {
  Rig rig(best_kernels());
  Exec exec = rig.exec();
  auto s = make_sequence({2, 0, 1, 16, 16}, {2, 2}, DType::f32, PageOrder::identity, 3, exec);
  s->view.length = 0;
  s->view.pages = {};
  s->shape.length = 0;
  const Output o = kernel_subject(exec)({.heads = 2, .kv_heads = 2}, *s, nullptr);
  for (const float x : o.out) EXPECT_EQ(x, 0.0f);
}

// Scores of +-2000: exponentials would overflow without the running maximum.
TEST(Attention, LargeScoresDoNotOverflow) {
  for (const Kernels* kernels : attention_and_layer_kernels()) {
    Rig rig(*kernels);
    Exec exec = rig.exec();
    const auto s = make_sequence({2, 200, 202, 64, 64}, {2, 1}, DType::f32, PageOrder::shuffled, 5, exec);
    AttentionSpec spec{.heads = 2, .kv_heads = 1, .mask = {.causal = true}, .score = {.scale = 100.0f}};
    const double e = distance(kernel_subject(exec)(spec, *s, nullptr), attention_reference(spec, s->reference()), *s);
    // Scores near 3000 carry an error of 3000 * 2^-23 * a few: so do the probabilities.
    EXPECT_LT(e, 1e-5) << kernels->name;
  }
}

struct Wrong {
  const char* text;
  std::function<void(AttentionSpec&, AttentionJob&)> break_it;
  Code code;
};

TEST(Attention, WrongArgumentsAreNamedAndLeaveTheArenaAlone) {
  Rig rig(best_kernels());
  Exec exec = rig.exec();
  const auto s = make_sequence({4, 96, 100, 32, 32}, {4, 2}, DType::bf16, PageOrder::identity, 3, exec);
  const std::vector<std::int32_t> two_rows{0, 1}, one_key{0}, bad_heads{4};
  const BlockList short_list{.block = 64, .row_start = two_rows, .key_block = one_key};
  const BlockList odd_block{.block = 48, .row_start = two_rows, .key_block = one_key};
  const BlockList three_heads{.block = 64, .kv_heads = 3, .row_start = two_rows, .key_block = one_key};
  const BlockList late_list{.block = 64, .first_row = 2, .row_start = two_rows, .key_block = one_key};
  const std::vector<std::uint8_t> zero_label{0}, labels_01{0, 1};
  const std::vector<std::uint64_t> sees_itself{1};
  const SpanLabels late_labels{std::span(two_rows).subspan(1), zero_label, sees_itself};
  const SpanLabels two_labels{one_key, labels_01, sees_itself}, blind_labels{two_rows, labels_01, sees_itself};
  const Mask negative{.causal = true, .window = -1};
  const std::vector<float> three(3);
  std::vector<float> probs(400);
  const Tap bad_tap{.heads = bad_heads, .probs = probs.data()};
  const Wrong wrongs[] = {
      {"heads", [](auto& spec, auto&) { spec.heads = 3; }, Code::invalid_argument},
      {"kv_heads", [](auto& spec, auto&) { spec.kv_heads = 0; }, Code::invalid_argument},
      {"kv_heads", [](auto& spec, auto&) { spec.kv_heads = 4; }, Code::invalid_argument},
      {"multiples of 16", [](auto&, auto& job) { job.kv.k_dim = 24; }, Code::invalid_argument},
      {"multiples of 16", [](auto&, auto& job) { job.kv.v_dim = 0; }, Code::invalid_argument},
      {"at most 1024", [](auto&, auto& job) { job.kv.v_dim = 1040; }, Code::invalid_argument},
      {"f32, f16, bf16, int8 or int4", [](auto&, auto& job) { job.kv.dtype = DType::q8_0; }, Code::unsupported},
      {"pages", [](auto&, auto& job) { job.kv.length = 129; }, Code::invalid_argument},
      {"position", [](auto&, auto& job) { job.first_pos = -1; }, Code::invalid_argument},
      {"block", [&](auto& spec, auto&) { spec.mask.blocks = &short_list; }, Code::invalid_argument},
      {"block", [&](auto& spec, auto&) { spec.mask.blocks = &odd_block; }, Code::invalid_argument},
      {"alibi", [&](auto& spec, auto&) { spec.score.alibi_slope = three; }, Code::invalid_argument},
      {"by_distance", [&](auto& spec, auto&) { spec.score.by_distance = three; }, Code::invalid_argument},
      {"sink_logit", [&](auto& spec, auto&) { spec.score.sink_logit = three; }, Code::invalid_argument},
      {"row for all KV heads", [&](auto& spec, auto&) { spec.mask.blocks = &three_heads; }, Code::invalid_argument},
      {"begins behind", [&](auto& spec, auto&) { spec.mask.blocks = &late_list; }, Code::invalid_argument},
      {"start at 0", [&](auto& spec, auto&) { spec.mask.labels = &late_labels; }, Code::invalid_argument},
      {"have 2 labels", [&](auto& spec, auto&) { spec.mask.labels = &two_labels; }, Code::invalid_argument},
      {"no row in sees", [&](auto& spec, auto&) { spec.mask.labels = &blind_labels; }, Code::invalid_argument},
      {"not negative", [&](auto&, auto& job) { job.mask = &negative; }, Code::invalid_argument},
      {"tap", [&](auto&, auto& job) { job.tap = &bad_tap; }, Code::invalid_argument},
  };
  std::vector<float> out(4 * 4 * 32);
  for (const Wrong& w : wrongs) {
    AttentionSpec spec{.heads = 4, .kv_heads = 2, .mask = {.causal = true}};
    AttentionJob job{.q = s->q.data(),
                     .q_stride = 128,
                     .out = out.data(),
                     .out_stride = 128,
                     .q_len = 4,
                     .first_pos = 96,
                     .kv = s->view};
    w.break_it(spec, job);
    const std::size_t mark = exec.arena.mark();
    const auto got = attention(spec, {&job, 1}, exec);
    ASSERT_FALSE(got) << w.text;
    EXPECT_EQ(got.error().code, w.code) << got.error().text;
    EXPECT_NE(got.error().text.find(w.text), std::string::npos) << got.error().text;
    EXPECT_EQ(exec.arena.mark(), mark);
  }
}

TEST(Attention, AFullArenaIsAnAnswer) {
  Rig rig(best_kernels());
  Exec exec = rig.exec();
  const auto s = make_sequence({70, 1300, 1370, 64, 64}, {4, 2}, DType::bf16, PageOrder::identity, 3, exec);
  std::vector<float> out(70 * 4 * 64);
  const AttentionJob job{.q = s->q.data(),
                         .q_stride = 256,
                         .out = out.data(),
                         .out_stride = 256,
                         .q_len = 70,
                         .first_pos = 1300,
                         .kv = s->view};
  int refused = 0;
  for (std::size_t bytes = 64; bytes <= (std::size_t{1} << 20); bytes *= 2) {
    rig.arena = std::move(*Arena::make(bytes));
    const auto got = attention({.heads = 4, .kv_heads = 2}, {&job, 1}, exec);
    EXPECT_EQ(exec.arena.mark(), 0u);
    if (got) continue;
    ++refused;
    EXPECT_EQ(got.error().code, Code::out_of_memory);
  }
  EXPECT_GT(refused, 0);
  EXPECT_TRUE(attention({.heads = 4, .kv_heads = 2}, {&job, 1}, exec));
}

std::int64_t pages_visited(const Mask& mask, Shape shape) {
  Rig rig(best_kernels());
  Exec exec = rig.exec();
  const auto s = make_sequence(shape, {2, 1}, DType::bf16, PageOrder::identity, 3, exec);
  std::vector<float> out(static_cast<std::size_t>(shape.q_len * 2 * shape.v_dim));
  const AttentionJob job{.q = s->q.data(),
                         .q_stride = 2 * shape.k_dim,
                         .out = out.data(),
                         .out_stride = 2 * shape.v_dim,
                         .q_len = shape.q_len,
                         .first_pos = shape.first_pos,
                         .kv = s->view};
  EXPECT_TRUE(attention({.heads = 2, .kv_heads = 1, .mask = mask}, {&job, 1}, exec));
  EXPECT_GE(rig.counters.regions.load(), 1);
  return rig.counters.attention_pages.load();
}

TEST(Attention, MasksThatHidePagesDoNotVisitThem) {
  constexpr std::int32_t kLong = 32768;
  EXPECT_EQ(pages_visited({.causal = true}, {1, kLong - 1, kLong, 16, 16}), kLong / kPageTokens);
  EXPECT_EQ(pages_visited({.causal = true, .window = 512}, {1, kLong - 1, kLong, 16, 16}), 512 / kPageTokens);
  EXPECT_EQ(pages_visited({.causal = true, .window = 512, .sink = 4}, {1, kLong - 1, kLong, 16, 16}),
            512 / kPageTokens + 1);
  EXPECT_EQ(pages_visited({.causal = true}, {1, 99, kLong, 16, 16}), 2);
  const std::vector<std::int32_t> row_start{0, 3}, keys{0, 200, 511};
  const BlockList three{.first_row = 511, .row_start = row_start, .key_block = keys};
  EXPECT_EQ(pages_visited({.causal = true, .blocks = &three}, {1, kLong - 1, kLong, 16, 16}), 3);
  EXPECT_EQ(pages_visited({.causal = true, .window = 512, .blocks = &three}, {1, kLong - 1, kLong, 16, 16}), 1);
  const std::vector<std::int32_t> start{0, 128, 32000};  // another document in the middle
  const std::vector<std::uint8_t> label{0, 1, 0};
  const std::vector<std::uint64_t> sees{0b01, 0b11};
  const SpanLabels labels{start, label, sees};
  EXPECT_EQ(pages_visited({.causal = true, .labels = &labels}, {1, kLong - 1, kLong, 16, 16}), 2 + 12);
  EXPECT_EQ(pages_visited({.causal = true, .labels = &labels}, {1, 31999, kLong, 16, 16}), 500);
  // Two rows are a token: each part of a page of queries that is a block sees the pages up to its own.
  const AttentionTable& table = *best_kernels().attention;
  const std::int32_t block_rows =
      table.tiles[static_cast<std::size_t>(KvForm::bf16)] ? table.tile_block_rows : table.block_rows;
  const std::int32_t blocks_a_page = kPageTokens / (block_rows / 2);
  EXPECT_EQ(pages_visited({.causal = true}, {256, 0, 256, 16, 16}), blocks_a_page * (1 + 2 + 3 + 4));
}

}  // namespace
}  // namespace heed
