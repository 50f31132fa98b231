// fake_model.h -- a tiny deterministic language model: tests of scheduling, cancellation and serving without weights.
#pragma once
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/clock.h"
#include "engine/language_model.h"

namespace heed {

/// Bytes 0..255 and the control tokens of ChatML and fill-in-the-middle.
class FakeTokenizer final : public Tokenizer {
 public:
  enum Control : std::int32_t { im_start = 256, im_end, end_of_text, fim_prefix, fim_suffix, fim_middle, vocab };

  FakeTokenizer();
  using Tokenizer::encode;
  std::vector<std::int32_t> encode(std::span<const Segment> segments, EncodeOptions options) const override;
  std::string token_bytes(std::int32_t token, bool show_control) const override;
  std::string decode(std::span<const std::int32_t> tokens, bool show_control, bool at_start) const override;
  std::int32_t vocab_size() const noexcept override { return vocab; }
  TokenKind kind(std::int32_t token) const noexcept override;
  std::int32_t find(std::string_view spelled) const noexcept override;
};

enum class FakeMode : std::uint8_t {
  hash,  // logits are a hash of the whole history: one wrong token in a state changes every later answer
  echo,  // answers a ChatML conversation with the last user text, anything else like `hash`
};

struct FakeModelOptions {
  FakeMode mode = FakeMode::hash;
  std::int32_t context = 2048;
  std::int32_t max_step_tokens = 1024;
  std::int32_t page_tokens = 16;
  std::int32_t pages = 4096;      // over all states; reserve() beyond is `busy`
  float end_bias = 3.9f;          // added to <|im_end|>; printable characters have 4
  std::int64_t fail_at_step = 0;  // the k-th step fails, counted from 1; 0: none
  FakeClock* clock = nullptr;     // moved by `step_ns` each step
  std::int64_t step_ns = 1'000'000;
  std::int64_t row_ns = 0;         // likewise, for each row beyond the first
  std::int64_t step_sleep_us = 0;  // real time, for tests of slow answers
  std::int32_t vector_size = 0;    // > 0: it makes vectors of texts and does not step
};

/// Counts what is alive, so that leaks and limits are integers. Readable from any thread.
class FakeModel final : public LanguageModel {
 public:
  explicit FakeModel(FakeModelOptions options = {});
  ~FakeModel() override;

  const Tokenizer& tokenizer() const noexcept override { return tokenizer_; }
  std::int32_t vocab_size() const noexcept override { return FakeTokenizer::vocab; }
  std::int32_t context_length() const noexcept override { return options_.context; }
  std::int32_t max_step_tokens() const noexcept override { return options_.max_step_tokens; }
  const std::string& chat_template() const noexcept override { return template_; }
  std::string description() const override { return "fake, bytes and a hash"; }
  using LanguageModel::new_state;
  std::unique_ptr<ModelState> new_state(const AttentionPolicy& policy) override;
  PageLayout page_layout() const override { return {options_.page_tokens, "fake"}; }
  Expected<void> reserve(ModelState& state, std::int32_t tokens) override;
  Expected<void> step(std::span<StepItem> items) override;
  std::int32_t vector_size() const noexcept override { return options_.vector_size; }
  std::int32_t max_step_texts() const noexcept override { return 16; }
  /// Each number is a hash of the text's tokens and its place.
  Expected<void> read(std::span<const TextItem> items) override;

  struct Ledger {
    std::atomic<std::int64_t> states{0}, pages{0}, peak_pages{0};
  };
  std::int64_t states_alive() const noexcept { return ledger_.states; }
  std::int64_t pages_used() const noexcept { return ledger_.pages; }  // shared pages count once
  std::int64_t peak_pages() const noexcept { return ledger_.peak_pages; }
  std::int64_t steps() const noexcept { return steps_; }
  std::int64_t tokens() const noexcept { return tokens_; }  // rows of all successful steps
  std::int64_t largest_step() const noexcept { return largest_step_; }
  std::int64_t most_items() const noexcept { return most_items_; }
  void fail_at_step(std::int64_t step) noexcept { fail_at_step_ = step; }

  /// Makes the next step wait inside the model until resume(): tests arrange what the engine finds afterwards.
  void hold();
  /// Returns when a step waits; false after `timeout_ms`.
  bool wait_until_held(std::int64_t timeout_ms);
  void resume();

 private:
  Expected<void> check_step(std::span<const StepItem> items) const;
  void wait_while_held();

  FakeModelOptions options_;
  FakeTokenizer tokenizer_;
  std::string template_;
  Ledger ledger_;
  std::atomic<std::int64_t> steps_{0}, tokens_{0}, largest_step_{0}, most_items_{0}, fail_at_step_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_held_ = false, is_waiting_ = false;
};

}  // namespace heed
