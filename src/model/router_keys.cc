// router_keys.cc -- what a file says of its experts: how many, how they are chosen and weighed, where there are none.
#include "model/family.h"

namespace heed {

Expected<ExpertSpec> read_experts(const Metadata& m, std::string_view family) {
  const std::string p = std::string(family) + ".";
  constexpr std::int64_t kMax = 1 << 24;
  HEED_ASSIGN(const std::int64_t count, m.integer(p + "expert_count", 0, 0, 1024));
  if (count == 0) return ExpertSpec{};
  HEED_ASSIGN(const std::int64_t used, m.need_integer(p + "expert_used_count", 1, count));
  HEED_ASSIGN(const std::int64_t dense, m.integer(p + "feed_forward_length", 0, 0, kMax));
  HEED_ASSIGN(const std::int64_t ffn, m.integer(p + "expert_feed_forward_length", dense, 1, kMax));
  HEED_ASSIGN(const std::int64_t shared, m.integer(p + "expert_shared_feed_forward_length", 0, 0, kMax));
  HEED_ASSIGN(const double scale, m.real(p + "expert_weights_scale", 1.0));
  return ExpertSpec{.count = static_cast<std::int32_t>(count),
                    .used = static_cast<std::int32_t>(used),
                    .ffn_dim = static_cast<std::int32_t>(ffn),
                    .shared_ffn_dim = static_cast<std::int32_t>(shared),
                    .scale = static_cast<float>(scale)};
}

Expected<void> read_router(const Metadata& m, std::string_view family, const ExpertSpec& experts, ModelSpec& spec) {
  constexpr std::int64_t kSoftmax = 1, kSigmoid = 2;  // GGUF's numbers
  const std::string p = std::string(family) + ".expert_";
  ExpertSpec e = experts;
  HEED_ASSIGN(const std::int64_t shared, m.integer(p + "shared_count", 0, 0, 64));
  HEED_ASSIGN(const std::int64_t gating, m.integer(p + "gating_func", e.is_sigmoid ? kSigmoid : kSoftmax, 0, kSigmoid));
  HEED_ASSIGN(e.sums_to_one, m.flag(p + "weights_norm", e.sums_to_one));
  HEED_ASSIGN(const std::int64_t groups, m.integer(p + "group_count", 1, 0, 1024));
  HEED_ASSIGN(const std::int64_t used, m.integer(p + "group_used_count", groups, 0, 1024));
  HEED_ASSIGN(const std::int64_t dense, m.integer(std::string(family) + ".leading_dense_block_count", 0, 0, 1024));
  if (e.shared_ffn_dim == 0) e.shared_ffn_dim = static_cast<std::int32_t>(shared) * e.ffn_dim;
  e.is_sigmoid = gating == kSigmoid;
  if (groups > 1) {
    e.groups = static_cast<std::int32_t>(groups);
    e.used_groups = static_cast<std::int32_t>(used);
  }
  for (std::size_t i = 0; i < spec.blocks.size(); ++i)
    spec.blocks[i].experts = i < static_cast<std::size_t>(dense) ? ExpertSpec{} : e;
  return {};
}

}  // namespace heed
