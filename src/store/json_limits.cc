// json_limits.cc -- the parser's own callback keeps count of the depth.
#include "store/json_limits.h"

namespace heed {
namespace {

constexpr int kMaxNesting = 16;

}  // namespace

std::optional<nlohmann::json> parse_bounded(const std::string& text) {
  bool is_deep = false;
  const auto bounded = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    is_deep = is_deep || depth > kMaxNesting;
    return !is_deep;
  };
  nlohmann::json value = nlohmann::json::parse(text, bounded, false);
  if (is_deep || value.is_discarded()) return std::nullopt;
  return value;
}

std::string text_in(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t integer_in(const nlohmann::json& object, const char* key, std::int64_t most) {
  if (!object.is_object()) return -1;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return -1;
  if (found->is_number_unsigned() && found->get<std::uint64_t>() > static_cast<std::uint64_t>(most)) return -1;
  const auto value = found->get<std::int64_t>();
  return value < 0 || value > most ? -1 : value;
}

}  // namespace heed
