// static_files.cc -- serves the page with the best encoding the browser takes, and strict headers.
#include "serve/static_files.h"

#include <string>

#include "serve/service.h"

namespace heed {
namespace {

// No script or style but our own files, no plugins, no framing, no requests elsewhere.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

constexpr std::string_view kNotice =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>heed</title><body><h1>heed is running</h1>"
    "<p>The page is not part of this build: run <code>make web</code> and build again. The API is at "
    "<code>/v1/chat/completions</code>.</p></body></html>";

bool accepts(const HttpRequest& request, std::string_view encoding) {
  const std::string* header = request.header("accept-encoding");
  if (header == nullptr) return false;
  std::string_view rest = *header;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    while (item.starts_with(' ')) item.remove_prefix(1);
    const std::size_t semicolon = item.find(';');
    std::string_view name = item.substr(0, semicolon);
    while (name.ends_with(' ')) name.remove_suffix(1);
    const std::string_view weight = semicolon == std::string_view::npos ? std::string_view() : item.substr(semicolon);
    const bool is_refused =
        weight.find("q=0") != std::string_view::npos && weight.find_first_of("123456789") == std::string_view::npos;
    if (name == encoding) return !is_refused;
  }
  return false;
}

void add_page_headers(HttpResponse& response) {
  response.headers.emplace_back("Content-Security-Policy", kPolicy);
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("X-Frame-Options", "DENY");
  response.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
}

HttpResponse file_response(const HttpRequest& request, const StaticFile& file) {
  HttpResponse response{.content_type = std::string(file.content_type)};
  response.headers.emplace_back("ETag", file.etag);
  response.headers.emplace_back("Cache-Control", file.is_hashed ? "public, max-age=31536000, immutable" : "no-cache");
  response.headers.emplace_back("Vary", "Accept-Encoding");
  add_page_headers(response);
  const std::string* known = request.header("if-none-match");
  if (known != nullptr && (*known == "*" || known->find(file.etag) != std::string::npos)) {
    response.status = 304;
    response.content_type.clear();
    return response;
  }
  if (!file.brotli.empty() && accepts(request, "br")) {
    response.headers.emplace_back("Content-Encoding", "br");
    response.body = file.brotli;
  } else if (!file.gzip.empty() && accepts(request, "gzip")) {
    response.headers.emplace_back("Content-Encoding", "gzip");
    response.body = file.gzip;
  } else {
    response.body = file.identity;
  }
  return response;
}

HttpResponse notice_response() {
  HttpResponse response{.content_type = "text/html; charset=utf-8", .body = std::string(kNotice)};
  add_page_headers(response);
  return response;
}

}  // namespace

void add_file_routes(Router& router, const StaticFiles& files) {
  bool has_index = false;
  for (const StaticFile& file : files) {
    const bool is_index = file.path == "/index.html";
    has_index = has_index || is_index;
    const RouteHandler handler = [&file](const auto& request, const auto& writer) {
      writer->send(file_response(*request, file));
    };
    router.add({"GET", std::string(file.path), Access::open, handler});
    if (is_index) router.add({"GET", "/", Access::open, handler});
  }
  if (has_index) return;
  router.add({"GET", "/", Access::open, [](const auto&, const auto& writer) { writer->send(notice_response()); }});
}

}  // namespace heed
