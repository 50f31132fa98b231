// attention.cc -- which rows meet which pages, in what order, on which thread.
//
// The rows of one KV head (query tokens x the query heads that share it) are cut into blocks; a block walks its visible
// pages in order. Pages are grouped into spans with fixed borders: each span is reduced from nothing, spans are merged
// in order. Whether one thread walks all spans of a block or several threads one each, the arithmetic is the same.
#include "kernels/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/body/attention_table.h"
#include "kernels/dequantize.h"
#include "kernels/kernels.h"

namespace heed {
namespace {

constexpr std::int32_t kSpanPages = 16;  // 1024 tokens: enough work to hide a merge, enough spans for threads
constexpr std::int32_t kBlockRows = 32;  // their outputs and one page stay in L2
constexpr float kNothing = -std::numeric_limits<float>::infinity();
constexpr std::uint64_t kAll = ~std::uint64_t{0};
constexpr const char* kArenaFull = "attention: the step's arena is full";

struct Range {
  std::int32_t begin, end;  // key positions
};

// What one row sees: [0, sink) and [main.begin, main.end).
struct Sight {
  Range main;
  std::int32_t sink;
};

Sight sight_of(const Mask& m, std::int32_t position, std::int32_t length) {
  Sight s{{0, m.causal ? std::min(length, std::max(position + 1, m.prefix)) : length}, 0};
  if (m.window > 0 && position + 1 > m.window) {
    s.main.begin = std::min(position + 1 - m.window, s.main.end);
    s.sink = std::min(m.sink, s.main.end);
  }
  return s;
}

std::uint64_t bits_below(std::int32_t n) { return n <= 0 ? 0 : n >= kPageTokens ? kAll : (std::uint64_t{1} << n) - 1; }

std::uint64_t block_bits(const BlockList& list, std::int32_t position, std::int32_t first_key) {
  const auto row = static_cast<std::size_t>(position / list.block);
  std::uint64_t bits = 0;
  for (std::int32_t i = list.row_start[row]; i < list.row_start[row + 1]; ++i) {
    const std::int32_t key = list.key_block[static_cast<std::size_t>(i)] * list.block - first_key;
    bits |= bits_below(key + list.block) & ~bits_below(key);
  }
  return bits;
}

// Bit t: the row sees key first_key + t.
std::uint64_t visible_bits(const Mask& m, std::int32_t position, std::int32_t length, std::int32_t first_key) {
  const Sight s = sight_of(m, position, length);
  const std::uint64_t bits =
      (bits_below(s.main.end - first_key) & ~bits_below(s.main.begin - first_key)) | bits_below(s.sink - first_key);
  return m.blocks && bits ? bits & block_bits(*m.blocks, position, first_key) : bits;
}

struct Scratch {           // of one worker
  float* q;                // [kBlockRows, k_dim]
  float* o;                // [kBlockRows, v_dim], one span
  float* bias;             // [kBlockRows, 64]
  RowState* state;         // [kBlockRows]
  std::uint64_t* visible;  // [kBlockRows]
};

// The rows of one block: row r is query token (first + r) / group, head kv_head * group + (first + r) % group.
struct Block {
  const AttentionSpec& spec;
  const AttentionJob& job;
  std::int32_t kv_head, first, rows;

