// convert.cc -- `heed convert`: a model as one GGUF file in another encoding, and what that cost in quality.
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/command.h"
#include "apps/model_path.h"
#include "apps/progress.h"
#include "apps/quality.h"
#include "apps/sample_text.h"
#include "core/thread_pool.h"
#include "model/convert.h"

namespace heed {
namespace {

struct ConvertCommand {
  std::string from, to, type = "Q4_K_M", sample;
  std::int32_t threads = 0, chunks = 16;
  bool force = false, no_quality = false, json = false;
};

std::atomic<bool> is_interrupted{false};

void on_convert_interrupt(int) { is_interrupted = true; }

struct Sizes {
  std::int64_t from = 0, to = 0;
};

Expected<Sizes> convert(const ConvertCommand& o, const std::string& path) {
  HEED_ASSIGN(const Mix mix, mix_named(o.type));
  if (!o.force && system_files().size(o.to))
    return fail(Code::invalid_argument, "convert: " + o.to + " is there already: --force replaces it", "out");
  HEED_ASSIGN(const auto file, open_model_file(path));
  ThreadPool pool(o.threads);
  ProgressBar bar("converting");
  ConvertOptions options;
  options.progress = [&](const std::string& tensor, std::int64_t done, std::int64_t total) {
    bar.show(tensor, done, total);
    return !is_interrupted;
  };
  HEED_ASSIGN(const std::int64_t bytes, convert_model(*file, mix, o.to, pool, options));
  bar.clear();
  return Sizes{static_cast<std::int64_t>(file->file_bytes()), bytes};
}

Expected<std::string> sample_of(const ConvertCommand& o) {
  if (o.sample.empty()) return std::string(kSampleText);
  HEED_ASSIGN(const auto bytes, system_files().read(o.sample, std::size_t{64} << 20));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

/// Source and result, chunk after chunk of the text, both with exact activations and float KV.
Expected<QualityScores> measure(const ConvertCommand& o, const std::string& path) {
  LoadOptions load;
  load.threads = o.threads;
  load.kv_dtype = "f32";
  load.activations = "exact";
  load.context = kChunk;
  HEED_ASSIGN(Evaluator source, Evaluator::load(path, load));
  HEED_ASSIGN(Evaluator result, Evaluator::load(o.to, load));
  if (source.model().context_length() < kChunk)
    return fail(Code::unsupported, "the model's context is shorter than 512 tokens");
  HEED_ASSIGN(const std::string text, sample_of(o));
  const Tokenizer& tokenizer = source.model().tokenizer();
  auto tokens = tokenizer.encode(text);
  if (tokens.size() < kChunk) return fail(Code::invalid_argument, "the text is shorter than 512 tokens");
  const std::size_t chunks = std::min(tokens.size() / kChunk, static_cast<std::size_t>(o.chunks));
  ProgressBar bar("measuring");
  QualityScores scores;
  for (std::size_t c = 0; c < chunks && !is_interrupted; ++c) {
    const auto chunk = std::span(tokens).subspan(c * kChunk, kChunk);
    if (tokenizer.adds_bos()) chunk[0] = tokenizer.bos();
    HEED_ASSIGN(const auto want, source.chunk(chunk));
    HEED_ASSIGN(const auto got, result.chunk(chunk));
    scores.add(got, want, chunk, static_cast<std::size_t>(source.model().vocab_size()));
    bar.show("", static_cast<std::int64_t>(c + 1), static_cast<std::int64_t>(chunks));
  }
  bar.clear();
  if (is_interrupted) return fail(Code::cancelled, "interrupted");
  return scores;
}

void print(const ConvertCommand& o, const Sizes& sizes, const std::optional<QualityScores>& scores) {
  if (o.json) {
    nlohmann::ordered_json line = {{"path", o.to}, {"type", o.type}, {"from_bytes", sizes.from}, {"bytes", sizes.to}};
    if (scores)
      line.update({{"mean_kl", scores->mean_divergence()},
                   {"perplexity", scores->perplexity()},
                   {"source_perplexity", scores->reference_perplexity()},
                   {"same_top", static_cast<double>(scores->same_top) / static_cast<double>(scores->tokens)},
                   {"positions", scores->tokens}});
    std::printf("%s\n", line.dump().c_str());
    return;
  }
  std::printf("%s: %s -> %s (%.0f %%)\n", o.to.c_str(), human_bytes(sizes.from).c_str(), human_bytes(sizes.to).c_str(),
              100.0 * static_cast<double>(sizes.to) / static_cast<double>(sizes.from));
  if (!scores) return;
  std::printf("quality over %lld positions: mean KL %.5f nats, perplexity %.3f (source %.3f), same top token %.1f %%\n",
              static_cast<long long>(scores->tokens), scores->mean_divergence(), scores->perplexity(),
              scores->reference_perplexity(),
              100.0 * static_cast<double>(scores->same_top) / static_cast<double>(scores->tokens));
}

Expected<void> run_convert(const ConvertCommand& o) {
  HEED_ASSIGN(const std::string path, model_path(o.from));
  struct sigaction action{};
  action.sa_handler = on_convert_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  HEED_ASSIGN(const Sizes sizes, convert(o, path));
  std::optional<QualityScores> scores;
  if (!o.no_quality) {
    auto measured = measure(o, path);
    if (!measured && measured.error().code == Code::cancelled) return std::move(measured).error();
    if (!measured)
      std::fprintf(stderr, "heed: convert: the file is written, its quality was not measured: %s\n",
                   measured.error().text.c_str());
    if (measured) scores = *measured;
  }
  print(o, sizes, scores);
  return {};
}

}  // namespace

void add_convert(CLI::App& app, Command& command) {
  auto o = std::make_shared<ConvertCommand>();
  CLI::App* sub = app.add_subcommand("convert", "write a model as one GGUF file, in another encoding");
  sub->add_option("in", o->from, "a model file, a directory with config.json and safetensors, or a name")->required();
  sub->add_option("out", o->to, "the GGUF file to write")->required();
  sub->add_option("--type", o->type, "F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q5_K, Q5_1, Q5_0, Q4_K_M, Q4_K, Q4_1 or Q4_0")
      ->capture_default_str();
  sub->add_option("--sample", o->sample, "a text file to measure the quality on (default: one that comes with heed)");
  sub->add_option("--chunks", o->chunks, "512 tokens each, at most, to measure on")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 16));
  sub->add_flag("--no-quality", o->no_quality, "do not measure: reads neither model again");
  sub->add_flag("--force", o->force, "replace the file if it is there");
  sub->add_option("--threads", o->threads, "compute threads (0: all this process may use)")->check(CLI::Range(0, 1024));
  sub->add_flag("--json", o->json, "print one JSON object");
  sub->footer(
      "Examples:\n  heed convert ~/models/SmolLM2-135M smollm2.gguf --type Q4_K_M\n  heed convert model-f16.gguf "
      "model-q5.gguf --type Q5_K_M --sample notes.txt");
  sub->callback([o, &command] { command.run = [o] { return run_convert(*o); }; });
}

}  // namespace heed
