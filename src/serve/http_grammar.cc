// http_grammar.cc -- the strict reader of request heads and paths.
#include "serve/http_grammar.h"

#include <algorithm>
#include <array>

namespace heed {
namespace {

bool is_token_char(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char); }

// Tab, space, visible ASCII and bytes above (obs-text); never CR, LF, NUL or another control.
bool is_value_char(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Error bad(const char* what) { return fail(Code::malformed, std::string("request: ") + what); }

Expected<void> parse_request_line(std::string_view line, HttpRequest& request) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return bad("expected METHOD SP target SP HTTP/1.1");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method)) return bad("the method is not a token");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return bad("expected HTTP/1.1 or HTTP/1.0");
  for (const char c : target) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '#') return bad("the target holds a byte that no URL may hold");
  }
  const bool is_asterisk = target == "*" && method == "OPTIONS";
  if (!is_asterisk && (target.empty() || target.front() != '/')) return bad("the target must be a path");
  request.method = method;
  request.target = target;
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  request.minor_version = version.back() - '0';
  return {};
}

Expected<void> parse_field(std::string_view line, HttpRequest& request) {
  if (line.front() == ' ' || line.front() == '\t') return bad("a folded header line");
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bad("a header line without a colon");
  const std::string_view name = line.substr(0, colon);
  if (!is_token(name)) return bad("a header name that is not a token");
  const std::string_view value = trim(line.substr(colon + 1));
  if (!std::all_of(value.begin(), value.end(), is_value_char)) return bad("a control byte in a header");
  request.headers.emplace_back(lower(name), std::string(value));
  return {};
}

std::ptrdiff_t count(const HttpRequest& request, std::string_view name) {
  return std::count_if(request.headers.begin(), request.headers.end(),
                       [&](const HttpHeader& header) { return header.first == name; });
}

Expected<void> check_framing(HttpRequest& request) {
  const auto lengths = count(request, "content-length");
  const auto encodings = count(request, "transfer-encoding");
  const auto hosts = count(request, "host");
  if (hosts > 1 || (hosts == 0 && request.minor_version == 1)) return bad("expected exactly one Host header");
  if (lengths > 1) return bad("more than one Content-Length");
  if (encodings > 1) return bad("more than one Transfer-Encoding");
  if (lengths == 1 && encodings == 1) return bad("both Content-Length and Transfer-Encoding");
  if (lengths == 1) {
    const std::string& value = *request.header("content-length");
    const bool is_number = !value.empty() && value.size() <= 18 &&
                           std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number) return bad("Content-Length is not a number");
  }
  if (encodings == 1) {
    if (request.minor_version == 0) return bad("Transfer-Encoding in HTTP/1.0");
    if (lower(*request.header("transfer-encoding")) != "chunked") return bad("Transfer-Encoding other than chunked");
  }
  if (count(request, "authorization") > 1 || count(request, "x-api-key") > 1) return bad("more than one credential");
  return {};
}

void read_connection(HttpRequest& request) {
  request.keep_alive = request.minor_version == 1;
  const std::string* connection = request.header("connection");
  if (connection == nullptr) return;
  const std::string value = lower(*connection);
  if (value.find("close") != std::string::npos)
    request.keep_alive = false;
  else if (value.find("keep-alive") != std::string::npos)
    request.keep_alive = true;
}

int percent_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Expected<void> check_segment(std::string_view segment) {
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] == '\\') return bad("a backslash in the path");
    if (segment[i] != '%') continue;
    if (i + 3 > segment.size() || percent_digit(segment[i + 1]) < 0 || percent_digit(segment[i + 2]) < 0) {
      return bad("a broken escape in the path");
    }
  }
  const std::string decoded = decode_segment(segment);
  if (decoded == "." || decoded == "..") return bad("a dot segment in the path");
  const bool has_control = std::any_of(decoded.begin(), decoded.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\';
  });
  if (has_control) return bad("a control byte in the path");
  return {};
}

}  // namespace

const std::string* HttpRequest::header(std::string_view name) const noexcept {
  for (const HttpHeader& header : headers) {
    if (header.first == name) return &header.second;
  }
  return nullptr;
}

Expected<HttpRequest> parse_head(std::string_view head) {
  HttpRequest request;
  bool is_first = true;
  while (true) {
    const std::size_t end = head.find('\n');
    if (end == std::string_view::npos || end == 0 || head[end - 1] != '\r')
      return bad("a line that does not end in CRLF");
    const std::string_view line = head.substr(0, end - 1);
    head.remove_prefix(end + 1);
    if (line.find('\r') != std::string_view::npos) return bad("a bare CR");
    if (is_first) {
      HEED_TRY(parse_request_line(line, request));
      is_first = false;
      continue;
    }
    if (line.empty()) break;
    HEED_TRY(parse_field(line, request));
  }
  if (!head.empty()) return bad("bytes after the empty line");
  HEED_TRY(check_framing(request));
  read_connection(request);
  return request;
}

Expected<std::vector<std::string_view>> split_path(std::string_view path) {
  if (path.empty() || path.front() != '/') return bad("a path must start with /");
  std::vector<std::string_view> segments;
  if (path == "/") return segments;
  path.remove_prefix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    if (segment.empty()) return bad("an empty segment in the path");
    HEED_TRY(check_segment(segment));
    segments.push_back(segment);
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

std::string decode_segment(std::string_view segment) {
  std::string out;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] == '%' && i + 2 < segment.size()) {
      out.push_back(static_cast<char>(percent_digit(segment[i + 1]) * 16 + percent_digit(segment[i + 2])));
      i += 2;
    } else {
      out.push_back(segment[i]);
    }
  }
  return out;
}

const char* status_text(std::int32_t status) noexcept {
  struct Row {
    std::int32_t status;
    const char* text;
  };
  static constexpr std::array<Row, 18> kRows = {{{200, "OK"},
                                                 {204, "No Content"},
                                                 {304, "Not Modified"},
                                                 {400, "Bad Request"},
                                                 {401, "Unauthorized"},
                                                 {403, "Forbidden"},
                                                 {404, "Not Found"},
                                                 {405, "Method Not Allowed"},
                                                 {408, "Request Timeout"},
                                                 {413, "Content Too Large"},
                                                 {415, "Unsupported Media Type"},
                                                 {417, "Expectation Failed"},
                                                 {429, "Too Many Requests"},
                                                 {431, "Request Header Fields Too Large"},
                                                 {500, "Internal Server Error"},
                                                 {501, "Not Implemented"},
                                                 {503, "Service Unavailable"},
                                                 {504, "Gateway Timeout"}}};
  for (const Row& row : kRows) {
    if (row.status == status) return row.text;
  }
  return "Unknown";
}

}  // namespace heed
