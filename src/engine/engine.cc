// engine.cc -- the thread that drives the model: collect, admit, plan, step, finish.
#include "engine/engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <thread>

#include "engine/scheduler.h"
#include "engine/speculation.h"
#include "engine/step_runner.h"

namespace heed {

namespace {

Expected<void> check_tokens(std::span<const std::int32_t> tokens, std::int32_t vocab, const std::string& name) {
  const auto outside = std::find_if(tokens.begin(), tokens.end(), [&](std::int32_t t) { return t < 0 || t >= vocab; });
  if (outside == tokens.end()) return {};
  return fail(
      Code::invalid_argument,
      "submit: " + name + " tokens must be in [0, " + std::to_string(vocab) + "), got " + std::to_string(*outside),
      name);
}

}  // namespace

struct Engine::Impl {
  Impl(LanguageModel& m, const EngineOptions& o)
      : model(m),
        options(o),
        clock(o.clock ? *o.clock : system_clock()),
        scheduler(m, o),
        speculator(m, o),
        runner(m, clock) {
    most_in_flight = static_cast<std::int64_t>(std::max(o.max_running, 1)) + std::max(o.max_queued, 0);
    thread = std::thread([this] { loop(); });
  }

  // Engine's thread.
  void loop();
  bool collect();
  void iterate();
  void work();
  void finish(std::unique_ptr<Sequence> sequence, FinishReason reason, const Error* error);
  void finish_all(std::vector<std::unique_ptr<Sequence>> sequences, FinishReason reason, const Error* error = nullptr);
  void finish_expired();
  void run_plan();

  // Any thread.
  Expected<void> check_request(const GenerationRequest& request) const;
  Expected<void> check_attention_policy(const AttentionPolicy& policy) const;
  Expected<void> check_room() const;  // under the lock
  bool wait_until_idle(std::int64_t timeout_ms);

  LanguageModel& model;
  const EngineOptions options;
  const Clock& clock;
  Scheduler scheduler;  // engine's thread only, like the next block
  Speculator speculator;
  StepRunner runner;
  std::vector<Planned> plan;
  std::vector<std::unique_ptr<Sequence>> arrived;
  std::vector<RequestId> to_cancel;
  bool is_all_cancelled = false;

  mutable std::mutex mutex;  // guards the next block
  std::condition_variable has_work, is_idle;
  std::vector<std::unique_ptr<Sequence>> inbox;
  std::vector<RequestId> cancels;
  RequestId next_id = 1;
  std::int64_t most_in_flight = 0;
  std::int64_t in_flight = 0;   // accepted and not yet finishing: the limit counts these
  std::int64_t unfinished = 0;  // accepted, on_finish not yet returned: drain waits for these
  bool is_draining = false, is_stopping = false, cancels_all = false;

  struct {
    std::atomic<std::int64_t> running{0}, finished{0}, cancelled{0}, failed{0};
    std::atomic<std::int64_t> prompt_tokens{0}, cached_tokens{0}, completion_tokens{0}, steps{0};
    std::atomic<std::int64_t> drafted_tokens{0}, accepted_tokens{0};
  } counts;

