// chat.cc -- `heed chat`: a conversation in the terminal. Ctrl-C stops the answer, not the program.
#include <editline/readline.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>

#include "apps/attention_options.h"
#include "apps/command.h"
#include "apps/json_text.h"
#include "apps/model_path.h"
#include "engine/loaded_model.h"
#include "engine/pipelines/chat_prompt.h"

namespace heed {
namespace {

struct ChatOptions {
  std::string model = "default", prompt, system;
  GenerationRequest request;
  LoadOptions load;
  bool json = false, raw = false, asks = false;
};

std::atomic<int> interrupts{0};

void on_chat_interrupt(int) { ++interrupts; }

// Prints text as it comes and lets the main thread wait for the end.
class Printer final : public GenerationSink {
 public:
  explicit Printer(bool quiet) : quiet_(quiet) {}
  void on_delta(const Delta& delta) override {
    const std::lock_guard lock(mutex_);
    text_ += delta.text;
    if (quiet_) return;
    std::fwrite(delta.text.data(), 1, delta.text.size(), stdout);
    std::fflush(stdout);
  }
  void on_finish(FinishReason reason, const Usage& usage, const Error* error) override {
    const std::lock_guard lock(mutex_);
    reason_ = reason;
    usage_ = usage;
    if (error) error_ = *error;
    done_ = true;
    changed_.notify_all();
  }
  void wait(Engine& engine, RequestId id) {
    std::unique_lock lock(mutex_);
    const int before = interrupts;
    while (!changed_.wait_for(lock, std::chrono::milliseconds(50), [&] { return done_; }))
      if (interrupts != before) engine.cancel(id);
  }
  const std::string& text() const { return text_; }
  FinishReason reason() const { return reason_; }
  const Usage& usage() const { return usage_; }
  const Error& error() const { return error_; }

 private:
  bool quiet_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::string text_;
  FinishReason reason_ = FinishReason::stop;
  Usage usage_;
  Error error_;
};

const char* reason_text(FinishReason reason) {
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
      return "error";
  }
  return "error";
}

class Conversation {
 public:
  Conversation(LoadedModel& model, ChatOptions options) : model_(model), options_(std::move(options)) { reset(); }

  void reset() {
    messages_ = nlohmann::ordered_json::array();
    if (!options_.system.empty()) messages_.push_back({{"role", "system"}, {"content", options_.system}});
  }
  void set_system(const std::string& text) {
    options_.system = text;
    reset();
  }

  Expected<void> ask(const std::string& text) {
    messages_.push_back({{"role", "user"}, {"content", text}});
    const auto answered = answer();
    if (!answered) messages_.erase(messages_.size() - 1);
    return answered;
  }

 private:
  Expected<void> answer() {
    GenerationRequest request = options_.request;
    HEED_TRY(make_prompt(request.prompt));
    request.continues_prompt = options_.raw && !messages_.back()["content"].get_ref<const std::string&>().empty();
    auto printer = std::make_shared<Printer>(options_.json);
    HEED_ASSIGN(const RequestId id, model_.engine().submit(std::move(request), printer));
    printer->wait(model_.engine(), id);
    if (printer->reason() == FinishReason::error) return printer->error();
    messages_.push_back({{"role", "assistant"}, {"content", printer->text()}});
    report(*printer);
    return {};
  }

  Expected<void> make_prompt(std::vector<std::int32_t>& prompt) const {
    const Tokenizer& tokenizer = model_.model().tokenizer();
    if (options_.raw) {
      prompt = tokenizer.encode(messages_.back()["content"].get_ref<const std::string&>());
      if (prompt.empty() && tokenizer.bos() >= 0) prompt = {tokenizer.bos()};
      return {};
    }
    HEED_ASSIGN(prompt, chat_prompt(tokenizer, *model_.chat(), messages_));
    return {};
  }

  void report(const Printer& printer) const {
    const Usage& u = printer.usage();
    const double rate = u.decode_ms > 0 ? (u.completion_tokens - 1) * 1000.0 / u.decode_ms : 0;
    if (options_.json) {
      const nlohmann::ordered_json line = {{"text", printer.text()},
                                           {"finish_reason", reason_text(printer.reason())},
                                           {"prompt_tokens", u.prompt_tokens},
                                           {"cached_tokens", u.cached_tokens},
                                           {"completion_tokens", u.completion_tokens},
                                           {"tokens_per_second", rate},
                                           {"attention", policy_name(options_.request.attention.kept)}};
      std::printf("%s\n", dump(line).c_str());
      return;
    }
    std::printf("\n");
    if (isatty(STDERR_FILENO))
      std::fprintf(stderr, "\033[2m%d tokens, %.1f tokens/s, prompt %d (%d cached) in %.0f ms%s%s\033[0m\n",
                   u.completion_tokens, rate, u.prompt_tokens, u.cached_tokens, u.prefill_ms,
                   options_.request.attention.is_lossy() ? ", lossy attention" : "",
                   printer.reason() == FinishReason::cancelled ? ", stopped" : "");
  }

