/// \file
/// \brief What every `Storage` promises, as one function: the first broken promise, or nothing.
///
/// A function and not a test suite, so that a test can also assert that a wrong storage is caught.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "components/base/simulated/event_loop.h"
#include "components/gcs/registration.h"
#include "components/gcs/storage.h"
#include "sim/simulated_background_thread.h"
#include "sim/simulated_file_system.h"

namespace mobula::gcs {

/// Makes a storage on simulated seams, which outlive it.
using StorageFactory = std::function<std::unique_ptr<Storage>(const Storage::Context& context)>;

/// The checks, in the words of storage.h. Each returns the promise that does not hold, or "".
class StorageConformance {
 public:
  explicit StorageConformance(const StorageFactory& factory)
      : storage_(factory({.loop = loop_,
                          .random = Random(7),
                          .files = files_,
                          .folder = "/gcs",
                          .writer = writer_,
                          .kinds = kinds_})) {}

  std::string Tables() {
    if (storage_->Name().empty()) return "a storage has a name";
    if (Read("t", "a") != std::nullopt) return "nullopt in the result if the key is absent";
    if (!Scan("t", "").empty()) return "a scan of nothing is empty";
    if (!Write({{"t", "a", "1"}, {"t", "b", "2"}, {"u", "a", "3"}})) return "batches are acked";
    if (Read("t", "a") != "1" || Read("u", "a") != "3") return "tables are apart";
    return "";
  }

  std::string Batches() {
    if (!Write({})) return "an empty batch is acknowledged";
    Write({{"t", "a", "1"}, {"t", "b", "2"}});
    if (!Write({{"t", "a", std::nullopt}, {"t", "b", "4"}})) return "batches are acknowledged";
    if (Read("t", "a") != std::nullopt) return "value nullopt deletes";
    if (Read("t", "b") != "4") return "a later value replaces the earlier";
    if (!Write({{"t", "c", "1"}, {"t", "c", std::nullopt}, {"t", "d", std::nullopt}})) {
      return "deleting what is absent is fine";
    }
    if (Read("t", "c") != std::nullopt) return "changes of a batch apply in order";
    return "";
  }

  std::string Scans() {
    const std::string zero("k\0z", 3);
    Write(
        {{"s", "k2", "b"}, {"s", "k1", "a"}, {"s", zero, ""}, {"s", "l", ""}, {"s", "k\xff", ""}});
    const Entries expected{{zero, ""}, {"k1", "a"}, {"k2", "b"}, {"k\xff", ""}};
    if (Scan("s", "k") != expected) return "all entries whose key begins with prefix, by key";
    std::vector<KeySize> sizes;
    for (const auto& [key, value] : expected) sizes.push_back({key, value.size()});
    if (ListKeys("s", "k") != sizes) return "keys are listed as by a scan, with sizes";
    if (Read("s", zero) != "") return "keys and values are any bytes, also none";
    return "";
  }

  std::string Order() {
    std::string order;
    storage_->Write({{"o", "k", "1"}}, [&](const Result<void>&) { order += 'w'; });
    storage_->Read("o", "k", [&](const Result<Value>& r) { order += *r == "1" ? 'r' : '?'; });
    storage_->Write({{"o", "k", "2"}}, [&](const Result<void>&) { order += 'W'; });
    storage_->Scan(
        "o", "", [&](const Result<Entries>& r) { order += *r == Entries{{"k", "2"}} ? 's' : '?'; });
    storage_->ListKeys("o", "", [&](const Result<std::vector<KeySize>>& r) {
      order += r->size() == 1 ? 'l' : '?';
    });
    storage_->Write({}, [&](const Result<void>&) { order += 'e'; });
    if (!order.empty()) return "callbacks never run inside the call";
    loop_.RunFor(kLong);
    if (order.size() != 6) return "every callback runs once";
    if (order.find('?') != std::string::npos) return "a read sees every write called before";
    return order == "wrWsle" ? "" : "callbacks run in order of the calls";
  }

  std::string Destruction() {
    bool late = false;
    storage_->Write({{"t", "z", "1"}}, [&late](const Result<void>&) { late = true; });
    storage_.reset();
    loop_.RunFor(kLong);
    return late ? "pending callbacks are dropped on destruction" : "";
  }

 private:
  using Entries = Storage::Entries;
  using Value = std::optional<std::string>;
  static constexpr Duration kLong = std::chrono::seconds(10);

  bool Write(std::vector<Change> changes) {
    bool ok = false;
    storage_->Write(std::move(changes), [&ok](const Result<void>& r) { ok = r.has_value(); });
    loop_.RunFor(kLong);
    return ok;
  }
  Value Read(std::string_view table, std::string_view key) {
    Value value = "no answer";
    storage_->Read(table, key, [&value](const Result<Value>& r) { value = *r; });
    loop_.RunFor(kLong);
    return value;
  }
  Entries Scan(std::string_view table, std::string_view prefix) {
    Entries entries{{"no", "answer"}};
    storage_->Scan(table, prefix, [&entries](const Result<Entries>& r) { entries = *r; });
    loop_.RunFor(kLong);
    return entries;
  }
  std::vector<KeySize> ListKeys(std::string_view table, std::string_view prefix) {
    std::vector<KeySize> keys;
    storage_->ListKeys(table, prefix,
                       [&keys](const Result<std::vector<KeySize>>& r) { keys = *r; });
    loop_.RunFor(kLong);
    return keys;
  }

  SimulatedEventLoop loop_{1};
  sim::SimulatedFileSystem files_;
  sim::SimulatedBackgroundThread writer_{loop_};
  Kinds<Storage> kinds_ = BuiltInStorages();
  std::unique_ptr<Storage> storage_;
};

/// \return the first promise of storage.h that does not hold; empty if all do.
[[nodiscard]] inline std::string BrokenPromise(const StorageFactory& factory) {
  StorageConformance check(factory);
  for (const auto part :
       {&StorageConformance::Tables, &StorageConformance::Batches, &StorageConformance::Scans,
        &StorageConformance::Order, &StorageConformance::Destruction}) {
    if (auto broken = (check.*part)(); !broken.empty()) return broken;
  }
  return "";
}

}  // namespace mobula::gcs
