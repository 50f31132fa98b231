// gguf_metadata.h -- the key-value part of a GGUF file.
#pragma once
#include <cstdint>

#include "formats/byte_reader.h"
#include "formats/metadata.h"

namespace heed {

/// A key or a tensor name: 1..65536 bytes of UTF-8 without control characters. `what` names it in errors.
Expected<std::string> read_gguf_name(ByteReader& reader, MemoryBudget& budget, const char* what);

/// `count` key-values at the reader's place.
Expected<Metadata> read_gguf_metadata(ByteReader& reader, MemoryBudget& budget, std::uint64_t count);

}  // namespace heed
