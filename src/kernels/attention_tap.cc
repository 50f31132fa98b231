// attention_tap.cc -- probabilities of a few heads: only tapped heads pay for a second pass over the keys.
#include "kernels/attention_tap.h"

#include <algorithm>
#include <string>

#include "kernels/attention_mask.h"
#include "kernels/kernels.h"

namespace heed {
namespace {

Error wrong(std::string text, const char* where) {
  return fail(Code::invalid_argument, "attention: " + std::move(text), where);
}

Expected<void> check_heads(const AttentionSpec& spec, const AttentionJob& job) {
  if (spec.kv_heads < 1 || spec.heads < 1 || spec.heads % spec.kv_heads != 0)
    return wrong("kv_heads " + std::to_string(spec.kv_heads) + " does not divide heads " + std::to_string(spec.heads),
                 "kv_heads");
  if (job.kv.kv_heads != spec.kv_heads)
    return wrong("the cache holds " + std::to_string(job.kv.kv_heads) + " kv_heads, the spec says " +
                     std::to_string(spec.kv_heads),
                 "kv_heads");
  const auto heads = static_cast<std::size_t>(spec.heads);
  const Score& s = spec.score;
  if (!s.alibi_slope.empty() && s.alibi_slope.size() < heads)
    return wrong("alibi_slope needs one value a head", "alibi_slope");
  if (!s.sink_logit.empty() && s.sink_logit.size() < heads)
    return wrong("sink_logit needs one value a head", "sink_logit");
  if (!s.by_distance.empty() &&
      (s.reach < 0 || s.by_distance.size() < heads * static_cast<std::size_t>(2 * s.reach + 1)))
    return wrong("by_distance needs 2 * reach + 1 values a head", "by_distance");
  if (job.tap)
    for (const std::int32_t head : job.tap->heads)
      if (head < 0 || head >= spec.heads) return wrong("tap: there is no head " + std::to_string(head), "tap");
  return {};
}

Expected<void> check_cache(const AttentionJob& job) {
  const KvView& kv = job.kv;
  if (kv.k_dim % 16 != 0 || kv.v_dim % 16 != 0 || kv.k_dim < 16 || kv.v_dim < 16)
    return wrong(
        "head sizes must be multiples of 16, got " + std::to_string(kv.k_dim) + " and " + std::to_string(kv.v_dim),
        "k_dim");
  if (kv.k_dim > kMostHeadDim || kv.v_dim > kMostHeadDim)
    return wrong("head sizes are at most " + std::to_string(kMostHeadDim) + ", got " + std::to_string(kv.k_dim) +
                     " and " + std::to_string(kv.v_dim),
                 "k_dim");
  if (!is_kv_dtype(kv.dtype))
    return fail(
        Code::unsupported,
        std::string("attention: keys and values are ") + kKvDtypes + ", got " + std::string(info(kv.dtype).name),
        "dtype");
  if (kv.length < 0 || static_cast<std::int64_t>(kv.pages.size()) * kPageTokens < kv.length)
    return wrong(std::to_string(kv.length) + " keys need more than " + std::to_string(kv.pages.size()) + " pages",
                 "pages");
  if (job.q_len < 0 || job.first_pos < 0)
    return wrong("a query's position is not negative, got " + std::to_string(job.first_pos), "first_pos");
  return {};
}

// Only what the job's queries ask for: a list for a long text is not read again for every step.
Expected<void> check_blocks(const BlockList& list, const AttentionSpec& spec, const AttentionJob& job) {
  if (list.block < 1 || (list.block % kPageTokens != 0 && kPageTokens % list.block != 0))
    return wrong("blocks of " + std::to_string(list.block) + " tokens neither divide nor fill pages", "block");
  if (list.query_block < 0 || (list.kv_heads != 1 && list.kv_heads != spec.kv_heads))
    return wrong("a block list has one row for all KV heads or one each, got " + std::to_string(list.kv_heads),
                 "kv_heads");
  if (job.q_len == 0) return {};
  const std::int32_t first = list.row(job.first_pos, 0),
                     last = list.row(job.first_pos + job.q_len - 1, spec.kv_heads - 1);
  if (first < 0)
    return wrong("the block list begins behind the query at " + std::to_string(job.first_pos), "first_row");
  if (list.row_start.size() < static_cast<std::size_t>(last) + 2)
    return wrong("the block list ends before its row " + std::to_string(last), "row_start");
  for (auto r = static_cast<std::size_t>(first); r <= static_cast<std::size_t>(last); ++r)
    if (list.row_start[r] < 0 || list.row_start[r + 1] < list.row_start[r])
      return wrong("row_start of the block list does not ascend", "row_start");
  if (static_cast<std::size_t>(list.row_start[static_cast<std::size_t>(last) + 1]) > list.key_block.size())
    return wrong("row_start of the block list points beyond key_block", "row_start");
  return {};
}

Expected<void> check_labels(const SpanLabels& labels) {
  const std::size_t spans = labels.start.size();
  if (spans == 0 || labels.start[0] != 0 || !std::is_sorted(labels.start.begin(), labels.start.end()))
    return wrong("labelled spans start at 0 and ascend", "labels.start");
  if (labels.label.size() != spans)
    return wrong(std::to_string(spans) + " labelled spans have " + std::to_string(labels.label.size()) + " labels",
                 "labels.label");
  for (const std::uint8_t label : labels.label)
    if (label >= 64 || label >= labels.sees.size())
      return wrong("label " + std::to_string(label) + " has no row in sees", "labels.sees");
  return {};
}

struct TapWorker {
  BlockScratch scratch;
  float* lse;     // [block_rows], units of log 2
  float* scores;  // [block_rows, 64]
};

Expected<TapWorker> take_worker(const AttentionJob& job, std::int32_t block_rows, Arena& arena) {
  const auto rows = static_cast<std::size_t>(block_rows);
  const TapWorker w{take_block_scratch(arena, block_rows, job.kv.k_dim), arena.allocate_array<float>(rows),
                    arena.allocate_array<float>(rows * kPageTokens)};
  if (!w.scratch.q || !w.lse || !w.scores) return fail(Code::out_of_memory, kAttentionArenaFull);
  return w;
}

// Rows of one head: probs [rows, length].
void tap_block(const RowBlock& b, const AttentionTable& table, const TapWorker& w, float* probs) {
  const std::int64_t length = b.job->kv.length;
  load_queries(b, table, w.scratch);
  for (std::int32_t r = 0; r < b.rows; ++r)
    w.lse[r] = b.job->lse[std::int64_t{b.token(r)} * b.spec->heads + b.first_head] * kLog2E;
  const PageWalk walk(b);
  PageTask task = block_task(b, w.scratch);
  const auto step = table.probabilities[kv_form(b.job->kv.dtype)];
  for (std::int32_t key = 0; key < length; key += kPageTokens) {
    const std::int64_t count = std::min<std::int64_t>(kPageTokens, length - key);
    const std::int32_t page = key / kPageTokens;
    const bool sees = walk.next(page) == page && page < walk.end() && aim_at_page(b, walk, page, w.scratch, task);
    if (sees) step(task, w.lse, w.scores);
    for (std::int32_t r = 0; r < b.rows; ++r) {
      float* to = probs + r * length + key;
      if (sees)
        std::copy_n(w.scores + r * kPageTokens, count, to);
      else
        std::fill_n(to, count, 0.0f);
    }
  }
}

}  // namespace

Expected<void> check_attention(const AttentionSpec& spec, const AttentionJob& job) {
  HEED_TRY(check_heads(spec, job));
  HEED_TRY(check_cache(job));
  const Mask& mask = job.mask ? *job.mask : spec.mask;
  if (mask.window < 0 || mask.sink < 0 || mask.prefix < 0)
    return wrong("window, sink and prefix are not negative", "mask");
  if (mask.labels) HEED_TRY(check_labels(*mask.labels));
  if (mask.blocks) return check_blocks(*mask.blocks, spec, job);
  return {};
}

Expected<void> run_tap(const AttentionSpec& spec, const AttentionJob& job, Exec& exec) {
  const std::size_t mark = exec.arena.mark();
  const int threads = exec.pool.threads();
  const std::int32_t block_rows = exec.kernels.attention->block_rows;
  auto* workers = exec.arena.allocate_array<TapWorker>(static_cast<std::size_t>(threads));
  if (!workers) return fail(Code::out_of_memory, kAttentionArenaFull);
  for (int i = 0; i < threads; ++i) {
    HEED_ASSIGN(workers[i], take_worker(job, block_rows, exec.arena));
  }
  const std::int64_t blocks = (job.q_len + block_rows - 1) / block_rows;
  const auto slots = static_cast<std::int64_t>(job.tap->heads.size());
  exec.pool.parallel_for(slots * blocks, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int32_t head = job.tap->heads[static_cast<std::size_t>(i / blocks)];
      const auto first = static_cast<std::int32_t>(i % blocks * block_rows);
      const RowBlock b{&spec, &job,  head / (spec.heads / spec.kv_heads),    head,
                       1,     first, std::min(block_rows, job.q_len - first)};
      tap_block(b, *exec.kernels.attention, workers[worker],
                job.tap->probs + (i / blocks * job.q_len + first) * std::int64_t{job.kv.length});
    }
  });
  exec.arena.rewind(mark);
  ++exec.counters.regions;
  return {};
}

}  // namespace heed
