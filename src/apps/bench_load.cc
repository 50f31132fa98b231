// bench_load.cc -- seconds until a model can answer, and the memory it takes then and on the way.
#include <algorithm>
#include <fstream>

#include "apps/bench_model.h"

namespace heed {
namespace {

Expected<double> file_mib(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return fail(Code::io, "load: could not read " + path, "model");
  return static_cast<double>(in.tellg()) / (1024.0 * 1024.0);
}

Expected<void> bench_loading(const BenchOptions& o, const std::string& name) {
  BenchResult seconds{.name = "load " + name, .unit = "s"}, first{.name = "load and first token " + name, .unit = "s"};
  BenchResult resident{.name = "resident after load " + name, .unit = "MiB"};
  std::string path;
  for (std::int32_t run = 0; run < o.runs; ++run) {
    const double start = seconds_now();
    HEED_ASSIGN(auto model, BenchModel::load(o, name, 0, 1));
    seconds.values.push_back(model->load_seconds());
    const auto state = model->new_state();
    HEED_TRY(model->feed(*state, 1));
    first.values.push_back(seconds_now() - start);
    resident.values.push_back(resident_memory_mib());
    path = model->path();
  }
  HEED_ASSIGN(const double file, file_mib(path));
  resident.more = {{"file_mib", file}, {"of_file", median(resident.values) / file}};
  print_result(o, seconds);
  print_result(o, first);
  print_result(o, resident);
  print_result(o, {.name = "peak memory " + name,
                   .unit = "MiB",
                   // The kernel counts the peak a little late.
                   .values = {std::max(peak_memory_mib(), std::ranges::max(resident.values))},
                   .more = {{"file_mib", file}, {"of_file", peak_memory_mib() / file}}});
  return {};
}

}  // namespace

Expected<void> bench_load(const BenchOptions& options) {
  for (const std::string& name : options.models) HEED_TRY(bench_loading(options, name));
  return {};
}

}  // namespace heed
