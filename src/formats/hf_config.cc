// hf_config.cc -- one pass over the table of keys; RoPE and ids by hand.
#include "formats/hf_config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "formats/byte_reader.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

/// nullptr: absent or null.
const Json* find(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(std::string(key));
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

Error wrong(std::string_view key, const char* expected, const Json& got) {
  return fail(Code::malformed,
              "config.json: key '" + std::string(key) + "': expected " + expected + ", got " + got.type_name(),
              std::string(key));
}

Expected<std::int64_t> integer(std::string_view key, const Json& value) {
  if (!value.is_number_integer()) return wrong(key, "an integer", value);
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{1} << 62)
    return wrong(key, "an integer below 2^62", value);
  const auto number = value.get<std::int64_t>();
  if (number < -(std::int64_t{1} << 62)) return wrong(key, "an integer above -2^62", value);  // sums of two fit
  return number;
}

Expected<double> real(std::string_view key, const Json& value) {
  if (!value.is_number()) return wrong(key, "a number", value);
  return value.get<double>();
}

Expected<double> real_or(const Json& object, std::string_view key, double otherwise) {
  const Json* value = find(object, key);
  if (!value) return otherwise;
  return real(key, *value);
}

Expected<MetaValue> value_of(const HfKey& key, const Json& value) {
  if (key.value == HfValue::integer) {
    HEED_ASSIGN(const std::int64_t number, integer(key.from, value));
    return MetaValue(number);
  }
  HEED_ASSIGN(const double number, real(key.from, value));
  if (key.value == HfValue::real) return MetaValue(number);
  if (!(number > 0)) return wrong(key.from, "a positive number", value);
  return MetaValue(1.0 / std::sqrt(number));
}

/// RoPE's numbers: rope_parameters (by kind of layer in Gemma 3), or rope_scaling beside rope_theta.
const Json& rope_of(const Json& config) {
  static const Json none = Json::object();
  const Json* rope = find(config, "rope_parameters");
  if (!rope) rope = find(config, "rope_scaling");
  if (!rope) return none;
  const Json* global = find(*rope, "full_attention");
  return global ? *global : *rope;
}

Expected<std::string> rope_kind(const Json& rope) {
  const Json* kind = find(rope, "rope_type");
  if (!kind) kind = find(rope, "type");
  if (!kind) return std::string("default");
  if (!kind->is_string()) return wrong("rope_type", "a text", *kind);
  return kind->get<std::string>();
}

Expected<std::int64_t> head_dim_of(const Json& config) {
  if (const Json* given = find(config, "head_dim")) return integer("head_dim", *given);
  const Json *dim = find(config, "hidden_size"), *heads = find(config, "num_attention_heads");
  if (!dim || !heads) return fail(Code::malformed, "config.json: expected hidden_size and num_attention_heads");
  HEED_ASSIGN(const std::int64_t width, integer("hidden_size", *dim));
  HEED_ASSIGN(const std::int64_t count, integer("num_attention_heads", *heads));
  if (width < 1 || count < 1) return wrong("num_attention_heads", "a positive integer", *heads);
  return width / count;
}

Expected<void> read_rope(const Json& config, const std::string& p, Metadata& out) {
  const Json& rope = rope_of(config);
  const Json* theta = find(rope, "rope_theta");
  if (!theta) theta = find(config, "rope_theta");
  if (theta) {
    HEED_ASSIGN(const double base, real("rope_theta", *theta));
    out.insert(p + "rope.freq_base", base);
  }
  const Json* partial = find(rope, "partial_rotary_factor");
  if (!partial) partial = find(config, "partial_rotary_factor");
  if (partial) {
    HEED_ASSIGN(const double share, real("partial_rotary_factor", *partial));
    HEED_ASSIGN(const std::int64_t head, head_dim_of(config));
    if (!(share > 0 && share <= 1)) return wrong("partial_rotary_factor", "a number in (0, 1]", *partial);
    out.insert(p + "rope.dimension_count", static_cast<std::int64_t>(share * static_cast<double>(head)));
  }
  HEED_ASSIGN(const std::string kind, rope_kind(rope));
  if (kind == "default" || kind == "llama3") return {};  // llama3: hf_rope_factors
  if (kind != "linear" && kind != "yarn")
    return fail(Code::unsupported, "config.json: rope scaling '" + printable(kind) + "' is not supported",
                "rope_scaling");
  out.insert(p + "rope.scaling.type", kind);
  HEED_ASSIGN(const double factor, real_or(rope, "factor", 1.0));
  out.insert(p + "rope.scaling.factor", factor);
  if (const Json* original = find(rope, "original_max_position_embeddings")) {
    HEED_ASSIGN(const std::int64_t context, integer("original_max_position_embeddings", *original));
    out.insert(p + "rope.scaling.original_context_length", context);
  }
  return {};
}

