// parser.h -- whatever reads hostile bytes, as a row: its name, how it reads, and small files that it loads. libFuzzer
// runs one row (libfuzzer_main.cc), the mutations test all rows of a room (mutations.cc).
#pragma once
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace heed::fuzz {

struct Parser {
  const char* name;
  /// Whether the bytes were loaded; aborts where a promise is broken.
  bool (*read)(std::string_view bytes);
  std::vector<std::string> (*seeds)();
  /// One read takes at most `memory_factor` times its bytes plus 16 MiB.
  int memory_factor = 1;
};

inline std::vector<Parser>& parsers() {
  static std::vector<Parser> all;
  return all;
}

/// A row by its existence.
struct Row {
  explicit Row(const Parser& parser) { parsers().push_back(parser); }
};

inline void require(bool holds, std::string_view promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %.*s\n", static_cast<int>(promise.size()), promise.data());
  std::abort();
}

/// Whether it was loaded; what was not has an error that says why.
template <class T>
bool loaded(const Expected<T>& result) {
  require(result || !result.error().text.empty(), "an error has a text");
  return static_cast<bool>(result);
}

/// A file of tests/golden.
inline std::string golden(const std::string& name) {
  const std::string path = std::string(HEED_SOURCE_DIR) + "/tests/golden/" + name;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  require(file != nullptr, path);
  std::string out;
  char chunk[4096];
  for (std::size_t n = 0; (n = std::fread(chunk, 1, sizeof chunk, file)) > 0;) out.append(chunk, n);
  std::fclose(file);
  return out;
}

}  // namespace heed::fuzz
