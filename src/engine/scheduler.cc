// scheduler.cc -- admission by memory, fairness by service, one ragged batch a step.
#include "engine/scheduler.h"

#include <algorithm>
#include <limits>

namespace heed {
namespace {

constexpr std::int64_t kScoreBytes = std::int64_t{64} << 20;  // logits of prompt positions held at once
constexpr std::int32_t kHeadroomTokens = 64;                  // of an answer, reserved at admission: one real page

}  // namespace

Scheduler::Scheduler(LanguageModel& model, const EngineOptions& options)
    : model_(model), options_(options), kept_(options.kept_states), disk_(DiskPages::make(options.page_files, model)) {
  options_.max_running = std::max(options_.max_running, 1);
  options_.prefill_chunk = std::max(options_.prefill_chunk, 1);
  const std::int64_t row_bytes =
      std::max<std::int64_t>(model.vocab_size(), 1) * static_cast<std::int64_t>(sizeof(float));
  score_rows_ = static_cast<std::int32_t>(std::clamp<std::int64_t>(kScoreBytes / row_bytes, 1, 1 << 20));
}

void Scheduler::enqueue(std::unique_ptr<Sequence> sequence) {
  Tenant& tenant = tenant_of(*sequence);
  const Rank key = rank(*sequence);
  tenant.waiting.emplace(key, std::move(sequence));
  ++waiting_;
}

Scheduler::Tenant& Scheduler::tenant_of(const Sequence& s) {
  const auto found = tenants_.find(s.request().tenant);
  if (found != tenants_.end()) return found->second;
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [name, tenant] : tenants_) least = std::min(least, tenant.service);
  Tenant& fresh = tenants_[s.request().tenant];
  fresh.service = tenants_.size() > 1 ? least : 0;
  return fresh;
}

void Scheduler::drop_if_idle(const std::string& name) {
  const auto found = tenants_.find(name);
  if (found != tenants_.end() && found->second.running == 0 && found->second.waiting.empty()) tenants_.erase(found);
}

Scheduler::Tenant* Scheduler::least_served() {
  Tenant* best = nullptr;
  const auto arrived = [](const Tenant& t) { return t.waiting.begin()->second->id(); };
  for (auto& [name, tenant] : tenants_) {
    if (tenant.waiting.empty()) continue;
    const bool is_better = !best || tenant.service < best->service ||
                           (tenant.service == best->service && arrived(tenant) < arrived(*best));
    if (is_better) best = &tenant;
  }
  return best;
}

std::unique_ptr<Sequence> Scheduler::take_waiting(Tenant& tenant, Rank key) {
  auto node = tenant.waiting.extract(key);
  --waiting_;
  return std::move(node.mapped());
}

std::unique_ptr<Sequence> Scheduler::take_running(const Sequence& sequence) {
  const auto found =
      std::find_if(running_.begin(), running_.end(), [&](const auto& s) { return s.get() == &sequence; });
  std::unique_ptr<Sequence> out = std::move(*found);
  running_.erase(found);
  --tenant_of(*out).running;
  return out;
}

std::vector<std::unique_ptr<Sequence>> Scheduler::take_if(const std::function<bool(const Sequence&)>& matches) {
  std::vector<std::unique_ptr<Sequence>> out;
  for (std::size_t i = running_.size(); i > 0; --i) {
    if (!matches(*running_[i - 1])) continue;
    out.push_back(take_running(*running_[i - 1]));
    is_short_ = false;
  }
  for (auto& [name, tenant] : tenants_) {
    for (auto w = tenant.waiting.begin(); w != tenant.waiting.end();) {
      const Rank key = w->first;
      const bool is_match = matches(*w->second);
      ++w;
      if (is_match) out.push_back(take_waiting(tenant, key));
    }
  }
  for (const auto& s : out) drop_if_idle(s->request().tenant);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a->id() < b->id(); });
  return out;
}

