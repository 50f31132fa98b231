// bench_llm.cc -- prefill and decode of whole models, alone or many sequences together; load time, peak memory.
#include <algorithm>

#include "apps/bench_model.h"

namespace heed {
namespace {

BenchCase prefill_case(BenchModel& model, const BenchOptions& o, const std::string& name, ModelState& state) {
  const std::string at = o.depth > 0 ? " at depth " + std::to_string(o.depth) : "";
  BenchCase c;
  c.result = {.name = "prefill " + std::to_string(o.prefill) + at + " " + name, .unit = "tokens/s"};
  c.run = [&model, &o, &state]() { return model.prefill_rate(state, o.depth, o.prefill); };
  return c;
}

BenchCase decode_case(BenchModel& model, const BenchOptions& o, const std::string& name,
                      std::span<const std::unique_ptr<ModelState>> states) {
  const std::string at = o.depth > 0 ? " at depth " + std::to_string(o.depth) : "";
  const std::string together = o.sequences > 1 ? " x " + std::to_string(o.sequences) + " sequences" : "";
  BenchCase c;
  c.result = {.name = "decode " + std::to_string(o.decode) + together + at + " " + name, .unit = "tokens/s"};
  c.run = [&model, &o, states]() { return model.decode_rate(states, o.depth, o.decode); };
  return c;
}

Expected<void> bench_tokens(const BenchOptions& o, const std::string& name) {
  HEED_ASSIGN(auto model, BenchModel::load(o, name, o.depth + std::max(o.prefill, o.decode), o.sequences));
  // Every sequence computes its own depth: pages shared by several would be read once.
  std::vector<std::unique_ptr<ModelState>> states;
  for (std::int32_t i = 0; i < o.sequences; ++i) {
    states.push_back(model->new_state());
    HEED_TRY(model->feed(*states.back(), o.depth));
  }
  std::vector<BenchCase> cases;
  if (o.prefill > 0) cases.push_back(prefill_case(*model, o, name, *states[0]));
  if (o.decode > 0) cases.push_back(decode_case(*model, o, name, states));
  HEED_TRY(model->warm_up());
  HEED_TRY(run_cases(o, cases));
  if (o.turns) return {};
  print_result(o, {.name = "load " + name, .unit = "s", .values = {model->load_seconds()}});
  print_result(o, {.name = "peak memory " + name, .unit = "MiB", .values = {peak_memory_mib()}});
  return {};
}

}  // namespace

Expected<void> bench_llm(const BenchOptions& options) {
  for (const std::string& name : options.models) HEED_TRY(bench_tokens(options, name));
  return {};
}

}  // namespace heed