  std::thread thread;
};

void Engine::Impl::loop() {
  while (collect()) iterate();
}

/// Waits for something to do and takes over what other threads left. False: time to go, everything is finished.
bool Engine::Impl::collect() {
  bool stops = false;
  {
    std::unique_lock lock(mutex);
    has_work.wait(
        lock, [&] { return is_stopping || cancels_all || !inbox.empty() || !cancels.empty() || scheduler.has_work(); });
    arrived.swap(inbox);
    to_cancel.swap(cancels);
    stops = is_stopping;
    is_all_cancelled = is_stopping || cancels_all;
  }
  for (auto& sequence : arrived) scheduler.enqueue(std::move(sequence));
  arrived.clear();
  if (is_all_cancelled) finish_all(scheduler.take_if([](const Sequence&) { return true; }), FinishReason::cancelled);
  return !stops;
}

void Engine::Impl::iterate() {
  Error error;
  try {
    work();
    return;
  } catch (const std::bad_alloc&) {
    error = fail(Code::out_of_memory, "engine: a step ran out of memory");
  } catch (const std::exception& e) {
    error = fail(Code::internal, std::string("engine: a step failed: ") + e.what());
  }
  auto affected = scheduler.take_if([](const Sequence& s) { return s.state != nullptr; });
  if (affected.empty()) affected = scheduler.take_if([](const Sequence&) { return true; });  // or it would fail forever
  finish_all(std::move(affected), FinishReason::error, &error);
}

void Engine::Impl::work() {
  if (!to_cancel.empty()) {
    std::sort(to_cancel.begin(), to_cancel.end());
    const auto is_cancelled = [&](const Sequence& s) {
      return std::binary_search(to_cancel.begin(), to_cancel.end(), s.id());
    };
    finish_all(scheduler.take_if(is_cancelled), FinishReason::cancelled);
    to_cancel.clear();
  }
  finish_expired();
  while (auto refused = scheduler.admit(clock.now_ns())) {
    finish(std::move(refused->sequence), FinishReason::error, &refused->error);
  }
  while (auto refused = scheduler.plan(plan)) {
    finish(std::move(refused->sequence), FinishReason::error, &refused->error);
  }
  counts.running = static_cast<std::int64_t>(scheduler.running());
  if (!plan.empty()) run_plan();
}

void Engine::Impl::finish_expired() {
  const std::int64_t now = clock.now_ns();
  auto expired = scheduler.take_if([&](const Sequence& s) { return s.is_expired(now); });
  finish_all(std::move(expired), FinishReason::deadline);
}

void Engine::Impl::run_plan() {
  speculator.add_drafts(plan);
  const std::int64_t start_ns = clock.now_ns();
  const Expected<void> done = runner.run(plan);
  ++counts.steps;
  counts.drafted_tokens = runner.drafted();
  counts.accepted_tokens = runner.accepted();
  if (!done) {
    // What was in the step cannot be trusted to work in the next one; what was not goes on.
    const auto is_planned = [&](const Sequence& s) {
      return std::any_of(plan.begin(), plan.end(), [&](const Planned& p) { return p.sequence == &s; });
    };
    finish_all(scheduler.take_if(is_planned), FinishReason::error, &done.error());
    return;
  }
  speculator.observe(clock.now_ns() - start_ns);
  const bool any_finished =
      std::any_of(plan.begin(), plan.end(), [](const Planned& p) { return p.sequence->finished.has_value(); });
  if (!any_finished) return;
  for (auto& s : scheduler.take_if([](const Sequence& q) { return q.finished.has_value(); })) {
    const FinishReason reason = *s->finished;
    finish(std::move(s), reason, nullptr);
  }
}

void Engine::Impl::finish_all(std::vector<std::unique_ptr<Sequence>> sequences, FinishReason reason,
                              const Error* error) {
  for (auto& s : sequences) finish(std::move(s), reason, error);
}

void Engine::Impl::finish(std::unique_ptr<Sequence> s, FinishReason reason, const Error* error) {
  // Memory first: whoever hears of the end finds it free.
  if (reason == FinishReason::error || is_all_cancelled) {
    s->state.reset();
  } else {
    scheduler.keep_state(*s);
  }
  if (reason == FinishReason::deadline) s->flush();
  const Usage usage = s->usage(clock.now_ns());
  {
    const std::scoped_lock lock(mutex);
    --in_flight;
  }
  counts.running = static_cast<std::int64_t>(scheduler.running());
  auto& outcome = reason == FinishReason::error       ? counts.failed
                  : reason == FinishReason::cancelled ? counts.cancelled
                                                      : counts.finished;
  ++outcome;
  counts.prompt_tokens += usage.prompt_tokens;
  counts.cached_tokens += usage.cached_tokens;
  counts.completion_tokens += usage.completion_tokens;
  s->sink().on_finish(reason, usage, error);
  s.reset();
  const std::scoped_lock lock(mutex);
  if (--unfinished == 0) is_idle.notify_all();
}

Expected<void> Engine::Impl::check_request(const GenerationRequest& r) const {
  if (r.prompt.empty())
    return fail(Code::invalid_argument, "submit: the prompt must have at least one token, got none", "prompt");
  const std::int64_t context = model.context_length();
  if (static_cast<std::int64_t>(r.prompt.size()) > context) {
    return fail(Code::too_long,
                "prompt has " + std::to_string(r.prompt.size()) + " tokens, the model's context holds " +
                    std::to_string(context),
                "prompt");
  }
  const std::int32_t vocab = model.vocab_size();
  HEED_TRY(check_tokens(r.prompt, vocab, "prompt"));
  HEED_TRY(check_tokens(r.prediction, vocab, "prediction"));
  if (r.max_tokens < -1) {
    return fail(Code::invalid_argument,
                "submit: max_tokens must be -1 (no limit) or more, got " + std::to_string(r.max_tokens), "max_tokens");
  }
  if (r.deadline_ms < 0) {
    return fail(Code::invalid_argument,
                "submit: deadline_ms must be 0 (none) or more, got " + std::to_string(r.deadline_ms), "deadline_ms");
  }
  HEED_TRY(check_attention_policy(r.attention));
  return check(r.sampling, vocab);
}

Expected<void> Engine::Impl::check_attention_policy(const AttentionPolicy& policy) const {
  if (!policy.is_lossy()) return {};
  HEED_TRY(check(policy));
  const std::string name(policy_name(policy.kept));
  const auto& allowed = options.attention_policies;
  if (std::find(allowed.begin(), allowed.end(), name) == allowed.end())
    return fail(Code::invalid_argument, "attention: policy: \"" + name + "\" is not allowed here", "policy");
  if (policy.window < options.least_attention)
    return fail(Code::invalid_argument,
                "attention: window: expected at least " + std::to_string(options.least_attention) + " here, got " +
                    std::to_string(policy.window),
                "window");
  return {};
}

Expected<void> Engine::Impl::check_room() const {
  if (is_draining || is_stopping) {
    return fail(Code::busy, "submit: the engine takes no new requests, it is shutting down");
  }
  if (in_flight < most_in_flight) return {};
  return fail(Code::busy, "submit: " + std::to_string(in_flight) + " requests are in work, at most " +
                              std::to_string(most_in_flight) + " are accepted");
}

bool Engine::Impl::wait_until_idle(std::int64_t timeout_ms) {
  const std::int64_t start = clock.now_ns();
  std::unique_lock lock(mutex);
  // Short naps: the clock may be a test's, which no condition variable knows.
  while (unfinished > 0) {
    if (timeout_ms >= 0 && (clock.now_ns() - start) / 1'000'000 >= timeout_ms) return false;
    is_idle.wait_for(lock, std::chrono::milliseconds(2));
  }
  return true;
}

Engine::Engine(LanguageModel& model, EngineOptions options) : impl_(std::make_unique<Impl>(model, options)) {}

Engine::~Engine() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->is_stopping = true;
  }
  impl_->has_work.notify_all();
  impl_->thread.join();
}

