// bench_speculation.cc -- answers that repeat their prompt, and answers that do not, with and without guessed tokens.
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>

#include "apps/bench.h"
#include "apps/model_path.h"
#include "core/file.h"
#include "engine/pipelines/chat_prompt.h"

namespace heed {
namespace {

constexpr std::size_t kMaxSourceBytes = 1 << 20;

struct Task {
  const char* name;
  std::string prompt;
  std::int32_t tokens;  // longest answer
};

// Keeps the answer's tokens and lets the caller wait for its end.
class Collector final : public GenerationSink {
 public:
  void on_delta(const Delta& delta) override {
    const std::lock_guard lock(mutex_);
    for (const SampledToken& t : delta.tokens) tokens_.push_back(t.token);
  }
  void on_finish(FinishReason, const Usage& usage, const Error* error) override {
    const std::lock_guard lock(mutex_);
    usage_ = usage;
    if (error) error_ = *error;
    has_failed_ = error != nullptr;
    is_done_ = true;
    changed_.notify_all();
  }
  Expected<Usage> wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_done_; });
    if (has_failed_) return error_;
    return usage_;
  }
  const std::vector<std::int32_t>& tokens() const { return tokens_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::int32_t> tokens_;
  Usage usage_;
  Error error_;
  bool is_done_ = false, has_failed_ = false;
};

struct Outcome {
  std::vector<std::int32_t> tokens;
  Usage usage;
  double speed() const { return (usage.completion_tokens - 1) * 1000.0 / usage.decode_ms; }
};

Expected<Outcome> answer(LoadedModel& model, const Task& task, const AttentionPolicy& attention, bool speculates) {
  const nlohmann::ordered_json messages = {{{"role", "user"}, {"content", task.prompt}}};
  GenerationRequest request;
  HEED_ASSIGN(request.prompt, chat_prompt(model.model().tokenizer(), *model.chat(), messages));
  request.max_tokens = task.tokens;
  request.sampling.temperature = 0;
  request.speculates = speculates;
  request.attention = attention;
  const auto sink = std::make_shared<Collector>();
  HEED_TRY(model.engine().submit(std::move(request), sink));
  HEED_ASSIGN(const Usage usage, sink->wait());
  return Outcome{sink->tokens(), usage};
}

Expected<void> bench_task(const BenchOptions& o, LoadedModel& model, const Task& task) {
  const std::string what = std::string(task.name) + " " + model.name();
  BenchResult off{what + ", speculation off", "tokens/s", {}}, on{what + ", speculation auto", "tokens/s", {}};
  BenchResult ratio{what + ", auto over off", "x", {}};
  Usage usage;
  for (std::int32_t i = 0; i < o.runs; ++i) {
    HEED_ASSIGN(const Outcome plain, answer(model, task, o.attention, false));
    HEED_ASSIGN(const Outcome guessed, answer(model, task, o.attention, true));
    if (plain.tokens != guessed.tokens)
      return fail(Code::internal, "speculation: " + what + ": the answers differ, which must never be");
    off.values.push_back(plain.speed());
    on.values.push_back(guessed.speed());
    ratio.values.push_back(guessed.speed() / plain.speed());
    usage = guessed.usage;
  }
  print_result(o, off);
  print_result(o, on);
  print_result(o, ratio);
  if (!o.json)
    std::printf("%-56s %d tokens, equal in %d runs; last run: %d guessed, %d right\n", "", usage.completion_tokens,
                o.runs, usage.drafted_tokens, usage.accepted_tokens);
  return {};
}

Expected<std::vector<Task>> read_tasks(const BenchOptions& o) {
  auto bytes = system_files().read(o.source_path, kMaxSourceBytes);
  if (!bytes) return fail(bytes.error().code, "speculation: --source: " + bytes.error().text);
  const std::string source(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  const auto tokens = [&](std::int32_t most) { return o.tokens > 0 ? o.tokens : most; };
  return std::vector<Task>{
      {"edit",
       "Rewrite this file. Rename the method `move` of the class Inventory to `record_movement`, everywhere it is "
       "used. "
       "Change nothing else. Answer with the whole file in one code block.\n\n```python\n" +
           source + "```\n",
       tokens(2400)},
      {"story", "Write a story about an old lighthouse keeper who finds a message in a bottle.", tokens(256)},
      {"explanation", "Explain in five paragraphs how a bill becomes a law, and what can stop it.", tokens(256)},
  };
}

Expected<void> bench_speculation_of(const BenchOptions& o, const std::vector<Task>& tasks, const std::string& name) {
  HEED_ASSIGN(const std::string path, model_path(name));
  HEED_ASSIGN(const auto model, LoadedModel::load(name, path, o.load));
  if (!model->chat()) return fail(Code::unsupported, "speculation: " + name + " has no chat template");
  HEED_ASSIGN(const Outcome warm, answer(*model, {"warm", "Hello!", 16}, o.attention, true));
  static_cast<void>(warm);
  for (const Task& task : tasks) HEED_TRY(bench_task(o, *model, task));
  return {};
}

}  // namespace

Expected<void> bench_speculation(const BenchOptions& options) {
  HEED_ASSIGN(const std::vector<Task> tasks, read_tasks(options));
  for (const std::string& name : options.models) HEED_TRY(bench_speculation_of(options, tasks, name));
  return {};
}

}  // namespace heed