  std::int32_t group() const { return spec.heads / spec.kv_heads; }
  std::int32_t token(std::int32_t r) const { return (first + r) / group(); }
  std::int32_t head(std::int32_t r) const { return kv_head * group() + (first + r) % group(); }
  std::int32_t position(std::int32_t r) const { return job.first_pos + token(r); }
};

void load_queries(const Block& b, float* q) {
  const std::int32_t dim = b.job.kv.k_dim;
  for (std::int32_t r = 0; r < b.rows; ++r) {
    const float* from = b.job.q + b.token(r) * b.job.q_stride + static_cast<std::int64_t>(b.head(r)) * dim;
    for (std::int32_t i = 0; i < dim; ++i) q[r * dim + i] = from[i] * b.spec.score.scale;
  }
}

float distance_bias(const Score& s, std::int32_t head, std::int32_t distance) {
  float bias = 0;
  if (!s.alibi_slope.empty()) bias += s.alibi_slope[static_cast<std::size_t>(head)] * static_cast<float>(distance);
  if (!s.by_distance.empty()) {
    const std::int32_t at = head * (2 * s.reach + 1) + s.reach + std::clamp(distance, -s.reach, s.reach);
    bias += s.by_distance[static_cast<std::size_t>(at)];
  }
  return bias;
}

// Fills visible and bias of one page; false when no row sees any of it.
bool see_page(const Block& b, std::int32_t first_key, const Scratch& s) {
  std::uint64_t any = 0;
  for (std::int32_t r = 0; r < b.rows; ++r)
    any |= s.visible[r] = visible_bits(b.spec.mask, b.position(r), b.job.kv.length, first_key);
  if (any == 0 || (b.spec.score.alibi_slope.empty() && b.spec.score.by_distance.empty())) return any != 0;
  for (std::int32_t r = 0; r < b.rows; ++r)
    for (std::int32_t c = 0; c < kPageTokens; ++c)
      s.bias[r * kPageTokens + c] = distance_bias(b.spec.score, b.head(r), first_key + c - b.position(r));
  return true;
}

void run_page(const Block& b, const AttentionTable& table, std::int32_t page, const Scratch& s) {
  const KvView& kv = b.job.kv;
  const auto size = static_cast<std::int64_t>(info(kv.dtype).block_bytes);
  const std::byte* base = kv.base + kv.pages[static_cast<std::size_t>(page)] * kv.page_stride;
  const bool biased = !b.spec.score.alibi_slope.empty() || !b.spec.score.by_distance.empty();
  const PageTask task{
      .k = reinterpret_cast<const std::uint8_t*>(base + kv.k_offset + b.kv_head * kPageTokens * kv.k_dim * size),
      .v = reinterpret_cast<const std::uint8_t*>(base + kv.v_offset + b.kv_head * kPageTokens * kv.v_dim * size),
      .k_dim = kv.k_dim,
      .v_dim = kv.v_dim,
      .rows = b.rows,
      .q = s.q,
      .o = s.o,
      .state = s.state,
      .visible = s.visible,
      .bias = biased ? s.bias : nullptr,
      .softcap = b.spec.score.softcap};
  (kv.dtype == DType::bf16 ? table.page_bf16 : table.page_f32)(task);
}

// Reduces one span's pages from nothing into s.o and s.state; returns how many pages were visited.
std::int64_t run_span(const Block& b, const AttentionTable& table, std::int32_t span, const Scratch& s) {
  std::fill_n(s.o, b.rows * b.job.kv.v_dim, 0.0f);
  std::fill_n(s.state, b.rows, RowState{kNothing, 0.0f});
  const std::int32_t pages = (b.job.kv.length + kPageTokens - 1) / kPageTokens;
  std::int64_t visited = 0;
  for (std::int32_t page = span * kSpanPages; page < std::min(pages, (span + 1) * kSpanPages); ++page) {
    if (!see_page(b, page * kPageTokens, s)) continue;
    run_page(b, table, page, s);
    ++visited;
  }
  return visited;
}

// (o, state) <- (o, state) joined with another span's.
void merge_rows(const AttentionTable& table, float* o, RowState* state, const float* o2, const RowState* state2,
                std::int32_t rows, std::int32_t dim) {
  for (std::int32_t r = 0; r < rows; ++r) {
    if (state2[r].l == 0) continue;
    const float m = std::max(state[r].m, state2[r].m);
    const float a = state[r].l > 0 ? std::exp(state[r].m - m) : 0.0f, b = std::exp(state2[r].m - m);
    table.blend(o + r * dim, a, o2 + r * dim, b, dim);
    state[r] = {m, state[r].l * a + state2[r].l * b};
  }
}

void write_rows(const Block& b, const AttentionTable& table, float* o, RowState* state) {
  const std::int32_t dim = b.job.kv.v_dim;
  for (std::int32_t r = 0; r < b.rows; ++r) {
    RowState s = state[r];
    float keep = 1.0f;
    if (!b.spec.score.sink_logit.empty()) {  // takes probability, owns no value
      const float sink = b.spec.score.sink_logit[static_cast<std::size_t>(b.head(r))];
      const float m = std::max(s.m, sink);
      keep = s.l > 0 ? std::exp(s.m - m) : 0.0f;
      s = {m, s.l * keep + std::exp(sink - m)};
    }
    table.scale(o + r * dim, s.l > 0 ? keep / s.l : 0.0f, dim);
    std::copy_n(o + r * dim, dim,
                b.job.out + b.token(r) * b.job.out_stride + static_cast<std::int64_t>(b.head(r)) * dim);
    if (b.job.lse) b.job.lse[b.token(r) * b.spec.heads + b.head(r)] = s.l > 0 ? s.m + std::log(s.l) : kNothing;
  }
}

struct Work {  // one call of attention()
  const AttentionSpec& spec;
  std::span<const AttentionJob> jobs;
  const AttentionTable& table;
  Exec& exec;
  std::int32_t k_dim = 0, v_dim = 0;
  std::atomic<std::int64_t> pages{0};

