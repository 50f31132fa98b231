// params_table.cc -- the table itself: one row a field of the contract.
#include <array>
#include <charconv>

#include "serve/params.h"

namespace heed {
namespace {

using Applied = std::optional<ApiError>;
constexpr double kInt31 = 2147483647.0;
constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxBias = 1024;

Applied set_model(GenerationParams& p, const Json& v) { return p.model = v.get<std::string>(), std::nullopt; }
Applied set_messages(GenerationParams& p, const Json& v) {
  if (v.empty()) return invalid_value("messages", "expected at least one message");
  return p.messages = v, std::nullopt;
}
Applied set_prompt(GenerationParams& p, const Json& v) { return p.prompt = v, std::nullopt; }
Applied set_suffix(GenerationParams& p, const Json& v) { return p.suffix = v.get<std::string>(), std::nullopt; }
Applied set_stream(GenerationParams& p, const Json& v) { return p.stream = v.get<bool>(), std::nullopt; }
Applied set_echo(GenerationParams& p, const Json& v) { return p.echo = v.get<bool>(), std::nullopt; }
Applied set_ignore_end(GenerationParams& p, const Json& v) { return p.ignore_end = v.get<bool>(), std::nullopt; }
Applied set_n(GenerationParams& p, const Json& v) { return p.n = v.get<std::int32_t>(), std::nullopt; }
Applied set_best_of(GenerationParams& p, const Json& v) { return p.best_of = v.get<std::int32_t>(), std::nullopt; }
Applied set_max_tokens(GenerationParams& p, const Json& v) {
  return p.max_tokens_given = v.get<std::int64_t>(), std::nullopt;
}
Applied set_max_completion_tokens(GenerationParams& p, const Json& v) {
  return p.max_completion_tokens_given = v.get<std::int64_t>(), std::nullopt;
}
Applied set_temperature(GenerationParams& p, const Json& v) {
  return p.sampling.temperature = v.get<float>(), std::nullopt;
}
Applied set_top_p(GenerationParams& p, const Json& v) {
  if (v.get<float>() <= 0.0f) return invalid_value("top_p", "expected a number above 0 and at most 1, got 0");
  return p.sampling.top_p = v.get<float>(), std::nullopt;
}
Applied set_top_k(GenerationParams& p, const Json& v) {
  // -1 means "all" in several engines; here that is 0.
  return p.sampling.top_k = std::max(v.get<std::int32_t>(), 0), std::nullopt;
}
Applied set_min_p(GenerationParams& p, const Json& v) {
  if (v.get<float>() >= 1.0f) return invalid_value("min_p", "expected a number at least 0 and below 1, got 1");
  return p.sampling.min_p = v.get<float>(), std::nullopt;
}
Applied set_repetition(GenerationParams& p, const Json& v) {
  return p.sampling.repetition_penalty = v.get<float>(), std::nullopt;
}
Applied set_presence(GenerationParams& p, const Json& v) {
  return p.sampling.presence_penalty = v.get<float>(), std::nullopt;
}
Applied set_frequency(GenerationParams& p, const Json& v) {
  return p.sampling.frequency_penalty = v.get<float>(), std::nullopt;
}
Applied set_seed(GenerationParams& p, const Json& v) {
  if (v.is_number_float()) {
    const auto number = v.get<double>();
    if (number < 0) {
      p.sampling.seed = static_cast<std::uint64_t>(static_cast<std::int64_t>(number));
    } else {  // 2^64 itself passes the row's limit
      p.sampling.seed = number < 0x1p64 ? static_cast<std::uint64_t>(number) : ~std::uint64_t{0};
    }
    return std::nullopt;
  }
  p.sampling.seed = v.is_number_unsigned() ? v.get<std::uint64_t>() : static_cast<std::uint64_t>(v.get<std::int64_t>());
  return std::nullopt;
}
Applied ignore(GenerationParams&, const Json&) { return std::nullopt; }

Applied set_stop(GenerationParams& p, const Json& v) {
  const Json list = v.is_array() ? v : Json::array({v});
  if (list.size() > kMaxStops)
    return invalid_value("stop", "expected at most 16 strings, got " + std::to_string(list.size()));
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string name = "stop[" + std::to_string(i) + "]";
    if (!list[i].is_string()) return invalid_type(v.is_array() ? name : "stop", "a string", describe(list[i]));
    const auto text = list[i].get<std::string>();
    if (!text.empty()) p.stop.push_back(text);
  }
  return std::nullopt;
}

Applied set_logit_bias(GenerationParams& p, const Json& v) {
  if (v.size() > kMaxBias) return invalid_value("logit_bias", "expected at most 1024 tokens");
  for (const auto& [key, value] : v.items()) {
    std::int32_t token = -1;
    const auto [end, status] = std::from_chars(key.data(), key.data() + key.size(), token);
    const bool is_id = status == std::errc() && end == key.data() + key.size() && token >= 0;
    if (!is_id) return invalid_value("logit_bias", "expected token ids as keys, got \"" + key.substr(0, 40) + "\"");
    if (!value.is_number()) return invalid_type("logit_bias." + key, "a number in [-100, 100]", describe(value));
    const auto bias = value.get<double>();
    const bool is_inside = bias >= -100 && bias <= 100;
    if (!is_inside)
      return invalid_value("logit_bias." + key, "expected a number in [-100, 100], got " + describe(value));
    p.sampling.logit_bias.emplace_back(token, static_cast<float>(bias));
  }
  return std::nullopt;
}

Applied set_chat_logprobs(GenerationParams& p, const Json& v) { return p.wants_logprobs = v.get<bool>(), std::nullopt; }
Applied set_top_logprobs(GenerationParams& p, const Json& v) {
  return p.top_logprobs = v.get<std::int32_t>(), std::nullopt;
}
Applied set_completion_logprobs(GenerationParams& p, const Json& v) {
  return p.sampling.top_logprobs = v.get<std::int32_t>(), std::nullopt;
}

Applied set_stream_options(GenerationParams& p, const Json& v) {
  const auto found = v.find("include_usage");
  if (found == v.end() || found->is_null()) return std::nullopt;
  if (!found->is_boolean()) return invalid_type("stream_options.include_usage", "true or false", describe(*found));
  return p.include_usage = found->get<bool>(), std::nullopt;
}

Applied set_heed_integer(const Json& value, const std::string& name, std::int64_t low, std::int64_t high,
                         std::int64_t& out) {
  if (!value.is_number_integer()) return invalid_type(name, "an integer", describe(value));
  const auto number = value.get<std::int64_t>();
  if (number < low || number > high) {
    return invalid_value(name, "expected an integer in [" + std::to_string(low) + ", " + std::to_string(high) +
                                   "], got " + describe(value));
  }
  return out = number, std::nullopt;
}

Applied set_attention(GenerationParams& p, const Json& v) {
  if (!v.is_object()) return invalid_type("heed.attention", "an object", describe(v));
  const std::pair<const char*, std::int32_t AttentionPolicy::*> sizes[] = {
      {"window", &AttentionPolicy::window}, {"sinks", &AttentionPolicy::sinks}, {"budget", &AttentionPolicy::budget}};
  for (const auto& [key, value] : v.items()) {
    const std::string name = "heed.attention." + key;
    if (value.is_null()) continue;
    if (key == "policy") {
      if (!value.is_string()) return invalid_type(name, "a string", describe(value));
      const auto kept = policy_by_name(value.get<std::string>());
      if (!kept) return invalid_value(name, kept.error().text.substr(kept.error().text.find("expected")));
      p.attention.kept = *kept;
    } else if (key == "kv_dtype") {
      return not_supported_yet(name, "the type of keys and values is the server's setting kv_dtype");
    }
    for (const auto& [field, place] : sizes) {
      if (key != field) continue;
      std::int64_t number = 0;
      if (auto error = set_heed_integer(value, name, key == "sinks" ? 0 : 64, 1 << 24, number)) return error;
      p.attention.*place = static_cast<std::int32_t>(number);
    }
  }
  return std::nullopt;
}

Applied set_speculation(GenerationParams& p, const Json& v) {
  if (v.is_boolean()) return p.speculates = v.get<bool>(), std::nullopt;
  if (!v.is_string()) return invalid_type("heed.speculation", "\"auto\", \"off\", true or false", describe(v));
  if (v != "auto" && v != "off")
    return invalid_value("heed.speculation", "expected \"auto\" or \"off\", got " + describe(v));
  return p.speculates = v == "auto", std::nullopt;
}

// OpenAI's predicted output: {"type": "content", "content": text, or an array of text parts}.
Applied set_prediction(GenerationParams& p, const Json& v) {
  const auto type = v.find("type"), content = v.find("content");
  if (type == v.end() || *type != "content")
    return invalid_value("prediction.type",
                         "expected \"content\", got " + (type == v.end() ? "nothing" : describe(*type)));
  if (content != v.end() && content->is_string()) return p.prediction = content->get<std::string>(), std::nullopt;
  if (content == v.end() || !content->is_array())
    return invalid_type("prediction.content", "a string or an array of text parts",
                        content == v.end() ? "nothing" : describe(*content));
  std::string text;
  for (std::size_t i = 0; i < content->size(); ++i) {
    const Json& part = (*content)[i];
    const bool is_text = part.is_object() && part.contains("text") && part["text"].is_string();
    if (!is_text)
      return invalid_type("prediction.content[" + std::to_string(i) + "]", "an object with type and text",
                          describe(part));
    text += part["text"].get<std::string>();
  }
  return p.prediction = std::move(text), std::nullopt;
}

Applied set_heed(GenerationParams& p, const Json& v) {
  for (const auto& [key, value] : v.items()) {
    const std::string name = "heed." + key;
    std::int64_t number = 0;
    if (value.is_null()) continue;
    if (key == "deadline_ms") {
      if (auto error = set_heed_integer(value, name, 1, 86'400'000, p.deadline_ms)) return error;
    } else if (key == "priority") {
      if (auto error = set_heed_integer(value, name, -100, 100, number)) return error;
      p.priority = static_cast<std::int32_t>(number);
    } else if (key == "speculation") {
      if (auto error = set_speculation(p, value)) return error;
    } else if (key == "attention") {
      if (auto error = set_attention(p, value)) return error;
    } else if (key == "collection" || key == "citations" || key == "context_mode" || key == "session" ||
               key == "cache_salt") {
      return not_supported_yet(
          name, "heed has no room for it yet; attention, speculation, deadline_ms and priority are there");
    }
  }
  return std::nullopt;
}

Applied set_input(GenerationParams& p, const Json& v) { return p.input = v, std::nullopt; }
Applied set_encoding(GenerationParams& p, const Json& v) {
  if (v != "float" && v != "base64")
    return invalid_value("encoding_format", "expected float or base64, got " + describe(v));
  return p.is_base64 = v == "base64", std::nullopt;
}
Applied set_dimensions(GenerationParams& p, const Json& v) {
  return p.dimensions = v.get<std::int32_t>(), std::nullopt;
}
Applied set_truncate(GenerationParams& p, const Json& v) { return p.truncates = v.get<bool>(), std::nullopt; }

bool is_empty_list(const Json& v) { return v.is_array() && v.empty(); }
bool is_none_or_auto(const Json& v) { return v == "none" || v == "auto"; }
bool is_text_format(const Json& v) { return v.is_object() && v.contains("type") && v["type"] == "text"; }
bool is_only_text(const Json& v) { return is_empty_list(v) || v == Json::array({"text"}); }
bool is_flag(const Json& v) { return v.is_boolean(); }
bool is_false(const Json& v) { return v == false; }

using T = ParamType;
constexpr std::array kParamRows = {
    ParamRow{"model", T::string, 7, 0, 0, "Name of a model of this server; the first one when absent.", set_model},
    ParamRow{"input", T::prompt, 4, 0, 0, "Text, token ids, or up to 2048 of either: a vector each.", set_input},
    ParamRow{"encoding_format", T::string, 4, 0, 0, "float, or base64 of 32-bit floats. Default float.", set_encoding},
    ParamRow{"dimensions", T::integer, 4, 1, 65536, "The first numbers of the vector alone, made of length one again.",
             set_dimensions},
    ParamRow{"truncate", T::boolean, 4, 0, 0, "Longer inputs lose their end; else they are an error. Default false.",
             set_truncate},
    ParamRow{"messages", T::messages, 1, 0, 0, "The conversation: system, developer, user, assistant, tool.",
             set_messages},
    ParamRow{"prompt", T::prompt, 2, 0, 0, "Text, token ids, or a batch of either.", set_prompt},
    ParamRow{"suffix", T::string, 2, 0, 0, "Text after the gap, for models with fill-in-the-middle tokens.",
             set_suffix},
    ParamRow{"stream", T::boolean, 3, 0, 0, "Server-sent events instead of one answer. Default false.", set_stream},
    ParamRow{"stream_options", T::object, 3, 0, 0, "include_usage: a last chunk with usage and no choices.",
             set_stream_options},
    ParamRow{"max_tokens", T::integer, 3, 0, kInt31,
             "Most tokens of an answer. Default: chat until the context is full, completions 16.", set_max_tokens},
    ParamRow{"max_completion_tokens", T::integer, 3, 0, kInt31, "As max_tokens, and goes before it.",
             set_max_completion_tokens},
    ParamRow{"n", T::integer, 3, 1, 16, "Answers per prompt; the i-th uses seed + i. Default 1.", set_n},
    ParamRow{"best_of", T::integer, 2, 1, 16, "Only equal to n.", set_best_of},
    ParamRow{"temperature", T::number, 3, 0, 2, "0: the likeliest token. Default 1.", set_temperature},
    ParamRow{"top_p", T::number, 3, 0, 1, "Above 0. Default 1.", set_top_p},
    ParamRow{"top_k", T::integer, 3, -1, kInt31, "0 and -1: all. Default 0.", set_top_k},
    ParamRow{"min_p", T::number, 3, 0, 1, "Below 1. Default 0.", set_min_p},
    ParamRow{"repetition_penalty", T::number, 3, 0.01, 10, "Over prompt and answer. Default 1.", set_repetition},
    ParamRow{"repeat_penalty", T::number, 3, 0.01, 10, "Another spelling of repetition_penalty.", set_repetition},
    ParamRow{"presence_penalty", T::number, 3, -2, 2, "Over the answer. Default 0.", set_presence},
    ParamRow{"frequency_penalty", T::number, 3, -2, 2, "Over the answer. Default 0.", set_frequency},
    ParamRow{"seed", T::integer, 3, -0x1p63, 0x1p64, "Same request and seed, same answer. Default 0.", set_seed},
    ParamRow{"stop", T::stop, 3, 0, 0, "Texts that end the answer; not part of it. At most 16.", set_stop},
    ParamRow{"logit_bias", T::bias, 3, -100, 100, "Added to the logits of these token ids.", set_logit_bias},
    ParamRow{"logprobs", T::boolean, 1, 0, 0, "Tells the log-probability of each token. Default false.",
             set_chat_logprobs},
    ParamRow{"top_logprobs", T::integer, 1, 0, 20, "Alternatives per token; needs logprobs.", set_top_logprobs},
    ParamRow{"logprobs", T::integer, 2, 0, 20, "Alternatives per token; their presence asks for log-probabilities.",
             set_completion_logprobs},
    ParamRow{"echo", T::boolean, 2, 0, 0,
             "The prompt before the answer; with logprobs, also the prompt's. Default false.", set_echo},
    ParamRow{"ignore_eos", T::boolean, 3, 0, 0, "Goes on after end tokens (benchmarks). Default false.",
             set_ignore_end},
    ParamRow{"prediction", T::object, 3, 0, 0,
             "Text the answer may repeat (type \"content\"): the same answer sooner. A hint; of a very long one the "
             "beginning is used.",
             set_prediction},
    ParamRow{"user", T::string, 7, 0, 0, "Accepted; names nobody here.", ignore},
    ParamRow{"heed", T::object, 3, 0, 0, "heed's own: attention, speculation, deadline_ms, priority.", set_heed},
    ParamRow{"tools", T::array, 1, 0, 0, "tools are not supported yet", nullptr, is_empty_list},
    ParamRow{"tool_choice", T::any, 1, 0, 0, "only \"none\" and \"auto\" are supported yet", nullptr, is_none_or_auto},
    ParamRow{"parallel_tool_calls", T::boolean, 1, 0, 0, "expected true or false", nullptr, is_flag},
    ParamRow{"functions", T::array, 1, 0, 0, "functions are not supported yet", nullptr, is_empty_list},
    ParamRow{"function_call", T::any, 1, 0, 0, "only \"none\" and \"auto\" are supported yet", nullptr,
             is_none_or_auto},
    ParamRow{"response_format", T::object, 3, 0, 0,
             "only {\"type\": \"text\"} is supported yet; a schema is never ignored", nullptr, is_text_format},
    ParamRow{"grammar", T::string, 3, 0, 0, "grammars are not supported yet", nullptr, nullptr},
    ParamRow{"json_schema", T::object, 3, 0, 0, "schemas are not supported yet", nullptr, nullptr},
    ParamRow{"guided_json", T::any, 3, 0, 0, "schemas are not supported yet", nullptr, nullptr},
    ParamRow{"guided_regex", T::any, 3, 0, 0, "constraints are not supported yet", nullptr, nullptr},
    ParamRow{"guided_choice", T::any, 3, 0, 0, "constraints are not supported yet", nullptr, nullptr},
    ParamRow{"modalities", T::array, 1, 0, 0, "only [\"text\"] is supported yet", nullptr, is_only_text},
    ParamRow{"audio", T::object, 1, 0, 0, "audio answers are not supported yet", nullptr, nullptr},
    ParamRow{"web_search_options", T::object, 1, 0, 0, "web search is not supported", nullptr, nullptr},
    ParamRow{"store", T::boolean, 1, 0, 0, "only false is supported", nullptr, is_false},
};

}  // namespace

std::span<const ParamRow> parameter_table() noexcept { return kParamRows; }

}  // namespace heed
