// generation.h -- one generation request from its parsed parameters to the last byte of its answer.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "observe/metrics.h"
#include "serve/answer.h"
#include "serve/model_host.h"
#include "serve/router.h"

namespace heed {

/// What lives as long as the server and every generation uses.
struct GenerationContext {
  ModelHost* models = nullptr;
  Metrics* metrics = nullptr;
};

/// Everything after start() happens on the connection's strand; the engine's callbacks only post there.
class Generation final : public std::enable_shared_from_this<Generation> {
 public:
  static void start(GenerationContext context, std::unique_ptr<AnswerFormat> format, GenerationParams params,
                    std::string tenant, WriterPointer writer);

  Generation(GenerationContext context, std::unique_ptr<AnswerFormat> format, std::string tenant, WriterPointer writer);

 private:
  class Sink;
  enum class Stage : unsigned char { loading, queued, prefill, decoding, done };

  void on_model(Expected<ModelPointer> model);
  void submit(std::vector<PromptTokens> prompts);
  GenerationRequest request_of(const Choice& choice, std::size_t index) const;
  void on_prefill(std::int32_t done, std::int32_t total);
  void on_prompt_logprobs(std::size_t index, std::vector<SampledToken> tokens);
  void on_delta(std::size_t index, Delta delta, double at_ms);
  void on_finish(std::size_t index, FinishReason reason, const Usage& usage, std::optional<Error> error);
  void on_tick();
  void begin_choice(std::size_t index);
  void tell(std::string bytes);
  void comment(const std::string& text);
  void complete();
  void fail_with(const ApiError& error);
  void cancel_all();
  void release();

  GenerationContext context_;
  std::unique_ptr<AnswerFormat> format_;
  std::string tenant_;
  WriterPointer writer_;
  ModelPointer model_;
  Answer answer_;
  Stage stage_ = Stage::loading;
  std::vector<double> last_token_ms_;  // per choice; 0: none yet
  double begun_ms_ = 0, submitted_ms_ = 0;
  std::int64_t last_told_ms_ = 0;
  std::int32_t prefill_done_ = 0, prefill_total_ = 0;
  std::size_t unfinished_ = 0;
  bool is_stream_open_ = false, is_gone_ = false;
};

}  // namespace heed
