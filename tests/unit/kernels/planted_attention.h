// planted_attention.h -- a plain online softmax over pages that can be told to make one mistake. The grid must accept
// it without a mistake and refuse it with any: that proves that the grid can fail.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/unit/kernels/attention_cases.h"

namespace heed::attention_cases {

enum class PlantedBug : std::uint8_t {
  none,
  window_off_by_one,
  causal_off_by_one,
  prefix_ignored,
  sink_keys_ignored,
  blocks_ignored,
  list_of_first_kv_head,
  labels_ignored,
  labels_swapped,
  missing_rescale,
  page_table_ignored,
  stale_tail_visible,
  query_head_mapped_by_modulo,
  softcap_missing,
  softcap_before_bias,
  alibi_sign,
  distance_not_clamped_low,
  sink_logit_missing,
  spans_added_without_weights,
  last_span_lost,
  value_pair_swapped,
  lse_without_sum,
  center_forgotten,
  last,
};

class PlantedAttention {
 public:
  PlantedAttention(const AttentionSpec& spec, const Sequence& s, PlantedBug bug) : spec_(spec), s_(s), bug_(bug) {}

  Output run() {
    Output o = make_output(spec_, s_);
    o.probs.clear();  // its distance to the oracle is that of outputs and log-sum-exps
    for (std::int32_t i = 0; i < s_.shape.q_len; ++i)
      for (std::int32_t h = 0; h < spec_.heads; ++h) row(i, h, o);
    return o;
  }

 private:
  struct State {
    double m = -std::numeric_limits<double>::infinity(), l = 0;
    std::vector<double> o;
  };
  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  bool has(PlantedBug b) const { return bug_ == b; }

  bool sees(std::int32_t query, std::int32_t key, std::int32_t kv_head) const {
    Mask m = spec_.mask;
    if (has(PlantedBug::window_off_by_one) && m.window > 0) ++m.window;
    if (has(PlantedBug::prefix_ignored)) m.prefix = 0;
    if (has(PlantedBug::sink_keys_ignored)) m.sink = 0;
    if (has(PlantedBug::blocks_ignored)) m.blocks = nullptr;
    if (has(PlantedBug::labels_ignored)) m.labels = nullptr;
    SpanLabels swapped;
    std::vector<std::uint64_t> seen_by;
    if (has(PlantedBug::labels_swapped) && m.labels) {
      for (std::size_t a = 0; a < m.labels->sees.size(); ++a) {
        seen_by.push_back(0);
        for (std::size_t b = 0; b < m.labels->sees.size(); ++b) seen_by[a] |= (m.labels->sees[b] >> a & 1) << b;
      }
      swapped = {m.labels->start, m.labels->label, seen_by};
      m.labels = &swapped;
    }
    if (has(PlantedBug::list_of_first_kv_head) && m.blocks) kv_head = 0;
    if (has(PlantedBug::causal_off_by_one) && m.causal && key == query + 1) return true;
    return reference_sees(m, query, key, kv_head);
  }

  double read(bool is_key, std::int32_t head, std::int32_t key, std::int32_t d) const {
    const KvView& kv = s_.view;
    std::int32_t page = kv.pages[at(key / kPageTokens)];
    if (has(PlantedBug::page_table_ignored)) page = key / kPageTokens;
    std::int32_t t = key % kPageTokens;
    if (has(PlantedBug::value_pair_swapped) && !is_key) t ^= 1;
    return stored(kv, is_key, head, t, d, page) + (is_key ? center(head, d) : 0.0);
  }

  double center(std::int32_t head, std::int32_t d) const {
    if (s_.center.empty() || has(PlantedBug::center_forgotten)) return 0;
    return s_.center[at(head * s_.shape.k_dim + d)];
  }