  LoadedModel& model_;
  ChatOptions options_;
  nlohmann::ordered_json messages_;
};

constexpr const char* kHelp =
    "/help            this list\n"
    "/new             forget the conversation\n"
    "/system TEXT     set the system prompt (and start anew)\n"
    "/quit            leave (also Ctrl-D)\n"
    "Ctrl-C           stop the answer; at the prompt: leave\n";

enum class Next : unsigned char { go_on, leave };

Next take_line(Conversation& conversation, const std::string& line) {
  if (line.empty()) return Next::go_on;
  if (line == "/quit" || line == "/exit") return Next::leave;
  if (line == "/help") {
    std::fputs(kHelp, stdout);
  } else if (line == "/new") {
    conversation.reset();
  } else if (line.starts_with("/system ")) {
    conversation.set_system(line.substr(8));
  } else if (line[0] == '/') {
    std::fprintf(stderr, "heed: unknown command %s: /help lists them\n", line.c_str());
  } else if (const auto done = conversation.ask(line); !done) {
    std::fprintf(stderr, "heed: %s\n", done.error().text.c_str());
  }
  return Next::go_on;
}

void converse(Conversation& conversation) {
  const bool terminal = isatty(STDIN_FILENO) != 0;
  for (;;) {
    const int before = interrupts;
    char* raw = readline(terminal ? "> " : "");
    if (!raw || interrupts != before) {
      std::free(raw);
      if (terminal) std::printf("\n");
      return;
    }
    const std::string line = raw;
    if (terminal && !line.empty()) add_history(raw);
    std::free(raw);
    if (take_line(conversation, line) == Next::leave) return;
  }
}

Expected<void> run_chat(const ChatOptions& o) {
  HEED_ASSIGN(const std::string path, model_path(o.model));
  if (isatty(STDERR_FILENO)) std::fprintf(stderr, "\033[2mloading %s ...\033[0m\r", o.model.c_str());
  HEED_ASSIGN(const auto model, LoadedModel::load(o.model, path, o.load));
  if (model->embedder())
    return fail(Code::unsupported,
                "chat: " + o.model + " makes vectors of texts, it writes none: `heed embed --model " + o.model + "`");
  if (!model->chat() && !o.raw)
    return fail(
        Code::unsupported,
        "chat: " + o.model +
            " is a base model without a chat template: `--raw` continues a text as it is; or take another model");
  if (isatty(STDERR_FILENO)) std::fprintf(stderr, "\033[K\033[2m%s\033[0m\n", model->model().description().c_str());
  struct sigaction action{};
  action.sa_handler = on_chat_interrupt;
  sigaction(SIGINT, &action, nullptr);
  Conversation conversation(*model, o);
  if (o.asks) return conversation.ask(o.prompt);
  if (isatty(STDERR_FILENO))
    std::fprintf(stderr, "\033[2m/help lists commands, Ctrl-C stops an answer, Ctrl-D leaves\033[0m\n");
  converse(conversation);
  return {};
}

}  // namespace

void add_chat(CLI::App& app, Command& command) {
  CLI::App* sub = app.add_subcommand("chat", "talk with a model in the terminal");
  sub->footer(
      "Examples:\n  heed chat\n  heed chat --model smollm2-135m-instruct -p \"Why is the sky blue?\"\n  echo \"Hello\" "
      "| heed chat\n  heed chat --raw --model stories260K.bin -p \"Once upon a time\"\n  heed chat --attention "
      "topk_pages --window 1024 --budget 2048\n  heed chat --lora style.gguf:0.5");
  auto o = std::make_shared<ChatOptions>();
  o->request.sampling.temperature = 0.0f;
  sub->add_option("--model", o->model,
                  "a name of `heed models`, OWNER/REPO:TYPE of a hub, or a path (default: the default model)");
  auto* prompt = sub->add_option("-p,--prompt", o->prompt, "ask this, print the answer, leave");
  sub->add_option("--system", o->system, "system prompt");
  sub->add_flag("--raw", o->raw, "the prompt goes on as it is: no template, nothing remembered");
  sub->add_option("--max-tokens", o->request.max_tokens, "longest answer (-1: until the context is full)");
  sub->add_option("--temperature", o->request.sampling.temperature, "0: always the likeliest token (default)")
      ->check(CLI::Range(0.0, 2.0));
  sub->add_option("--top-p", o->request.sampling.top_p, "nucleus")->check(CLI::Range(0.0, 1.0));
  sub->add_option("--top-k", o->request.sampling.top_k, "0: all");
  sub->add_option("--min-p", o->request.sampling.min_p, "relative to the likeliest token")->check(CLI::Range(0.0, 1.0));
  sub->add_option("--repetition-penalty", o->request.sampling.repetition_penalty, "1: none");
  sub->add_option("--seed", o->request.sampling.seed, "same seed, same answer");
  add_attention_options(*sub, o->request.attention);
  sub->add_option("--stop", o->request.stop, "stop string, repeatable");
  sub->add_option("--threads", o->load.threads, "compute threads (0: all this process may use)")
      ->check(CLI::Range(0, 1024));
  sub->add_option("--context", o->load.context, "tokens the conversation may hold")->check(CLI::Range(0, 1 << 24));
  sub->add_option("--weights", o->load.weights, "file: as they are (default); or quantized while loading, as q4_k_m");
  sub->add_option("--kv-dtype", o->load.kv_dtype, "keys and values as bf16 (default), f16, f32, int8 or int4");
  sub->add_option("--activations", o->load.activations, "auto, exact (16 bits) or fast (8 bits)");
  sub->add_option("--speculation", o->load.speculation, "auto: guess tokens where it is faster; off")
      ->check(CLI::IsMember({"auto", "off"}));
  sub->add_option("--cpu", o->load.cpu, "kernel table (default: best)")->envname("HEED_CPU");
  add_lora_option(*sub, o->load);
  add_pack_options(*sub, o->load);
  add_verify_option(*sub);
  sub->add_flag("--json", o->json, "one JSON object an answer");
  sub->callback([o, prompt, &command] {
    o->asks = prompt->count() > 0;
    command.run = [o] { return run_chat(*o); };
  });
}

}  // namespace heed
