// generation.cc -- submit, collect, tell.
#include "serve/generation.h"

#include <openssl/rand.h>

#include <array>
#include <chrono>

namespace heed {
namespace {

constexpr std::int64_t kCommentEveryMs = 500;  // at most; prefill progress
constexpr std::int64_t kSilenceMs = 5'000;     // longest without a byte on an open stream
constexpr std::int64_t kLoadingSilenceMs = 5'000;
constexpr std::size_t kMaxChoices = 128;

std::int64_t clock_ms() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

double precise_ms() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(since).count();
}

std::int64_t unix_seconds() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since).count();
}

std::string random_id(const char* prefix) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
  std::array<unsigned char, 24> bytes{};
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  std::string id = prefix;
  for (const unsigned char byte : bytes) id.push_back(kAlphabet[byte & 31]);
  return id;
}

// FNV-1a: names what answered (model and build), not a secret.
std::string fingerprint_of(const std::string& description) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : description) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "fp_";
  for (int shift = 60; shift >= 24; shift -= 4) out.push_back(kHex[(hash >> shift) & 15]);
  return out;
}

const char* reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
    case FinishReason::deadline:
      return "deadline";
    case FinishReason::error:
      break;
  }
  return "error";
}

}  // namespace

/// On the engine's thread: copies what came and leaves.
class Generation::Sink final : public GenerationSink {
 public:
  Sink(std::shared_ptr<Generation> owner, std::size_t index)
      : owner_(std::move(owner)), writer_(owner_->writer_), index_(index), last_ms_(clock_ms()) {}

  void on_prefill(std::int32_t done, std::int32_t total) override {
    const std::int64_t now = clock_ms();
    if (now - last_ms_ < kCommentEveryMs) return;
    last_ms_ = now;
    writer_->post([owner = owner_, done, total] { owner->on_prefill(done, total); });
  }
  void on_prompt_logprobs(const std::vector<SampledToken>& tokens) override {
    writer_->post([owner = owner_, index = index_, tokens] { owner->on_prompt_logprobs(index, tokens); });
  }
  void on_delta(const Delta& delta) override {
    writer_->post([owner = owner_, index = index_, delta, now = precise_ms()] { owner->on_delta(index, delta, now); });
  }
  void on_finish(FinishReason reason, const Usage& usage, const Error* error) override {
    std::optional<Error> copy;
    if (error != nullptr) copy = *error;
    writer_->post(
        [owner = owner_, index = index_, reason, usage, copy] { owner->on_finish(index, reason, usage, copy); });
  }

 private:
  std::shared_ptr<Generation> owner_;
  WriterPointer writer_;
  std::size_t index_;
  std::int64_t last_ms_;
};

Generation::Generation(GenerationContext context, std::unique_ptr<AnswerFormat> format, std::string tenant,
                       WriterPointer writer)
    : context_(context), format_(std::move(format)), tenant_(std::move(tenant)), writer_(std::move(writer)) {}

void Generation::start(GenerationContext context, std::unique_ptr<AnswerFormat> format, GenerationParams params,
                       std::string tenant, WriterPointer writer) {
  auto made = std::make_shared<Generation>(context, std::move(format), std::move(tenant), std::move(writer));
  made->answer_.params = std::move(params);
  made->answer_.id = random_id(made->format_->id_prefix());
  made->answer_.created = unix_seconds();
  made->last_told_ms_ = clock_ms();
  made->begun_ms_ = precise_ms();
  // Weak: the writer holds these, and the generation holds the writer.
  const std::weak_ptr<Generation> weak = made;
  made->writer_->on_disconnect([weak] {
    if (const auto self = weak.lock()) {
      self->is_gone_ = true;
      self->cancel_all();
    }
  });
  if (made->answer_.params.stream) {
    made->writer_->on_tick([weak] {
      if (const auto self = weak.lock()) self->on_tick();
    });
  }
  const std::string name = made->answer_.params.model;
  context.models->acquire(name, [made](Expected<ModelPointer> model) { made->on_model(std::move(model)); });
}

