// config.cc -- the table, and the three places values come from.
#include "serve/config.h"

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <charconv>

namespace heed {
namespace {

constexpr std::int64_t kMaxMs = 86'400'000, kMaxBytes = std::int64_t{1} << 50, kMaxTokens = 1 << 24;

using C = Config;
constexpr std::array kConfigRows = {
    ConfigRow{"server", "host", &C::host, 0, 0, false, "address to listen on; other than loopback needs an API key"},
    ConfigRow{"server", "port", &C::port, 0, 65535, false, "0: any free one"},
    ConfigRow{"server", "api_key", &C::api_key, 0, 0, true, "keys that may call, or sha256:HEX of them"},
    ConfigRow{"server", "api_key_file", &C::api_key_file, 0, 0, false, "file with one key a line"},
    ConfigRow{"server", "conversations", &C::conversations, 0, 0, false,
              "SQLite file for conversations the page keeps here (default: in heed's data directory), or off"},
    ConfigRow{"server", "insecure", &C::insecure, 0, 0, false, "allow other hosts than loopback without a key"},
    ConfigRow{"server", "cors_origins", &C::cors_origins, 0, 0, false,
              "origins of pages that may call: *, loopback, or exact ones"},
    ConfigRow{"server", "allowed_hosts", &C::allowed_hosts, 0, 0, false,
              "Host names answered without keys, besides loopback"},
    ConfigRow{"server", "max_connections", &C::max_connections, 1, 1'000'000, false, "open connections"},
    ConfigRow{"server", "max_body_bytes", &C::max_body_bytes, 1024, kMaxBytes, false, "largest request body"},
    ConfigRow{"server", "max_header_bytes", &C::max_header_bytes, 1024, 1 << 20, false, "largest request head"},
    ConfigRow{"server", "header_timeout_ms", &C::header_timeout_ms, 100, kMaxMs, false,
              "for a request's head, and between pieces of its body"},
    ConfigRow{"server", "idle_timeout_ms", &C::idle_timeout_ms, 100, kMaxMs, false, "between requests of a connection"},
    ConfigRow{"server", "write_timeout_ms", &C::write_timeout_ms, 100, kMaxMs, false,
              "for each 64 KiB that a client takes"},
    ConfigRow{"server", "drain_seconds", &C::drain_seconds, 0, 3600, false, "running answers get so long at shutdown"},
    ConfigRow{"server", "io_threads", &C::io_threads, 1, 64, false, "threads of the network"},
    ConfigRow{"server", "worker_threads", &C::worker_threads, 1, 64, false, "threads that parse and tokenize requests"},
    ConfigRow{"model", "model", &C::model, 0, 0, false,
              "names or files; the first is the default; none: all that were pulled"},
    ConfigRow{"model", "lora", &C::lora, 0, 0, false,
              "LoRA adapters, FILE or FILE:SCALE, merged into each model that is loaded"},
    ConfigRow{"model", "max_loaded", &C::max_loaded, 1, 64, false, "models in memory at a time"},
    ConfigRow{"model", "threads", &C::threads, 0, 1024, false,
              "threads of a model; 0: as many as this process may use"},
    ConfigRow{"model", "context", &C::context, 0, kMaxTokens, false,
              "tokens per sequence; 0: the model's, at most 32768"},
    ConfigRow{"model", "kv_bytes", &C::kv_bytes, 0, kMaxBytes, false,
              "memory for keys and values; 0: two full contexts"},
    ConfigRow{"model", "pack_cache_bytes", &C::pack_cache_bytes, 0, kMaxBytes, false,
              "disk for packed weights; the least recently used go; 0: none is kept"},
    ConfigRow{"model", "kv_dtype", &C::kv_dtype, 0, 0, false, "bf16, f16, f32, int8 or int4"},
    ConfigRow{"model", "activations", &C::activations, 0, 0, false, "auto, exact (16 bits) or fast (8 bits)"},
    ConfigRow{"model", "cpu", &C::cpu, 0, 0, false, "kernels by name (scalar, avx2, avx512, ...); empty: the best"},
    ConfigRow{"model", "verify", &C::verify, 0, 0, false, "read a model's file before it is loaded and check its hash"},
    ConfigRow{"engine", "max_running", &C::max_running, 1, 1024, false, "sequences in one step"},
    ConfigRow{"engine", "max_queued", &C::max_queued, 1, 1'000'000, false, "sequences that wait; beyond: 429"},
    ConfigRow{"engine", "prefill_chunk", &C::prefill_chunk, 16, kMaxTokens, false, "prompt tokens of one step"},
    ConfigRow{"engine", "kept_states", &C::kept_states, 0, 4096, false, "finished conversations kept for prefix reuse"},
    ConfigRow{"engine", "page_cache_bytes", &C::page_cache_bytes, 0, kMaxBytes, false,
              "disk for conversations' keys and values; the least recently used go; 0: none are kept"},
    ConfigRow{"engine", "attention_policies", &C::attention_policies, 0, 0, false,
              "lossy policies that requests may ask for: window, topk_pages, big_bird; none: []"},
    ConfigRow{"engine", "least_attention", &C::least_attention, 64, kMaxTokens, false,
              "smallest window of tokens that requests may ask for"},
    ConfigRow{"engine", "speculation", &C::speculation, 0, 0, false,
              "auto: tokens that the text repeats are guessed where that is faster; off"},
};

std::string expectation(const ConfigRow& row) {
  if (std::holds_alternative<std::int64_t Config::*>(row.field)) {
    return "an integer in [" + std::to_string(row.low) + ", " + std::to_string(row.high) + "]";
  }
  if (std::holds_alternative<bool Config::*>(row.field)) return "true or false";
  return std::holds_alternative<std::string Config::*>(row.field) ? "a string" : "a list of strings";
}

Error refuse(const ConfigRow& row, const std::string& place, const std::string& came) {
  return fail(
      Code::invalid_argument,
      "configuration: " + place + ": " + std::string(row.name) + ": expected " + expectation(row) + ", got " + came,
      std::string(row.name));
}

Expected<void> set_integer(const ConfigRow& row, const std::string& place, std::int64_t value, Config& out) {
  if (value < row.low || value > row.high) return refuse(row, place, std::to_string(value));
  out.*std::get<std::int64_t Config::*>(row.field) = value;
  return {};
}

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (comma != 0) parts.emplace_back(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return parts;
}

/// One value as text, from a variable or a flag.
Expected<void> set_text(const ConfigRow& row, const std::string& place, const std::string& text, Config& out) {
  if (std::holds_alternative<std::int64_t Config::*>(row.field)) {
    std::int64_t value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc() || end != text.data() + text.size()) return refuse(row, place, "\"" + text + "\"");
    return set_integer(row, place, value, out);
  }
  if (const auto* flag = std::get_if<bool Config::*>(&row.field)) {
    const bool is_true = text == "true" || text == "1" || text == "yes",
               is_false = text == "false" || text == "0" || text == "no";
    if (!is_true && !is_false) return refuse(row, place, "\"" + text + "\"");
    out.*(*flag) = is_true;
    return {};
  }
  if (const auto* string = std::get_if<std::string Config::*>(&row.field))
    out.*(*string) = text;
  else
    out.*std::get<std::vector<std::string> Config::*>(row.field) = split_commas(text);
  return {};
}

Expected<void> set_toml(const ConfigRow& row, const std::string& place, const toml::node& node, Config& out) {
  const auto kind = [&] {
    std::string text(toml::impl::node_type_friendly_names[static_cast<std::size_t>(node.type())]);
    return "a value of type " + text;
  };
  if (std::holds_alternative<std::int64_t Config::*>(row.field)) {
    const auto* value = node.as_integer();
    if (value == nullptr) return refuse(row, place, kind());
    return set_integer(row, place, value->get(), out);
  }
  if (const auto* flag = std::get_if<bool Config::*>(&row.field)) {
    if (!node.is_boolean()) return refuse(row, place, kind());
    out.*(*flag) = node.as_boolean()->get();
    return {};
  }
  if (const auto* string = std::get_if<std::string Config::*>(&row.field)) {
    if (!node.is_string()) return refuse(row, place, kind());
    out.*(*string) = node.as_string()->get();
    return {};
  }
  auto& list = out.*std::get<std::vector<std::string> Config::*>(row.field);
  list.clear();
  if (node.is_string()) {
    list.push_back(node.as_string()->get());
    return {};
  }
  if (!node.is_array()) return refuse(row, place, kind());
  for (const toml::node& item : *node.as_array()) {
    if (!item.is_string()) return refuse(row, place, "another item");
    list.push_back(item.as_string()->get());
  }
  return {};
}

const ConfigRow* find_row(std::string_view section, std::string_view name) {
  const auto found = std::find_if(kConfigRows.begin(), kConfigRows.end(),
                                  [&](const ConfigRow& row) { return row.section == section && row.name == name; });
  return found == kConfigRows.end() ? nullptr : &*found;
}

Expected<void> apply_section(const std::string& file, std::string_view section, const toml::table& table,
                             EffectiveConfig& out) {
  for (const auto& [key, node] : table) {
    const std::string place = file + ":" + std::to_string(node.source().begin.line);
    const ConfigRow* row = find_row(section, key.str());
    if (row == nullptr) {
      return fail(Code::invalid_argument, "configuration: " + place + ": unknown key " + std::string(section) + "." +
                                              std::string(key.str()) +
                                              ": `heed serve --print-config` lists the keys there are");
    }
    HEED_TRY(set_toml(*row, place, node, out.values));
    out.origins[std::string(row->name)] = "file " + place;
  }
  return {};
}

Expected<void> apply_file(const ConfigInputs& inputs, EffectiveConfig& out) {
  if (inputs.file_text.empty()) return {};
  toml::table document;
  try {
    document = toml::parse(inputs.file_text, inputs.file_name);
  } catch (const toml::parse_error& error) {
    return fail(Code::malformed, "configuration: " + inputs.file_name + ":" +
                                     std::to_string(error.source().begin.line) + ": " +
                                     std::string(error.description()));
  }
  for (const auto& [key, node] : document) {
    const bool is_section =
        node.is_table() && std::any_of(kConfigRows.begin(), kConfigRows.end(),
                                       [&](const ConfigRow& row) { return row.section == key.str(); });
    if (!is_section) {
      return fail(Code::invalid_argument,
                  "configuration: " + inputs.file_name + ":" + std::to_string(node.source().begin.line) +
                      ": unknown key " + std::string(key.str()) + ": expected the sections server, model and engine");
    }
    HEED_TRY(apply_section(inputs.file_name, key.str(), *node.as_table(), out));
  }
  return {};
}

Expected<void> apply_row(const ConfigInputs& inputs, const ConfigRow& row, EffectiveConfig& out) {
  const std::string name(row.name);
  const auto variable = inputs.environment.find(variable_name(row));
  if (variable != inputs.environment.end() && !variable->second.empty()) {
    HEED_TRY(set_text(row, variable->first, variable->second, out.values));
    out.origins[name] = variable->first;
  }
  const auto flag = inputs.flags.find(name);
  if (flag == inputs.flags.end() || flag->second.empty()) return {};
  out.origins[name] = flag_name(row);
  if (const auto* list = std::get_if<std::vector<std::string> Config::*>(&row.field)) {
    out.values.*(*list) = flag->second;
    return {};
  }
  return set_text(row, flag_name(row), flag->second.back(), out.values);
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

std::string value_text(const ConfigRow& row, const Config& values) {
  if (const auto* integer = std::get_if<std::int64_t Config::*>(&row.field)) return std::to_string(values.*(*integer));
  if (const auto* flag = std::get_if<bool Config::*>(&row.field)) return values.*(*flag) ? "true" : "false";
  if (const auto* string = std::get_if<std::string Config::*>(&row.field)) return quoted(values.*(*string));
  std::string out;
  for (const std::string& item : values.*std::get<std::vector<std::string> Config::*>(row.field)) {
    out += (out.empty() ? "" : ", ") + (row.is_secret ? "\"***\"" : quoted(item));
  }
  return "[" + out + "]";
}

}  // namespace

std::span<const ConfigRow> config_table() noexcept { return kConfigRows; }

std::string flag_name(const ConfigRow& row) {
  std::string out = "--" + std::string(row.name);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

std::string variable_name(const ConfigRow& row) {
  std::string out = "HEED_" + std::string(row.name);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return out;
}

Expected<EffectiveConfig> resolve_config(const ConfigInputs& inputs) {
  EffectiveConfig out;
  for (const ConfigRow& row : kConfigRows) out.origins[std::string(row.name)] = "default";
  HEED_TRY(apply_file(inputs, out));
  for (const ConfigRow& row : kConfigRows) HEED_TRY(apply_row(inputs, row, out));
  return out;
}

std::string show_config(const EffectiveConfig& config) {
  std::string out;
  std::string_view section;
  for (const ConfigRow& row : kConfigRows) {
    if (row.section != section) {
      section = row.section;
      out += (out.empty() ? "[" : "\n[") + std::string(section) + "]\n";
    }
    std::string line = std::string(row.name) + " = " + value_text(row, config.values);
    line.resize(std::max<std::size_t>(line.size(), 44), ' ');
    out += line + "  # " + config.origins.at(std::string(row.name)) + "; " + std::string(row.about) + "\n";
  }
  return out;
}

}  // namespace heed
