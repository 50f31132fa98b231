// serve.cc -- `heed serve`: configuration, models, server, signals.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <thread>

#include "apps/command.h"
#include "apps/model_path.h"
#include "core/file.h"
#include "serve/config.h"
#include "serve/http_server.h"
#include "serve/service.h"
#include "serve/store_source.h"

namespace heed {
namespace {

constexpr std::size_t kMaxConfigBytes = 1 << 20;
constexpr int kInterrupted = 130;

struct ServeFlags {
  std::string config_file;
  bool print_config = false;
  std::map<std::string, std::vector<std::string>> given;  // by row name
  std::map<std::string, bool> switches;                   // likewise, of rows that are true or false
};

Expected<std::string> read_text(const std::string& path, const char* what) {
  auto bytes = system_files().read(path, kMaxConfigBytes);
  if (!bytes) return fail(bytes.error().code, std::string(what) + ": " + bytes.error().text, path);
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::string() : std::string(value);
}

Expected<EffectiveConfig> read_config(const ServeFlags& flags) {
  ConfigInputs inputs;
  inputs.file_name = flags.config_file.empty() ? variable("HEED_CONFIG") : flags.config_file;
  std::error_code ignored;
  if (inputs.file_name.empty() && std::filesystem::exists("heed.toml", ignored)) inputs.file_name = "heed.toml";
  if (!inputs.file_name.empty()) {
    HEED_ASSIGN(inputs.file_text, read_text(inputs.file_name, "configuration"));
  }
  for (const ConfigRow& row : config_table()) {
    inputs.environment[variable_name(row)] = variable(variable_name(row));
  }
  if (const std::string keys = variable("HEED_API_KEYS"); !keys.empty()) {
    std::string& key = inputs.environment["HEED_API_KEY"];
    key += (key.empty() ? "" : ",") + keys;
  }
  inputs.flags = flags.given;
  for (const auto& [name, is_given] : flags.switches) {
    if (is_given) inputs.flags[name] = {"true"};
  }
  return resolve_config(inputs);
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host == "[::1]" || host.starts_with("127.");
}

Expected<ServiceOptions> service_options(const Config& config) {
  ServiceOptions options{.api_keys = config.api_key,
                         .cors_origins = config.cors_origins,
                         .allowed_hosts = config.allowed_hosts,
                         .version = HEED_VERSION,
                         .files = embedded_files()};
  if (!config.api_key_file.empty()) {
    HEED_ASSIGN(const std::string text, read_text(config.api_key_file, "api_key_file"));
    for (std::string& key : parse_key_lines(text)) options.api_keys.push_back(std::move(key));
    if (options.api_keys.empty())
      return fail(Code::invalid_argument, "serve: api_key_file " + config.api_key_file + " holds no key");
  }
  if (!options.api_keys.empty() || is_loopback(config.host)) return options;
  if (!config.insecure) {
    return fail(Code::invalid_argument, "serve: " + config.host +
                                            " is open to other machines and there is no API key: give --api-key, "
                                            "HEED_API_KEY or --api-key-file, or allow everyone with --insecure");
  }
  options.allowed_hosts = {"*"};
  return options;
}

/// None when they are off. A data directory that cannot be written takes only this from the server, unless the file was
/// asked for by name.
Expected<std::unique_ptr<ConversationStore>> open_conversations(const std::string& wanted) {
  if (wanted == "off") return std::unique_ptr<ConversationStore>();
  std::error_code ignored;
  if (wanted.empty()) std::filesystem::create_directories(home_directory(), ignored);
  auto opened = ConversationStore::open(wanted.empty() ? home_directory() + "/conversations.sqlite" : wanted);
  if (opened || !wanted.empty()) return opened;
  std::fprintf(stderr, "heed: %s; none are kept here\n", opened.error().text.c_str());
  return std::unique_ptr<ConversationStore>();
}

HttpOptions http_options(const Config& config) {
  return HttpOptions{.host = config.host,
                     .port = static_cast<std::int32_t>(config.port),
                     .io_threads = static_cast<std::int32_t>(config.io_threads),
                     .worker_threads = static_cast<std::int32_t>(config.worker_threads),
                     .max_connections = config.max_connections,
                     .max_header_bytes = config.max_header_bytes,
                     .max_body_bytes = config.max_body_bytes,
                     .header_timeout_ms = config.header_timeout_ms,
                     .body_timeout_ms = config.header_timeout_ms,
                     .idle_timeout_ms = config.idle_timeout_ms,
                     .write_timeout_ms = config.write_timeout_ms};
}

LoadOptions load_options(const Config& config) {
  LoadOptions options;
  options.threads = static_cast<std::int32_t>(config.threads);
  options.context = static_cast<std::int32_t>(config.context);
  options.kv_bytes = config.kv_bytes;
  use_pack_cache(options);
  options.pack_cache_bytes = config.pack_cache_bytes;
  options.kv_dtype = config.kv_dtype;
  options.lora = config.lora;
  options.activations = config.activations;
  options.speculation = config.speculation;
  options.cpu = config.cpu;
  options.engine.max_running = static_cast<std::int32_t>(config.max_running);
  options.engine.max_queued = static_cast<std::int32_t>(config.max_queued);
  options.engine.prefill_chunk = static_cast<std::int32_t>(config.prefill_chunk);
  options.engine.kept_states = static_cast<std::int32_t>(config.kept_states);
  options.engine.attention_policies = config.attention_policies;
  options.engine.least_attention = static_cast<std::int32_t>(config.least_attention);
  return options;
}

/// None where they are not wanted, or cannot be.
std::shared_ptr<PageFiles> open_pages(std::int64_t limit_bytes) {
  if (limit_bytes == 0) return nullptr;
  auto opened = PageFiles::open(home_directory() + "/pages", limit_bytes);
  if (opened) return std::move(*opened);
  std::fprintf(stderr, "heed: %s; conversations are not kept for the next start\n", opened.error().text.c_str());
  return nullptr;
}

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

/// Waits up to `wait_ms` for SIGINT or SIGTERM (blocked in every thread).
bool is_stop_asked(std::int64_t wait_ms) {
  const sigset_t signals = stop_signals();
  const timespec wait{static_cast<time_t>(wait_ms / 1000), static_cast<long>(wait_ms % 1000) * 1'000'000};
  return sigtimedwait(&signals, nullptr, &wait) > 0;
}

using LoadedText = Expected<std::string>;  // the default model's description

std::shared_future<LoadedText> load_default(ModelHost& models) {
  auto promise = std::make_shared<std::promise<LoadedText>>();
  std::shared_future<LoadedText> loaded = promise->get_future().share();
  models.acquire("", [promise](Expected<ModelPointer> model) {
    promise->set_value(model ? LoadedText((*model)->name() + ": " + (*model)->model().description())
                             : LoadedText(model.error()));
  });
  return loaded;
}

bool is_done(const std::shared_future<LoadedText>& loaded, std::int64_t wait_ms) {
  return loaded.wait_for(std::chrono::milliseconds(wait_ms)) == std::future_status::ready;
}

void shut_down(Service& service, HttpServer& server, std::int64_t drain_ms) {
  service.start_draining();
  server.drain(drain_ms);
  service.models().shutdown(0);
  server.stop();
}

// The first signal drains, a second one ends at once.
void drain_on_signal(Service& service, HttpServer& server, std::int64_t drain_ms) {
  std::fprintf(stderr, "heed: finishing running answers (at most %lld s; once more to end at once)\n",
               static_cast<long long>(drain_ms / 1000));
  auto drained = std::async(std::launch::async, [&] { shut_down(service, server, drain_ms); });
  while (drained.wait_for(std::chrono::milliseconds(0)) != std::future_status::ready) {
    if (is_stop_asked(50)) std::_Exit(kInterrupted);
  }
}

std::string address_of(const Config& config, std::int32_t port) {
  const bool is_bare_v6 = config.host.find(':') != std::string::npos && config.host.front() != '[';
  return "http://" + (is_bare_v6 ? "[" + config.host + "]" : config.host) + ":" + std::to_string(port);
}

Expected<void> serve_until_stopped(Service& service, HttpServer& server, const Config& config) {
  const std::string address = address_of(config, server.port());
  const auto loaded = load_default(service.models());
  std::fprintf(stderr, "heed: listening on %s, loading %s\n", address.c_str(),
               service.models().list().front().name.c_str());
  bool is_announced = false;
  while (!is_stop_asked(is_announced ? 60'000 : 50)) {
    if (is_announced || !is_done(loaded, 0)) continue;
    is_announced = true;
    if (!loaded.get()) {
      shut_down(service, server, 0);
      return loaded.get().error();
    }
    std::printf("heed is ready at %s (%s)\n", address.c_str(), loaded.get()->c_str());
    std::fflush(stdout);
  }
  drain_on_signal(service, server, config.drain_seconds * 1000);
  return {};
}

Expected<void> run_serve(const ServeFlags& flags) {
  HEED_ASSIGN(const EffectiveConfig effective, read_config(flags));
  if (flags.print_config) {
    std::fputs(show_config(effective).c_str(), stdout);
    return {};
  }
  const Config& config = effective.values;
  for (const std::string& name : config.attention_policies) HEED_TRY(policy_by_name(name));
  HEED_ASSIGN(ServiceOptions options, service_options(config));
  HEED_ASSIGN(options.conversations, open_conversations(config.conversations));
  HEED_ASSIGN(const Store store, open_store());
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread starts
  std::signal(SIGPIPE, SIG_IGN);
  LoadOptions load = load_options(config);
  load.engine.page_files = open_pages(config.page_cache_bytes);
  HEED_ASSIGN(auto source, store_source(store, {.models = config.model, .verifies = config.verify, .load = load}));
  HEED_ASSIGN(const auto service,
              Service::make(std::move(options), std::move(source),
                            ModelHostOptions{.max_loaded = static_cast<std::int32_t>(config.max_loaded)}));
  HEED_ASSIGN(const auto server, HttpServer::start(http_options(config), *service));
  return serve_until_stopped(*service, *server, config);
}

void add_option(CLI::App& sub, ServeFlags& flags, const ConfigRow& row) {
  const std::string name(row.name), about(row.about);
  if (std::holds_alternative<bool Config::*>(row.field)) {
    sub.add_flag(flag_name(row), flags.switches[name], about);
    return;
  }
  CLI::Option* option = sub.add_option(flag_name(row), flags.given[name], about);
  option->allow_extra_args(false);
}

}  // namespace

void add_serve(CLI::App& app, Command& command) {
  auto flags = std::make_shared<ServeFlags>();
  CLI::App* sub = app.add_subcommand("serve", "Serve the OpenAI-compatible API and the page");
  sub->add_option("--config", flags->config_file, "TOML file; HEED_CONFIG or ./heed.toml when not given");
  sub->add_flag("--print-config", flags->print_config, "Show every setting and where it comes from");
  for (const ConfigRow& row : config_table()) add_option(*sub, *flags, row);
  sub->footer(
      "Each option is also a key of heed.toml and a HEED_ variable.\nExamples:\n  heed serve --port 8080 --model "
      "qwen2.5-coder-0.5b-instruct\n  heed serve --model smollm2-135m-instruct --lora style.gguf:0.5");
  sub->callback([flags, &command] { command.run = [flags] { return run_serve(*flags); }; });
}

}  // namespace heed