Expected<RequestId> Engine::submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) {
  if (!sink) return fail(Code::invalid_argument, "submit: a sink is needed, got none", "sink");
  if (impl_->model.vector_size() > 0)
    return fail(Code::unsupported, "submit: this model makes vectors of texts, it writes none", "model");
  HEED_TRY(impl_->check_request(request));
  HEED_ASSIGN(StopMatcher matcher, StopMatcher::make(request.stop));
  const bool can_guess = impl_->options.speculation != SpeculationMode::off && impl_->model.forgets_freely();
  request.speculates = request.speculates && can_guess;
  // Asked twice: a refusal under load must cost nothing, so it comes before the sequence is built.
  {
    const std::scoped_lock lock(impl_->mutex);
    HEED_TRY(impl_->check_room());
  }
  std::unique_ptr<Sequence> sequence;
  try {
    sequence = std::make_unique<Sequence>(std::move(request), std::move(sink), std::move(matcher), impl_->model,
                                          impl_->clock.now_ns());
    const std::scoped_lock lock(impl_->mutex);
    HEED_TRY(impl_->check_room());
    sequence->set_id(impl_->next_id);
    impl_->inbox.push_back(std::move(sequence));
    ++impl_->in_flight;
    ++impl_->unfinished;
    impl_->has_work.notify_one();
    return impl_->next_id++;
  } catch (const std::bad_alloc&) {
    return fail(Code::out_of_memory, "submit: no memory for another request");
  }
}

void Engine::cancel(RequestId id) {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->cancels.push_back(id);
  }
  impl_->has_work.notify_one();
}

void Engine::drain(std::int64_t timeout_ms) {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->is_draining = true;
  }
  if (impl_->wait_until_idle(std::max<std::int64_t>(timeout_ms, 0))) return;
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->cancels_all = true;
  }
  impl_->has_work.notify_one();
  impl_->wait_until_idle(-1);
}

EngineStats Engine::stats() const {
  const auto& c = impl_->counts;
  EngineStats out;
  out.running = c.running;
  out.finished = c.finished;
  out.cancelled = c.cancelled;
  out.failed = c.failed;
  out.prompt_tokens = c.prompt_tokens;
  out.cached_tokens = c.cached_tokens;
  out.completion_tokens = c.completion_tokens;
  out.steps = c.steps;
  out.drafted_tokens = c.drafted_tokens;
  out.accepted_tokens = c.accepted_tokens;
  if (impl_->options.page_files) {
    const PageFiles::Stats pages = impl_->options.page_files->stats();
    out.disk_pages = pages.pages;
    out.disk_bytes = pages.bytes;
  }
  out.most_running = std::max(impl_->options.max_running, 1);
  const std::scoped_lock lock(impl_->mutex);
  out.queued = std::max<std::int64_t>(impl_->in_flight - out.running, 0);
  return out;
}

LanguageModel& Engine::model() noexcept { return impl_->model; }

}  // namespace heed