  std::int32_t blocks_of(const AttentionJob& job) const {  // per KV head
    return (job.q_len * (spec.heads / spec.kv_heads) + kBlockRows - 1) / kBlockRows;
  }
  static std::int32_t spans_of(const AttentionJob& job) {
    return (job.kv.length + kSpanPages * kPageTokens - 1) / (kSpanPages * kPageTokens);
  }
  Block block(const AttentionJob& job, std::int64_t index) const {
    const std::int32_t blocks = blocks_of(job), rows = job.q_len * (spec.heads / spec.kv_heads);
    const auto first = static_cast<std::int32_t>(index % blocks) * kBlockRows;
    return {spec, job, static_cast<std::int32_t>(index / blocks), first, std::min(kBlockRows, rows - first)};
  }
};

Expected<Scratch> take_scratch(const Work& w) {
  Arena& arena = w.exec.arena;
  const auto rows = static_cast<std::size_t>(kBlockRows);
  Scratch s{arena.allocate_array<float>(rows * static_cast<std::size_t>(w.k_dim)),
            arena.allocate_array<float>(rows * static_cast<std::size_t>(w.v_dim)),
            arena.allocate_array<float>(rows * kPageTokens), arena.allocate_array<RowState>(rows),
            arena.allocate_array<std::uint64_t>(rows)};
  if (!s.q || !s.o || !s.bias || !s.state || !s.visible) return fail(Code::out_of_memory, kArenaFull);
  return s;
}

struct Total {  // a block's rows over all spans so far
  float* o;
  RowState* state;
};

Expected<Total> take_total(const Work& w) {
  const auto rows = static_cast<std::size_t>(kBlockRows);
  Total t{w.exec.arena.allocate_array<float>(rows * static_cast<std::size_t>(w.v_dim)),
          w.exec.arena.allocate_array<RowState>(rows)};
  if (!t.o || !t.state) return fail(Code::out_of_memory, kArenaFull);
  return t;
}

bool span_is_visible(const Block& b, std::int32_t span) {
  const std::int32_t begin = span * kSpanPages * kPageTokens, end = begin + kSpanPages * kPageTokens;
  const Sight low = sight_of(b.spec.mask, b.position(0), b.job.kv.length),
              high = sight_of(b.spec.mask, b.position(b.rows - 1), b.job.kv.length);
  return (begin < high.main.end && end > low.main.begin) || begin < std::max(low.sink, high.sink);
}

// One thread walks all spans of a block.
void whole_block(Work& w, const Block& b, const Scratch& s, const Total& total) {
  load_queries(b, s.q);
  std::fill_n(total.o, b.rows * w.v_dim, 0.0f);
  std::fill_n(total.state, b.rows, RowState{kNothing, 0.0f});
  std::int64_t pages = 0;
  for (std::int32_t span = 0; span < Work::spans_of(b.job); ++span) {
    if (!span_is_visible(b, span)) continue;
    pages += run_span(b, w.table, span, s);
    merge_rows(w.table, total.o, total.state, s.o, s.state, b.rows, w.v_dim);
  }
  write_rows(b, w.table, total.o, total.state);
  w.pages += pages;
}

// Enough blocks for all threads: a block is a task.
Expected<void> by_blocks(Work& w) {
  struct Worker {
    Scratch scratch;
    Total total;
  };
  auto* workers = w.exec.arena.allocate_array<Worker>(static_cast<std::size_t>(w.exec.pool.threads()));
  if (!workers) return fail(Code::out_of_memory, kArenaFull);
  for (int i = 0; i < w.exec.pool.threads(); ++i) {
    HEED_ASSIGN(workers[i].scratch, take_scratch(w));
    HEED_ASSIGN(workers[i].total, take_total(w));
  }
  auto* first = w.exec.arena.allocate_array<std::int64_t>(w.jobs.size() + 1);
  if (!first) return fail(Code::out_of_memory, kArenaFull);
  first[0] = 0;
  for (std::size_t j = 0; j < w.jobs.size(); ++j)
    first[j + 1] = first[j] + std::int64_t{w.blocks_of(w.jobs[j])} * w.spec.kv_heads;
  w.exec.pool.parallel_for(first[w.jobs.size()], 1, [&](std::int64_t begin, std::int64_t end, int worker) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto job = static_cast<std::size_t>(std::upper_bound(first, first + w.jobs.size() + 1, i) - first - 1);
      whole_block(w, w.block(w.jobs[job], i - first[job]), workers[worker].scratch, workers[worker].total);
    }
  });
  return {};
}

