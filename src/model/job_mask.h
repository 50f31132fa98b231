// job_mask.h -- what a sequence's attention policy means for one layer.
#pragma once
#include "cache/attention_policy.h"
#include "cache/kv_cache.h"
#include "kernels/exec.h"
#include "model/spec.h"

namespace heed {

/// The mask of one sequence's rows in this layer, or nullptr: the spec's own. `job` has q, positions and a view whose
/// last keys are appended already. Lives in the arena.
Expected<const Mask*> job_mask(const BlockSpec& block, const AttentionPlan* plan, std::int32_t layer,
                               const KvCache& cache, const AttentionJob& job, Exec& exec);

}  // namespace heed
