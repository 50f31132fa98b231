// attention_reference.cc -- attention as the formula says it. Slow on purpose; shares nothing with the kernels but the
// spec's types.
#include "kernels/reference/attention_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace heed {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

double score_of(const AttentionSpec& spec, const ReferenceJob& job, std::int32_t head, std::int32_t i,
                std::int32_t key) {
  const std::int32_t kv_head = head / (spec.heads / spec.kv_heads);
  const float* q = job.q + i * job.q_stride + std::int64_t{head} * job.k_dim;
  const float* k = job.k + (std::int64_t{key} * spec.kv_heads + kv_head) * job.k_dim;
  double x = 0;
  for (std::int32_t d = 0; d < job.k_dim; ++d) x += double{q[d]} * k[d];
  x *= spec.score.scale;
  const std::int32_t distance = key - (job.first_pos + i);
  if (!spec.score.alibi_slope.empty()) x += double{spec.score.alibi_slope[at(head)]} * distance;
  if (!spec.score.by_distance.empty()) {
    const std::int32_t reach = spec.score.reach, near = std::max(-reach, std::min(reach, distance));
    x += spec.score.by_distance[at(std::int64_t{head} * (2 * reach + 1) + reach + near)];
  }
  const double cap = spec.score.softcap;
  return cap > 0 ? cap * std::tanh(x / cap) : x;
}

}  // namespace

namespace {

bool list_has(const BlockList& list, std::int32_t query, std::int32_t key, std::int32_t kv_head) {
  const std::int32_t shared = list.query_block > 0 ? list.query_block : list.block;
  std::int32_t row = query / shared - list.first_row;
  if (list.kv_heads > 1) row = row * list.kv_heads + kv_head;
  for (std::int32_t i = list.row_start[at(row)]; i < list.row_start[at(row) + 1]; ++i)
    if (list.key_block[at(i)] == key / list.block) return true;
  return false;
}

std::uint8_t label_at(const SpanLabels& labels, std::int32_t position) {
  std::size_t i = 0;
  while (i + 1 < labels.start.size() && labels.start[i + 1] <= position) ++i;
  return labels.label[i];
}

}  // namespace

bool reference_sees(const Mask& mask, std::int32_t query, std::int32_t key, std::int32_t kv_head) {
  if (mask.causal && key > query && key >= mask.prefix) return false;
  if (mask.window > 0 && key <= query - mask.window && key >= mask.sink) return false;
  if (mask.window > 0 && !mask.causal && key - query >= mask.window && key >= mask.sink) return false;
  if (mask.labels &&
      (mask.labels->sees[label_at(*mask.labels, query)] & (std::uint64_t{1} << label_at(*mask.labels, key))) == 0)
    return false;
  return !mask.blocks || list_has(*mask.blocks, query, key, kv_head);
}

ReferenceResult attention_reference(const AttentionSpec& spec, const ReferenceJob& job) {
  ReferenceResult r;
  r.out.assign(at(std::int64_t{job.q_len} * spec.heads * job.v_dim), 0.0);
  r.lse.assign(at(std::int64_t{job.q_len} * spec.heads), -std::numeric_limits<double>::infinity());
  r.probs.assign(at(std::int64_t{spec.heads} * job.q_len * job.length), 0.0);
  for (std::int32_t h = 0; h < spec.heads; ++h)
    for (std::int32_t i = 0; i < job.q_len; ++i) {
      double* p = r.probs.data() + (std::int64_t{h} * job.q_len + i) * job.length;
      const bool has_sink = !spec.score.sink_logit.empty();
      double top = has_sink ? spec.score.sink_logit[at(h)] : -std::numeric_limits<double>::infinity();
      std::vector<std::int32_t> seen;
      for (std::int32_t key = 0; key < job.length; ++key) {
        if (!reference_sees(spec.mask, job.first_pos + i, key, h / (spec.heads / spec.kv_heads))) continue;
        seen.push_back(key);
        p[key] = score_of(spec, job, h, i, key);
        top = std::max(top, p[key]);
      }
      double sum = has_sink ? std::exp(spec.score.sink_logit[at(h)] - top) : 0.0;
      for (const std::int32_t key : seen) sum += p[key] = std::exp(p[key] - top);
      if (sum == 0) continue;
      r.lse[at(std::int64_t{i} * spec.heads + h)] = top + std::log(sum);
      double* out = r.out.data() + (std::int64_t{i} * spec.heads + h) * job.v_dim;
      const std::int32_t kv_head = h / (spec.heads / spec.kv_heads);
      for (const std::int32_t key : seen) {
        p[key] /= sum;
        const float* v = job.v + (std::int64_t{key} * spec.kv_heads + kv_head) * job.v_dim;
        for (std::int32_t d = 0; d < job.v_dim; ++d) out[d] += p[key] * v[d];
      }
    }
  return r;
}

}  // namespace heed
