// bench_model.cc -- drives a model with fixed pseudo-random ids: speed does not depend on the text, and peers are given
// the same ones (bench/peers).
#include "apps/bench_model.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "apps/model_path.h"

namespace heed {
namespace {

constexpr std::int32_t kWarmPrompt = 64, kWarmDecode = 4;

std::vector<std::int32_t> bench_tokens(std::int32_t n, std::int32_t vocab) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(n));
  std::uint32_t x = 42;
  for (auto& t : tokens) {
    x = x * 1664525u + 1013904223u;
    t = static_cast<std::int32_t>(x >> 8) % std::min(vocab, 32000);
  }
  return tokens;
}

}  // namespace

double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

double resident_memory_mib() {
  std::ifstream in("/proc/self/statm");
  double total_pages = 0, resident_pages = 0;
  in >> total_pages >> resident_pages;
  return resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0);
}

Expected<std::unique_ptr<BenchModel>> BenchModel::load(const BenchOptions& o, const std::string& name,
                                                       std::int32_t tokens, std::int32_t sequences) {
  std::unique_ptr<BenchModel> m(new BenchModel);
  HEED_ASSIGN(m->path_, model_path(name));
  m->attention_ = o.attention;
  LoadOptions how = o.load;
  how.engine.max_running = std::max(how.engine.max_running, sequences);
  const double start = seconds_now();
  HEED_ASSIGN(m->model_, load_language_model(m->path_, how));
  m->load_seconds_ = seconds_now() - start;
  if (tokens > m->model_->context_length())
    return fail(Code::invalid_argument,
                "bench: " + name + " has room for " + std::to_string(m->model_->context_length()) + " tokens, " +
                    std::to_string(tokens) + " are asked for: take a smaller --depth",
                "depth");
  m->tokens_ = bench_tokens(std::max(tokens, kWarmPrompt + kWarmDecode), m->model_->vocab_size());
  m->logits_.resize(static_cast<std::size_t>(sequences) * static_cast<std::size_t>(m->model_->vocab_size()));
  m->items_.resize(static_cast<std::size_t>(sequences));
  return m;
}

Expected<void> BenchModel::feed(ModelState& state, std::int32_t length) {
  const auto vocab = static_cast<std::size_t>(model_->vocab_size());
  while (state.length() < length) {
    const std::int32_t begin = state.length(), n = std::min(model_->max_step_tokens(), length - begin);
    HEED_TRY(model_->reserve(state, n));
    const auto part = std::span(tokens_).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(n));
    const auto out = begin + n == length ? std::span(logits_).first(vocab) : std::span<float>{};
    StepItem item{&state, part, out};
    HEED_TRY(model_->step({&item, 1}));
  }
  return {};
}

Expected<void> BenchModel::warm_up() {
  const auto state = new_state();
  HEED_TRY(feed(*state, kWarmPrompt));
  for (std::int32_t i = 1; i <= kWarmDecode; ++i) HEED_TRY(feed(*state, kWarmPrompt + i));
  return {};
}

Expected<double> BenchModel::prefill_rate(ModelState& state, std::int32_t depth, std::int32_t tokens) {
  state.truncate(depth);
  const double start = seconds_now();
  HEED_TRY(feed(state, depth + tokens));
  const double seconds = seconds_now() - start;
  state.truncate(depth);
  return tokens / seconds;
}

Expected<double> BenchModel::decode_rate(std::span<const std::unique_ptr<ModelState>> states, std::int32_t depth,
                                         std::int32_t tokens) {
  const auto vocab = static_cast<std::size_t>(model_->vocab_size());
  for (const auto& state : states) state->truncate(depth);
  const double start = seconds_now();
  for (std::int32_t t = 0; t < tokens; ++t) {
    const auto token = std::span<const std::int32_t>(tokens_).subspan(
        static_cast<std::size_t>(depth) + static_cast<std::size_t>(t), 1);
    for (std::size_t i = 0; i < states.size(); ++i) {
      HEED_TRY(model_->reserve(*states[i], 1));
      items_[i] = {states[i].get(), token, std::span(logits_).subspan(i * vocab, vocab)};
    }
    HEED_TRY(model_->step(std::span(items_).first(states.size())));
  }
  const double seconds = seconds_now() - start;
  for (const auto& state : states) state->truncate(depth);
  return static_cast<double>(states.size()) * tokens / seconds;
}

}  // namespace heed
