// loaded_model.cc -- the real language model: a GGUF file, its weights packed, a page pool, a tokenizer, an engine.
#include "engine/loaded_model.h"

#include <algorithm>
#include <cstdio>

#include "cache/kv_cache.h"
#include "core/file.h"
#include "engine/source_text.h"
#include "engine/step_cost.h"
#include "engine/text_reader.h"
#include "formats/model_file.h"
#include "kernels/kernels.h"
#include "kernels/page_bounds.h"
#include "model/family.h"
#include "model/forward.h"
#include "model/lora.h"

namespace heed {
namespace {

class CachedState final : public ModelState {
 public:
  /// `base`: the model's memory tokens ahead of the text, which nobody outside counts. Outlives the state.
  CachedState(KvCache cache, const KvCache& base, std::shared_ptr<const AttentionPlan> plan)
      : cache_(std::move(cache)), base_(&base), plan_(std::move(plan)) {}
  CachedState(KvCache cache, const KvCache& base, std::unique_ptr<SourceText> source)
      : cache_(std::move(cache)), base_(&base), source_(std::move(source)) {}

  std::int32_t length() const noexcept override {
    if (!source_) return cache_.length() - base_->length();
    return source_->length() + std::max(cache_.length() - kStart, 0);
  }
  void truncate(std::int32_t tokens) noexcept override {
    if (source_) return truncate_pair(tokens);
    cache_.truncate(tokens + base_->length());
    if (cache_.length() < base_->length()) cache_ = base_->fork();  // states that cannot go back begin anew
  }
  /// An encoder-decoder's has none: a longer prompt is another source.
  std::unique_ptr<ModelState> fork() const override {
    return source_ ? nullptr : std::make_unique<CachedState>(cache_.fork(), *base_, plan_);
  }
  std::span<const std::byte> page(std::int32_t i) const noexcept override {
    const bool is_whole = (i + 1) * kPageTokens <= cache_.length();
    return is_whole ? cache_.pool().bytes(cache_.pages()[static_cast<std::size_t>(i)]) : std::span<std::byte>();
  }
  std::span<std::byte> open_page() noexcept override {
    const auto next = static_cast<std::size_t>(cache_.length() / kPageTokens);
    const bool is_there = cache_.length() % kPageTokens == 0 && next < cache_.pages().size();
    return is_there ? cache_.pool().bytes(cache_.pages()[next]) : std::span<std::byte>();
  }
  void close_page() noexcept override { cache_.advance(kPageTokens); }
  KvCache& cache() noexcept { return cache_; }
  SourceText* source() const noexcept { return source_.get(); }
  const AttentionPlan* plan() const noexcept { return plan_.get(); }

 private:
  static constexpr std::int32_t kStart = 1;  // the decoder's first token is not the text's

  void truncate_pair(std::int32_t tokens) noexcept {
    if (tokens >= length()) return;
    if (tokens > source_->length()) return cache_.truncate(tokens - source_->length() + kStart);
    source_->truncate(tokens);
    cache_.truncate(0);
  }

  KvCache cache_;
  const KvCache* base_;
  std::shared_ptr<const AttentionPlan> plan_;  // none: everything is attended to
  std::unique_ptr<SourceText> source_;         // of an encoder-decoder
};

std::int64_t free_memory_bytes() {
  std::FILE* f = std::fopen("/proc/meminfo", "r");
  if (!f) return std::int64_t{4} << 30;
  long long kib = 0;
  char line[128];
  while (std::fgets(line, sizeof line, f))
    if (std::sscanf(line, "MemAvailable: %lld kB", &kib) == 1) break;
  std::fclose(f);
  return kib > 0 ? static_cast<std::int64_t>(kib) * 1024 : std::int64_t{4} << 30;
}

Expected<DType> kv_dtype_of(const std::string& name) {
  if (const DType* type = kv_dtype_named(name)) return *type;
  return fail(Code::invalid_argument, std::string("load: kv_dtype must be ") + kKvDtypes + ", got " + name, "kv_dtype");
}

// Rounding errors of 8 bits average out over a wide row: from here on the top token stays in 99 % of positions.
constexpr std::int32_t kWideRow = 1536;

Expected<ActivationMode> activation_mode_of(const std::string& name, std::int32_t dim) {
  if (name == "auto") return dim >= kWideRow ? ActivationMode::fast : ActivationMode::exact;
  if (name == "exact") return ActivationMode::exact;
  if (name == "fast") return ActivationMode::fast;
  return fail(Code::invalid_argument, "load: activations must be auto, exact or fast, got " + name, "activations");
}

// Tokens of one pass of whole texts: enough for the matrices, few enough for the second-level cache.
constexpr std::int32_t kReadTokens = 1024;

// All that a transformer needs to run, in order of construction.
class Transformer final : public LanguageModel {
 public:
  static Expected<std::unique_ptr<Transformer>> load(const std::string& path, const LoadOptions& options);

