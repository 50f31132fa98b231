// libfuzzer_main.cc -- libFuzzer's two functions for the one parser that is linked in. HEED_SEEDS: the corpus, which
// gets the parser's seeds before it is read.
#include <cstdint>
#include <fstream>

#include "tests/fuzz/parser.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* corpus = std::getenv("HEED_SEEDS");
  if (corpus == nullptr) return 0;
  int number = 0;
  for (const std::string& seed : heed::fuzz::parsers().front().seeds())
    std::ofstream(std::string(corpus) + "/seed-" + std::to_string(number++), std::ios::binary) << seed;
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)heed::fuzz::parsers().front().read({reinterpret_cast<const char*>(data), size});
  return 0;
}