// Few blocks with many keys (decoding): every (block, span) is a task, its result is kept and merged in order.
Expected<void> by_spans(Work& w, const AttentionJob& job) {
  const std::int64_t blocks = std::int64_t{w.blocks_of(job)} * w.spec.kv_heads, spans = Work::spans_of(job),
                     tasks = blocks * spans;
  auto* scratch = w.exec.arena.allocate_array<Scratch>(static_cast<std::size_t>(tasks));
  if (!scratch) return fail(Code::out_of_memory, kArenaFull);
  for (std::int64_t i = 0; i < tasks; ++i) {
    HEED_ASSIGN(scratch[i], take_scratch(w));
  }
  w.exec.pool.parallel_for(tasks, 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Block b = w.block(job, i / spans);
      const auto span = static_cast<std::int32_t>(i % spans);
      if (!span_is_visible(b, span)) continue;
      load_queries(b, scratch[i].q);
      w.pages += run_span(b, w.table, span, scratch[i]);
    }
  });
  HEED_ASSIGN(const Total total, take_total(w));
  for (std::int64_t i = 0; i < blocks; ++i) {
    const Block b = w.block(job, i);
    std::fill_n(total.o, b.rows * w.v_dim, 0.0f);
    std::fill_n(total.state, b.rows, RowState{kNothing, 0.0f});
    for (std::int32_t span = 0; span < spans; ++span)
      if (span_is_visible(b, span)) {
        const Scratch& s = scratch[i * spans + span];
        merge_rows(w.table, total.o, total.state, s.o, s.state, b.rows, w.v_dim);
      }
    write_rows(b, w.table, total.o, total.state);
  }
  return {};
}