  const Tokenizer& tokenizer() const noexcept override { return *tokenizer_; }
  std::int32_t vocab_size() const noexcept override { return spec_.vocab; }
  std::int32_t context_length() const noexcept override { return context_; }
  std::int32_t max_step_tokens() const noexcept override { return step_tokens_; }
  const std::string& chat_template() const noexcept override { return template_; }
  std::string description() const override;
  using LanguageModel::new_state;
  std::unique_ptr<ModelState> new_state(const AttentionPolicy& policy) override;
  PageLayout page_layout() const override;
  bool has_source() const noexcept override { return !spec_.encoder.empty(); }
  bool forgets_freely() const noexcept override { return pages_->state_floats() == 0 && spec_.encoder.empty(); }
  Expected<void> reserve(ModelState& state, std::int32_t tokens) override;
  Expected<void> step(std::span<StepItem> items) override;
  std::int32_t vector_size() const noexcept override { return reader_ ? spec_.dim : 0; }
  std::int32_t max_step_texts() const noexcept override { return reader_ ? TextReader::kMostTexts : 0; }
  Expected<void> read(std::span<const TextItem> items) override;
  std::size_t weight_bytes() const noexcept { return file_->file_bytes(); }

 private:
  explicit Transformer(int threads) : pool_(threads) {}
  std::int32_t wanted_context(const LoadOptions& options) const noexcept;
  Expected<void> make_weights(const LoadOptions& options);
  Expected<void> make_cache(const LoadOptions& options);
  Expected<void> make_source_pools(std::int32_t sequences);
  Expected<void> make_reader(const LoadOptions& options);
  void make_page_identity(const LoadOptions& options);
  Expected<void> add_to_step(StepItem& item, Exec& exec);

