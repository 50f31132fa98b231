// loaded_model.h -- a model file made ready to answer: weights, cache, tokenizer, template, engine.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/pipelines/embed.h"
#include "text/chat_template.h"

namespace heed {

struct LoadOptions {
  std::int32_t threads = 0;          // 0: as many as this process may use
  std::int32_t context = 0;          // tokens per sequence; 0: min(model's, 32768)
  std::int64_t kv_bytes = 0;         // page pool; 0: room for two full contexts, at most a quarter of free memory
  std::string kv_dtype = "bf16";     // see kKvDtypes
  std::string weights = "file";      // file, or a type of model/mix.h; f32: the yardstick of quality measurements
  std::vector<std::string> lora;     // adapters to merge: FILE or FILE:SCALE; such weights are packed at every start
  std::string activations = "auto";  // exact: 16 bits; fast: 8 bits; auto: what the model needs (docs/adr/0004)
  std::string speculation = "auto";  // auto: guesses tokens where it pays (docs/adr/0007); off
  std::string cpu;                   // kernel table by name; empty: best
  std::string pack_directory;        // packed weights are kept there for the next start; empty: nowhere
  std::int64_t pack_cache_bytes = std::int64_t{20} << 30;  // of all packs; the least recently used go; 0: none is kept
  std::function<void(const std::string& text)> warn;       // it works, but not as it should; may be empty
  EngineOptions engine;
};

/// The bare model without an engine: benchmarks and quality measurements drive it step by step.
Expected<std::unique_ptr<LanguageModel>> load_language_model(const std::string& path, const LoadOptions& options);

/// Everything one model needs, in one object. Not movable; use the pointer.
class LoadedModel {
 public:
  static Expected<std::unique_ptr<LoadedModel>> load(const std::string& name, const std::string& path,
                                                     LoadOptions options);
  virtual ~LoadedModel() = default;
  virtual const std::string& name() const noexcept = 0;
  virtual LanguageModel& model() noexcept = 0;
  virtual Engine& engine() noexcept = 0;
  virtual const ChatTemplate* chat() const noexcept = 0;  // nullptr for base models
  virtual Embedder* embedder() noexcept {
    return nullptr;
  }  // of a model that makes vectors; then engine() is of no use
  virtual std::size_t weight_bytes() const noexcept = 0;
};

}  // namespace heed
