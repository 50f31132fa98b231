// engine.h -- requests in, tokens out. One thread drives the model; callers submit from any thread.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cache/attention_policy.h"
#include "cache/page_files.h"
#include "core/clock.h"
#include "core/expected.h"
#include "decode/sampler.h"
#include "engine/language_model.h"

namespace heed {

struct GenerationRequest {
  std::vector<std::int32_t> prompt;  // at least one token
  std::int32_t max_tokens = -1;      // -1: until the context is full
  SamplingParams sampling;
  std::vector<std::string> stop;         // matched on text across token borders; not part of the output
  bool continues_prompt = false;         // the answer goes on in the prompt's text: a leading space is its own
  bool ignore_end = false;               // keep going after end tokens (benchmarks)
  bool prompt_logprobs = false;          // `echo` with logprobs
  bool speculates = true;                // false: one token a step, whatever the engine's mode
  std::vector<std::int32_t> prediction;  // tokens that the answer may repeat; only speculation reads them
  std::string tenant;                    // fairness and cache isolation key
  std::int64_t deadline_ms = 0;          // 0: none; from submission
  std::int32_t priority = 0;             // higher first within a tenant's share
  AttentionPolicy attention;             // lossy unless full; states are shared only among requests with the same one
};

/// Guessed tokens change when an answer comes, never what it says: each is sampled as if it had not been guessed.
enum class SpeculationMode : std::uint8_t {
  off,
  automatic,  // as far as measured step times and hit rates promise more tokens per second
  always,     // every guess there is; for tests
};

enum class FinishReason : std::uint8_t { stop, length, cancelled, deadline, error };

/// One step of an answer: always whole characters; may be empty text while a stop string or character is undecided.
struct Delta {
  std::string text;
  std::vector<SampledToken> tokens;  // tokens whose text this delta completes, with logprobs when asked for
};

struct Usage {
  std::int32_t prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
  std::int32_t drafted_tokens = 0, accepted_tokens = 0;                         // guesses computed, and right
  std::int32_t accepted_prediction_tokens = 0, rejected_prediction_tokens = 0;  // of them, the request's own
  std::int32_t stop_index = -1;  // of the request's stop strings, the one that ended the answer
  double queue_ms = 0, prefill_ms = 0, decode_ms = 0;
};

/// Called on the engine's thread, in order: on_prefill* on_delta* on_finish exactly once. Must not block.
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  virtual void on_prefill(std::int32_t done, std::int32_t total) { (void)done, (void)total; }
  virtual void on_prompt_logprobs(const std::vector<SampledToken>& tokens) { (void)tokens; }
  virtual void on_delta(const Delta& delta) = 0;
  virtual void on_finish(FinishReason reason, const Usage& usage, const Error* error) = 0;
};

struct EngineOptions {
  std::int32_t max_running = 16;          // sequences in one step
  std::int32_t max_queued = 256;          // beyond: `busy`
  std::int32_t prefill_chunk = 512;       // prompt tokens per step, over all sequences
  std::int32_t kept_states = 64;          // finished conversations whose keys and values stay while memory lasts
  std::shared_ptr<PageFiles> page_files;  // and whose pages are found again after a restart; may be none
  std::vector<std::string> attention_policies = {"window", "topk_pages", "big_bird"};  // besides full
  std::int32_t least_attention = 64;  // tokens: the smallest window a request may ask for
  SpeculationMode speculation = SpeculationMode::automatic;
  const Clock* clock = &system_clock();
};

struct EngineStats {
  std::int64_t running = 0, queued = 0, finished = 0, cancelled = 0, failed = 0;
  std::int64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0, steps = 0;
  std::int64_t drafted_tokens = 0, accepted_tokens = 0;  // so far, running answers included
  std::int64_t disk_pages = 0, disk_bytes = 0;           // in EngineOptions::page_files
  std::int32_t most_running = 0;                         // sequences in one step, at most
};

using RequestId = std::uint64_t;

class Engine {
 public:
  /// Starts the thread. The model must outlive the engine.
  Engine(LanguageModel& model, EngineOptions options = {});
  ~Engine();  // cancels what runs, joins
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Checks the request (empty prompt, over-long: too_long with both numbers, sampling) and queues it. `busy` when
  /// full.
  Expected<RequestId> submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink);
  /// Takes effect at the next step; on_finish(cancelled) follows. Unknown ids are ignored.
  void cancel(RequestId id);
  /// No new requests (busy); returns when running ones are done or `timeout_ms` passed (then they are cancelled).
  void drain(std::int64_t timeout_ms);

  EngineStats stats() const;
  LanguageModel& model() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace heed
