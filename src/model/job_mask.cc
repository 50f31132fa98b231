// job_mask.cc -- window, chosen pages or a fixed pattern on the layers that would see everything.
#include "model/job_mask.h"

#include <algorithm>
#include <new>

#include "cache/page_choice.h"

namespace heed {
namespace {

Expected<const BlockList*> chosen(const BlockSpec& b, const AttentionPlan& plan, std::int32_t layer,
                                  const KvCache& cache, const AttentionJob& job, Exec& exec) {
  cache.pool().summarize(layer, cache.pages(), job.first_pos, job.q_len, exec.pool);
  return choose_pages(plan.policy,
                      {.pool = &cache.pool(),
                       .layer = layer,
                       .pages = cache.pages(),
                       .q = job.q,
                       .q_stride = job.q_stride,
                       .q_len = job.q_len,
                       .first_pos = job.first_pos,
                       .heads = b.attention.heads,
                       .kv_heads = b.attention.kv_heads,
                       .k_dim = job.kv.k_dim,
                       .scale = b.attention.score.scale},
                      exec);
}

}  // namespace

Expected<const Mask*> job_mask(const BlockSpec& b, const AttentionPlan* plan, std::int32_t layer, const KvCache& cache,
                               const AttentionJob& job, Exec& exec) {
  const Mask& own = b.attention.mask;
  if (!plan || !own.causal || own.blocks) return nullptr;
  const AttentionPolicy& policy = plan->policy;
  const bool is_local = own.window > 0, has_labels = !plan->labels.start.empty();
  const bool is_thinned = policy.is_lossy() && (!is_local || policy.kept == AttentionKept::window);
  if (!is_thinned && !has_labels) return nullptr;
  auto* mask = exec.arena.allocate_array<Mask>(1);
  auto* list = exec.arena.allocate_array<BlockList>(1);
  auto* labels = exec.arena.allocate_array<SpanLabels>(1);
  if (!mask || !list || !labels) return fail(Code::out_of_memory, "attention policy: the step's arena is full");
  new (mask) Mask(own);
  if (has_labels) mask->labels = new (labels) SpanLabels(plan->labels.view());
  if (!is_thinned) return mask;
  if (policy.kept == AttentionKept::window) {
    mask->window = is_local ? std::min(own.window, policy.window) : policy.window;
    if (!is_local) mask->sink = policy.sinks;
  } else if (policy.kept == AttentionKept::big_bird) {
    mask->blocks = new (list) BlockList(plan->pattern.list());
  } else {
    HEED_ASSIGN(mask->blocks, chosen(b, *plan, layer, cache, job, exec));
  }
  return mask;
}

}  // namespace heed
