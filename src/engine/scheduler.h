// scheduler.h -- which sequences run, and what each feeds in the next step. Used by the engine's thread only.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/disk_pages.h"
#include "engine/prefix_store.h"
#include "engine/sequence.h"

namespace heed {

/// One sequence's share of the next step: its first `tokens` unfed tokens.
struct Planned {
  Sequence* sequence = nullptr;
  std::int32_t tokens = 0;
  bool scores_prompt = false;  // logits of all positions
  std::int32_t drafts = 0;     // guesses behind its last token; logits of that token and of all guesses
};

/// A sequence that can never run, and why.
struct Refusal {
  std::unique_ptr<Sequence> sequence;
  Error error;
};

/// Fair by service: each tenant's computed tokens are counted, the least served tenant is admitted and prefilled first
/// (virtual token counters, Sheng et al. 2024). A tenant that comes back from idleness starts at the least of the busy
/// ones, so that idling earns nothing. Inside a tenant: higher priority, then older.
///
/// Memory: LanguageModel::reserve decides. When it says busy, kept states go first; then the sequence waits for others;
/// when nobody can move, the youngest is preempted (its pages go to disk or are computed again later: the same
/// answer either way); a sequence that is alone and does not fit is refused.
class Scheduler {
 public:
  Scheduler(LanguageModel& model, const EngineOptions& options);

  void enqueue(std::unique_ptr<Sequence> sequence);
  /// Lets waiting sequences run while slots and memory allow. Call again while it refuses one.
  std::optional<Refusal> admit(std::int64_t now_ns);
  /// Fills `plan` with reserved items. Call again while it refuses one. Empty: nothing runs.
  std::optional<Refusal> plan(std::vector<Planned>& plan);
  /// Takes out every sequence that `matches`, waiting or running.
  std::vector<std::unique_ptr<Sequence>> take_if(const std::function<bool(const Sequence&)>& matches);
  /// Gives the sequence's state to the kept ones.
  void keep_state(Sequence& sequence);

  bool has_work() const noexcept { return !running_.empty() || waiting_ > 0; }
  std::size_t running() const noexcept { return running_.size(); }
  std::size_t waiting() const noexcept { return waiting_; }
  std::size_t kept() const noexcept { return kept_.size(); }

 private:
  using Rank = std::pair<std::int64_t, RequestId>;  // negated priority, id: lowest first
  struct Tenant {
    double service = 0;
    std::size_t running = 0;
    std::map<Rank, std::unique_ptr<Sequence>> waiting;
  };

  static Rank rank(const Sequence& s) noexcept { return {-static_cast<std::int64_t>(s.request().priority), s.id()}; }
  Tenant& tenant_of(const Sequence& s);
  void drop_if_idle(const std::string& name);
  Tenant* least_served();
  std::unique_ptr<Sequence> take_waiting(Tenant& tenant, Rank rank);
  std::unique_ptr<Sequence> take_running(const Sequence& sequence);
  std::int32_t attach_state(Sequence& sequence);
  std::int32_t restore_pages(Sequence& sequence, std::int32_t cached);
  void keep_pages(const Sequence& sequence);
  Expected<void> reserve(Sequence& sequence, std::int32_t tokens);
  Expected<void> reserve_for_admission(Sequence& sequence);
  bool add(std::vector<Planned>& plan, Sequence& sequence, std::int32_t tokens);
  void plan_decodes(std::vector<Planned>& plan);
  void plan_prefills(std::vector<Planned>& plan);
  void preempt_one();

  LanguageModel& model_;
  EngineOptions options_;
  PrefixStore kept_;
  std::unique_ptr<DiskPages> disk_;        // may be none
  std::map<std::string, Tenant> tenants_;  // with waiting or running sequences only
  std::vector<std::unique_ptr<Sequence>> running_;
  std::vector<Sequence*> order_;  // scratch of plan()
  std::size_t waiting_ = 0;
  std::size_t turn_ = 0;         // who decodes first when a step cannot hold everyone
  std::int32_t score_rows_ = 1;  // rows of logits that prompt logprobs may use in one step
  bool is_short_ = false;        // memory is short: nobody is admitted until someone finishes
  std::optional<Error> last_busy_;
};

}  // namespace heed
