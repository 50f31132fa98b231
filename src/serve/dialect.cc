// dialect.cc -- fields copied under the names that the parameter table knows, errors called back.
#include "serve/dialect.h"

namespace heed {

ApiError renamed(ApiError error, std::string_view from, std::string_view to) {
  const auto rename = [&](std::string& text, std::string_view behind) {
    const bool is_it = text.starts_with(from) &&
                       (text.size() == from.size() || behind.find(text[from.size()]) != std::string_view::npos);
    if (is_it) text.replace(0, from.size(), to);
    return is_it;
  };
  if (rename(error.param, "[.")) rename(error.message, "[.:");
  return error;
}

std::optional<ApiError> parse_dialect(std::span<const DialectField> fields, const Json& body, Json messages,
                                      GenerationParams& out) {
  Json chat;
  for (const DialectField& field : fields) {
    const auto found = body.find(field.name);
    if (found == body.end() || found->is_null()) continue;
    if (!field.parameter.empty())
      chat[std::string(field.parameter)] = *found;
    else if (field.allows != nullptr && !field.allows(*found))
      return not_supported_yet(std::string(field.name), std::string(field.about));
  }
  chat["messages"] = std::move(messages);
  auto error = parse_params(chat, kChatEndpoint, out);
  if (!error) return std::nullopt;
  for (const DialectField& field : fields) {
    if (field.parameter.empty() || field.parameter == field.name) continue;
    ApiError told = renamed(*error, field.parameter, field.name);
    if (told.param != error->param) return told;
  }
  return error;
}

}  // namespace heed
