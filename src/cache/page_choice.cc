// page_choice.cc -- one dot product a page and query head, one selection a query and KV head. A row is computed from
// its own numbers alone: queries are taken together only to read a summary once.
#include "cache/page_choice.h"

#include <algorithm>
#include <limits>

#include "kernels/body/layer_table.h"
#include "kernels/kernels.h"
#include "kernels/rotation.h"

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

constexpr std::int32_t kMostTokens = 8;  // queries that read a summary together
constexpr std::int32_t kMostBounds =
    1 << 16;                      // floats of a worker, unless one query needs more: many threads, one arena
constexpr std::int32_t kSet = 8;  // pages whose best one stands for them in the first selection

struct Worker {
  float* parts;   // [tokens, group, 2 * k_dim]: positive, then negative parts of the scaled queries
  float* bounds;  // [tokens, group, pages]
  float* worth;   // [pages]
  float* tops;    // [pages / kSet]
  float* sorted;  // [pages]
};

struct Choice {
  const AttentionPolicy& policy;
  const PageChoiceInput& in;
  const DenseTable& table;
  Worker* workers;
  std::int32_t most_pages;  // a multiple of kSet

  std::int32_t group() const { return in.heads / in.kv_heads; }
  std::int32_t tokens() const { return std::clamp(kMostBounds / (group() * most_pages), 1, kMostTokens); }
  Reach reach(std::int32_t token) const { return {policy, in.first_pos + token}; }
};

void split_queries(const Choice& c, std::int32_t token, std::int32_t kv_head, float* parts) {
  const std::int64_t dim = c.in.k_dim;
  const float* q = c.in.q + token * c.in.q_stride + std::int64_t{kv_head} * c.group() * dim;
  const bool rotated = is_integer_kv(c.in.pool->dtype());
  const float scale = c.in.scale * rotation_factor(rotated, dim);
  for (std::int32_t h = 0; h < c.group(); ++h, q += dim, parts += 2 * dim) {
    std::copy_n(q, dim, parts);
    if (rotated) rotate(parts, dim);
    for (std::int64_t d = 0; d < dim; ++d) {
      const float x = parts[d] * scale;
      parts[d] = std::max(x, 0.0f);
      parts[dim + d] = std::min(x, 0.0f);
    }
  }
}

// Bounds of all pages that any of the tokens may choose from, for all of them.
void bound(const Choice& c, std::int32_t token, std::int32_t count, std::int32_t kv_head, const Worker& w) {
  const std::int64_t dim = 2 * c.in.k_dim;
  const std::int32_t rows = count * c.group();
  for (std::int32_t t = 0; t < count; ++t) split_queries(c, token + t, kv_head, w.parts + t * c.group() * dim);
  const Reach last = c.reach(token + count - 1);
  for (std::int32_t i = 0; i < last.candidates(); ++i) {
    const std::int32_t place = last.sinks + i, page = c.in.pages[static_cast<std::size_t>(place)];
    c.table.dots(w.parts, dim, rows, dim, c.in.pool->summary(c.in.layer, page, kv_head), w.bounds + i, c.most_pages);
  }
}

// The greatest of n > 0 numbers, in lanes that do not wait for each other.
float greatest(const float* x, std::int32_t n) {
  float best[kSet];
  std::fill_n(best, kSet, x[0]);
  std::int32_t i = 0;
  for (; i + kSet <= n; i += kSet)
    for (std::int32_t j = 0; j < kSet; ++j) best[j] = x[i + j] > best[j] ? x[i + j] : best[j];
  for (; i < n; ++i) best[0] = x[i] > best[0] ? x[i] : best[0];
  return *std::max_element(best, best + kSet);
}

// worth[i] of the n candidate pages, from bounds [group, pages] of one token; a whole number of sets is filled.
void weigh(const Choice& c, const float* bounds, std::int32_t n, const Worker& w) {
  std::fill_n(w.worth, (n + kSet - 1) / kSet * kSet, -std::numeric_limits<float>::infinity());
  for (std::int32_t h = 0; h < c.group(); ++h, bounds += c.most_pages) {
    const float best = greatest(bounds, n);
    for (std::int32_t i = 0; i < n; ++i) {
      const float below = bounds[i] - best;
      w.worth[i] = below > w.worth[i] ? below : w.worth[i];  // what is no number is worth nothing
    }
  }
}