/// Stacks whose windows follow from the family (Gemma 3: five to one global layer; ModernBERT: two).
Expected<void> check_layers(const Json& config, const HfFamily& family) {
  const Json* kinds = find(config, "layer_types");
  if (family.period == 0 || !kinds) return {};
  if (!kinds->is_array()) return wrong("layer_types", "an array", *kinds);
  std::int64_t i = 0;
  for (const Json& kind : *kinds)
    if (kind != (i++ % family.period == family.global ? "full_attention" : "sliding_attention"))
      return fail(Code::unsupported,
                  "config.json: layer_types: expected one global layer to " + std::to_string(family.period - 1) +
                      " windows, layer " + std::to_string(family.global) + " the first",
                  "layer_types");
  return {};
}

Expected<void> check_facts(const Json& config, const HfFamily& family) {
  for (const HfFact& fact : family.facts) {
    const Json* value = find(config, fact.key);
    if (!value || *value == Json::parse(fact.value)) continue;
    return fail(Code::unsupported,
                "config.json: key '" + std::string(fact.key) + "': heed runs models with " + std::string(fact.value) +
                    ", got " + printable(value->dump(-1, ' ', false, Json::error_handler_t::replace)).substr(0, 80),
                std::string(fact.key));
  }
  return {};
}

/// What encoders say in their own way: types of tokens, positions that no text has, the angles of windows.
Expected<void> read_encoder(const Json& config, const HfFamily& family, const std::string& p, Metadata& out) {
  if (const Json* types = find(config, "type_vocab_size")) {
    HEED_ASSIGN(const std::int64_t count, integer("type_vocab_size", *types));
    out.insert("tokenizer.ggml.token_type_count", count);
  }
  if (const Json* positions = find(config, "max_position_embeddings"); positions && family.unused_positions > 0) {
    HEED_ASSIGN(const std::int64_t count, integer("max_position_embeddings", *positions));
    out.insert(p + "context_length", count - family.unused_positions);
  }
  const Json* ropes = find(config, "rope_parameters");
  const Json* window = ropes ? find(*ropes, "sliding_attention") : nullptr;
  const Json* theta = window && family.period > 0 ? find(*window, "rope_theta") : nullptr;
  if (theta) {
    HEED_ASSIGN(const double base, real("rope_theta", *theta));
    out.insert(p + "rope.freq_base_swa", base);
  }
  return {};
}

/// An id, or several of which the first comes back.
Expected<std::vector<std::int64_t>> ids_of(const Json& config, const Json& generation, const char* key) {
  std::vector<std::int64_t> ids;
  const Json* value = find(generation, key);
  if (!value) value = find(config, key);
  if (!value) return ids;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& id : list) {
    HEED_ASSIGN(const std::int64_t number, integer(key, id));
    ids.push_back(number);
  }
  return ids;
}

/// A template alone, or the one called "default" of several.
const Json* template_of(const Json& value) {
  if (value.is_string()) return &value;
  if (!value.is_array()) return nullptr;
  for (const Json& named : value) {
    const Json *name = find(named, "name"), *text = find(named, "template");
    if (name && text && text->is_string() && *name == "default") return text;
  }
  return nullptr;
}

}  // namespace

Expected<const HfFamily*> read_hf_family(const Json& config) {
  const Json* type = find(config, "model_type");
  if (!type || !type->is_string())
    return fail(Code::malformed,
                "config.json: key 'model_type': expected a text, got " + std::string(type ? type->type_name() : "none"),
                "model_type");
  const auto name = type->get<std::string>();
  const HfFamily* family = hf_family(name);
  if (find(config, "quantization_config"))
    return fail(
        Code::unsupported,
        "config.json: quantization_config: heed reads checkpoints of floats; take the model that it was made of",
        "quantization_config");
  if (family) return family;
  std::string known;
  for (const HfFamily& row : hf_families()) known += (known.empty() ? "" : ", ") + std::string(row.model_type);
  return fail(Code::unsupported,
              "config.json: model_type '" + printable(name) + "' is not supported; heed knows " + known, "model_type");
}

