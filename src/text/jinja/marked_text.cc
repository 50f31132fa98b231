// marked_text.cc -- runs of trust under construction and cutting.
#include "text/jinja/marked_text.h"

#include <algorithm>

namespace heed::jinja {
namespace {

constexpr std::size_t kObjectBytes = 160;  // control block, string and vector headers, allocator overhead
constexpr std::size_t kBytesPerStep = 256;

std::vector<Run>::const_iterator run_at(const std::vector<Run>& runs, std::size_t offset) noexcept {
  return std::upper_bound(runs.begin(), runs.end(), offset,
                          [](std::size_t value, const Run& run) { return value < run.end; });
}

}  // namespace

bool Text::trusted_at(std::size_t offset) const noexcept {
  const auto run = run_at(runs, offset);
  return run != runs.end() && run->trusted;
}

bool Text::fully_trusted() const noexcept {
  return std::all_of(runs.begin(), runs.end(), [](const Run& run) { return run.trusted; });
}

TextPtr fixed_text(std::string_view bytes, bool trusted) {
  std::vector<Run> runs;
  if (!bytes.empty()) runs.push_back({bytes.size(), trusted});
  return std::make_shared<const Text>(nullptr, 0, std::string(bytes), std::move(runs));
}

TextBuilder& TextBuilder::add(std::string_view bytes, bool trusted) {
  if (bytes.empty() || budget_->exhausted()) return *this;
  const bool new_run = runs_.empty() || runs_.back().trusted != trusted;
  const std::size_t held = bytes.size() + (new_run ? sizeof(Run) : 0);
  budget_->hold(held);
  held_ += held;
  budget_->spend(static_cast<std::int64_t>(bytes.size() / kBytesPerStep));
  if (budget_->exhausted()) return *this;
  bytes_.append(bytes);
  if (new_run) runs_.push_back({0, trusted});
  runs_.back().end = bytes_.size();
  return *this;
}

TextBuilder& TextBuilder::add(const Text& text, std::size_t from, std::size_t to) {
  to = std::min(to, text.bytes.size());
  std::size_t at = from;
  for (auto run = run_at(text.runs, from); at < to && run != text.runs.end(); ++run) {
    const std::size_t end = std::min(run->end, to);
    add(std::string_view(text.bytes).substr(at, end - at), run->trusted);
    at = end;
  }
  return *this;
}

Expected<TextPtr> TextBuilder::finish() {
  HEED_TRY(budget_->check());
  budget_->hold(kObjectBytes);
  held_ += kObjectBytes;
  HEED_TRY(budget_->check());
  budget_->release(held_);
  const std::size_t held = std::exchange(held_, 0);
  return TextPtr(std::make_shared<const Text>(budget_, held, std::move(bytes_), std::move(runs_)));
}

Expected<TextPtr> cut(Budget& budget, const Text& text, std::size_t from, std::size_t to) {
  TextBuilder builder(budget);
  builder.add(text, from, to);
  return builder.finish();
}

Expected<TextPtr> made_text(Budget& budget, std::string_view bytes, bool trusted) {
  TextBuilder builder(budget);
  builder.add(bytes, trusted);
  return builder.finish();
}

}  // namespace heed::jinja
