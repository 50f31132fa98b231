// download.h -- one file over HTTP(S): resumed by Range, refused early when it cannot be the wanted one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/expected.h"

namespace heed {

struct Download {
  std::string url;
  std::int64_t offset = 0;      // bytes that are here already
  std::int64_t size_bytes = 0;  // of the whole file; a server that announces another size is refused
  /// Gets the bytes from `offset` on, in order.
  std::function<Expected<void>(std::span<const std::byte>)> sink;
  /// Asked some times a second; false cancels.
  std::function<bool()> keep_going;
};

struct DownloadFailure {
  Error error;
  bool host_unreachable = false;  // not worth another try in this process
  bool worth_resuming = false;    // the connection broke in the middle
};

/// Proxies and certificates as libcurl finds them in the environment (HTTPS_PROXY, NO_PROXY, ...).
/// Fails with the sink's own error when the sink refuses, `cancelled` when keep_going says so.
Expected<void> download(const Download& wanted, DownloadFailure& failure);

/// "host:port" of a URL, for messages and for remembering that it cannot be reached.
std::string host_of(const std::string& url);

}  // namespace heed
