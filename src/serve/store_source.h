// store_source.h -- models of the store (or plain files) as a ModelSource.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "serve/model_host.h"
#include "store/store.h"

namespace heed {

/// `models`: catalogue names or paths, the first is the default; empty: all that the store has, the catalogue's
/// default first. not_found says how to pull a model. A path's model is named after its file.
Expected<std::unique_ptr<ModelSource>> store_source(const Store& store, const std::vector<std::string>& models,
                                                    LoadOptions options);

}  // namespace heed
