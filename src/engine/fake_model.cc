// fake_model.cc -- states of shared, counted pages; logits from a hash of the history, or the echo of a conversation.
#include "engine/fake_model.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

namespace heed {
namespace {

constexpr const char* kChatMl =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

struct Page {
  explicit Page(FakeModel::Ledger& l) : ledger(&l) {
    const std::int64_t now = ++ledger->pages;
    ledger->peak_pages = std::max(ledger->peak_pages.load(), now);
  }
  Page(const Page& o) : Page(*o.ledger) {
    tokens = o.tokens;
    hashes = o.hashes;
  }
  Page& operator=(const Page&) = delete;
  ~Page() { --ledger->pages; }

  FakeModel::Ledger* ledger;
  std::vector<std::int32_t> tokens;   // [up to page_tokens]
  std::vector<std::uint64_t> hashes;  // [tokens.size()], of everything up to that token
};

class FakeState final : public ModelState {
 public:
  FakeState(FakeModel::Ledger& ledger, std::int32_t page_tokens) : ledger_(&ledger), page_tokens_(page_tokens) {
    ++ledger_->states;
  }
  ~FakeState() override { --ledger_->states; }

  std::int32_t length() const noexcept override { return length_; }
  void truncate(std::int32_t tokens) noexcept override {
    length_ = std::clamp(tokens, 0, length_);
    pages_.resize(static_cast<std::size_t>((length_ + page_tokens_ - 1) / page_tokens_));
  }
  std::unique_ptr<ModelState> fork() const override {
    auto out = std::make_unique<FakeState>(*ledger_, page_tokens_);
    out->pages_ = pages_;
    out->length_ = length_;
    out->truncate(length_);
    return out;
  }

  std::span<const std::byte> page(std::int32_t i) const noexcept override {
    if ((i + 1) * page_tokens_ > length_) return {};
    const Page& page = *pages_[static_cast<std::size_t>(i)];
    bytes_.resize(page_bytes());
    std::memcpy(bytes_.data(), page.tokens.data(), token_bytes());
    std::memcpy(bytes_.data() + token_bytes(), page.hashes.data(), page_bytes() - token_bytes());
    return bytes_;
  }
  std::span<std::byte> open_page() noexcept override {
    if (length_ % page_tokens_ != 0 || last() >= pages_.size()) return {};
    bytes_.resize(page_bytes());
    return bytes_;
  }
  void close_page() noexcept override {
    Page& page = *pages_[last()];
    page.tokens.resize(static_cast<std::size_t>(page_tokens_));
    page.hashes.resize(static_cast<std::size_t>(page_tokens_));
    std::memcpy(page.tokens.data(), bytes_.data(), token_bytes());
    std::memcpy(page.hashes.data(), bytes_.data() + token_bytes(), page_bytes() - token_bytes());
    length_ += page_tokens_;
  }

  /// Pages to be made for `tokens` more: new ones and the copy of a shared last one.
  std::int64_t missing_pages(std::int32_t tokens) const noexcept {
    const std::int64_t wanted = (length_ + tokens + page_tokens_ - 1) / page_tokens_;
    const bool copies = tokens > 0 && is_last_shared();
    return std::max<std::int64_t>(0, wanted - static_cast<std::int64_t>(pages_.size())) + (copies ? 1 : 0);
  }
  void grow(std::int32_t tokens) {
    if (tokens > 0 && is_last_shared()) pages_[last()] = std::make_shared<Page>(*pages_[last()]);
    for (std::int64_t n = missing_pages(tokens); n > 0; --n) pages_.push_back(std::make_shared<Page>(*ledger_));
  }
  void append(std::int32_t token) {
    Page& page = *pages_[last()];
    const auto at = static_cast<std::size_t>(length_ % page_tokens_);
    page.tokens.resize(at);  // whatever a longer relative wrote there before truncate()
    page.hashes.resize(at);
    const std::uint64_t next = mix(hash() ^ (static_cast<std::uint64_t>(token) + 1) * 0x9e3779b97f4a7c15ULL);
    page.tokens.push_back(token);
    page.hashes.push_back(next);
    ++length_;
  }
  std::uint64_t hash() const noexcept { return length_ == 0 ? 0x1234567ULL : hash_at(length_ - 1); }
  std::vector<std::int32_t> history() const {
    std::vector<std::int32_t> out;
    for (const auto& page : pages_) out.insert(out.end(), page->tokens.begin(), page->tokens.end());
    out.resize(static_cast<std::size_t>(length_));
    return out;
  }

