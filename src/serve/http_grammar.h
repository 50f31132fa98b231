// http_grammar.h -- one reading of an HTTP/1.1 head: whatever two readers could understand differently is refused.
#pragma once
#include <string_view>

#include "core/expected.h"
#include "serve/http.h"

namespace heed {

/// `head` ends with the empty line (CRLF CRLF included). RFC 9112, strictly: no bare CR or LF, no folded lines, one
/// Host, at most one Content-Length (digits only), never beside Transfer-Encoding, which may only be "chunked".
/// The target is a path ("/...") or, for OPTIONS, "*".
Expected<HttpRequest> parse_head(std::string_view head);

/// Splits a path into its raw segments. Fails on empty segments, "." and "..", also percent-encoded ones, on
/// backslashes and control bytes and on broken escapes.
Expected<std::vector<std::string_view>> split_path(std::string_view path);

/// Percent-decoding of one segment whose escapes split_path found whole.
std::string decode_segment(std::string_view segment);

}  // namespace heed
