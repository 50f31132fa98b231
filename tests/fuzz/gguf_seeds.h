// gguf_seeds.h -- what the parsers of GGUF files share: built files as texts, and a look at all that one offers.
#pragma once
#include <string>

#include "formats/gguf.h"
#include "tests/fuzz/parser.h"
#include "tests/unit/formats/gguf_builder.h"

namespace heed::fuzz {

inline std::string text_of(const testing_gguf::GgufBuilder& built) {
  return {reinterpret_cast<const char*>(built.bytes().data()), built.bytes().size()};
}

/// Reads every byte of every tensor: a wrong view is a sanitizer's finding.
inline void touch(const ModelFile& file, std::span<const std::byte> bytes) {
  volatile unsigned sum = 0;
  for (const NamedTensor& named : file.tensors()) {
    const Tensor& t = named.tensor;
    require(file.find(named.name) == &t, "a tensor is found by its name");
    require(t.bytes() > 0 && t.data >= bytes.data() && t.data + t.bytes() <= bytes.data() + bytes.size(),
            "a view lies in the file");
    for (std::int64_t i = 0; i < t.bytes(); ++i) sum = sum + static_cast<unsigned>(t.data[i]);
  }
}

}  // namespace heed::fuzz
