// page_choice.cc -- one dot product a page and query head, one selection a query and KV head.
#include "cache/page_choice.h"

#include <algorithm>
#include <limits>

#include "kernels/body/layer_table.h"
#include "kernels/kernels.h"

namespace heed {
namespace {

constexpr const char* kArenaFull = "page choice: the step's arena is full";

std::int32_t pages_of(std::int32_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

// The pages of one query at `position`: [0, sinks), [local, own] always, `candidates` of [sinks, local) by worth.
struct Reach {
  std::int32_t sinks, local, own, picked;

  Reach(const AttentionPolicy& p, std::int32_t position)
      : sinks(0), local(std::max(0, position + 1 - p.window) / kPageTokens), own(position / kPageTokens), picked(0) {
    sinks = std::min(pages_of(p.sinks), local);
    picked = std::min(pages_of(p.budget), local - sinks);
  }
  std::int32_t candidates() const { return local - sinks; }
  std::int32_t count() const { return sinks + picked + own + 1 - local; }
};

struct Worker {
  float* parts;   // [group, 2 * k_dim]: positive, then negative parts of the scaled queries
  float* bounds;  // [group, pages]
  float* worth;   // [pages]
  float* sorted;  // [pages]
};

struct Choice {
  const AttentionPolicy& policy;
  const PageChoiceInput& in;
  const DenseTable& table;
  Worker* workers;
  std::int32_t most_pages;

  std::int32_t group() const { return in.heads / in.kv_heads; }
};

void split_queries(const Choice& c, std::int32_t token, std::int32_t kv_head, float* parts) {
  const std::int64_t dim = c.in.k_dim;
  const float* q = c.in.q + token * c.in.q_stride + std::int64_t{kv_head} * c.group() * dim;
  for (std::int32_t h = 0; h < c.group(); ++h, q += dim, parts += 2 * dim)
    for (std::int64_t d = 0; d < dim; ++d) {
      parts[d] = std::max(q[d] * c.in.scale, 0.0f);
      parts[dim + d] = std::min(q[d] * c.in.scale, 0.0f);
    }
}

// worth[i] of the candidate pages sinks + i.
void weigh(const Choice& c, const Reach& reach, std::int32_t token, std::int32_t kv_head, const Worker& w) {
  split_queries(c, token, kv_head, w.parts);
  const std::int32_t n = reach.candidates(), group = c.group();
  const std::int64_t dim = 2 * c.in.k_dim;
  for (std::int32_t i = 0; i < n; ++i) {
    const std::int32_t place = reach.sinks + i, page = c.in.pages[static_cast<std::size_t>(place)];
    c.table.dots(w.parts, dim, group, dim, c.in.pool->summary(c.in.layer, page, kv_head), w.bounds + i, c.most_pages);
  }
  std::fill_n(w.worth, n, -std::numeric_limits<float>::infinity());
  for (std::int32_t h = 0; h < group; ++h) {
    const float* bounds = w.bounds + std::int64_t{h} * c.most_pages;
    const float best = *std::max_element(bounds, bounds + n);
    for (std::int32_t i = 0; i < n; ++i) w.worth[i] = std::max(w.worth[i], bounds[i] - best);
  }
}

// The `picked` candidates of greatest worth, ascending; among equals the earlier ones. Returns how many were written.
std::int32_t pick(const Reach& reach, const Worker& w, std::int32_t* out) {
  const std::int32_t n = reach.candidates();
  std::copy_n(w.worth, n, w.sorted);
  std::nth_element(w.sorted, w.sorted + reach.picked - 1, w.sorted + n, std::greater<>());
  const float least = w.sorted[reach.picked - 1];
  auto above = static_cast<std::int32_t>(std::count_if(w.worth, w.worth + n, [&](float x) { return x > least; }));
  std::int32_t equal = reach.picked - above, count = 0;
  for (std::int32_t i = 0; i < n && count < reach.picked; ++i) {
    if (w.worth[i] > least || (w.worth[i] == least && equal-- > 0)) out[count++] = reach.sinks + i;
  }
  return count;
}

void choose_row(const Choice& c, std::int32_t token, std::int32_t kv_head, const Worker& w, std::int32_t* out) {
  const Reach reach(c.policy, c.in.first_pos + token);
  for (std::int32_t p = 0; p < reach.sinks; ++p) *out++ = p;
  if (reach.picked == reach.candidates()) {
    for (std::int32_t p = reach.sinks; p < reach.local; ++p) *out++ = p;
  } else {
    weigh(c, reach, token, kv_head, w);
    out += pick(reach, w, out);
  }
  for (std::int32_t p = reach.local; p <= reach.own; ++p) *out++ = p;
}

Expected<Worker> take_worker(const Choice& c, Arena& arena) {
  const auto pages = static_cast<std::size_t>(c.most_pages), group = static_cast<std::size_t>(c.group());
  const Worker w{arena.allocate_array<float>(group * 2 * static_cast<std::size_t>(c.in.k_dim)),
                 arena.allocate_array<float>(group * pages), arena.allocate_array<float>(pages),
                 arena.allocate_array<float>(pages)};
  if (!w.parts || !w.bounds || !w.worth || !w.sorted) return fail(Code::out_of_memory, kArenaFull);
  return w;
}

}  // namespace

Expected<const BlockList*> choose_pages(const AttentionPolicy& policy, const PageChoiceInput& in, Exec& exec) {
  const std::int32_t rows = in.q_len * in.kv_heads, last = in.first_pos + in.q_len - 1;
  auto* list = exec.arena.allocate_array<BlockList>(1);
  auto* start = exec.arena.allocate_array<std::int32_t>(static_cast<std::size_t>(rows) + 1);
  if (!list || !start) return fail(Code::out_of_memory, kArenaFull);
  start[0] = 0;
  for (std::int32_t r = 0; r < rows; ++r)
    start[r + 1] = start[r] + Reach(policy, in.first_pos + r / in.kv_heads).count();
  const auto count = static_cast<std::size_t>(start[rows]);
  auto* keys = exec.arena.allocate_array<std::int32_t>(count);
  if (!keys) return fail(Code::out_of_memory, kArenaFull);
  const std::size_t mark = exec.arena.mark();
  const int threads = exec.pool.threads();
  Choice choice{policy, in, exec.kernels.layers->dense,
                exec.arena.allocate_array<Worker>(static_cast<std::size_t>(threads)),
                std::max(1, Reach(policy, last).candidates())};
  if (!choice.workers) return fail(Code::out_of_memory, kArenaFull);
  for (int i = 0; i < threads; ++i) {
    HEED_ASSIGN(choice.workers[i], take_worker(choice, exec.arena));
  }
  exec.pool.parallel_for(rows, in.q_len > 1 ? 8 : 1, [&](std::int64_t begin, std::int64_t end, int worker) {
    for (auto r = static_cast<std::int32_t>(begin); r < end; ++r)
      choose_row(choice, r / in.kv_heads, r % in.kv_heads, choice.workers[worker], keys + start[r]);
  });
  exec.arena.rewind(mark);
  ++exec.counters.regions;
  *list = {.query_block = 1,
           .first_row = in.first_pos,
           .kv_heads = in.kv_heads,
           .row_start = {start, static_cast<std::size_t>(rows) + 1},
           .key_block = {keys, count}};
  return list;
}

}  // namespace heed
