// hf_sentence.cc -- a refusal for every part that would change the vector and that heed has no code for.
#include "formats/hf_sentence.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "formats/byte_reader.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPoolingFile = "1_Pooling/config.json";

struct PoolingName {
  std::string_view flag, mode;  // older files have a flag for each, newer ones a mode
  std::int64_t type;            // GGUF's
};

constexpr auto kPoolings = std::to_array<PoolingName>({
    {"pooling_mode_mean_tokens", "mean", 1},
    {"pooling_mode_cls_token", "cls", 2},
    {"pooling_mode_lasttoken", "lasttoken", 3},
});

Error unknown_pooling(const std::string& got) {
  return fail(Code::unsupported,
              std::string(kPoolingFile) + ": expected one pooling, of mean, cls and lasttoken, got " + printable(got),
              "pooling_mode");
}

Expected<std::int64_t> pooling_by_mode(const Json& mode) {
  if (mode.is_string())
    for (const PoolingName& name : kPoolings)
      if (mode == name.mode) return name.type;
  return unknown_pooling(mode.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80));
}

Expected<std::int64_t> pooling_by_flags(const Json& pooling) {
  std::int64_t type = 0;
  for (const auto& [key, value] : pooling.items()) {
    if (!key.starts_with("pooling_mode_") || value != true) continue;
    std::int64_t found = 0;
    for (const PoolingName& name : kPoolings)
      if (key == name.flag) found = name.type;
    if (found == 0 || type != 0) return unknown_pooling(key);
    type = found;
  }
  if (type == 0) return unknown_pooling("none");
  return type;
}

Expected<void> check_modules(const Json& modules) {
  for (const Json& module : modules) {
    const auto type = module.is_object() ? module.find("type") : module.end();
    const std::string name = type != module.end() && type->is_string() ? type->get<std::string>() : "no type";
    const std::string last = name.substr(name.rfind('.') + 1);
    if (last != "Transformer" && last != "Pooling" && last != "Normalize")
      return fail(Code::unsupported, "modules.json: module '" + printable(last) + "' is not supported", "type");
  }
  return {};
}

}  // namespace

Expected<void> read_hf_sentence(const HfSentenceFiles& files, const std::string& architecture, Metadata& out) {
  HEED_TRY(check_modules(files.modules));
  if (!files.pooling.empty()) {
    const auto mode = files.pooling.find("pooling_mode");
    HEED_ASSIGN(const std::int64_t type,
                mode != files.pooling.end() ? pooling_by_mode(*mode) : pooling_by_flags(files.pooling));
    out.insert(architecture + ".pooling_type", type);
  }
  const auto length = files.sentence.find("max_seq_length");
  if (length == files.sentence.end() || length->is_null()) return {};
  if (!length->is_number_unsigned() || length->get<std::uint64_t>() > std::uint64_t{1} << 30)
    return fail(Code::malformed,
                "sentence_bert_config.json: key 'max_seq_length': expected an integer below 2^30, got " +
                    std::string(length->type_name()),
                "max_seq_length");
  out.insert(architecture + ".text_length", length->get<std::int64_t>());
  return {};
}

}  // namespace heed
