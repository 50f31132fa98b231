// assembly.cc -- append, hash, and the one rename that makes a model appear.
#include "store/assembly.h"

#include <algorithm>

namespace heed {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{8} << 20;

Expected<std::int64_t> add_file(FileLayer& files, const std::string& path, Sha256& digest,
                                const std::function<bool(std::int64_t)>& keep_going) {
  HEED_ASSIGN(const MappedFile file, files.map(path));
  const std::span<const std::byte> bytes = file.bytes();
  for (std::size_t at = 0; at < bytes.size(); at += kPieceBytes) {
    if (!keep_going(static_cast<std::int64_t>(at))) return fail(Code::cancelled, "store: cancelled");
    const auto piece = bytes.subspan(at, std::min(kPieceBytes, bytes.size() - at));
    HEED_TRY(digest.add(piece));
    file.drop_pages(piece);
  }
  return static_cast<std::int64_t>(bytes.size());
}

}  // namespace

Expected<std::string> file_sha256(FileLayer& files, const std::string& path,
                                  const std::function<bool(std::int64_t)>& keep_going) {
  HEED_ASSIGN(Sha256 digest, Sha256::make());
  HEED_TRY(add_file(files, path, digest, keep_going));
  return digest.finish();
}

Expected<Assembly> Assembly::open(FileLayer& files, const CatalogEntry& entry, const std::string& stem,
                                  const std::function<bool(std::int64_t)>& keep_going) {
  Assembly out;
  out.files_ = &files;
  out.entry_ = &entry;
  out.partial_ = stem + ".partial";
  HEED_ASSIGN(out.digest_, Sha256::make());
  WriteMode mode = WriteMode::append;
  if (const auto size = files.size(out.partial_); entry.sha256.empty() || (size && *size > entry.size_bytes)) {
    mode = WriteMode::truncate;  // cannot be a prefix, or nobody could tell
  } else if (size && *size > 0) {
    HEED_ASSIGN(out.bytes_, add_file(files, out.partial_, out.digest_, keep_going));
  }
  HEED_ASSIGN(out.out_, files.create(out.partial_, mode));
  return out;
}

Expected<void> Assembly::append(std::span<const std::byte> bytes) {
  is_too_long_ = static_cast<std::int64_t>(bytes.size()) > bytes_left();
  if (is_too_long_)
    return fail(
        Code::malformed,
        "store: " + entry_->name + ": expected " + std::to_string(entry_->size_bytes) + " bytes, the source sends more",
        entry_->name);
  HEED_TRY(out_->write(bytes));
  HEED_TRY(digest_.add(bytes));
  bytes_ += static_cast<std::int64_t>(bytes.size());
  return {};
}

Expected<void> Assembly::sync() { return out_->sync(); }

Expected<void> Assembly::restart() {
  HEED_ASSIGN(digest_, Sha256::make());
  HEED_ASSIGN(out_, files_->create(partial_, WriteMode::truncate));
  bytes_ = 0;
  is_too_long_ = false;
  return {};
}

Expected<std::string> Assembly::finish(const std::function<std::string(const std::string& sha256)>& place) {
  HEED_TRY(out_->sync());
  out_.reset();
  HEED_ASSIGN(const std::string got, digest_.finish());
  if (bytes_ == entry_->size_bytes && (entry_->sha256.empty() || got == entry_->sha256)) {
    HEED_TRY(files_->rename(partial_, place(got)));
    return got;
  }
  HEED_TRY(files_->remove(partial_));
  if (bytes_ != entry_->size_bytes)
    return fail(Code::malformed,
                "store: " + entry_->name + ": expected " + std::to_string(entry_->size_bytes) + " bytes, got " +
                    std::to_string(bytes_) + ": the file was removed",
                entry_->name);
  return fail(
      Code::malformed,
      "store: " + entry_->name + ": expected SHA-256 " + entry_->sha256 + ", got " + got + ": the file was removed",
      entry_->name);
}

Expected<void> copy_file(FileLayer& files, const std::string& source, const CatalogEntry& entry, const Blobs& blobs,
                         const Store::OnProgress& progress) {
  HEED_ASSIGN(const MappedFile from, files.map(source));
  const auto report = [&](std::int64_t done) { return progress({"copying", done, entry.size_bytes}); };
  HEED_ASSIGN(Assembly to, Assembly::open(files, entry, blobs.path_of(entry.sha256), report));
  while (to.bytes_left() > 0) {
    const auto at = static_cast<std::size_t>(to.bytes());
    if (at >= from.bytes().size()) break;  // it became shorter: finish() says so
    if (!report(to.bytes())) return fail(Code::cancelled, "import: " + entry.name + ": cancelled");
    const auto piece = from.bytes().subspan(at, std::min(kPieceBytes, from.bytes().size() - at));
    HEED_TRY(to.append(piece));
    from.drop_pages(piece);
  }
  HEED_ASSIGN(const std::string sum, to.finish([&](const std::string& sha256) { return blobs.path_of(sha256); }));
  static_cast<void>(sum);
  return {};
}

}  // namespace heed