 private:
  std::size_t token_bytes() const noexcept { return static_cast<std::size_t>(page_tokens_) * sizeof(std::int32_t); }
  std::size_t page_bytes() const noexcept { return 3 * token_bytes(); }
  std::size_t last() const noexcept { return static_cast<std::size_t>(length_ / page_tokens_); }
  bool is_last_shared() const noexcept {
    return length_ % page_tokens_ != 0 && last() < pages_.size() && pages_[last()].use_count() > 1;
  }
  std::uint64_t hash_at(std::int32_t at) const noexcept {
    return pages_[static_cast<std::size_t>(at / page_tokens_)]->hashes[static_cast<std::size_t>(at % page_tokens_)];
  }

  FakeModel::Ledger* ledger_;
  std::int32_t page_tokens_;
  std::int32_t length_ = 0;
  std::vector<std::shared_ptr<Page>> pages_;
  mutable std::vector<std::byte> bytes_;  // of the page that leaves or comes
};

FakeState& as_fake(ModelState& state) noexcept { return static_cast<FakeState&>(state); }

void fill_hash_logits(std::uint64_t hash, float end_bias, std::span<float> logits) {
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const std::uint64_t h = mix(hash + (i + 1) * 0xd1342543de82ef95ULL);
    float value = static_cast<float>(h >> 40) * (8.0f / 16777216.0f) - 4.0f;  // [-4, 4)
    const auto token = static_cast<std::int32_t>(i);
    if (token >= ' ' && token <= '~') value += 4.0f;
    if (token >= 128 && token < FakeTokenizer::im_start) value += 2.0f;
    if (token == FakeTokenizer::im_end) value += end_bias;
    if (token >= FakeTokenizer::im_start && token != FakeTokenizer::im_end) value -= 40.0f;
    logits[i] = value;
  }
}

std::int64_t rows_of(std::span<const StepItem> items) {
  std::int64_t rows = 0;
  for (const StepItem& item : items) rows += static_cast<std::int64_t>(item.tokens.size());
  return rows;
}

/// What comes next when the answer repeats the last user turn; -1 when this is no ChatML conversation.
std::int32_t next_echo(const std::vector<std::int32_t>& history) {
  const FakeTokenizer tokenizer;
  const auto user = tokenizer.encode("<|im_start|>user\n", true, {});
  const auto assistant = tokenizer.encode("<|im_start|>assistant\n", true, {});
  const auto answer = std::find_end(history.begin(), history.end(), assistant.begin(), assistant.end());
  const auto question = std::find_end(history.begin(), answer, user.begin(), user.end());
  if (answer == history.end() || question == answer) return -1;
  const auto text = question + static_cast<std::ptrdiff_t>(user.size());
  const auto length = std::find(text, answer, static_cast<std::int32_t>(FakeTokenizer::im_end)) - text;
  const auto done = history.end() - (answer + static_cast<std::ptrdiff_t>(assistant.size()));
  return done < length ? *(text + done) : static_cast<std::int32_t>(FakeTokenizer::im_end);
}

}  // namespace

FakeModel::FakeModel(FakeModelOptions options)
    : options_(options), template_(kChatMl), fail_at_step_(options.fail_at_step) {}

FakeModel::~FakeModel() = default;

std::unique_ptr<ModelState> FakeModel::new_state(const AttentionPolicy&) {
  return std::make_unique<FakeState>(ledger_, options_.page_tokens);
}

Expected<void> FakeModel::reserve(ModelState& state, std::int32_t tokens) {
  FakeState& fake = as_fake(state);
  if (fake.length() + tokens > options_.context) {
    return fail(Code::too_long, "reserve: the context holds " + std::to_string(options_.context) + " tokens");
  }
  const std::int64_t missing = fake.missing_pages(tokens);
  if (ledger_.pages + missing > options_.pages) {
    return fail(Code::busy, "reserve: " + std::to_string(missing) + " pages wanted, " +
                                std::to_string(options_.pages - ledger_.pages) + " free");
  }
  fake.grow(tokens);
  return {};
}

