// model_host.h -- the models of a server by name: loaded on first use, a few at a time, switched by request.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/expected.h"
#include "engine/loaded_model.h"
#include "engine/model_facts.h"

namespace heed {

struct ModelInfo {
  std::string name;
  std::int64_t created = 0;  // unix seconds; 0: unknown
  std::int64_t bytes = 0;    // of the file; 0: unknown
  std::string kind;          // the catalogue's ("chat", "embed", ...), or empty
};

/// Where models come from: the store, or a test.
class ModelSource {
 public:
  virtual ~ModelSource() = default;
  /// In order; the first is the default.
  virtual std::vector<ModelInfo> list() const = 0;
  virtual Expected<std::unique_ptr<LoadedModel>> load(const std::string& name) = 0;
  /// Without loading it; from any thread.
  virtual Expected<ModelFacts> facts(const std::string& name) {
    (void)name;
    return ModelFacts{};
  }
};

using ModelPointer = std::shared_ptr<LoadedModel>;

struct ModelHostOptions {
  std::int32_t max_loaded = 1;
  std::int32_t max_waiting = 256;  // requests that wait for a load; beyond: busy
};

class ModelHost {
 public:
  using Ready = std::function<void(Expected<ModelPointer>)>;

  ModelHost(std::unique_ptr<ModelSource> source, ModelHostOptions options = {});
  ~ModelHost();
  ModelHost(const ModelHost&) = delete;
  ModelHost& operator=(const ModelHost&) = delete;

  /// Calls `ready` once: at once when the model is loaded, else from the host's thread. "" is the default model.
  /// not_found lists the names there are. Holders of the pointer keep the model from being unloaded.
  void acquire(const std::string& name, Ready ready);
  /// Loads the default model ahead of the first request.
  void preload();
  const std::vector<ModelInfo>& list() const noexcept { return list_; }
  /// NAME:latest is NAME, and the other way round, where there is only one of them. nullptr: there is neither.
  const ModelInfo* find(const std::string& name) const;
  /// Of a model of list(), loaded or not.
  Expected<ModelFacts> facts(const std::string& name) const;
  /// A model is loaded and none is being loaded first.
  bool is_ready() const;
  std::vector<ModelPointer> loaded() const;
  /// Text of the last failed load; empty when the last one went well.
  std::string last_error() const;
  /// Waiters get an error, engines drain for `drain_ms`, models are unloaded; returns when all are gone.
  void shutdown(std::int64_t drain_ms);

 private:
  struct State;
  std::vector<ModelInfo> list_;
  std::shared_ptr<State> state_;
};

}  // namespace heed
