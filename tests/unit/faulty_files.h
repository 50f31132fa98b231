// faulty_files.h -- a file layer that fails on demand.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"

namespace heed {

/// Forwards to the system; the n-th write fails, free space is what the test says.
class FaultyFiles final : public FileLayer {
 public:
  int fail_write = 0, fail_sync = 0, fail_rename = 0;  // 1: the next one; 0: never
  std::int64_t free = std::int64_t{1} << 40;

  Expected<MappedFile> map(const std::string& path) override { return under_.map(path); }
  Expected<std::vector<std::byte>> read(const std::string& path, std::size_t max_bytes) override {
    return under_.read(path, max_bytes);
  }
  Expected<std::unique_ptr<OutputFile>> create(const std::string& path, WriteMode mode) override {
    HEED_ASSIGN(auto file, under_.create(path, mode));
    return std::unique_ptr<OutputFile>(std::make_unique<Output>(*this, std::move(file)));
  }
  Expected<void> rename(const std::string& from, const std::string& to) override {
    if (fail_rename > 0 && --fail_rename == 0) return fail(Code::io, "rename: " + from + ": planted");
    return under_.rename(from, to);
  }
  Expected<void> remove(const std::string& path) override { return under_.remove(path); }
  Expected<void> make_directories(const std::string& path) override { return under_.make_directories(path); }
  Expected<std::vector<std::string>> list(const std::string& directory) override { return under_.list(directory); }
  Expected<std::int64_t> size(const std::string& path) override { return under_.size(path); }
  Expected<FileIdentity> identity(const std::string& path) override { return under_.identity(path); }
  Expected<void> touch(const std::string& path) override { return under_.touch(path); }
  Expected<std::int64_t> free_bytes(const std::string&) override { return free; }

 private:
  struct Output final : OutputFile {
    Output(FaultyFiles& owner, std::unique_ptr<OutputFile> under) : owner_(owner), under_(std::move(under)) {}
    Expected<void> write(std::span<const std::byte> bytes) override {
      if (owner_.fail_write > 0 && --owner_.fail_write == 0) {
        HEED_TRY(under_->write(bytes.first(bytes.size() / 2)));  // a full disk takes a part
        return fail(Code::io, "write: No space left on device");
      }
      return under_->write(bytes);
    }
    Expected<void> sync() override {
      if (owner_.fail_sync > 0 && --owner_.fail_sync == 0) return fail(Code::io, "sync: planted");
      return under_->sync();
    }
    FaultyFiles& owner_;
    std::unique_ptr<OutputFile> under_;
  };
  FileLayer& under_ = system_files();
};

}  // namespace heed