// A lossy policy's keys and values depend on what it left out.
void Scheduler::keep_pages(const Sequence& sequence) {
  if (!disk_ || !sequence.state || sequence.request().attention.is_lossy()) return;
  const auto fed = static_cast<std::size_t>(sequence.fed());
  disk_->keep(sequence.state_owner(), std::span(sequence.tokens()).first(fed), *sequence.state);
}

/// Pages on disk that hold more of an admitted sequence than the `cached` tokens of its state. Returns what it holds.
std::int32_t Scheduler::restore_pages(Sequence& sequence, std::int32_t cached) {
  if (!disk_ || sequence.request().prompt_logprobs || sequence.request().attention.is_lossy()) return cached;
  const std::span<const std::int32_t> all_but_one = std::span(sequence.tokens()).first(sequence.tokens().size() - 1);
  const std::int32_t found = disk_->find(sequence.state_owner(), all_but_one), page = disk_->page_tokens();
  if (found < cached + page) return cached;
  sequence.state->truncate(cached / page * page);
  // What truncate() gave back is taken again, page for page.
  if (!model_.reserve(*sequence.state, sequence.left())) return sequence.state->length();
  disk_->restore(*sequence.state);
  return sequence.state->length();
}

void Scheduler::keep_state(Sequence& sequence) {
  if (!sequence.state) return;
  keep_pages(sequence);
  const auto fed = static_cast<std::size_t>(sequence.fed());
  kept_.keep(sequence.state_owner(), std::span(sequence.tokens()).first(fed), std::move(sequence.state));
  sequence.state.reset();
}

/// Forks the tenant's state with the longest common prefix, kept or running. Returns the tokens it brought.
std::int32_t Scheduler::attach_state(Sequence& sequence) {
  const std::span<const std::int32_t> tokens = sequence.tokens();
  PrefixStore::Match best;
  // Logprobs of the prompt need every position computed.
  if (!sequence.request().prompt_logprobs) {
    best = kept_.find(sequence.state_owner(), tokens);
    for (const auto& other : running_) {
      if (other->state_owner() != sequence.state_owner() || !other->state) continue;
      const auto fed = static_cast<std::size_t>(other->fed());
      const std::int32_t common = common_prefix(std::span(other->tokens()).first(fed), tokens);
      if (common > best.common) best = {other->state.get(), common};
    }
  }
  const std::int32_t reused = std::min(best.common, sequence.total() - 1);  // one token is left to compute logits
  if (best.state && reused >= PrefixStore::kLeastTokens) {
    sequence.state = best.state->fork();
    if (sequence.state) sequence.state->truncate(reused);
    if (sequence.state && sequence.state->length() == reused) return reused;
  }
  sequence.state = model_.new_state(sequence.request().attention);
  return 0;
}

Expected<void> Scheduler::reserve(Sequence& sequence, std::int32_t tokens) {
  for (;;) {
    Expected<void> done = model_.reserve(*sequence.state, tokens);
    if (done || done.error().code != Code::busy || !kept_.evict_one()) return done;
  }
}

Expected<void> Scheduler::reserve_for_admission(Sequence& sequence) {
  if (!sequence.state) return fail(Code::busy, "admission: the model has no memory for another state");
  const std::int32_t answer = std::clamp(sequence.limit() - sequence.total(), 0, kHeadroomTokens);
  Expected<void> done = reserve(sequence, sequence.left() + answer);
  const bool is_last_chance = !done && running_.empty() && answer > 0;
  return is_last_chance ? reserve(sequence, sequence.left()) : std::move(done);
}

