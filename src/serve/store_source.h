// store_source.h -- models of the store (or plain files) as a ModelSource.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "serve/model_host.h"
#include "store/store.h"

namespace heed {

struct StoreSourceOptions {
  std::vector<std::string> models;  // names of the store or paths, the first is the default; empty: all there are
  bool verifies = false;            // a model's hash is checked each time it is loaded
  LoadOptions load;
};

/// Without names the catalogue's default comes first. A model has the name it was given with (a path's: its file's).
/// not_found says how to pull a model.
Expected<std::unique_ptr<ModelSource>> store_source(const Store& store, StoreSourceOptions options);

}  // namespace heed
