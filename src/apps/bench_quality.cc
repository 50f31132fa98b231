// bench_quality.cc -- perplexity the way llama.cpp's tool computes it, and the divergence from the same weights in f32.
//
// Text is cut into chunks of 512 tokens; the second half of each chunk is scored (the first gives it context).
// Divergence: mean KL(reference || heed) in nats and the share of positions with the same top token, over the scored
// positions. The reference is heed's own float path over dequantized weights and float KV, or a file of another
// engine's logits: int32 vocab, int32 rows, then float [rows, vocab] for the scored positions in order.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>

#include "apps/bench.h"
#include "apps/model_path.h"
#include "apps/quality.h"

namespace heed {
namespace {

/// The reference's logits, chunk by chunk: from a file, or from the float path.
class Reference {
 public:
  static Expected<Reference> open(const BenchOptions& o, const std::string& path, std::int32_t vocab) {
    Reference r;
    if (o.perplexity_only) return r;
    if (o.reference_path.empty()) {
      LoadOptions exact = o.load;
      exact.weights = exact.kv_dtype = "f32";
      HEED_ASSIGN(Evaluator e, Evaluator::load(path, exact));
      r.exact_ = std::make_unique<Evaluator>(std::move(e));
      return r;
    }
    r.file_.open(o.reference_path, std::ios::binary);
    std::int32_t header[2] = {};
    if (!r.file_.read(reinterpret_cast<char*>(header), sizeof header) || header[0] != vocab)
      return fail(Code::malformed,
                  "quality: " + o.reference_path + " must hold logits of a vocabulary of " + std::to_string(vocab),
                  o.reference_path);
    r.rows_.resize(static_cast<std::size_t>(kChunk - kFirstScored) * static_cast<std::size_t>(vocab));
    return r;
  }

  Expected<std::span<const float>> chunk(std::span<const std::int32_t> tokens) {
    if (exact_) return exact_->chunk(tokens);
    if (!file_.read(reinterpret_cast<char*>(rows_.data()), static_cast<std::streamsize>(rows_.size() * sizeof(float))))
      return fail(Code::malformed, "quality: the reference file ends before the text does");
    return std::span<const float>(rows_);
  }

 private:
  std::unique_ptr<Evaluator> exact_;
  std::ifstream file_;
  std::vector<float> rows_;
};

Expected<std::vector<std::int32_t>> read_tokens(const BenchOptions& o, const Tokenizer& tokenizer) {
  HEED_ASSIGN(const auto bytes, system_files().read(o.text_path, std::size_t{64} << 20));
  auto tokens = tokenizer.encode(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  const auto need = static_cast<std::size_t>(o.chunks) * kChunk;
  if (tokens.size() < need)
    return fail(Code::invalid_argument,
                "quality: " + o.text_path + " has " + std::to_string(tokens.size()) + " tokens, " +
                    std::to_string(need) + " are needed (--chunks)",
                "text");
  tokens.resize(need);
  return tokens;
}

Expected<void> save(std::ofstream& out, std::span<const float> logits) {
  if (!out.is_open()) return {};
  out.write(reinterpret_cast<const char*>(logits.data()), static_cast<std::streamsize>(logits.size_bytes()));
  if (!out) return fail(Code::io, "quality: could not write the logits");
  return {};
}

// The chunks' ids as a JSON array of arrays, so that a peer can be given the very same tokens.
Expected<void> save_tokens(const BenchOptions& o, std::span<const std::int32_t> tokens) {
  if (o.tokens_path.empty()) return {};
  std::ofstream out(o.tokens_path);
  for (std::size_t i = 0; i < tokens.size(); ++i) out << (i == 0 ? "[[" : i % kChunk == 0 ? "],\n[" : ",") << tokens[i];
  out << "]]\n";
  if (!out) return fail(Code::io, "quality: could not write " + o.tokens_path);
  return {};
}

Expected<void> bench_quality_of(const BenchOptions& o, const std::string& name) {
  HEED_ASSIGN(const std::string path, model_path(name));
  HEED_ASSIGN(Evaluator heed, Evaluator::load(path, o.load, o.attention));
  HEED_ASSIGN(auto tokens, read_tokens(o, heed.model().tokenizer()));
  const std::int32_t vocab = heed.model().vocab_size();
  // llama.cpp puts the beginning-of-text token in front of every chunk of a model that wants one.
  if (heed.model().tokenizer().adds_bos())
    for (std::size_t i = 0; i < tokens.size(); i += kChunk) tokens[i] = heed.model().tokenizer().bos();
  HEED_TRY(save_tokens(o, tokens));
  HEED_ASSIGN(Reference reference, Reference::open(o, path, vocab));
  std::ofstream out;
  if (!o.save_path.empty()) {
    out.open(o.save_path, std::ios::binary);
    const std::int32_t header[2] = {vocab, o.chunks * (kChunk - kFirstScored)};
    out.write(reinterpret_cast<const char*>(header), sizeof header);
  }
  QualityScores s;
  for (std::int32_t c = 0; c < o.chunks; ++c) {
    const auto chunk = std::span(tokens).subspan(static_cast<std::size_t>(c) * kChunk, kChunk);
    std::span<const float> want;
    if (!o.perplexity_only) {
      HEED_ASSIGN(want, reference.chunk(chunk));
    }
    HEED_ASSIGN(const auto got, heed.chunk(chunk));
    HEED_TRY(save(out, got));
    s.add(got, want, chunk, static_cast<std::size_t>(vocab));
  }
  const auto n = static_cast<double>(s.tokens);
  print_result(o, {"perplexity " + name, "", {std::exp(s.negative_log_likelihood / n)}});
  if (o.perplexity_only) return {};
  print_result(o, {"mean KL to f32 " + name, "nats", {s.divergence / n}});
  print_result(o, {"top-1 agreement with f32 " + name, "%", {100.0 * static_cast<double>(s.same_top) / n}});
  print_result(o, {"positions " + name, "", {n}});
  return {};
}

}  // namespace

Expected<void> bench_quality(const BenchOptions& options) {
  for (const std::string& name : options.models) HEED_TRY(bench_quality_of(options, name));
  return {};
}

}  // namespace heed