  double score(std::int32_t i, std::int32_t h, std::int32_t kv_head, std::int32_t key) const {
    const Score& c = spec_.score;
    double x = 0;
    for (std::int32_t d = 0; d < s_.shape.k_dim; ++d)
      x += s_.q[at((std::int64_t{i} * spec_.heads + h) * s_.shape.k_dim + d)] * read(true, kv_head, key, d);
    x *= c.scale;
    const auto cap = [&](double y) { return c.softcap > 0 ? c.softcap * std::tanh(y / c.softcap) : y; };
    if (has(PlantedBug::softcap_before_bias)) x = cap(x);
    const std::int32_t distance = key - (s_.shape.first_pos + i);
    if (!c.alibi_slope.empty())
      x += double{c.alibi_slope[at(h)]} * (has(PlantedBug::alibi_sign) ? -distance : distance);
    if (!c.by_distance.empty()) {
      const std::int32_t low = has(PlantedBug::distance_not_clamped_low) ? -c.reach + 1 : -c.reach;
      x += c.by_distance[at(h * (2 * c.reach + 1) + c.reach + std::clamp(distance, low, c.reach))];
    }
    return has(PlantedBug::softcap_missing) || has(PlantedBug::softcap_before_bias) ? x : cap(x);
  }

  void page(std::int32_t i, std::int32_t h, std::int32_t first, State& state) const {
    const std::int32_t group = spec_.heads / spec_.kv_heads;
    const std::int32_t kv_head = has(PlantedBug::query_head_mapped_by_modulo) ? h % spec_.kv_heads : h / group;
    const std::int32_t end =
        has(PlantedBug::stale_tail_visible) ? first + kPageTokens : std::min(first + kPageTokens, s_.shape.length);
    double top = state.m;
    std::vector<std::pair<std::int32_t, double>> scores;
    for (std::int32_t key = first; key < end; ++key) {
      if (!sees(s_.shape.first_pos + i, key, kv_head) && key < s_.shape.length) continue;
      scores.emplace_back(key, score(i, h, kv_head, key));
      top = std::max(top, scores.back().second);
    }
    if (scores.empty()) return;
    const double shrink = has(PlantedBug::missing_rescale) || state.l == 0 ? 1.0 : std::exp(state.m - top);
    state.m = top;
    state.l *= shrink;
    for (double& x : state.o) x *= shrink;
    for (const auto& [key, x] : scores) {
      const double p = std::exp(x - top);
      state.l += p;
      for (std::int32_t d = 0; d < s_.shape.v_dim; ++d) state.o[at(d)] += p * read(false, kv_head, key, d);
    }
  }

  void merge(State& a, const State& b) const {
    if (b.l == 0) return;
    const double m = std::max(a.m, b.m);
    const bool wrong = has(PlantedBug::spans_added_without_weights);
    const double wa = a.l == 0 ? 0 : wrong ? 1 : std::exp(a.m - m), wb = wrong ? 1 : std::exp(b.m - m);
    a.m = m;
    a.l = a.l * wa + b.l * wb;
    for (std::size_t d = 0; d < a.o.size(); ++d) a.o[d] = a.o[d] * wa + b.o[d] * wb;
  }

  void row(std::int32_t i, std::int32_t h, Output& o) const {
    constexpr std::int32_t kSpan = 1024;
    State total{.o = std::vector<double>(at(s_.shape.v_dim), 0.0)};
    for (std::int32_t span = 0; span < s_.shape.length; span += kSpan) {
      if (has(PlantedBug::last_span_lost) && span > 0 && span + kSpan >= s_.shape.length) break;
      State part{.o = std::vector<double>(at(s_.shape.v_dim), 0.0)};
      for (std::int32_t first = span; first < std::min(span + kSpan, s_.shape.length); first += kPageTokens)
        page(i, h, first, part);
      merge(total, part);
    }
    if (!spec_.score.sink_logit.empty() && !has(PlantedBug::sink_logit_missing)) {
      State sink{spec_.score.sink_logit[at(h)], 1.0, std::vector<double>(total.o.size(), 0.0)};
      merge(total, sink);
    }
    const std::int64_t at_row = std::int64_t{i} * spec_.heads + h;
    const double log_sum = has(PlantedBug::lse_without_sum) ? 0.0 : std::log(total.l);
    o.lse[at(at_row)] = total.l > 0 ? static_cast<float>(total.m + log_sum) : -HUGE_VALF;
    for (std::int32_t d = 0; d < s_.shape.v_dim; ++d)
      o.out[at(at_row * s_.shape.v_dim + d)] = total.l > 0 ? static_cast<float>(total.o[at(d)] / total.l) : 0.0f;
  }

  const AttentionSpec& spec_;
  const Sequence& s_;
  PlantedBug bug_;
};

}  // namespace heed::attention_cases
