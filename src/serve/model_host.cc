// model_host.cc -- one thread loads and unloads. Models are destroyed there and nowhere else: the last holder may be
// the model's own engine thread, which cannot join itself.
#include "serve/model_host.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

namespace heed {

struct ModelHost::State : std::enable_shared_from_this<State> {
  struct Slot {
    ModelPointer model;
    std::uint64_t last_use = 0;
  };

  State(std::unique_ptr<ModelSource> the_source, ModelHostOptions the_options)
      : source(std::move(the_source)), options(the_options) {}

  bool can_progress() const {
    if (!garbage.empty()) return true;
    if (is_stopping) return live == 0;
    return !wanted.empty() && (live < options.max_loaded || !slots.empty());
  }
  void run();
  void bury(std::unique_lock<std::mutex>& lock);
  void evict(std::unique_lock<std::mutex>& lock);
  void load_next(std::unique_lock<std::mutex>& lock);
  ModelPointer adopt(std::unique_ptr<LoadedModel> model);

  std::unique_ptr<ModelSource> source;
  ModelHostOptions options;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, Slot> slots;                  // loaded
  std::deque<std::string> wanted;                     // to load, first come first served
  std::map<std::string, std::vector<Ready>> waiters;  // of wanted and loading models
  std::vector<LoadedModel*> garbage;                  // without holders
  std::int32_t live = 0;                              // loaded, draining or garbage
  std::int32_t waiting = 0;
  std::uint64_t uses = 0;
  std::string error;
  bool is_stopping = false;
  std::thread thread;
};

ModelPointer ModelHost::State::adopt(std::unique_ptr<LoadedModel> model) {
  return ModelPointer(model.release(), [state = shared_from_this()](LoadedModel* unheld) {
    const std::lock_guard lock(state->mutex);
    state->garbage.push_back(unheld);
    state->changed.notify_all();
  });
}

void ModelHost::State::bury(std::unique_lock<std::mutex>& lock) {
  std::vector<LoadedModel*> dead;
  std::swap(dead, garbage);
  lock.unlock();
  for (LoadedModel* model : dead) delete model;
  lock.lock();
  live -= static_cast<std::int32_t>(dead.size());
  changed.notify_all();
}

// The least recently used one goes; it is destroyed once its last request is done.
void ModelHost::State::evict(std::unique_lock<std::mutex>& lock) {
  const auto oldest = std::min_element(
      slots.begin(), slots.end(), [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; });
  ModelPointer model = std::move(oldest->second.model);
  slots.erase(oldest);
  lock.unlock();
  model.reset();
  lock.lock();
}

void ModelHost::State::load_next(std::unique_lock<std::mutex>& lock) {
  const std::string name = wanted.front();
  ++live;
  lock.unlock();
  Expected<std::unique_ptr<LoadedModel>> made = source->load(name);
  lock.lock();
  wanted.pop_front();
  std::vector<Ready> ready = std::move(waiters[name]);
  waiters.erase(name);
  waiting -= static_cast<std::int32_t>(ready.size());
  ModelPointer model;
  if (made) {
    model = adopt(std::move(*made));
    if (!is_stopping) slots[name] = Slot{model, ++uses};
    error.clear();
  } else {
    --live;
    error = made.error().text;
  }
  lock.unlock();
  for (Ready& call : ready) call(made ? Expected<ModelPointer>(model) : Expected<ModelPointer>(made.error()));
  ready.clear();
  model.reset();
  lock.lock();
}

void ModelHost::State::run() {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return can_progress(); });
    if (!garbage.empty())
      bury(lock);
    else if (is_stopping)
      return;
    else if (live >= options.max_loaded)
      evict(lock);
    else
      load_next(lock);
  }
}

ModelHost::ModelHost(std::unique_ptr<ModelSource> source, ModelHostOptions options)
    : list_(source->list()), state_(std::make_shared<State>(std::move(source), options)) {
  state_->thread = std::thread([state = state_] { state->run(); });
}

ModelHost::~ModelHost() { shutdown(0); }

void ModelHost::acquire(const std::string& name, Ready ready) {
  const ModelInfo* found = name.empty() && !list_.empty() ? &list_.front() : find(name);
  if (found == nullptr) {
    std::string names;
    for (const ModelInfo& info : list_) names += (names.empty() ? "" : ", ") + info.name;
    ready(fail(Code::not_found, "model: no model \"" + name.substr(0, 200) + "\" here; there are: " + names, "model"));
    return;
  }
  std::unique_lock lock(state_->mutex);
  if (state_->is_stopping) {
    lock.unlock();
    ready(fail(Code::cancelled, "the server is shutting down"));
    return;
  }
  if (const auto slot = state_->slots.find(found->name); slot != state_->slots.end()) {
    slot->second.last_use = ++state_->uses;
    ModelPointer model = slot->second.model;
    lock.unlock();
    ready(std::move(model));
    return;
  }
  if (state_->waiting >= state_->options.max_waiting) {
    lock.unlock();
    ready(fail(Code::busy, "too many requests wait for the model " + found->name + " to load"));
    return;
  }
  ++state_->waiting;
  std::vector<Ready>& waiters = state_->waiters[found->name];
  if (waiters.empty()) state_->wanted.push_back(found->name);
  waiters.push_back(std::move(ready));
  state_->changed.notify_all();
}

const ModelInfo* ModelHost::find(const std::string& name) const {
  constexpr std::string_view kLatest = ":latest";
  const std::string other =
      name.ends_with(kLatest) ? name.substr(0, name.size() - kLatest.size()) : name + std::string(kLatest);
  for (const std::string& wanted : {name, other}) {
    for (const ModelInfo& info : list_)
      if (info.name == wanted) return &info;
  }
  return nullptr;
}

Expected<ModelFacts> ModelHost::facts(const std::string& name) const { return state_->source->facts(name); }

void ModelHost::preload() {
  if (!list_.empty()) acquire("", [](Expected<ModelPointer>) {});
}

bool ModelHost::is_ready() const {
  const std::lock_guard lock(state_->mutex);
  return !state_->slots.empty() && !state_->is_stopping;
}

std::vector<ModelPointer> ModelHost::loaded() const {
  std::vector<ModelPointer> models;
  const std::lock_guard lock(state_->mutex);
  for (const auto& [name, slot] : state_->slots) models.push_back(slot.model);
  return models;
}

std::string ModelHost::last_error() const {
  const std::lock_guard lock(state_->mutex);
  return state_->error;
}

void ModelHost::shutdown(std::int64_t drain_ms) {
  std::unique_lock lock(state_->mutex);
  if (!state_->thread.joinable()) return;
  state_->is_stopping = true;
  std::vector<Ready> orphans;
  for (auto& [name, list] : state_->waiters) {
    std::move(list.begin(), list.end(), std::back_inserter(orphans));
    list.clear();
  }
  std::map<std::string, State::Slot> slots = std::move(state_->slots);
  state_->slots.clear();
  lock.unlock();
  state_->changed.notify_all();
  for (Ready& call : orphans) call(fail(Code::cancelled, "the server is shutting down"));
  orphans.clear();
  for (auto& [name, slot] : slots) {
    slot.model->engine().drain(drain_ms);
    if (Embedder* embedder = slot.model->embedder()) embedder->drain(drain_ms);
  }
  slots.clear();
  state_->thread.join();
}

}  // namespace heed
