// bench_tokenize.cc -- `heed bench tokenize`: text to tokens, on one thread.
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/bench.h"
#include "apps/tokenizer_file.h"
#include "core/file.h"

namespace heed {

Expected<void> bench_tokenize(const BenchOptions& options) {
  HEED_ASSIGN(const MappedFile file, system_files().map(options.text_path));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (text.empty()) return fail(Code::invalid_argument, "bench tokenize: expected a text, got an empty file", "text");
  std::vector<std::unique_ptr<Tokenizer>> tokenizers;
  std::vector<BenchCase> cases;
  for (const std::string& model : options.models) {
    HEED_ASSIGN(std::unique_ptr<Tokenizer> tokenizer, open_tokenizer(model));
    const Tokenizer* t = tokenizer.get();
    tokenizers.push_back(std::move(tokenizer));
    BenchCase one;
    one.result = {.name = "tokenize " + std::filesystem::path(model).stem().string(), .unit = "MB/s"};
    one.result.more.emplace_back("tokens", static_cast<double>(t->encode(text).size()));
    one.run = [t, text]() -> Expected<double> {
      const auto once = [t, text]() -> Expected<void> {
        if (t->encode(text).empty()) return fail(Code::internal, "bench tokenize: no tokens");
        return {};
      };
      HEED_ASSIGN(const double seconds, seconds_per_call(once));
      return static_cast<double>(text.size()) / seconds / 1e6;
    };
    cases.push_back(std::move(one));
  }
  BenchOptions alone = options;
  alone.load.threads = 1;
  return run_cases(alone, cases);
}

}  // namespace heed