float key_at(const KvView& kv, std::int32_t head, std::int32_t key, std::int32_t d) {
  const std::byte* page =
      kv.base + kv.pages[static_cast<std::size_t>(key / kPageTokens)] * kv.page_stride + kv.k_offset;
  const std::int64_t t = key % kPageTokens, size = info(kv.dtype).block_bytes;
  page += std::int64_t{head} * kPageTokens * kv.k_dim * size;
  if (kv.dtype == DType::f32) return reinterpret_cast<const float*>(page)[d * kPageTokens + t];
  return bf16_to_float(reinterpret_cast<const std::uint16_t*>(page)[(d / 2 * kPageTokens + t) * 2 + d % 2]);
}

// Second pass for tapped heads: p = exp(score - lse). Plain code: only tapped heads pay for it.
void tap_head(const AttentionSpec& spec, const AttentionJob& job, std::size_t slot, const float* lse) {
  const std::int32_t head = job.tap->heads[slot], kv_head = head / (spec.heads / spec.kv_heads), dim = job.kv.k_dim;
  for (std::int32_t i = 0; i < job.q_len; ++i) {
    const float* q = job.q + i * job.q_stride + static_cast<std::int64_t>(head) * dim;
    float* probs = job.tap->probs + (static_cast<std::int64_t>(slot) * job.q_len + i) * job.kv.length;
    for (std::int32_t key = 0; key < job.kv.length; ++key) {
      const std::int32_t position = job.first_pos + i;
      probs[key] = 0;
      if (!(visible_bits(spec.mask, position, job.kv.length, key / kPageTokens * kPageTokens) >> (key % kPageTokens) &
            1))
        continue;
      float s = 0;
      for (std::int32_t d = 0; d < dim; ++d) s += q[d] * spec.score.scale * key_at(job.kv, kv_head, key, d);
      s += distance_bias(spec.score, head, key - position);
      if (spec.score.softcap > 0) s = spec.score.softcap * std::tanh(s / spec.score.softcap);
      probs[key] = std::exp(s - lse[i * spec.heads + head]);
    }
  }
}

Expected<void> check_job(const AttentionSpec& spec, const AttentionJob& job) {
  if (spec.kv_heads < 1 || spec.heads % spec.kv_heads != 0)
    return fail(Code::invalid_argument, "attention: kv_heads " + std::to_string(spec.kv_heads) +
                                            " does not divide heads " + std::to_string(spec.heads));
  if (job.kv.k_dim % 16 != 0 || job.kv.v_dim % 16 != 0 || job.kv.k_dim < 16 || job.kv.v_dim < 16)
    return fail(Code::invalid_argument, "attention: head sizes must be multiples of 16, got " +
                                            std::to_string(job.kv.k_dim) + " and " + std::to_string(job.kv.v_dim));
  if (job.kv.dtype != DType::bf16 && job.kv.dtype != DType::f32)
    return fail(Code::unsupported,
                "attention: keys and values are bf16 or f32, got " + std::string(info(job.kv.dtype).name));
  if (static_cast<std::int64_t>(job.kv.pages.size()) * kPageTokens < job.kv.length)
    return fail(Code::invalid_argument, "attention: " + std::to_string(job.kv.length) + " keys need more than " +
                                            std::to_string(job.kv.pages.size()) + " pages");
  return {};
}

Expected<void> run_jobs(Work& w) {
  std::int64_t blocks = 0;
  for (const AttentionJob& job : w.jobs) blocks += std::int64_t{w.blocks_of(job)} * w.spec.kv_heads;
  if (w.exec.pool.threads() == 1 || blocks >= 2 * w.exec.pool.threads()) return by_blocks(w);
  for (const AttentionJob& job : w.jobs) HEED_TRY(by_spans(w, job));
  return {};
}

Expected<void> run_taps(Work& w, float* const* lse) {
  for (std::size_t j = 0; j < w.jobs.size(); ++j) {
    const AttentionJob& job = w.jobs[j];
    if (!job.tap) continue;
    const auto slots = static_cast<std::int64_t>(job.tap->heads.size());
    w.exec.pool.parallel_for(slots, 1, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t s = begin; s < end; ++s) tap_head(w.spec, job, static_cast<std::size_t>(s), lse[j]);
    });
  }
  return {};
}

}  // namespace