std::optional<Refusal> Scheduler::admit(std::int64_t now_ns) {
  while (!is_short_ && running_.size() < static_cast<std::size_t>(options_.max_running)) {
    Tenant* tenant = least_served();
    if (!tenant) break;
    const Rank key = tenant->waiting.begin()->first;
    Sequence& next = *tenant->waiting.begin()->second;
    const std::int32_t cached = attach_state(next);
    Expected<void> reserved = reserve_for_admission(next);
    if (reserved) {
      next.mark_admitted(now_ns, restore_pages(next, cached));
      running_.push_back(take_waiting(*tenant, key));
      ++tenant->running;
      continue;
    }
    next.state.reset();
    if (reserved.error().code == Code::busy && !running_.empty())
      break;  // nobody overtakes: large ones must not starve
    Refusal refusal{take_waiting(*tenant, key), std::move(reserved).error()};
    drop_if_idle(refusal.sequence->request().tenant);
    return refusal;
  }
  return std::nullopt;
}

bool Scheduler::add(std::vector<Planned>& plan, Sequence& sequence, std::int32_t tokens) {
  const Expected<void> reserved = reserve(sequence, tokens);
  if (!reserved) {
    is_short_ = true;
    last_busy_ = reserved.error();
    return false;
  }
  plan.push_back({&sequence, tokens, sequence.scores_prompt()});
  tenant_of(sequence).service += tokens;
  return true;
}

void Scheduler::plan_decodes(std::vector<Planned>& plan) {
  order_.clear();
  for (const auto& s : running_) {
    if (s->is_decoding()) order_.push_back(s.get());
  }
  // Oldest first, so that the oldest get memory first.
  std::sort(order_.begin(), order_.end(), [](const Sequence* a, const Sequence* b) { return a->id() < b->id(); });
  const auto most = static_cast<std::size_t>(std::max(model_.max_step_tokens(), 1));
  const bool is_crowded = order_.size() > most;
  const std::size_t start = is_crowded ? turn_ % order_.size() : 0;
  for (std::size_t i = 0; i < order_.size() && plan.size() < most; ++i) {
    add(plan, *order_[(start + i) % order_.size()], 1);
  }
  turn_ += is_crowded ? most : 0;
}

void Scheduler::plan_prefills(std::vector<Planned>& plan) {
  std::int32_t budget = model_.max_step_tokens() - static_cast<std::int32_t>(plan.size());
  budget = std::min(budget, options_.prefill_chunk);
  std::int32_t score_rows = score_rows_;
  order_.clear();
  for (const auto& s : running_) {
    if (!s->is_decoding()) order_.push_back(s.get());
  }
  std::sort(order_.begin(), order_.end(), [&](const Sequence* a, const Sequence* b) {
    const double a_service = tenant_of(*a).service, b_service = tenant_of(*b).service;
    return a_service != b_service ? a_service < b_service : rank(*a) < rank(*b);
  });
  for (Sequence* s : order_) {
    const std::int32_t room = s->scores_prompt() ? std::min(budget, score_rows) : budget;
    const std::int32_t tokens = std::min(s->left(), room);
    if (tokens <= 0 || !add(plan, *s, tokens)) continue;
    budget -= tokens;
    if (plan.back().scores_prompt) score_rows -= tokens;
  }
}

/// Only called when nobody can move: the lowest priority, then the youngest, makes room.
void Scheduler::preempt_one() {
  const auto victim = std::max_element(running_.begin(), running_.end(),
                                       [](const auto& a, const auto& b) { return rank(*a) < rank(*b); });
  std::unique_ptr<Sequence> sequence = take_running(**victim);
  keep_pages(*sequence);
  sequence->state.reset();
  enqueue(std::move(sequence));
}

std::optional<Refusal> Scheduler::plan(std::vector<Planned>& plan) {
  plan.clear();
  while (!running_.empty()) {
    plan_decodes(plan);
    plan_prefills(plan);
    if (!plan.empty()) break;
    if (running_.size() > 1) {
      preempt_one();
      continue;
    }
    Refusal refusal{take_running(*running_.front()),
                    last_busy_.value_or(Error{Code::internal, "plan: nothing to do", ""})};
    refusal.sequence->state.reset();
    drop_if_idle(refusal.sequence->request().tenant);
    is_short_ = false;
    return refusal;
  }
  return std::nullopt;
}

}  // namespace heed
