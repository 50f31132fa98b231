// bench_longctx.cc -- decode and prefill deep in a long context, and the long prompt itself.
#include <algorithm>

#include "apps/bench_model.h"

namespace heed {
namespace {

std::vector<int> depths_of(const BenchOptions& o) {
  std::vector<int> depths = o.depths.empty() ? std::vector<int>{4096, 16384, 32000} : o.depths;
  std::sort(depths.begin(), depths.end());
  return depths;
}

std::vector<BenchCase> cases_at(BenchModel& model, const BenchOptions& o, std::int32_t depth, const std::string& name,
                                std::span<const std::unique_ptr<ModelState>> state) {
  std::vector<BenchCase> cases;
  const std::string at = " at depth " + std::to_string(depth) + " " + name;
  if (o.decode > 0)
    cases.push_back({{.name = "decode " + std::to_string(o.decode) + at, .unit = "tokens/s"},
                     [&model, &o, depth, state] { return model.decode_rate(state, depth, o.decode); }});
  if (o.prefill > 0)
    cases.push_back({{.name = "prefill " + std::to_string(o.prefill) + at, .unit = "tokens/s"},
                     [&model, &o, depth, state] { return model.prefill_rate(*state[0], depth, o.prefill); }});
  return cases;
}

// The prompt up to each depth is a result of its own: the first run on the way down, the others from nothing.
Expected<void> bench_depth(const BenchOptions& o, const std::string& name) {
  const auto depths = depths_of(o);
  HEED_ASSIGN(auto model, BenchModel::load(o, name, depths.back() + std::max(o.prefill, o.decode), 1));
  HEED_TRY(model->warm_up());
  std::vector<std::unique_ptr<ModelState>> state;
  state.push_back(model->new_state());
  double seconds = 0;
  for (const std::int32_t depth : depths) {
    const double start = seconds_now();
    HEED_TRY(model->feed(*state[0], depth));
    seconds += seconds_now() - start;
    BenchResult prompt{
        .name = "prefill " + std::to_string(depth) + " " + name, .unit = "tokens/s", .values = {depth / seconds}};
    for (std::int32_t run = 1; run < o.prompt_runs && depth == depths.back(); ++run) {
      const auto fresh = model->new_state();
      HEED_ASSIGN(const double rate, model->prefill_rate(*fresh, 0, depth));
      prompt.values.push_back(rate);
    }
    if (!o.turns) print_result(o, prompt);
    auto cases = cases_at(*model, o, depth, name, state);
    HEED_TRY(run_cases(o, cases));
  }
  return {};
}

}  // namespace

Expected<void> bench_longctx(const BenchOptions& options) {
  for (const std::string& name : options.models) HEED_TRY(bench_depth(options, name));
  return {};
}

}  // namespace heed
