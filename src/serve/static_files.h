// static_files.h -- the page, compiled in: every file with its type, tag and compressed forms.
#pragma once
#include <span>
#include <string_view>

namespace heed {

struct StaticFile {
  std::string_view path;  // "/assets/index-abc123.js"
  std::string_view content_type;
  std::string_view etag;                    // of the content, with quotes
  bool is_hashed = false;                   // its name changes with its content: cached for ever
  std::string_view identity, gzip, brotli;  // gzip and brotli may be empty
};

using StaticFiles = std::span<const StaticFile>;

/// Made from web/dist by tools/embed_web.py; empty when the page was not built.
StaticFiles embedded_files() noexcept;

}  // namespace heed
