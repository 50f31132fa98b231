// import.h -- models that other programs keep on this machine: what there is, and whether heed can share it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/file.h"

namespace heed {

struct FoundFile {
  std::string path;    // where it lies
  std::string target;  // where heed will name it, below models/
  std::int64_t bytes = 0;
  std::string sha256;  // as its owner says; empty: the owner does not
};

struct FoundModel {
  std::string origin;            // "ollama", "llama.cpp", "hub cache"
  std::string name;              // as heed will call it
  std::vector<FoundFile> files;  // of a split model all parts, the first one first
  std::string licence;           // its first line, where the owner keeps it
  std::string parameters;        // the owner's defaults for sampling, for people to read
  std::string note;              // what is left behind
  std::string problem;           // why it cannot be had; empty: it can
  std::int64_t bytes() const;
};

struct ImportPlaces {
  std::string ollama;     // OLLAMA_MODELS, or ~/.ollama/models
  std::string llama_cpp;  // LLAMA_CACHE, or ~/.cache/llama.cpp
  std::string hub_cache;  // HF_HUB_CACHE, HF_HOME/hub, or ~/.cache/huggingface/hub
};
ImportPlaces usual_import_places();

/// Everything found there, by place and name; a place that is not there holds nothing. Whatever stands in those
/// directories is read with suspicion: a model whose manifest lies, or whose file lies elsewhere, has a `problem`.
std::vector<FoundModel> find_models(const ImportPlaces& places, FileLayer& files);

// One per file.
void find_ollama(const std::string& root, FileLayer& files, std::vector<FoundModel>& out);
void find_llama_cpp(const std::string& root, FileLayer& files, std::vector<FoundModel>& out);
void find_hub_cache(const std::string& root, FileLayer& files, std::vector<FoundModel>& out);

// What they share.

/// The text of a small file inside `root`; nothing when it is longer than `max_bytes` or lies elsewhere.
std::string small_text(const std::string& root, const std::string& path, std::size_t max_bytes, FileLayer& files);
/// Why the file cannot be taken: not inside `root`, not a regular file, no GGUF, not `bytes` long (-1: any). "": it
/// can.
std::string problem_of(const std::string& root, const std::string& path, std::int64_t bytes, FileLayer& files);
/// Entries of a directory, sorted, links and hidden ones left out, at most 10,000.
std::vector<std::string> directories_in(const std::string& directory);
std::vector<std::string> files_in(const std::string& directory);

}  // namespace heed
