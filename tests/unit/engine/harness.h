// harness.h -- a sink that remembers everything and checks the order of its calls, and short ways to ask.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/fake_model.h"

namespace heed::testing {

struct Answer {
  std::string text;
  std::vector<SampledToken> tokens;
  std::vector<SampledToken> prompt_scores;
  std::vector<std::int32_t> prefill;  // `done` of every on_prefill
  int deltas = 0, finishes = 0;
  FinishReason reason = FinishReason::error;
  Usage usage;
  Error error;
};

class RecordingSink final : public GenerationSink {
 public:
  void on_prefill(std::int32_t done, std::int32_t total) override {
    const std::scoped_lock lock(mutex_);
    EXPECT_EQ(answer_.deltas + answer_.finishes, 0) << "prefill after output";
    EXPECT_LE(done, total);
    EXPECT_TRUE(answer_.prefill.empty() || done > answer_.prefill.back());
    answer_.prefill.push_back(done);
  }
  void on_prompt_logprobs(const std::vector<SampledToken>& tokens) override {
    const std::scoped_lock lock(mutex_);
    EXPECT_TRUE(answer_.prompt_scores.empty());
    answer_.prompt_scores = tokens;
  }
  void on_delta(const Delta& delta) override {
    if (each) each();
    const std::scoped_lock lock(mutex_);
    EXPECT_EQ(answer_.finishes, 0) << "delta after finish";
    ++answer_.deltas;
    answer_.text += delta.text;
    answer_.tokens.insert(answer_.tokens.end(), delta.tokens.begin(), delta.tokens.end());
    changed_.notify_all();
  }
  void on_finish(FinishReason reason, const Usage& usage, const Error* error) override {
    if (at_finish) at_finish();
    const std::scoped_lock lock(mutex_);
    EXPECT_EQ(reason == FinishReason::error, error != nullptr);
    ++answer_.finishes;
    answer_.reason = reason;
    answer_.usage = usage;
    if (error) answer_.error = *error;
    changed_.notify_all();
  }

  Answer wait() {
    std::unique_lock lock(mutex_);
    const bool is_done = changed_.wait_for(lock, std::chrono::seconds(60), [&] { return answer_.finishes > 0; });
    EXPECT_TRUE(is_done) << "no on_finish within a minute";
    return answer_;
  }
  void wait_for_deltas(int n) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60), [&] { return answer_.deltas >= n || answer_.finishes > 0; });
  }
  bool is_finished() {
    const std::scoped_lock lock(mutex_);
    return answer_.finishes > 0;
  }
  Answer peek() {
    const std::scoped_lock lock(mutex_);
    return answer_;
  }

  std::function<void()> each;       // called on the engine's thread at every delta
  std::function<void()> at_finish;  // ... and at the end

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Answer answer_;
};

inline std::vector<std::int32_t> to_tokens(const std::string& text) { return FakeTokenizer().encode(text, true, {}); }

inline GenerationRequest ask(const std::string& text, std::int32_t max_tokens = 20) {
  GenerationRequest r;
  r.prompt = to_tokens(text);
  r.max_tokens = max_tokens;
  r.sampling.temperature = 0;
  return r;
}

inline bool submit(Engine& engine, GenerationRequest request, const std::shared_ptr<RecordingSink>& sink,
                   RequestId* id = nullptr) {
  auto accepted = engine.submit(std::move(request), sink);
  EXPECT_TRUE(accepted) << accepted.error().text;
  if (accepted && id) *id = *accepted;
  return static_cast<bool>(accepted);
}

inline std::shared_ptr<RecordingSink> submit(Engine& engine, GenerationRequest request, RequestId* id = nullptr) {
  auto sink = std::make_shared<RecordingSink>();
  return submit(engine, std::move(request), sink, id) ? sink : nullptr;
}

inline Answer run(Engine& engine, GenerationRequest request) { return submit(engine, std::move(request))->wait(); }

inline std::vector<std::int32_t> ids(const std::vector<SampledToken>& tokens) {
  std::vector<std::int32_t> out;
  for (const auto& t : tokens) out.push_back(t.token);
  return out;
}

inline std::string chat(const std::string& text) {
  return "<|im_start|>user\n" + text + "<|im_end|>\n<|im_start|>assistant\n";
}

}  // namespace heed::testing