// On a worker's or the host's thread: nothing else touches the members used here until submit() is posted.
void Generation::on_model(Expected<ModelPointer> model) {
  answer_.load_ms = precise_ms() - begun_ms_;
  if (!model) {
    ApiError error = from_error(model.error());
    if (model.error().where == "model") error.code = "model_not_found";
    writer_->post([self = shared_from_this(), error] { self->fail_with(error); });
    return;
  }
  if ((*model)->embedder() != nullptr) {
    const ApiError error{
        .message = "model: " + (*model)->name() + " makes vectors of texts, it writes none: use /v1/embeddings",
        .param = "model",
        .code = "model_not_supported"};
    writer_->post([self = shared_from_this(), error] { self->fail_with(error); });
    return;
  }
  auto prompts = std::make_shared<std::vector<PromptTokens>>();
  if (auto error = format_->tokenize(**model, answer_.params, *prompts)) {
    writer_->post([self = shared_from_this(), error = *error] { self->fail_with(error); });
    return;
  }
  if (answer_.params.prediction) {
    const EncodeOptions bare{.add_bos = false, .add_eos = false};
    answer_.prediction = (*model)->model().tokenizer().encode(*answer_.params.prediction, false, bare);
  }
  writer_->post([self = shared_from_this(), held = std::move(*model), prompts]() mutable {
    self->model_ = std::move(held);
    self->submit(std::move(*prompts));
  });
}

GenerationRequest Generation::request_of(const Choice& choice, std::size_t index) const {
  const GenerationParams& params = answer_.params;
  GenerationRequest request;
  request.prompt = answer_.prompts[choice.prompt].tokens;
  request.continues_prompt = answer_.prompts[choice.prompt].goes_on;
  // Zero tokens (scoring a prompt) still needs the forward pass: one token is drawn and dropped.
  request.max_tokens = params.max_tokens == 0 ? 1 : params.max_tokens;
  request.sampling = params.sampling;
  request.sampling.seed += index % static_cast<std::size_t>(params.n);
  request.stop = params.stop;
  request.ignore_end = params.ignore_end;
  request.prompt_logprobs = params.echo && params.sampling.top_logprobs >= 0;
  request.tenant = tenant_;
  request.deadline_ms = params.deadline_ms;
  request.priority = params.priority;
  request.attention = params.attention;
  request.speculates = params.speculates;
  request.prediction = answer_.prediction;
  return request;
}

void Generation::submit(std::vector<PromptTokens> prompts) {
  if (is_gone_ || stage_ == Stage::done) return release();
  LanguageModel& model = model_->model();
  answer_.prompts = std::move(prompts);
  answer_.model = model_->name();
  answer_.fingerprint = fingerprint_of(model.description());
  answer_.tokenizer = &model.tokenizer();
  answer_.context = model.context_length();
  const std::size_t count = answer_.prompts.size() * static_cast<std::size_t>(answer_.params.n);
  if (count > kMaxChoices) {
    return fail_with(invalid_value("n", "prompts times n: expected at most 128 answers, got " + std::to_string(count)));
  }
  answer_.choices.resize(count);
  last_token_ms_.resize(count);
  stage_ = Stage::queued;
  submitted_ms_ = precise_ms();
  last_told_ms_ = clock_ms();
  for (std::size_t i = 0; i < count; ++i) {
    Choice& choice = answer_.choices[i];
    choice.prompt = i / static_cast<std::size_t>(answer_.params.n);
    auto id = model_->engine().submit(request_of(choice, i), std::make_shared<Sink>(shared_from_this(), i));
    if (!id) {
      ApiError error = from_error(id.error());
      if (error.code == "context_length_exceeded") error.param = format_->input_field();
      if (id.error().text.starts_with("attention: ")) error.param = "heed.attention." + id.error().where;
      return fail_with(error);
    }
    choice.id = *id;
    ++unfinished_;
  }
}

void Generation::on_prefill(std::int32_t done, std::int32_t total) {
  if (stage_ == Stage::done || stage_ == Stage::decoding) return;
  stage_ = Stage::prefill;
  prefill_done_ = done;
  prefill_total_ = total;
  if (clock_ms() - last_told_ms_ < kCommentEveryMs) return;
  comment("prefill " + std::to_string(done) + "/" + std::to_string(total));
}

void Generation::on_prompt_logprobs(std::size_t index, std::vector<SampledToken> tokens) {
  Choice& choice = answer_.choices[index];
  const std::vector<std::int32_t>& prompt = answer_.prompts[choice.prompt].tokens;
  // The first token has nothing before it: no score.
  if (tokens.size() + 1 == prompt.size()) tokens.insert(tokens.begin(), SampledToken{.token = prompt.front()});
  choice.prompt_tokens = std::move(tokens);
}

