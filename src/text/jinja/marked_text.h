// marked_text.h -- immutable text that knows, character by character, who wrote it.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/budget.h"

namespace heed::jinja {

/// Bytes from the end of the run before it up to `end`, all with the same author.
struct Run {
  std::size_t end = 0;
  bool trusted = false;
};

class Text final : public Object {
 public:
  Text(Budget* owner, std::size_t held_bytes, std::string all_bytes, std::vector<Run> all_runs)
      : Object(owner, held_bytes), bytes(std::move(all_bytes)), runs(std::move(all_runs)) {}

  bool trusted_at(std::size_t offset) const noexcept;
  /// True when no byte is untrusted (so also for the empty text).
  bool fully_trusted() const noexcept;

  const std::string bytes;
  const std::vector<Run> runs;  // ascending ends, neighbours differ; empty when bytes is
};
using TextPtr = std::shared_ptr<const Text>;

/// A text without a budget: constants of the program and strings of the input.
TextPtr fixed_text(std::string_view bytes, bool trusted);

/// Collects text under a budget. Once the budget is exhausted further additions do nothing and finish() fails.
class TextBuilder {
 public:
  explicit TextBuilder(Budget& budget) : budget_(&budget) {}
  ~TextBuilder() { budget_->release(held_); }
  TextBuilder(const TextBuilder&) = delete;
  TextBuilder& operator=(const TextBuilder&) = delete;

  TextBuilder& add(std::string_view bytes, bool trusted);
  TextBuilder& add(const Text& text) { return add(text, 0, text.bytes.size()); }
  TextBuilder& add(const Text& text, std::size_t from, std::size_t to);

  const std::string& bytes() const noexcept { return bytes_; }
  bool exhausted() const noexcept { return budget_->exhausted(); }
  Expected<TextPtr> finish();

 private:
  Budget* budget_;
  std::size_t held_ = 0;
  std::string bytes_;
  std::vector<Run> runs_;
};

/// The part [from, to) of a text.
Expected<TextPtr> cut(Budget& budget, const Text& text, std::size_t from, std::size_t to);
Expected<TextPtr> made_text(Budget& budget, std::string_view bytes, bool trusted);

}  // namespace heed::jinja