  std::unique_ptr<ModelFile> file_;
  ModelSpec spec_;
  ThreadPool pool_;
  Counters counters_;
  const Kernels* kernels_ = nullptr;
  ActivationMode activations_ = ActivationMode::exact;
  Arena arena_;
  ModelWeights weights_;
  std::unique_ptr<PagePool> pages_;
  std::unique_ptr<PagePool> sources_, scratch_;  // of an encoder-decoder
  std::unique_ptr<KvCache> memory_;              // where every sequence begins
  std::unique_ptr<TextReader> reader_;           // of a model that makes vectors, which has no sequences
  DType kv_dtype_ = DType::f16;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::string template_, display_name_, page_identity_;
  std::int32_t context_ = 0, step_tokens_ = 0;
  std::vector<ForwardItem> items_;
  std::vector<std::int32_t> lengths_;  // of the step's states, before it
};

Expected<std::unique_ptr<Transformer>> Transformer::load(const std::string& path, const LoadOptions& options) {
  std::unique_ptr<Transformer> t(new Transformer(options.threads));
  t->kernels_ = options.cpu.empty() ? &best_kernels() : kernels_by_name(options.cpu);
  if (!t->kernels_)
    return fail(Code::invalid_argument, "load: this CPU cannot run the kernels \"" + options.cpu + "\"", "cpu");
  HEED_ASSIGN(t->file_, open_model_file(path));
  HEED_ASSIGN(t->spec_, read_spec(t->file_->metadata()));
  HEED_ASSIGN(const auto adapters, open_adapters(options.lora));
  HEED_TRY(merge_adapters(*t->file_, adapters, t->pool_));
  HEED_ASSIGN(t->activations_, activation_mode_of(options.activations, t->spec_.dim));
  HEED_ASSIGN(t->tokenizer_, Tokenizer::from_metadata(t->file_->metadata()));
  if (t->tokenizer_->vocab_size() > t->spec_.vocab)  // fewer: rows that no text comes to
    return fail(Code::malformed, "load: the tokenizer has " + std::to_string(t->tokenizer_->vocab_size()) +
                                     " tokens, the model " + std::to_string(t->spec_.vocab));
  HEED_ASSIGN(t->template_, t->file_->metadata().text("tokenizer.chat_template", ""));
  HEED_ASSIGN(t->display_name_, t->file_->metadata().text("general.name", t->spec_.family));
  t->file_->forget_metadata();
  t->step_tokens_ = options.engine.prefill_chunk + options.engine.max_running;
  if (t->spec_.pooling != Pooling::none) t->step_tokens_ = std::max(kReadTokens, t->wanted_context(options));
  // An encoder reads its source in one piece.
  const std::int32_t rows =
      t->spec_.encoder.empty() ? t->step_tokens_ : std::max(t->step_tokens_, t->wanted_context(options) + 1);
  HEED_ASSIGN(t->arena_,
              Arena::make(step_bytes(t->spec_, rows, options.engine.max_running + 1 + StepCost::kMostExtra)));
  HEED_TRY(t->make_weights(options));
  if (t->spec_.pooling != Pooling::none) {
    HEED_TRY(t->make_reader(options));
    return t;
  }
  HEED_TRY(t->make_cache(options));
  t->make_page_identity(options);
  if (!t->spec_.encoder.empty()) HEED_TRY(t->make_source_pools(options.engine.max_running));
  Exec exec{t->pool_, t->arena_, *t->kernels_, t->counters_};
  HEED_ASSIGN(KvCache memory, remember(t->spec_, t->weights_, *t->pages_, exec));
  t->memory_ = std::make_unique<KvCache>(std::move(memory));
  t->items_.reserve(static_cast<std::size_t>(t->step_tokens_));
  t->lengths_.reserve(static_cast<std::size_t>(t->step_tokens_));
  return t;
}

Expected<void> Transformer::make_weights(const LoadOptions& options) {
  LoadWeightsOptions how;
  if (options.weights != "file") {
    HEED_ASSIGN(how.mix, mix_named(options.weights));
  }
  FileCache packs(options.pack_directory, options.pack_cache_bytes);
  if (!options.pack_directory.empty() && options.pack_cache_bytes > 0) how.packs = &packs;
  how.warn = options.warn;
  how.context = wanted_context(options);
  Exec exec{pool_, arena_, *kernels_, counters_};
  file_->drop_pages();  // the vocabulary's; what comes back is what packing reads
  HEED_ASSIGN(weights_, load_weights(spec_, *file_, exec, how));
  file_->drop_pages();  // what comes back are the token rows that are read
  const Tensor rows[] = {weights_.tokens, weights_.positions};
  file_->release_replaced(rows);
  return {};
}

std::int32_t Transformer::wanted_context(const LoadOptions& options) const noexcept {
  constexpr std::int32_t kDefaultContext = 32768;
  const std::int32_t most = spec_.text_length > 0 ? std::min(spec_.text_length, spec_.context) : spec_.context;
  return std::min(options.context > 0 ? options.context : kDefaultContext, most);
}

// Room for the source of every sequence that may run, and one scratch.
Expected<void> Transformer::make_source_pools(std::int32_t sequences) {
  const std::int32_t pages = context_ / kPageTokens + 2;
  HEED_ASSIGN(PagePool kept, PagePool::make(source_layers(spec_), kv_dtype_, sequences * pages));
  HEED_ASSIGN(PagePool scratch, PagePool::make(scratch_layers(spec_), kv_dtype_, pages));
  sources_ = std::make_unique<PagePool>(std::move(kept));
  scratch_ = std::make_unique<PagePool>(std::move(scratch));
  return {};
}

Expected<void> Transformer::make_reader(const LoadOptions& options) {
  context_ = wanted_context(options);
  HEED_ASSIGN(kv_dtype_, kv_dtype_of(options.kv_dtype));
  HEED_ASSIGN(reader_, TextReader::make(spec_, kv_dtype_, step_tokens_));
  HEED_ASSIGN(PagePool none, PagePool::make(scratch_layers(spec_), kv_dtype_, 1));  // of states that never step
  pages_ = std::make_unique<PagePool>(std::move(none));
  memory_ = std::make_unique<KvCache>(*pages_);
  return {};
}

Expected<void> Transformer::make_cache(const LoadOptions& options) {
  context_ = wanted_context(options);
  HEED_ASSIGN(kv_dtype_, kv_dtype_of(options.kv_dtype));
  std::int64_t page_bytes = 0;
  for (const KvLayerSpec& l : kv_layers(spec_))
    page_bytes += l.kv_heads * (kv_head_bytes(key_dtype(kv_dtype_), l.k_dim) + kv_head_bytes(kv_dtype_, l.v_dim));
  page_bytes = std::max<std::int64_t>(page_bytes, 1);  // a model of states alone
  const std::int64_t context_pages = (context_ + spec_.memory_tokens + kPageTokens - 1) / kPageTokens + 1;
  std::int64_t pages = options.kv_bytes > 0 ? options.kv_bytes / page_bytes
                                            : std::min(2 * context_pages, free_memory_bytes() / 4 / page_bytes);
  pages = std::clamp<std::int64_t>(pages, 1, 1 << 24);
  context_ = static_cast<std::int32_t>(std::min<std::int64_t>(context_, pages * kPageTokens - spec_.memory_tokens));
  HEED_ASSIGN(PagePool pool, PagePool::make(kv_layers(spec_), kv_dtype_, static_cast<std::int32_t>(pages)));
  pages_ = std::make_unique<PagePool>(std::move(pool));
  return {};
}

// None where the model is more than one file.
void Transformer::make_page_identity(const LoadOptions& options) {
  const FileIdentity file = file_->mapped().identity();
  if (file.bytes == 0) return;
  page_identity_ = "1";
  for (const std::string& part :
       {std::to_string(file.device), std::to_string(file.inode), std::to_string(file.bytes),
        std::to_string(file.modified_ns), std::to_string(file.changed_ns), options.weights, options.kv_dtype,
        std::string(kernels_->name), std::string(activations_ == ActivationMode::exact ? "exact" : "fast"),
        std::to_string(context_)})
    page_identity_ += "|" + part;
}

std::string Transformer::description() const {
  std::int64_t parameters = 0;
  for (const NamedTensor& t : file_->tensors()) parameters += t.tensor.rows() * t.tensor.cols();
  return display_name_ + ": " + spec_.family + ", " + std::to_string(parameters / 1'000'000) + " M parameters, " +
         std::to_string(file_->file_bytes() >> 20) + " MiB, " + kernels_->name + " on " +
         std::to_string(pool_.threads()) + " threads, " + (activations_ == ActivationMode::exact ? "16-bit" : "8-bit") +
         " activations";
}

std::unique_ptr<ModelState> Transformer::new_state(const AttentionPolicy& policy) {
  if (!spec_.encoder.empty())
    return std::make_unique<CachedState>(memory_->fork(), *memory_, std::make_unique<SourceText>(*sources_, *scratch_));
  std::shared_ptr<const AttentionPlan> plan;
  AttentionPolicy own = policy;
  own.sinks += spec_.memory_tokens;
  if (policy.is_lossy())
    plan = std::make_shared<const AttentionPlan>(plan_attention(own, context_ + spec_.memory_tokens));
  return std::make_unique<CachedState>(memory_->fork(), *memory_, std::move(plan));
}

// Pages behind learned memory do not begin where the text does, and states are no pages.
PageLayout Transformer::page_layout() const {
  if (reader_ || has_source() || spec_.memory_tokens > 0 || pages_->state_floats() > 0) return {};
  return {kPageTokens, page_identity_};
}

Expected<void> Transformer::reserve(ModelState& state, std::int32_t tokens) {
  KvCache& cache = static_cast<CachedState&>(state).cache();
  return cache.reserve(cache.length() + tokens);  // of an encoder-decoder's prompt more than it will take
}

// An encoder-decoder's tokens are its source, until logits are wanted: these are the decoder's first.
Expected<void> Transformer::add_to_step(StepItem& item, Exec& exec) {
  auto& state = static_cast<CachedState&>(*item.state);
  SourceText* source = state.source();
  ForwardItem add{.cache = &state.cache(), .tokens = item.tokens, .logits = item.logits, .plan = state.plan()};
  if (source) add.source = &source->kept();
  if (source && !source->is_encoded()) {
    if (item.logits.size() > static_cast<std::size_t>(spec_.vocab))
      return fail(Code::unsupported, "step: an encoder-decoder has no logits for the tokens of its source");
    source->append(item.tokens);
    if (item.logits.empty()) return {};
    HEED_TRY(source->encode(spec_, weights_, tokenizer_->eos(), exec));
    add.tokens = {&spec_.start_token, 1};
  }
  items_.push_back(add);
  return {};
}

Expected<void> Transformer::read(std::span<const TextItem> items) {
  if (!reader_) return LanguageModel::read(items);
  Exec exec{pool_, arena_, *kernels_, counters_, activations_};
  return reader_->read(spec_, weights_, items, exec);
}

Expected<void> Transformer::step(std::span<StepItem> items) {
  if (reader_) return fail(Code::unsupported, "step: this model makes vectors of texts, it writes none");
  items_.clear();
  lengths_.clear();
  Exec exec{pool_, arena_, *kernels_, counters_, activations_};
  Expected<void> done;
  for (StepItem& item : items) {
    lengths_.push_back(item.state->length());
    if (done) done = add_to_step(item, exec);
  }
  if (done) done = forward(spec_, weights_, items_, exec);
  if (done || spec_.encoder.empty()) return done;
  for (std::size_t i = 0; i < items.size(); ++i) items[i].state->truncate(lengths_[i]);
  return done;
}

class TransformerHost final : public LoadedModel {
 public:
  TransformerHost(std::string name, std::unique_ptr<Transformer> model, std::unique_ptr<ChatTemplate> chat,
                  EngineOptions options)
      : name_(std::move(name)),
        model_(std::move(model)),
        chat_(std::move(chat)),
        engine_(*model_, options),
        embedder_(model_->vector_size() > 0 ? std::make_unique<Embedder>(*model_) : nullptr) {}
  const std::string& name() const noexcept override { return name_; }
  LanguageModel& model() noexcept override { return *model_; }
  Engine& engine() noexcept override { return engine_; }
  const ChatTemplate* chat() const noexcept override { return chat_.get(); }
  Embedder* embedder() noexcept override { return embedder_.get(); }
  std::size_t weight_bytes() const noexcept override { return model_->weight_bytes(); }

