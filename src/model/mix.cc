// mix.cc -- the mixes, as data, and the few names that are no ordinary matrices.
#include "model/mix.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace heed {
namespace {

constexpr auto kMixes = std::to_array<Mix>({
    {"F32", DType::f32, DType::f32, DType::f32, 0},
    {"F16", DType::f16, DType::f16, DType::f16, 1},
    {"BF16", DType::bf16, DType::bf16, DType::bf16, 32},
    {"Q8_0", DType::q8_0, DType::q8_0, DType::q8_0, 7},
    {"Q6_K", DType::q6_k, DType::q6_k, DType::q6_k, 18},
    {"Q5_K_M", DType::q5_k, DType::q6_k, DType::q6_k, 17},
    {"Q5_K", DType::q5_k, DType::q5_k, DType::q6_k, 16},
    {"Q5_1", DType::q5_1, DType::q5_1, DType::q6_k, 9},
    {"Q5_0", DType::q5_0, DType::q5_0, DType::q6_k, 8},
    {"Q4_K_M", DType::q4_k, DType::q6_k, DType::q6_k, 15},
    {"Q4_K", DType::q4_k, DType::q4_k, DType::q6_k, 14},
    {"Q4_1", DType::q4_1, DType::q4_1, DType::q6_k, 3},
    {"Q4_0", DType::q4_0, DType::q4_0, DType::q6_k, 2},
});

// Small, and what they decide is coarse: routers, positions, tables of scores and of RoPE.
constexpr auto kKept =
    std::to_array<std::string_view>({"ffn_gate_inp", "position_embd", "rope_", "attn_rel_b", "attn_features",
                                     "memory_embd", "ssm_", "shortconv.conv", "norm"});

bool says(std::string_view name, std::string_view part) { return name.find(part) != std::string_view::npos; }

/// -1: not of a layer.
std::int64_t layer_of(std::string_view name) {
  if (!name.starts_with("blk.")) return -1;
  std::int64_t layer = -1;
  std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  return layer;
}

bool errs_most(std::int64_t layer, std::int64_t layers) {
  const std::int64_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

DType fitting(DType type, std::int64_t cols) {
  constexpr std::pair<DType, DType> kSmaller[] = {
      {DType::q4_k, DType::q5_0}, {DType::q5_k, DType::q5_1}, {DType::q6_k, DType::q8_0}};
  if (cols % info(type).block == 0) return type;
  for (const auto& [from, to] : kSmaller)
    if (from == type && cols % info(to).block == 0) return to;
  return DType::f16;
}

}  // namespace

Expected<Mix> mix_named(std::string_view name) {
  std::string upper(name), known;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  for (const Mix& mix : kMixes) {
    if (mix.name == upper) return mix;
    known += (known.empty() ? "" : ", ") + std::string(mix.name);
  }
  return fail(Code::invalid_argument, "type: expected one of " + known + ", got " + std::string(name), "type");
}

DType mixed_type(const Mix& mix, const MixedModel& model, std::string_view name, const Tensor& tensor) {
  const auto is_kept = [&](std::string_view part) { return says(name, part); };
  if (tensor.rank < 2 || std::any_of(kKept.begin(), kKept.end(), is_kept)) return DType::f32;
  if (name == "output.weight" || (model.is_tied && name == "token_embd.weight"))
    return fitting(mix.output, tensor.cols());
  const bool may_err = says(name, ".attn_v.") || says(name, ".ffn_down");
  const bool gets_more = may_err && errs_most(layer_of(name), model.layers);
  return fitting(gets_more ? mix.more : mix.most, tensor.cols());
}

}  // namespace heed
