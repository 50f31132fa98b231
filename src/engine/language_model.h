// language_model.h -- what the engine needs of a model. Two implementations: the real one (model room) and a tiny fake
// for tests of scheduling, cancellation and serving.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cache/attention_policy.h"
#include "core/expected.h"
#include "text/tokenizer.h"

namespace heed {

/// One sequence's keys and values, owned by the model's cache.
class ModelState {
 public:
  virtual ~ModelState() = default;
  virtual std::int32_t length() const noexcept = 0;  // tokens stored
  virtual void truncate(std::int32_t tokens) noexcept = 0;
  virtual std::unique_ptr<ModelState> fork() const = 0;  // shares what it can

  /// The bytes of whole page i, as PageLayout has them; empty: there is none that could leave.
  virtual std::span<const std::byte> page(std::int32_t i) const noexcept {
    (void)i;
    return {};
  }
  /// Room for the bytes of the next whole page, in reserved memory; empty: the state ends inside a page. close_page()
  /// makes them part of it.
  virtual std::span<std::byte> open_page() noexcept { return {}; }
  virtual void close_page() noexcept {}
};

/// Pages that may leave a model and come back.
struct PageLayout {
  std::int32_t tokens = 0;  // of a page; 0: they may not
  std::string identity;     // of everything besides the tokens that decides a page's bytes
};

/// One sequence's share of a step.
struct StepItem {
  ModelState* state = nullptr;
  std::span<const std::int32_t> tokens;  // go to positions state->length() ..
  std::span<float> logits;               // [vocab] of the last token, or [tokens.size() * vocab] of all, or empty
};

/// A whole text that becomes a vector.
struct TextItem {
  std::span<const std::int32_t> tokens;
  std::span<float> vector;  // [vector_size()]
};

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;
  virtual const Tokenizer& tokenizer() const noexcept = 0;
  virtual std::int32_t vocab_size() const noexcept = 0;
  virtual std::int32_t context_length() const noexcept = 0;       // tokens one sequence may hold
  virtual std::int32_t max_step_tokens() const noexcept = 0;      // over all items of one step
  virtual const std::string& chat_template() const noexcept = 0;  // Jinja source, empty for base models
  virtual std::string description() const = 0;                    // "qwen2 0.5B Q4_K_M, ..." for logs and pages
  /// A state keeps its policy for life, and so do its forks.
  virtual std::unique_ptr<ModelState> new_state(const AttentionPolicy& policy) = 0;
  virtual PageLayout page_layout() const { return {}; }
  std::unique_ptr<ModelState> new_state() { return new_state(AttentionPolicy{}); }
  /// Is the prompt an encoder's source? Then an answer is a text of its own.
  virtual bool has_source() const noexcept { return false; }
  /// Do states drop their last tokens at no cost? Only then tokens are guessed.
  virtual bool forgets_freely() const noexcept { return true; }
  /// Memory check ahead of a step: can `state` grow by `tokens`? `busy` when not now.
  virtual Expected<void> reserve(ModelState& state, std::int32_t tokens) = 0;
  /// One forward pass over a ragged batch. Items were reserved. On error no state advanced.
  virtual Expected<void> step(std::span<StepItem> items) = 0;
  /// Numbers of the vector that it makes of a text; 0: it makes none, it writes. One that makes vectors does not step.
  virtual std::int32_t vector_size() const noexcept { return 0; }
  virtual std::int32_t max_step_texts() const noexcept { return 0; }
  /// Whole texts to vectors in one pass: at most max_step_texts(), together max_step_tokens(), each context_length().
  /// A vector's bits depend on its own text alone.
  virtual Expected<void> read(std::span<const TextItem> items) {
    (void)items;
    return fail(Code::unsupported, "read: this model makes no vectors");
  }
};

}  // namespace heed
