// disk_pages.h -- which pages of a sequence lie on disk, and how they come back.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cache/page_files.h"
#include "engine/language_model.h"

namespace heed {

/// A page's name is a hash over the model, the owner and every token up to the page's last: equal names, equal bytes,
/// and nobody finds what another tenant left. The engine's thread only.
class DiskPages {
 public:
  /// None when the model's pages cannot leave it.
  static std::unique_ptr<DiskPages> make(std::shared_ptr<PageFiles> files, const LanguageModel& model);

  std::int32_t page_tokens() const noexcept { return layout_.tokens; }
  /// Of the first tokens, those that whole pages on disk hold.
  std::int32_t find(const std::string& owner, std::span<const std::int32_t> tokens);
  /// Continues `state`, which holds some of the first tokens, with the pages that find() just counted, in reserved
  /// memory. A page that is gone meanwhile ends it.
  void restore(ModelState& state);
  /// Keeps the whole pages of `state`, which holds `tokens`.
  void keep(const std::string& owner, std::span<const std::int32_t> tokens, const ModelState& state);

 private:
  DiskPages(std::shared_ptr<PageFiles> files, PageLayout layout)
      : files_(std::move(files)), layout_(std::move(layout)) {}
  /// The next page's name, or empty when a digest cannot be made.
  std::string next(const std::string& before, std::span<const std::int32_t> tokens) const;
  std::string root(const std::string& owner) const;

  std::shared_ptr<PageFiles> files_;
  PageLayout layout_;
  std::vector<std::string> found_;  // names of the first pages
};

}  // namespace heed
