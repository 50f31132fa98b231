// rope_scaling.cc -- how a model's positions reach beyond the texts it was first trained on.
#include <algorithm>
#include <cmath>

#include "model/family.h"

namespace heed {
namespace {

struct Yarn {
  double factor, original_context, fast, slow;
  bool truncates;
};

// The pair that turns `rotations` times within the original context, as a real number.
double pair_of(const RopeSpec& rope, double original_context, double rotations) {
  constexpr double kTurn = 6.283185307179586;
  return rope.dims * std::log(original_context / (rotations * kTurn)) /
         (2.0 * std::log(static_cast<double>(rope.base)));
}

// Fast pairs keep their frequency, slow ones are divided by the factor, those between are mixed (Peng et al. 2023,
// section 3.2).
std::vector<float> yarn_factors(const RopeSpec& rope, const Yarn& y) {
  double low = pair_of(rope, y.original_context, y.fast), high = pair_of(rope, y.original_context, y.slow);
  if (y.truncates) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, rope.dims - 1.0);
  if (low == high) high += 0.001;
  std::vector<float> factors;
  for (std::int32_t i = 0; i < rope.dims / 2; ++i) {
    const double slowed = std::clamp((i - low) / (high - low), 0.0, 1.0);
    factors.push_back(static_cast<float>(1.0 / (slowed / y.factor + 1.0 - slowed)));
  }
  return factors;
}

}  // namespace

Expected<void> read_rope_scaling(const Metadata& m, std::string_view family, bool truncates, ModelSpec& spec) {
  const std::string p = std::string(family) + ".rope.scaling.";
  HEED_ASSIGN(const std::string kind, m.text(p + "type", "none"));
  HEED_ASSIGN(const double factor, m.real(p + "factor", 1.0));
  HEED_ASSIGN(const double magnitude, m.real(p + "attn_factor", 1.0));
  HEED_ASSIGN(const std::int64_t original,
              m.integer(p + "original_context_length", spec.context, 1, std::int64_t{1} << 30));
  HEED_ASSIGN(const double fast, m.real(p + "yarn_beta_fast", 32.0));
  HEED_ASSIGN(const double slow, m.real(p + "yarn_beta_slow", 1.0));
  if (!(factor > 0) || !(magnitude > 0) || !(fast > 0) || !(slow > 0))
    return fail(Code::malformed, "model: rope scaling's factors must be positive", p + "factor");
  RopeSpec& rope = spec.blocks.front().rope;
  rope.magnitude = static_cast<float>(magnitude);
  spec.short_context = static_cast<std::int32_t>(original);
  if (kind == "linear") {
    rope.scale = static_cast<float>(1.0 / factor);
  } else if (kind == "ntk") {
    rope.base *= static_cast<float>(std::pow(factor, rope.dims / (rope.dims - 2.0)));
  } else if (kind == "yarn") {
    rope.magnitude = static_cast<float>(magnitude * (1.0 + 0.1 * std::log(factor)));
    spec.rope_factors = yarn_factors(rope, {factor, static_cast<double>(original), fast, slow, truncates});
  } else if (kind != "none" && kind != "longrope") {
    return fail(Code::unsupported, "model: rope scaling \"" + kind + "\" is not supported", p + "type");
  }
  each_block(spec, [&](BlockSpec& b) { b.rope = rope; });
  return {};
}

}  // namespace heed