Expected<void> attention(const AttentionSpec& spec, std::span<const AttentionJob> jobs, Exec& exec) {
  if (jobs.empty()) return {};
  const std::size_t mark = exec.arena.mark();
  auto* own = exec.arena.allocate_array<AttentionJob>(jobs.size());
  auto** lse = exec.arena.allocate_array<float*>(jobs.size());
  if (!own || !lse) return fail(Code::out_of_memory, kArenaFull);
  Work w{.spec = spec, .jobs = {own, jobs.size()}, .table = *exec.kernels.attention, .exec = exec};
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    HEED_TRY(check_job(spec, jobs[j]));
    own[j] = jobs[j];
    if (own[j].tap && !own[j].lse)
      own[j].lse = exec.arena.allocate_array<float>(static_cast<std::size_t>(jobs[j].q_len * spec.heads));
    if (own[j].tap && !own[j].lse) return fail(Code::out_of_memory, kArenaFull);
    lse[j] = own[j].lse;
    w.k_dim = std::max(w.k_dim, jobs[j].kv.k_dim);
    w.v_dim = std::max(w.v_dim, jobs[j].kv.v_dim);
  }
  HEED_TRY(run_jobs(w));
  HEED_TRY(run_taps(w, lse));
  exec.arena.rewind(mark);
  exec.counters.attention_pages += w.pages;
  ++exec.counters.regions;
  return {};
}

namespace {

void put(std::byte* base, DType dtype, std::int64_t pair_index, std::int64_t f32_index, float value) {
  if (dtype == DType::f32)
    reinterpret_cast<float*>(base)[f32_index] = value;
  else
    reinterpret_cast<std::uint16_t*>(base)[pair_index] = float_to_bf16(value);
}

void append_token(const KvView& kv, std::int32_t position, const float* k, const float* v) {
  const std::int64_t t = position % kPageTokens, size = info(kv.dtype).block_bytes;
  std::byte* page = kv.base + kv.pages[static_cast<std::size_t>(position / kPageTokens)] * kv.page_stride;
  for (std::int32_t h = 0; h < kv.kv_heads; ++h) {
    std::byte* keys = page + kv.k_offset + std::int64_t{h} * kPageTokens * kv.k_dim * size;
    std::byte* values = page + kv.v_offset + std::int64_t{h} * kPageTokens * kv.v_dim * size;
    for (std::int64_t d = 0; d < kv.k_dim; ++d)
      put(keys, kv.dtype, (d / 2 * kPageTokens + t) * 2 + d % 2, d * kPageTokens + t, k[h * kv.k_dim + d]);
    for (std::int64_t d = 0; d < kv.v_dim; ++d)
      put(values, kv.dtype, (t / 2 * kv.v_dim + d) * 2 + t % 2, t * kv.v_dim + d, v[h * kv.v_dim + d]);
  }
}

}  // namespace

void append_kv(const KvView& kv, std::int32_t first, std::int32_t n, const float* k, std::int64_t k_stride,
               const float* v, std::int64_t v_stride, Exec& exec) {
  exec.pool.parallel_for(n, 32, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i)
      append_token(kv, first + static_cast<std::int32_t>(i), k + i * k_stride, v + i * v_stride);
  });
}

void merge_attention(float* o1, float* lse1, const float* o2, const float* lse2, std::int64_t rows, std::int64_t dim,
                     Exec& exec) {
  const auto blend = exec.kernels.attention->blend;
  for (std::int64_t r = 0; r < rows; ++r) {
    if (lse2[r] == kNothing) continue;
    const float m = std::max(lse1[r], lse2[r]);
    const float a = std::exp(lse1[r] - m), b = std::exp(lse2[r] - m);
    blend(o1 + r * dim, a / (a + b), o2 + r * dim, b / (a + b), dim);
    lse1[r] = m + std::log(a + b);
  }
}

}  // namespace heed
