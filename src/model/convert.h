// convert.h -- any model file as one GGUF file, in the encodings of a mix.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "core/expected.h"
#include "core/file.h"
#include "core/thread_pool.h"
#include "formats/model_file.h"
#include "model/mix.h"

namespace heed {

struct ConvertOptions {
  std::function<bool(const std::string& tensor, std::int64_t done, std::int64_t total)>
      progress;  // bytes of the source; false cancels
};

/// Writes `to` (whole, or not at all: it has another name until it is complete), with the source's metadata. Returns
/// its bytes. Errors: unsupported (a tensor heed cannot decode), malformed (numbers that are none), io, cancelled.
Expected<std::int64_t> convert_model(const ModelFile& from, const Mix& mix, const std::string& to, ThreadPool& pool,
                                     const ConvertOptions& options = {}, FileLayer& files = system_files());

}  // namespace heed
