// conversations.h -- conversations that clients leave on this server: JSON documents by tenant and id, in one table of
// an SQLite file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"

struct sqlite3;

namespace heed {

struct ConversationLimits {
  std::size_t document_bytes = std::size_t{8} << 20;
  std::int64_t tenant_bytes = std::int64_t{1} << 30;  // all documents of one tenant
  std::size_t page_bytes = std::size_t{4} << 20;      // a page ends with the document that reaches this
};

struct ConversationPage {
  std::vector<std::string> documents;  // in order of their ids
  bool has_more = false;
};

/// Every function may be called from any thread. Documents are kept as they are; their form is the caller's.
class ConversationStore {
 public:
  /// Makes file and table where they are missing; the file is readable by its owner alone.
  static Expected<std::unique_ptr<ConversationStore>> open(const std::string& path, ConversationLimits limits = {});

  /// The tenant's documents whose id is above `after`.
  Expected<ConversationPage> list(std::string_view tenant, std::string_view after) const;
  /// Puts a document in place of the one with this id. too_long beyond the limits; then nothing changes.
  Expected<void> put(std::string_view tenant, std::string_view id, std::string_view document);
  /// False when there was none.
  Expected<bool> remove(std::string_view tenant, std::string_view id);

 private:
  struct Close {
    void operator()(sqlite3* database) const noexcept;
  };
  using Database = std::unique_ptr<sqlite3, Close>;
  ConversationStore(Database database, ConversationLimits limits) : database_(std::move(database)), limits_(limits) {}

  Database database_;
  ConversationLimits limits_;
};

/// 1 to 64 of A-Z a-z 0-9 - _
bool is_conversation_id(std::string_view id) noexcept;

}  // namespace heed
