// bench_model.h -- a model as the benchmarks drive it: fixed tokens, step by step, no sampling.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "apps/bench.h"

namespace heed {

double peak_memory_mib();
double resident_memory_mib();

class BenchModel {
 public:
  /// Room for `sequences` of `tokens` each.
  static Expected<std::unique_ptr<BenchModel>> load(const BenchOptions& options, const std::string& name,
                                                    std::int32_t tokens, std::int32_t sequences);

  double load_seconds() const noexcept { return load_seconds_; }
  const std::string& path() const noexcept { return path_; }
  std::int32_t context_length() const noexcept { return model_->context_length(); }
  std::unique_ptr<ModelState> new_state() { return model_->new_state(attention_); }

  /// Feeds the fixed tokens at positions state.length() .. length-1, in steps as the engine takes them.
  Expected<void> feed(ModelState& state, std::int32_t length);
  /// A short prompt and a few tokens: first touch of the weights.
  Expected<void> warm_up();
  /// Tokens a second of a prompt of `tokens` after `depth`; leaves the state at `depth`, which it has reached before.
  Expected<double> prefill_rate(ModelState& state, std::int32_t depth, std::int32_t tokens);
  /// Tokens a second of all states together, one token of each a step.
  Expected<double> decode_rate(std::span<const std::unique_ptr<ModelState>> states, std::int32_t depth,
                               std::int32_t tokens);

 private:
  BenchModel() = default;

  std::string path_;
  std::unique_ptr<LanguageModel> model_;
  std::vector<std::int32_t> tokens_;
  std::vector<float> logits_;  // [sequences, vocab]
  std::vector<StepItem> items_;
  AttentionPolicy attention_;
  double load_seconds_ = 0;
};

}  // namespace heed