 private:
  std::string name_;
  std::unique_ptr<Transformer> model_;
  std::unique_ptr<ChatTemplate> chat_;
  Engine engine_;
  std::unique_ptr<Embedder> embedder_;
};

}  // namespace

Expected<std::unique_ptr<LanguageModel>> load_language_model(const std::string& path, const LoadOptions& options) {
  HEED_ASSIGN(auto model, Transformer::load(path, options));
  return std::unique_ptr<LanguageModel>(std::move(model));
}

Expected<std::unique_ptr<LoadedModel>> LoadedModel::load(const std::string& name, const std::string& path,
                                                         LoadOptions options) {
  if (options.speculation != "auto" && options.speculation != "off")
    return fail(Code::invalid_argument, "load: speculation must be auto or off, got " + options.speculation,
                "speculation");
  if (options.speculation == "off") options.engine.speculation = SpeculationMode::off;
  HEED_ASSIGN(auto model, Transformer::load(path, options));
  std::unique_ptr<ChatTemplate> chat;
  if (!model->chat_template().empty()) {
    HEED_ASSIGN(ChatTemplate compiled, ChatTemplate::compile(model->chat_template()));
    chat = std::make_unique<ChatTemplate>(std::move(compiled));
  }
  return std::unique_ptr<LoadedModel>(
      std::make_unique<TransformerHost>(name, std::move(model), std::move(chat), options.engine));
}

}  // namespace heed