Expected<void> read_hf_config(const Json& config, const HfFamily& family, Metadata& out) {
  const std::string p = std::string(family.architecture) + ".";
  out.insert("general.architecture", std::string(family.architecture));
  const Json* uses_window = find(config, "use_sliding_window");
  const bool has_no_window = uses_window && *uses_window == false;  // Qwen names one that it does not use
  HEED_TRY(check_facts(config, family));
  HEED_TRY(read_encoder(config, family, p, out));
  for (const HfKey& key : hf_keys()) {
    const Json* value = find(config, key.from);
    if (!value || (has_no_window && key.from == "sliding_window")) continue;
    HEED_ASSIGN(MetaValue converted, value_of(key, *value));
    out.insert(p + std::string(key.to), std::move(converted));
  }
  HEED_TRY(check_layers(config, family));
  return read_rope(config, p, out);
}

Expected<void> read_hf_token_ids(const Json& config, const Json& generation, Metadata& out) {
  HEED_ASSIGN(const auto bos, ids_of(config, generation, "bos_token_id"));
  HEED_ASSIGN(const auto eos, ids_of(config, generation, "eos_token_id"));
  constexpr const char* kEnds[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                   "tokenizer.ggml.eom_token_id"};
  if (!bos.empty()) out.insert("tokenizer.ggml.bos_token_id", bos[0]);
  for (std::size_t i = 0; i < std::min(eos.size(), std::size(kEnds)); ++i) out.insert(kEnds[i], eos[i]);
  return {};
}

Expected<void> read_hf_tokenizer_config(const Json& tokenizer, Metadata& out) {
  if (const Json* value = find(tokenizer, "chat_template")) {
    const Json* text = template_of(*value);
    if (!text)
      return fail(Code::malformed,
                  "tokenizer_config.json: key 'chat_template': expected a text, or a list with one named default",
                  "chat_template");
    out.insert("tokenizer.chat_template", text->get<std::string>());
  }
  for (const auto& [key, name] : {std::pair{"add_bos_token", "tokenizer.ggml.add_bos_token"},
                                  {"add_eos_token", "tokenizer.ggml.add_eos_token"}}) {
    const Json* flag = find(tokenizer, key);
    if (!flag) continue;
    if (!flag->is_boolean())
      return fail(Code::malformed,
                  std::string("tokenizer_config.json: key '") + key + "': expected a bool, got " + flag->type_name(),
                  key);
    out.insert(name, flag->get<bool>());
  }
  return {};
}

Expected<std::vector<float>> hf_rope_factors(const Json& config) {
  const Json& rope = rope_of(config);
  HEED_ASSIGN(const std::string kind, rope_kind(rope));
  std::vector<float> factors;
  if (kind != "llama3") return factors;
  HEED_ASSIGN(const double config_base, real_or(config, "rope_theta", 10000.0));
  HEED_ASSIGN(const double base, real_or(rope, "rope_theta", config_base));
  HEED_ASSIGN(const double factor, real_or(rope, "factor", 8.0));
  HEED_ASSIGN(const double low, real_or(rope, "low_freq_factor", 1.0));
  HEED_ASSIGN(const double high, real_or(rope, "high_freq_factor", 4.0));
  HEED_ASSIGN(const double context, real_or(rope, "original_max_position_embeddings", 8192.0));
  HEED_ASSIGN(const std::int64_t dims, head_dim_of(config));
  if (!(base > 0 && factor > 0 && low > 0 && high > low && context > 0) || dims < 2 || dims > 4096)
    return fail(Code::malformed,
                "config.json: rope_scaling: expected positive numbers, low_freq_factor the smaller one",
                "rope_scaling");
  for (std::int64_t i = 0; i < dims / 2; ++i) {
    const double angle = std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(dims));
    const double turns = context * angle / (2 * std::numbers::pi);  // within the context it was trained for
    const double smooth = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    factors.push_back(static_cast<float>(1.0 / ((1.0 - smooth) / factor + smooth)));
  }
  return factors;
}

}  // namespace heed
