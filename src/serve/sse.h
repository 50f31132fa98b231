// sse.h -- server-sent events: the framing of streamed answers.
#pragma once
#include <string>
#include <string_view>

#include "serve/http.h"

namespace heed {

/// `data: <json>` and an empty line. `json` holds no line breaks.
std::string sse_data(std::string_view json);
/// The same under an event's name.
std::string sse_event(std::string_view name, std::string_view json);
/// A comment: keeps proxies from timing out, clients ignore it.
std::string sse_comment(std::string_view text);
/// The head of a stream, without body.
HttpResponse sse_response();

}  // namespace heed
