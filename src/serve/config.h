// config.h -- every setting of `heed serve` as one table: TOML key, flag and HEED_ variable. Flag goes before variable,
// variable before file, file before default.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/expected.h"

namespace heed {

struct Config {
  // [server]
  std::string host = "127.0.0.1";
  std::int64_t port = 8080;
  std::vector<std::string> api_key;
  std::string api_key_file, conversations;
  bool insecure = false;
  std::vector<std::string> cors_origins = {"loopback"}, allowed_hosts;
  std::int64_t max_connections = 10'000, max_body_bytes = 16 << 20, max_header_bytes = 32 << 10;
  std::int64_t header_timeout_ms = 10'000, idle_timeout_ms = 75'000, write_timeout_ms = 8'000;
  std::int64_t drain_seconds = 30, io_threads = 1, worker_threads = 2;
  // [model]
  std::vector<std::string> model, lora;
  std::int64_t max_loaded = 1, threads = 0, context = 0, kv_bytes = 0;
  std::int64_t pack_cache_bytes = std::int64_t{20} << 30;
  std::string kv_dtype = "bf16", activations = "auto", cpu;
  bool verify = false;
  // [engine]
  std::int64_t max_running = 16, max_queued = 256, prefill_chunk = 512, kept_states = 64;
  std::int64_t page_cache_bytes = std::int64_t{8} << 30;
  std::vector<std::string> attention_policies = {"window", "topk_pages", "big_bird"};
  std::int64_t least_attention = 64;
  std::string speculation = "auto";
};

/// Where the text of a field goes; the kind follows from it.
using ConfigField =
    std::variant<std::int64_t Config::*, bool Config::*, std::string Config::*, std::vector<std::string> Config::*>;

struct ConfigRow {
  std::string_view section, name;  // flag: --name with dashes; variable: HEED_NAME
  ConfigField field;
  std::int64_t low = 0, high = 0;  // of integers
  bool is_secret = false;          // not shown
  std::string_view about;
};

std::span<const ConfigRow> config_table() noexcept;
std::string flag_name(const ConfigRow& row);      // "--max-queued"
std::string variable_name(const ConfigRow& row);  // "HEED_MAX_QUEUED"

struct ConfigInputs {
  std::string file_name;                                  // for error texts
  std::string file_text;                                  // TOML; empty: none
  std::map<std::string, std::string> environment;         // HEED_ variables by name; lists are comma-separated
  std::map<std::string, std::vector<std::string>> flags;  // by row name, as given
};

struct EffectiveConfig {
  Config values;
  std::map<std::string, std::string> origins;  // by row name: "default", "file heed.toml:3", "HEED_PORT", "--port"
};

/// Unknown keys, wrong types and impossible values are errors that name key, place and what was expected.
Expected<EffectiveConfig> resolve_config(const ConfigInputs& inputs);

/// The effective configuration as TOML, each line with its origin; secrets as "***".
std::string show_config(const EffectiveConfig& config);

}  // namespace heed
