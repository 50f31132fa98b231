// embed.cc -- the queue, the packing, and what is done to a vector when it is there.
#include "engine/pipelines/embed.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace heed {
namespace {

// The first numbers of a vector, made of length one. A vector of zeros stays one.
void finish(std::span<const float> vector, std::span<float> out) {
  double power = 0;
  for (std::size_t i = 0; i < out.size(); ++i) power += static_cast<double>(vector[i]) * static_cast<double>(vector[i]);
  const double scale = power > 0 ? 1.0 / std::sqrt(power) : 0.0;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(static_cast<double>(vector[i]) * scale);
}

}  // namespace

Expected<std::vector<std::int32_t>> embedding_tokens(const Tokenizer& tokenizer, std::string_view text,
                                                     std::int32_t most, LongText when_long) {
  constexpr EncodeOptions kWhole{.add_bos = true, .add_eos = true};
  std::vector<std::int32_t> tokens = tokenizer.encode(text, false, kWhole);
  const auto size = static_cast<std::int32_t>(tokens.size());
  if (size <= most) return tokens;
  if (when_long == LongText::refuse)
    return fail(Code::too_long, "embed: the text has " + std::to_string(size) + " tokens, the model reads at most " +
                                    std::to_string(most));
  const auto after = static_cast<std::ptrdiff_t>(tokenizer.encode("", false, kWhole).size() -
                                                 tokenizer.encode("", false, {.add_bos = true}).size());
  tokens.erase(tokens.begin() + most - after, tokens.end() - after);
  return tokens;
}

struct Embedder::Impl {
  struct Job {
    EmbedRequest request;
    std::vector<float> vectors;  // [texts, dimensions]
    std::size_t taken = 0;       // texts that were read or are being read

    bool is_cancelled() const { return request.is_cancelled && *request.is_cancelled; }
    bool is_taken() const { return taken == request.texts.size(); }
    std::span<float> vector(std::size_t text) {
      const auto n = static_cast<std::size_t>(request.dimensions);
      return std::span(vectors).subspan(text * n, n);
    }
  };

  using JobPointer = std::shared_ptr<Job>;

  /// One text of the pass that is being made.
  struct Taken {
    JobPointer job;
    std::size_t text;
  };

  explicit Impl(LanguageModel& the_model) : model(the_model) {}

  void run();
  std::vector<Taken> take();
  void read(const std::vector<Taken>& pass);
  void drop_cancelled(std::unique_lock<std::mutex>& lock);
  void end(std::unique_lock<std::mutex>& lock, const JobPointer& job, Expected<std::vector<float>> result);

  LanguageModel& model;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<JobPointer> waiting;  // with texts that nobody took
  std::size_t open = 0;            // jobs without an answer
  bool is_draining = false, is_stopping = false;
  std::vector<float> raw;  // [texts of a pass, vector_size]
  std::thread thread;
};

Embedder::Embedder(LanguageModel& model) : impl_(std::make_unique<Impl>(model)) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

Embedder::~Embedder() {
  drain(0);
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->is_stopping = true;
  }
  impl_->changed.notify_all();
  impl_->thread.join();
}

void Embedder::drain(std::int64_t timeout_ms) {
  std::unique_lock lock(impl_->mutex);
  impl_->is_draining = true;
  const auto is_idle = [this] { return impl_->open == 0; };
  if (impl_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), is_idle)) return;
  impl_->is_stopping = true;
  impl_->changed.notify_all();
  impl_->changed.wait(lock, is_idle);
}

