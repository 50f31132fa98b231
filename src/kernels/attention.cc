// attention.cc -- which rows meet which pages, in what order, on which thread.
//
// The rows of one KV head (query tokens x the query heads that share it) are cut into blocks; a block walks its visible
// pages in order. Pages are grouped into spans with fixed borders: each span is reduced from nothing, spans are merged
// in order. Whether one thread walks all spans of a block or several threads one each, the arithmetic is the same.
#include "kernels/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <new>

#include "kernels/attention_mask.h"
#include "kernels/attention_tap.h"
#include "kernels/kernels.h"
#include "kernels/rotation.h"

namespace heed {
namespace {

constexpr std::int32_t kSpanPages = 16;  // 1024 tokens: enough work to hide a merge, enough spans for threads
constexpr float kNothing = -std::numeric_limits<float>::infinity();

struct Partial {    // rows of one block over some keys
  float* o;         // [rows, v_dim]
  RowState* state;  // [rows]
};

struct Worker {
  BlockScratch scratch;
  Partial span, total;  // [most_rows]
};

// One (block, span) of a decode step whose partial result is kept until the block's last span is done.
struct SpanTask {
  std::int32_t block, page;  // the first visible page of the span
  Partial partial;
};

struct SplitBlock {
  RowBlock rows;
  std::int64_t first_task = 0, tasks = 0;
  std::atomic<std::int64_t> left{0};
};

struct Call {
  const AttentionSpec& spec;
  std::span<const AttentionJob> jobs;
  const AttentionTable& table;
  Exec& exec;
  std::int64_t* first_block = nullptr;  // [jobs + 1]
  std::int32_t k_dim = 0, v_dim = 0;    // the largest of all jobs
  std::int32_t most_rows = 0;           // of a block of any of them
  Worker* workers = nullptr;            // [threads]
  std::atomic<std::int64_t> pages{0};

  std::int32_t group() const { return spec.heads / spec.kv_heads; }
  std::int32_t block_rows(const AttentionJob& job) const {
    return table.tiles[kv_form(job.kv.dtype)] ? table.tile_block_rows : table.block_rows;
  }
  std::int64_t row_blocks(const AttentionJob& job) const {  // per KV head
    return (std::int64_t{job.q_len} * group() + block_rows(job) - 1) / block_rows(job);
  }
  std::int64_t blocks() const { return first_block[jobs.size()]; }
  RowBlock block(std::int64_t index) const;
};

// Blocks of a job: the last query rows first, since under a causal mask they see most and threads should end together.
RowBlock Call::block(std::int64_t index) const {
  const auto at = std::upper_bound(first_block, first_block + jobs.size() + 1, index) - first_block - 1;
  const AttentionJob& job = jobs[static_cast<std::size_t>(at)];
  const std::int64_t in_job = index - first_block[at], rows = std::int64_t{job.q_len} * group();
  const auto kv_head = static_cast<std::int32_t>(in_job % spec.kv_heads);
  const auto first = static_cast<std::int32_t>((row_blocks(job) - 1 - in_job / spec.kv_heads) * block_rows(job));
  return {&spec,
          &job,
          kv_head,
          kv_head * group(),
          group(),
          first,
          static_cast<std::int32_t>(std::min<std::int64_t>(block_rows(job), rows - first))};
}

void clear(const RowBlock& b, const Partial& p) {
  std::fill_n(p.o, std::int64_t{b.rows} * b.job->kv.v_dim, 0.0f);
  std::fill_n(p.state, b.rows, RowState{kNothing, 0.0f});
}

// The rows that see the page, and no others: where each row chose its own pages, a page is seldom for all of them.
void step_rows(void (*step)(const PageTask&), const PageTask& task) {
  for (std::int32_t r = 0; r < task.rows;) {
    if (task.visible && task.visible[r] == 0) {
      ++r;
      continue;
    }
    std::int32_t end = task.visible ? r + 1 : task.rows;
    while (end < task.rows && task.visible[end] != 0) ++end;
    PageTask part = task;
    part.rows = end - r;
    part.q += std::int64_t{r} * task.k_dim;
    part.o += std::int64_t{r} * task.v_dim;
    part.state += r;
    if (task.visible) part.visible += r;
    if (task.bias) part.bias += std::int64_t{r} * kPageTokens;
    if (task.shift) part.shift += r;
    step(part);
    r = end;
  }
}

// While it lives, its thread may take page steps.
class PageSteps {
 public:
  explicit PageSteps(const AttentionTable& table) : leave_(table.leave) {
    if (table.enter) table.enter();
  }
  ~PageSteps() {
    if (leave_) leave_();
  }
  PageSteps(const PageSteps&) = delete;
  PageSteps& operator=(const PageSteps&) = delete;