Expected<void> FakeModel::check_step(std::span<const StepItem> items) const {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const StepItem& item = items[i];
    const std::size_t n = item.tokens.size(), vocab = FakeTokenizer::vocab;
    total += static_cast<std::int64_t>(n);
    if (!item.state || n == 0) return fail(Code::internal, "step: an item without state or tokens");
    for (std::size_t j = 0; j < i; ++j) {
      if (items[j].state == item.state) return fail(Code::internal, "step: one state in two items");
    }
    if (as_fake(*item.state).missing_pages(static_cast<std::int32_t>(n)) > 0) {
      return fail(Code::internal, "step: an item that was not reserved");
    }
    const bool is_right = item.logits.empty() || item.logits.size() == vocab || item.logits.size() == n * vocab;
    if (!is_right) return fail(Code::internal, "step: logits of a wrong size");
    for (const std::int32_t token : item.tokens) {
      if (token < 0 || token >= FakeTokenizer::vocab)
        return fail(Code::internal, "step: a token outside the vocabulary");
    }
  }
  if (total == 0 || total > options_.max_step_tokens) {
    return fail(Code::internal,
                "step: " + std::to_string(total) + " tokens, at most " + std::to_string(options_.max_step_tokens));
  }
  return {};
}

Expected<void> FakeModel::step(std::span<StepItem> items) {
  wait_while_held();
  const std::int64_t number = ++steps_;
  if (options_.clock) options_.clock->advance_ns(options_.step_ns + options_.row_ns * (rows_of(items) - 1));
  if (options_.step_sleep_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(options_.step_sleep_us));
  if (number == fail_at_step_) return fail(Code::internal, "step: injected failure at step " + std::to_string(number));
  HEED_TRY(check_step(items));
  std::int64_t total = 0;
  for (StepItem& item : items) {
    FakeState& state = as_fake(*item.state);
    const std::size_t n = item.tokens.size(), vocab = FakeTokenizer::vocab;
    const bool wants_all = n > 1 && item.logits.size() == n * vocab;
    for (std::size_t i = 0; i < n; ++i) {
      state.append(item.tokens[i]);
      if (item.logits.empty() || (!wants_all && i + 1 < n)) continue;
      const std::span<float> row = item.logits.subspan(wants_all ? i * vocab : 0, vocab);
      fill_hash_logits(state.hash(), options_.end_bias, row);
      const std::int32_t echo = options_.mode == FakeMode::echo ? next_echo(state.history()) : -1;
      if (echo >= 0) row[static_cast<std::size_t>(echo)] = 80.0f;  // certain at any usual temperature
    }
    total += static_cast<std::int64_t>(n);
  }
  tokens_ += total;
  largest_step_ = std::max(largest_step_.load(), total);
  most_items_ = std::max(most_items_.load(), static_cast<std::int64_t>(items.size()));
  return {};
}

Expected<void> FakeModel::read(std::span<const TextItem> items) {
  wait_while_held();
  const std::int64_t number = ++steps_;
  if (options_.step_sleep_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(options_.step_sleep_us));
  if (number == fail_at_step_) return fail(Code::internal, "read: injected failure at step " + std::to_string(number));
  std::int64_t total = 0;
  for (const TextItem& item : items) {
    std::uint64_t hash = 0x1234567ULL;
    for (const std::int32_t token : item.tokens)
      hash = mix(hash ^ (static_cast<std::uint64_t>(token) + 1) * 0x9e3779b97f4a7c15ULL);
    for (float& x : item.vector) {
      hash = mix(hash + 1);
      x = static_cast<float>(hash >> 40) / 8388608.0f - 1.0f;
    }
    total += static_cast<std::int64_t>(item.tokens.size());
  }
  tokens_ += total;
  largest_step_ = std::max(largest_step_.load(), total);
  most_items_ = std::max(most_items_.load(), static_cast<std::int64_t>(items.size()));
  return {};
}

void FakeModel::wait_while_held() {
  std::unique_lock lock(mutex_);
  is_waiting_ = is_held_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return !is_held_; });
  is_waiting_ = false;
}

void FakeModel::hold() {
  const std::scoped_lock lock(mutex_);
  is_held_ = true;
}

bool FakeModel::wait_until_held(std::int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return is_waiting_; });
}

void FakeModel::resume() {
  {
    const std::scoped_lock lock(mutex_);
    is_held_ = false;
  }
  changed_.notify_all();
}

}  // namespace heed