Expected<void> Embedder::submit(EmbedRequest request) {
  const std::int32_t size = impl_->model.vector_size(), most = impl_->model.context_length();
  if (request.texts.empty()) return fail(Code::invalid_argument, "embed: expected at least one text", "input");
  if (request.dimensions < 0 || request.dimensions > size)
    return fail(
        Code::invalid_argument,
        "embed: expected at most " + std::to_string(size) + " dimensions, got " + std::to_string(request.dimensions),
        "dimensions");
  for (const auto& text : request.texts)
    if (text.empty() || text.size() > static_cast<std::size_t>(most))
      return fail(
          text.empty() ? Code::invalid_argument : Code::too_long,
          "embed: expected texts of 1 to " + std::to_string(most) + " tokens, got " + std::to_string(text.size()),
          "input");
  if (request.dimensions == 0) request.dimensions = size;
  auto job = std::make_shared<Impl::Job>(Impl::Job{.request = std::move(request)});
  job->vectors.resize(job->request.texts.size() * static_cast<std::size_t>(job->request.dimensions));
  const std::lock_guard lock(impl_->mutex);
  if (impl_->is_draining) return fail(Code::busy, "embed: the model is being unloaded");
  if (impl_->open >= kMostWaiting) return fail(Code::busy, "embed: too many requests wait for this model");
  ++impl_->open;
  impl_->waiting.push_back(std::move(job));
  impl_->changed.notify_all();
  return {};
}

// Jobs take turns, a text at a time, until the pass is full.
std::vector<Embedder::Impl::Taken> Embedder::Impl::take() {
  std::vector<Taken> pass;
  std::int32_t room = model.max_step_tokens();
  const auto most = static_cast<std::size_t>(model.max_step_texts());
  while (!waiting.empty() && pass.size() < most) {
    JobPointer job = std::move(waiting.front());
    waiting.pop_front();
    const auto tokens = static_cast<std::int32_t>(job->request.texts[job->taken].size());
    if (tokens > room) {
      waiting.push_front(std::move(job));
      break;
    }
    room -= tokens;
    pass.push_back({job, job->taken++});
    if (!job->is_taken()) waiting.push_back(std::move(job));
  }
  return pass;
}

void Embedder::Impl::end(std::unique_lock<std::mutex>& lock, const JobPointer& job,
                         Expected<std::vector<float>> result) {
  std::erase(waiting, job);
  lock.unlock();
  job->request.done(std::move(result));
  lock.lock();
  --open;
  changed.notify_all();
}

void Embedder::Impl::drop_cancelled(std::unique_lock<std::mutex>& lock) {
  for (;;) {
    const auto gone = std::find_if(waiting.begin(), waiting.end(),
                                   [this](const JobPointer& job) { return is_stopping || job->is_cancelled(); });
    if (gone == waiting.end()) return;
    end(lock, JobPointer(*gone), fail(Code::cancelled, "embed: cancelled"));
  }
}

void Embedder::Impl::read(const std::vector<Taken>& pass) {
  const auto size = static_cast<std::size_t>(model.vector_size());
  raw.resize(pass.size() * size);
  std::vector<TextItem> items;
  for (std::size_t i = 0; i < pass.size(); ++i)
    items.push_back({pass[i].job->request.texts[pass[i].text], std::span(raw).subspan(i * size, size)});
  const Expected<void> done = model.read(items);
  std::unique_lock lock(mutex);
  for (std::size_t i = 0; i < pass.size(); ++i) {
    const JobPointer& job = pass[i].job;
    const bool is_last =
        i + 1 == pass.size() || std::none_of(pass.begin() + static_cast<std::ptrdiff_t>(i) + 1, pass.end(),
                                             [&](const Taken& later) { return later.job == job; });
    if (done) finish(items[i].vector, job->vector(pass[i].text));
    if (!is_last || (done && !job->is_taken())) continue;
    end(lock, job, done ? Expected<std::vector<float>>(std::move(job->vectors)) : done.error());
  }
}

void Embedder::Impl::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [this] { return is_stopping || !waiting.empty(); });
    drop_cancelled(lock);
    if (is_stopping) return;
    const std::vector<Taken> pass = take();
    if (pass.empty()) continue;
    lock.unlock();
    read(pass);
    lock.lock();
  }
}

}  // namespace heed
