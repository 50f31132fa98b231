// experts.cc -- a mixture of experts: every row's few feed-forwards, each expert over the rows that chose it.
//
// Experts go in order of their number and a row's sum with them, so its bits do not depend on the rows beside it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "model/step.h"

namespace heed {
namespace {

struct Choice {
  std::int32_t* expert = nullptr;  // [rows, used]
  float* weight = nullptr;         // [rows, used]
};

// What the choice goes by: sigmoids, logits, or with a bias their softmax, as the bias was learned for it.
void score_experts(const float* logits, const ExpertSpec& e, const Vector& bias, float* score) {
  for (std::int32_t i = 0; i < e.count; ++i) score[i] = e.is_sigmoid ? sigmoid(logits[i]) : logits[i];
  if (bias.empty()) return;
  if (!e.is_sigmoid) {
    const float greatest = *std::max_element(logits, logits + e.count);
    float sum = 0;
    for (std::int32_t i = 0; i < e.count; ++i) sum += score[i] = std::exp(logits[i] - greatest);
    for (std::int32_t i = 0; i < e.count; ++i) score[i] /= sum;
  }
  for (std::int32_t i = 0; i < e.count; ++i) score[i] += bias[static_cast<std::size_t>(i)];
}

float group_worth(const float* score, std::int32_t n, bool counts_two) {
  float best = -std::numeric_limits<float>::infinity(), second = best;
  for (std::int32_t i = 0; i < n; ++i) {
    second = std::max(second, std::min(best, score[i]));
    best = std::max(best, score[i]);
  }
  return counts_two ? best + second : best;
}

// Nothing is worth less than an expert of a group that is not among the best, the lower number first where groups are
// equal. worth [groups] is room.
void close_groups(const ExpertSpec& e, float* score, float* worth) {
  const std::int32_t n = e.count / e.groups;
  for (std::int32_t g = 0; g < e.groups; ++g) worth[g] = group_worth(score + g * n, n, e.is_sigmoid);
  for (std::int32_t g = 0; g < e.groups; ++g) {
    const auto better = std::count_if(
        worth, worth + e.groups, [&](const float& w) { return w > worth[g] || (w == worth[g] && &w < worth + g); });
    if (better >= e.used_groups) std::fill_n(score + g * n, n, -std::numeric_limits<float>::infinity());
  }
}

// The `used` greatest scores, the lower number first where they are equal.
void choose(const float* score, const ExpertSpec& e, std::int32_t* expert) {
  for (std::int32_t n = 0; n < e.used; ++n) {
    std::int32_t best = -1;
    for (std::int32_t i = 0; i < e.count; ++i)
      if ((best < 0 || score[i] > score[best]) && std::find(expert, expert + n, i) == expert + n) best = i;
    expert[n] = best;
  }
}

// Softmax or sigmoids of the chosen; they sum to one where the spec says so.
void weigh(const float* logits, const ExpertSpec& e, const std::int32_t* expert, float* weight) {
  const float greatest = *std::max_element(logits, logits + e.count);
  float sum = 0;
  for (std::int32_t n = 0; n < e.used; ++n) {
    weight[n] = e.is_sigmoid ? sigmoid(logits[expert[n]]) : std::exp(logits[expert[n]] - greatest);
    sum += weight[n];
  }
  if (!e.sums_to_one) {
    sum = e.is_sigmoid ? 1.0f : 0.0f;
    for (std::int32_t i = 0; i < e.count && !e.is_sigmoid; ++i) sum += std::exp(logits[i] - greatest);
  }
  for (std::int32_t n = 0; n < e.used; ++n) weight[n] *= e.scale / sum;
}

Expected<Choice> route(Step& s, const ExpertSpec& e, const BlockWeights& w, const Activations& input) {
  auto& arena = s.exec.arena;
  const auto chosen = static_cast<std::size_t>(s.rows) * static_cast<std::size_t>(e.used);
  const Choice out{arena.allocate_array<std::int32_t>(chosen), arena.allocate_array<float>(chosen)};
  auto* logits = arena.allocate_array<float>(static_cast<std::size_t>(s.rows) * static_cast<std::size_t>(e.count));
  auto* score = arena.allocate_array<float>(2 * static_cast<std::size_t>(e.count));
  if (!out.expert || !out.weight || !logits || !score) return fail(Code::out_of_memory, kArenaFull);
  const MatmulJob job{.w = &w.router.w, .bias = data_of(w.router.bias), .out = logits, .out_stride = e.count};
  HEED_TRY(matmul(input, {&job, 1}, s.exec));
  for (std::int64_t r = 0; r < s.rows; ++r) {
    score_experts(logits + r * e.count, e, w.choice_bias, score);
    if (e.groups > 1) close_groups(e, score, score + e.count);
    choose(score, e, out.expert + r * e.used);
    weigh(logits + r * e.count, e, out.expert + r * e.used, out.weight + r * e.used);
  }
  return out;
}

// hidden [rows, ffn] = act(gate x) * up x.
MatmulJob first_half(Step& s, const BlockSpec& b, const Expert& w, std::int64_t ffn, float* hidden) {
  return {.w = &w.up.w,
          .bias = data_of(w.up.bias),
          .out = hidden,
          .out_stride = ffn,
          .gate = &w.gate.w,
          .gate_bias = data_of(w.gate.bias),
          .gated = gated_row(b.activation, s.exec)};
}

// out [rows, dim] = down(hidden).
Expected<void> second_half(Step& s, const Expert& w, const float* hidden, std::int64_t rows, std::int64_t ffn,
                           float* out) {
  HEED_ASSIGN(const Activations x, quantize_activations(hidden, rows, ffn, s.exec));
  const MatmulJob down{.w = &w.down.w, .bias = data_of(w.down.bias), .out = out, .out_stride = s.spec.dim};
  return matmul(x, {&down, 1}, s.exec);
}

Expected<void> run(Step& s, const BlockSpec& b, const Expert& w, const Activations& x, std::int64_t ffn, float* out) {
  const MatmulJob in = first_half(s, b, w, ffn, s.hidden);
  HEED_TRY(matmul(x, {&in, 1}, s.exec));
  return second_half(s, w, s.hidden, x.rows, ffn, out);
}

struct Room {
  std::int64_t* rows = nullptr;  // [rows], those of one expert
  float* weights = nullptr;      // [rows]
  float* gathered = nullptr;     // [rows, dim]
  float* out = nullptr;          // [rows, dim]
};

Expected<Room> make_room(Step& s) {
  const auto n = static_cast<std::size_t>(s.rows), dim = static_cast<std::size_t>(s.spec.dim);
  auto& arena = s.exec.arena;
  const Room room{arena.allocate_array<std::int64_t>(n), arena.allocate_array<float>(n),
                  arena.allocate_array<float>(n * dim), arena.allocate_array<float>(n * dim)};
  if (!room.rows || !room.weights || !room.gathered || !room.out) return fail(Code::out_of_memory, kArenaFull);
  return room;
}

Expected<void> add_expert(Step& s, const BlockSpec& b, const Expert& w, std::int32_t number, const Choice& choice,
                          const Activations& input, const Room& room) {
  const std::int64_t dim = s.spec.dim, used = b.experts.used;
  std::int64_t n = 0;
  for (std::int64_t i = 0; i < s.rows * used; ++i) {
    if (choice.expert[i] != number) continue;
    room.weights[n] = choice.weight[i];
    room.rows[n] = i / used;
    std::copy_n(input.f32 + i / used * dim, dim, room.gathered + n++ * dim);
  }
  if (n == 0) return {};
  const std::size_t mark = s.exec.arena.mark();
  HEED_ASSIGN(const Activations x, quantize_activations(room.gathered, n, dim, s.exec));
  HEED_TRY(run(s, b, w, x, b.experts.ffn_dim, room.out));
  s.exec.arena.rewind(mark);
  for (std::int64_t i = 0; i < n; ++i)
    add_scaled(s.branch + room.rows[i] * dim, room.out + i * dim, room.weights[i], dim, s.exec);
  return {};
}

// The experts of a step's only row: all first halves in one parallel region. The same sums in the same order.
Expected<void> add_experts_of_one(Step& s, const BlockSpec& b, const BlockWeights& w, const Choice& choice,
                                  const Activations& input, const Room& room) {
  const std::int64_t ffn = b.experts.ffn_dim;
  const auto used = static_cast<std::size_t>(b.experts.used);
  const std::size_t mark = s.exec.arena.mark();
  auto* hidden = s.exec.arena.allocate_array<float>(used * static_cast<std::size_t>(ffn));
  auto* jobs = s.exec.arena.allocate_array<MatmulJob>(used);
  auto* order = s.exec.arena.allocate_array<std::size_t>(used);
  if (!hidden || !jobs || !order) return fail(Code::out_of_memory, kArenaFull);
  std::iota(order, order + used, std::size_t{0});
  std::sort(order, order + used, [&](std::size_t x, std::size_t y) { return choice.expert[x] < choice.expert[y]; });
  const auto expert = [&](std::size_t i) -> const Expert& {
    return w.experts[static_cast<std::size_t>(choice.expert[order[i]])];
  };
  for (std::size_t i = 0; i < used; ++i)
    jobs[i] = first_half(s, b, expert(i), ffn, hidden + i * static_cast<std::size_t>(ffn));
  HEED_ASSIGN(const Activations x, quantize_activations(input.f32, 1, s.spec.dim, s.exec));
  HEED_TRY(matmul(x, {jobs, used}, s.exec));
  for (std::size_t i = 0; i < used; ++i) {
    HEED_TRY(second_half(s, expert(i), hidden + i * static_cast<std::size_t>(ffn), 1, ffn, room.out));
    add_scaled(s.branch, room.out, choice.weight[order[i]], s.spec.dim, s.exec);
  }
  s.exec.arena.rewind(mark);
  return {};
}

Expected<void> add_shared(Step& s, const BlockSpec& b, const BlockWeights& w, const Activations& input,
                          const Room& room) {
  const std::int64_t dim = s.spec.dim;
  HEED_TRY(run(s, b, w.shared, input, b.experts.shared_ffn_dim, room.out));
  for (std::int64_t r = 0; r < s.rows; ++r) {
    float weight = 1.0f;
    if (b.experts.is_shared_gated) {
      double logit = 0;
      for (std::int64_t i = 0; i < dim; ++i)
        logit += static_cast<double>(input.f32[r * dim + i]) *
                 static_cast<double>(w.shared_gate[static_cast<std::size_t>(i)]);
      weight = static_cast<float>(1.0 / (1.0 + std::exp(-logit)));
    }
    add_scaled(s.branch + r * dim, room.out + r * dim, weight, dim, s.exec);
  }
  return {};
}

}  // namespace

Expected<void> mix_experts(Step& s, const BlockSpec& b, const BlockWeights& w, const Activations& input) {
  HEED_ASSIGN(const Choice choice, route(s, b.experts, w, input));
  HEED_ASSIGN(const Room room, make_room(s));
  std::fill_n(s.branch, s.rows * s.spec.dim, 0.0f);
  if (s.rows == 1) HEED_TRY(add_experts_of_one(s, b, w, choice, input, room));
  for (std::int32_t i = 0; i < b.experts.count && s.rows > 1; ++i)
    HEED_TRY(add_expert(s, b, w.experts[static_cast<std::size_t>(i)], i, choice, input, room));
  if (b.experts.shared_ffn_dim > 0) HEED_TRY(add_shared(s, b, w, input, room));
  return {};
}

std::int64_t expert_bytes_of_one(const BlockSpec& b) {
  constexpr std::int64_t kBytesPerJob = sizeof(MatmulJob) + sizeof(std::size_t) + 64;
  return b.experts.used * (13 * std::int64_t{b.experts.ffn_dim} + kBytesPerJob);
}

std::int64_t expert_bytes_per_row(const ModelSpec& spec, const BlockSpec& b) {
  if (b.experts.count == 0) return 0;
  return 4 * (2 * spec.dim + b.experts.count + 2 * b.experts.used) + 12 + 10 * spec.dim;
}

}  // namespace heed
