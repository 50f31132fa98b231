// sse.cc -- a few bytes around each event.
#include "serve/sse.h"

namespace heed {

std::string sse_data(std::string_view json) { return std::string("data: ").append(json).append("\n\n"); }
std::string sse_event(std::string_view name, std::string_view json) {
  return std::string("event: ").append(name).append("\n") + sse_data(json);
}
std::string sse_comment(std::string_view text) { return std::string(": ").append(text).append("\n\n"); }

HttpResponse sse_response() {
  return HttpResponse{.status = 200,
                      .content_type = "text/event-stream; charset=utf-8",
                      .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}};
}

}  // namespace heed
