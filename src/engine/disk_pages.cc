// disk_pages.cc -- a chain of digests, page by page.
#include "engine/disk_pages.h"

#include "core/digest.h"

namespace heed {
namespace {

std::string digest_of(std::span<const std::byte> first, std::span<const std::byte> second) {
  auto digest = Sha256::make();
  if (!digest || !digest->add(first) || !digest->add(second)) return {};
  auto name = digest->finish();
  return name ? std::move(*name) : std::string();
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

std::unique_ptr<DiskPages> DiskPages::make(std::shared_ptr<PageFiles> files, const LanguageModel& model) {
  PageLayout layout = model.page_layout();
  if (!files || layout.tokens <= 0 || layout.identity.empty()) return nullptr;
  return std::unique_ptr<DiskPages>(new DiskPages(std::move(files), std::move(layout)));
}

std::string DiskPages::root(const std::string& owner) const {
  const std::string lengths = std::to_string(layout_.identity.size()) + " " + std::to_string(owner.size()) + " ";
  return digest_of(bytes_of(lengths + layout_.identity), bytes_of(owner));
}

std::string DiskPages::next(const std::string& before, std::span<const std::int32_t> tokens) const {
  return before.empty() ? std::string() : digest_of(bytes_of(before), std::as_bytes(tokens));
}

std::int32_t DiskPages::find(const std::string& owner, std::span<const std::int32_t> tokens) {
  found_.clear();
  const auto page = static_cast<std::size_t>(layout_.tokens);
  std::string name = root(owner);
  for (std::size_t at = 0; at + page <= tokens.size(); at += page) {
    name = next(name, tokens.subspan(at, page));
    if (!files_->has(name)) break;
    found_.push_back(name);
  }
  return static_cast<std::int32_t>(found_.size() * page);
}

void DiskPages::restore(ModelState& state) {
  for (auto i = static_cast<std::size_t>(state.length() / layout_.tokens); i < found_.size(); ++i) {
    const std::span<std::byte> page = state.open_page();
    if (page.empty() || !files_->read(found_[i], page)) return;
    state.close_page();
  }
}

void DiskPages::keep(const std::string& owner, std::span<const std::int32_t> tokens, const ModelState& state) {
  const auto page = static_cast<std::size_t>(layout_.tokens);
  std::string name = root(owner);
  for (std::size_t i = 0; (i + 1) * page <= tokens.size(); ++i) {
    name = next(name, tokens.subspan(i * page, page));
    if (name.empty() || files_->has(name)) continue;
    const std::span<const std::byte> bytes = state.page(static_cast<std::int32_t>(i));
    if (bytes.empty()) return;
    files_->keep(name, bytes);
  }
}

}  // namespace heed