// The `picked` candidates of greatest worth, ascending; among equals the earlier ones. The k best pages are in the k
// sets with the best tops, so that only these are looked into.
void pick(const Reach& reach, const Worker& w, std::int32_t* out) {
  const std::int32_t n = reach.candidates(), k = reach.picked, sets = (n + kSet - 1) / kSet;
  for (std::int32_t s = 0; s < sets; ++s) w.tops[s] = greatest(w.worth + s * kSet, kSet);
  float least_top = -std::numeric_limits<float>::infinity();
  if (k < sets) {
    std::copy_n(w.tops, sets, w.sorted);
    std::nth_element(w.sorted, w.sorted + k - 1, w.sorted + sets, std::greater<>());
    least_top = w.sorted[k - 1];
  }
  float* end = w.sorted;
  for (std::int32_t s = 0; s < sets; ++s)
    if (w.tops[s] >= least_top) end = std::copy_n(w.worth + s * kSet, std::min(kSet, n - s * kSet), end);
  std::nth_element(w.sorted, w.sorted + k - 1, end, std::greater<>());
  const float least = w.sorted[k - 1];
  auto equal = k - static_cast<std::int32_t>(std::count_if(w.sorted, end, [&](float x) { return x > least; }));
  for (std::int32_t s = 0, left = k; s < sets && left > 0; ++s) {
    if (w.tops[s] < least) continue;
    for (std::int32_t i = s * kSet; i < std::min(n, (s + 1) * kSet) && left > 0; ++i) {
      if (w.worth[i] < least || (w.worth[i] == least && equal-- <= 0)) continue;
      *out++ = reach.sinks + i;
      --left;
    }
  }
}

// `starts` [count * kv_heads + 1]: where the rows of the tokens begin in `keys`.
void choose_rows(const Choice& c, std::int32_t token, std::int32_t count, std::int32_t kv_head, const Worker& w,
                 const std::int32_t* starts, std::int32_t* keys) {
  const Reach last = c.reach(token + count - 1);
  const bool any_must_choose = last.picked < last.candidates();
  if (any_must_choose) bound(c, token, count, kv_head, w);
  for (std::int32_t t = 0; t < count; ++t) {
    const Reach reach = c.reach(token + t);
    std::int32_t* out = keys + starts[(token + t) * c.in.kv_heads + kv_head];
    for (std::int32_t p = 0; p < reach.sinks; ++p) *out++ = p;
    if (reach.picked == reach.candidates()) {
      for (std::int32_t p = reach.sinks; p < reach.local; ++p) *out++ = p;
    } else {
      weigh(c, w.bounds + std::int64_t{t} * c.group() * c.most_pages, reach.candidates(), w);
      pick(reach, w, out);
      out += reach.picked;
    }
    for (std::int32_t p = reach.local; p <= reach.own; ++p) *out++ = p;
  }
}

Expected<Worker> take_worker(const Choice& c, Arena& arena) {
  const auto pages = static_cast<std::size_t>(c.most_pages),
             rows = static_cast<std::size_t>(c.tokens()) * static_cast<std::size_t>(c.group());
  const Worker w{arena.allocate_array<float>(rows * 2 * static_cast<std::size_t>(c.in.k_dim)),
                 arena.allocate_array<float>(rows * pages), arena.allocate_array<float>(pages),
                 arena.allocate_array<float>(pages), arena.allocate_array<float>(pages)};
  if (!w.parts || !w.bounds || !w.worth || !w.tops || !w.sorted) return fail(Code::out_of_memory, kArenaFull);
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
  const std::int32_t most = std::max(1, Reach(policy, last).candidates());
  Choice choice{policy, in, exec.kernels.layers->dense,
                exec.arena.allocate_array<Worker>(static_cast<std::size_t>(threads)), (most + kSet - 1) / kSet * kSet};
  if (!choice.workers) return fail(Code::out_of_memory, kArenaFull);
  for (int i = 0; i < threads; ++i) {
    HEED_ASSIGN(choice.workers[i], take_worker(choice, exec.arena));
  }
  const std::int32_t tokens = choice.tokens(), groups = (in.q_len + tokens - 1) / tokens;
  exec.pool.parallel_for(std::int64_t{groups} * in.kv_heads, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto token = static_cast<std::int32_t>(i / in.kv_heads) * tokens;
      choose_rows(choice, token, std::min(tokens, in.q_len - token), static_cast<std::int32_t>(i % in.kv_heads),
                  choice.workers[worker], start, keys);
    }
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
