// embed.h -- texts to vectors: what a model wants around a text, and one queue that packs many requests' texts into one
// pass.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "engine/language_model.h"

namespace heed {

enum class LongText : std::uint8_t { refuse, truncate };

/// The text's tokens with what the model wants around it. More than `most`: too_long with both numbers, or the text's
/// end is left out, not what the model wants behind it.
Expected<std::vector<std::int32_t>> embedding_tokens(const Tokenizer& tokenizer, std::string_view text,
                                                     std::int32_t most, LongText when_long);

struct EmbedRequest {
  std::vector<std::vector<std::int32_t>> texts;  // each at least one token, at most the model's context_length()
  std::int32_t dimensions = 0;                   // of a vector, the first ones are kept; 0: all
  /// Called once, on the embedder's thread: [texts, dimensions], each vector of length one. Must not block.
  std::function<void(Expected<std::vector<float>>)> done;
  std::shared_ptr<std::atomic<bool>> is_cancelled;  // set by anyone; may be empty
};

/// One thread that reads. The texts of all waiting requests take turns, so that a long one keeps nobody waiting; a
/// vector's bits do not depend on the texts beside it.
class Embedder {
 public:
  static constexpr std::size_t kMostWaiting = 256;  // requests

  /// The model makes vectors, and outlives this.
  explicit Embedder(LanguageModel& model);
  ~Embedder();  // what waits gets `cancelled`
  Embedder(const Embedder&) = delete;
  Embedder& operator=(const Embedder&) = delete;

  /// From any thread. Errors (empty or over-long texts, dimensions the vector does not have; `busy`): `done` is not
  /// called.
  Expected<void> submit(EmbedRequest request);
  /// No new requests (busy); returns when all are answered or `timeout_ms` passed (then they are cancelled).
  void drain(std::int64_t timeout_ms);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace heed