void Generation::begin_choice(std::size_t index) {
  Choice& choice = answer_.choices[index];
  if (choice.is_begun) return;
  choice.is_begun = true;
  tell(format_->first_chunk(answer_, choice, index));
}

void Generation::on_delta(std::size_t index, Delta delta, double at_ms) {
  if (stage_ == Stage::done) return;
  stage_ = Stage::decoding;
  double& last = last_token_ms_[index];
  if (last == 0)
    context_.metrics->first_token(at_ms - submitted_ms_);
  else
    context_.metrics->between_tokens(at_ms - last);
  last = at_ms;
  if (answer_.params.max_tokens == 0) return;
  const bool wants_tokens = answer_.params.sampling.top_logprobs >= 0 || answer_.params.returns_tokens;
  if (!wants_tokens) delta.tokens.clear();
  if (delta.text.empty() && delta.tokens.empty()) return;
  Choice& choice = answer_.choices[index];
  if (answer_.params.stream) {
    begin_choice(index);
    tell(format_->delta_chunk(answer_, choice, index, delta));
    return;
  }
  choice.text += delta.text;
  std::move(delta.tokens.begin(), delta.tokens.end(), std::back_inserter(choice.tokens));
}

void Generation::on_finish(std::size_t index, FinishReason reason, const Usage& usage, std::optional<Error> error) {
  context_.metrics->generation_done(reason_name(reason));
  context_.metrics->tokens(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens);
  context_.metrics->guesses(usage.drafted_tokens, usage.accepted_tokens);
  if (stage_ == Stage::done) return;
  if (reason == FinishReason::error) {
    ApiError shown =
        error ? from_error(*error)
              : ApiError{.status = 500, .message = "the generation failed", .type = "server_error", .code = "internal"};
    return fail_with(shown);
  }
  if (reason == FinishReason::cancelled)
    return fail_with(unavailable("the generation was cancelled: the server is shutting down", 1));
  Choice& choice = answer_.choices[index];
  choice.finish = answer_.params.max_tokens == 0 ? FinishReason::length : reason;
  choice.usage = usage;
  answer_.elapsed_ms = precise_ms() - begun_ms_;
  if (answer_.params.max_tokens == 0) choice.usage.completion_tokens = 0;
  --unfinished_;
  if (answer_.params.stream) {
    begin_choice(index);
    tell(format_->finish_chunk(answer_, choice, index));
  }
  if (unfinished_ == 0) complete();
}

void Generation::complete() {
  if (answer_.params.stream) {
    tell(format_->stream_end(answer_));
    writer_->end();
  } else {
    writer_->send(HttpResponse{.body = format_->whole(answer_)});
  }
  release();
}

// An answer whose stream is open cannot change its status any more: the error becomes an event.
void Generation::fail_with(const ApiError& error) {
  if (stage_ == Stage::done) return;
  if (is_stream_open_) {
    tell(format_->stream_error(error));
    writer_->end();
  } else {
    writer_->send(format_->error_response(error));
  }
  cancel_all();
  release();
}

void Generation::cancel_all() {
  if (model_ == nullptr) return;
  for (const Choice& choice : answer_.choices) {
    if (!choice.finish && choice.id) model_->engine().cancel(*choice.id);
  }
}

void Generation::release() {
  stage_ = Stage::done;
  model_.reset();
}

void Generation::tell(std::string bytes) {
  if (bytes.empty()) return;
  last_told_ms_ = clock_ms();
  if (is_stream_open_) {
    writer_->write(std::move(bytes));
    return;
  }
  is_stream_open_ = true;
  HttpResponse head = format_->stream_head();
  head.body = std::move(bytes);
  writer_->start(std::move(head));
}

void Generation::comment(const std::string& text) {
  if (answer_.params.stream && !is_gone_) tell(format_->comment(text));
}

void Generation::on_tick() {
  if (stage_ == Stage::done) return;
  const std::int64_t silence = clock_ms() - last_told_ms_;
  if (stage_ == Stage::loading && silence >= kLoadingSilenceMs) comment("loading the model");
  if (stage_ == Stage::queued && silence >= kCommentEveryMs) comment("queued");
  if (stage_ == Stage::prefill && silence >= kSilenceMs) {
    comment("prefill " + std::to_string(prefill_done_) + "/" + std::to_string(prefill_total_));
  }
  if (stage_ == Stage::decoding && silence >= kSilenceMs) comment("decoding");
}

}  // namespace heed