 private:
  void (*leave_)();
};

std::int32_t span_of_page(std::int32_t page) { return page / kSpanPages; }

// Reduces the pages of one span, from `page` on, from nothing into `out`; returns the first visible page behind it.
std::int32_t run_span(const Call& call, const RowBlock& b, const PageWalk& walk, std::int32_t page,
                      const BlockScratch& scratch, const Partial& out, std::int64_t& visited) {
  clear(b, out);
  PageTask task = block_task(b, scratch);
  task.o = out.o, task.state = out.state;
  const std::size_t form = kv_form(b.job->kv.dtype);
  const auto tiles = call.table.tiles[form];
  const std::int32_t end = std::min(walk.end(), (span_of_page(page) + 1) * kSpanPages);
  for (; page < end; page = walk.next(page + 1)) {
    if (!aim_at_page(b, walk, page, scratch, task)) continue;
    if (tiles)
      tiles(task);
    else
      step_rows(call.table.page[form], task);
    ++visited;
  }
  return page;
}

// total <- total joined with another span's.
void merge_span(const Call& call, const RowBlock& b, const Partial& total, const Partial& span) {
  const std::int32_t dim = b.job->kv.v_dim;
  for (std::int32_t r = 0; r < b.rows; ++r) {
    RowState &t = total.state[r], s = span.state[r];
    if (s.l == 0) continue;
    const float m = std::max(t.m, s.m);
    const float keep = t.l > 0 ? std::exp2(t.m - m) : 0.0f, take = std::exp2(s.m - m);
    call.table.blend(total.o + r * dim, keep, span.o + r * dim, take, dim);
    t = {m, t.l * keep + s.l * take};
  }
}

void write_rows(const Call& call, const RowBlock& b, const Partial& total) {
  const std::int32_t dim = b.job->kv.v_dim;
  const bool rotated = is_integer_kv(b.job->kv.dtype);
  const float turned = rotation_factor(rotated, dim);
  for (std::int32_t r = 0; r < b.rows; ++r) {
    RowState s = total.state[r];
    float keep = turned;
    if (!call.spec.score.sink_logit.empty()) {  // takes probability, owns no value
      const float sink = call.spec.score.sink_logit[static_cast<std::size_t>(b.head(r))] * kLog2E;
      const float m = std::max(s.m, sink);
      const float shrink = s.l > 0 ? std::exp2(s.m - m) : 0.0f;
      keep *= shrink;
      s = {m, s.l * shrink + std::exp2(sink - m)};
    }
    float* out = b.job->out + b.token(r) * b.job->out_stride + std::int64_t{b.head(r)} * dim;
    if (rotated) rotate(total.o + std::int64_t{r} * dim, dim);
    call.table.finish(total.o + std::int64_t{r} * dim, s.l > 0 ? keep / s.l : 0.0f, dim, out);
    if (b.job->lse)
      b.job->lse[std::int64_t{b.token(r)} * call.spec.heads + b.head(r)] =
          s.l > 0 ? (s.m + std::log2(s.l)) * kLn2 : kNothing;
  }
}

// One thread walks all spans of a block.
std::int64_t run_block(const Call& call, const RowBlock& b, const Worker& w) {
  load_queries(b, call.table, w.scratch);
  const PageWalk walk(b);
  std::int64_t pages = 0;
  bool first = true;
  for (std::int32_t page = walk.next(0); page < walk.end();) {
    page = run_span(call, b, walk, page, w.scratch, first ? w.total : w.span, pages);
    if (!first) merge_span(call, b, w.total, w.span);
    first = false;
  }
  if (first) clear(b, w.total);
  write_rows(call, b, w.total);
  return pages;
}

// Enough blocks for all threads: a block is a task.
void by_blocks(Call& call) {
  call.exec.pool.parallel_for(call.blocks(), 1, [&](std::int64_t begin, std::int64_t end, int worker) {
    const PageSteps steps(call.table);
    std::int64_t pages = 0;
    for (std::int64_t i = begin; i < end; ++i) pages += run_block(call, call.block(i), call.workers[worker]);
    call.pages += pages;
  });
}

Expected<Partial> take_partial(Arena& arena, std::int64_t rows, std::int64_t v_dim) {
  const std::int64_t by_tiles = (rows + kTileHeight - 1) / kTileHeight * kTileHeight;
  Partial p{arena.allocate_array<float>(static_cast<std::size_t>(by_tiles * v_dim)),
            arena.allocate_array<RowState>(static_cast<std::size_t>(rows))};
  if (!p.o || !p.state) return fail(Code::out_of_memory, kAttentionArenaFull);
  return p;
}

Expected<Worker> take_worker(const Call& call) {
  Arena& arena = call.exec.arena;
  Worker w;
  w.scratch = take_block_scratch(arena, call.most_rows, call.k_dim);
  if (!w.scratch.q) return fail(Code::out_of_memory, kAttentionArenaFull);
  HEED_ASSIGN(w.span, take_partial(arena, call.most_rows, call.v_dim));
  HEED_ASSIGN(w.total, take_partial(arena, call.most_rows, call.v_dim));
  return w;
}

struct Split {
  SplitBlock* blocks = nullptr;  // [count]
  SpanTask* tasks = nullptr;     // [task_count], block by block, spans ascending
  std::int64_t count = 0, task_count = 0;
};

Expected<Split> plan_split(const Call& call) {
  Arena& arena = call.exec.arena;
  Split split{.blocks = arena.allocate_array<SplitBlock>(static_cast<std::size_t>(call.blocks())),
              .count = call.blocks()};
  if (!split.blocks) return fail(Code::out_of_memory, kAttentionArenaFull);
  const auto visit_spans = [](const RowBlock& rows, auto&& visit) -> Expected<void> {
    const PageWalk walk(rows);
    for (std::int32_t page = walk.next(0); page < walk.end(); page = walk.next((span_of_page(page) + 1) * kSpanPages))
      HEED_TRY(visit(page));
    return {};
  };
  for (std::int64_t i = 0; i < split.count; ++i) {
    SplitBlock& block = *new (&split.blocks[i]) SplitBlock{.rows = call.block(i), .first_task = split.task_count};
    HEED_TRY(visit_spans(block.rows, [&](std::int32_t) { return ++block.tasks, Expected<void>(); }));
    block.left.store(block.tasks, std::memory_order_relaxed);
    split.task_count += block.tasks;
  }
  split.tasks = arena.allocate_array<SpanTask>(static_cast<std::size_t>(split.task_count));
  if (!split.tasks) return fail(Code::out_of_memory, kAttentionArenaFull);
  std::int64_t task = 0;
  for (std::int64_t i = 0; i < split.count; ++i) {
    const RowBlock& rows = split.blocks[i].rows;
    HEED_TRY(visit_spans(rows, [&](std::int32_t page) -> Expected<void> {
      HEED_ASSIGN(const Partial partial, take_partial(arena, rows.rows, rows.job->kv.v_dim));
      split.tasks[task++] = {static_cast<std::int32_t>(i), page, partial};
      return {};
    }));
  }
  return split;
}

void finish_block(const Call& call, const Split& split, const SplitBlock& block, const Partial& total) {
  clear(block.rows, total);
  for (std::int64_t t = 0; t < block.tasks; ++t)
    merge_span(call, block.rows, total, split.tasks[block.first_task + t].partial);
  write_rows(call, block.rows, total);
}

// Few blocks with many keys (decoding): every visible (block, span) is a task; who ends a block's last one merges them.
void by_spans(Call& call, const Split& split) {
  call.exec.pool.parallel_for(split.task_count, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
    const PageSteps steps(call.table);
    const Worker& w = call.workers[worker];
    for (std::int64_t i = begin; i < end; ++i) {
      const SpanTask& task = split.tasks[i];
      SplitBlock& block = split.blocks[task.block];
      load_queries(block.rows, call.table, w.scratch);
      std::int64_t pages = 0;
      run_span(call, block.rows, PageWalk(block.rows), task.page, w.scratch, task.partial, pages);
      call.pages += pages;
      if (block.left.fetch_sub(1, std::memory_order_acq_rel) == 1) finish_block(call, split, block, w.total);
    }
  });
  for (std::int64_t i = 0; i < split.count; ++i)  // blocks that see nothing have no task
    if (split.blocks[i].tasks == 0) finish_block(call, split, split.blocks[i], call.workers[0].total);
}

Expected<void> run_jobs(Call& call) {
  Arena& arena = call.exec.arena;
  const int threads = call.exec.pool.threads();
  call.workers = arena.allocate_array<Worker>(static_cast<std::size_t>(threads));
  call.first_block = arena.allocate_array<std::int64_t>(call.jobs.size() + 1);
  if (!call.workers || !call.first_block) return fail(Code::out_of_memory, kAttentionArenaFull);
  for (int i = 0; i < threads; ++i) {
    HEED_ASSIGN(call.workers[i], take_worker(call));
  }
  call.first_block[0] = 0;
  for (std::size_t j = 0; j < call.jobs.size(); ++j)
    call.first_block[j + 1] = call.first_block[j] + call.row_blocks(call.jobs[j]) * call.spec.kv_heads;
  if (threads > 1 && call.blocks() < 4 * threads) {
    const std::size_t mark = arena.mark();
    const auto split = plan_split(call);
    if (split) {
      by_spans(call, *split);
      return {};
    }
    arena.rewind(mark);  // no room for the partial results: the other way needs none and gives the same bits
  }
  by_blocks(call);
  return {};
}

Expected<void> run(const AttentionSpec& spec, std::span<const AttentionJob> jobs, Exec& exec) {
  auto* own = exec.arena.allocate_array<AttentionJob>(jobs.size());
  if (!own) return fail(Code::out_of_memory, kAttentionArenaFull);
  Call call{.spec = spec, .jobs = {own, jobs.size()}, .table = *exec.kernels.attention, .exec = exec};
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    new (&own[j]) AttentionJob(jobs[j]);
    if (jobs[j].tap && !jobs[j].lse) {  // the tap's second pass needs it
      own[j].lse = exec.arena.allocate_array<float>(static_cast<std::size_t>(jobs[j].q_len) *
                                                    static_cast<std::size_t>(spec.heads));
      if (!own[j].lse) return fail(Code::out_of_memory, kAttentionArenaFull);
    }
    call.k_dim = std::max(call.k_dim, jobs[j].kv.k_dim);
    call.v_dim = std::max(call.v_dim, jobs[j].kv.v_dim);
    call.most_rows = std::max(call.most_rows, call.block_rows(jobs[j]));
  }
  HEED_TRY(run_jobs(call));
  exec.counters.attention_pages += call.pages;
  ++exec.counters.regions;
  for (const AttentionJob& job : call.jobs)
    if (job.tap) HEED_TRY(run_tap(spec, job, exec));
  return {};
}

}  // namespace

Expected<void> attention(const AttentionSpec& spec, std::span<const AttentionJob> jobs, Exec& exec) {
  if (jobs.empty()) return {};
  for (const AttentionJob& job : jobs) HEED_TRY(check_attention(spec, job));
  const std::size_t mark = exec.arena.mark();
  auto done = run(spec, jobs, exec);
  exec.arena.rewind(mark);
  return done;
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
