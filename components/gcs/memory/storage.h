/// \file
/// \brief Storage kind `memory`: a map. It keeps the whole contract but survives nothing.
#pragma once

#include <map>
#include <string>

#include "components/base/event_loop.h"
#include "components/base/lifetime.h"
#include "components/gcs/storage.h"

namespace mobula::gcs {

/// Cost: logarithmic, one posted callback a call. Lifetime: the loop outlives it.
class MemoryStorage final : public Storage {
 public:
  explicit MemoryStorage(EventLoop& loop) : loop_(loop) {}

  void Write(std::vector<Change> changes, Done<void> done) override;
  void Read(std::string_view table, std::string_view key,
            Done<std::optional<std::string>> done) override;
  void Scan(std::string_view table, std::string_view prefix, Done<Entries> done) override;
  void ListKeys(std::string_view table, std::string_view prefix,
                Done<std::vector<KeySize>> done) override;
  [[nodiscard]] std::string_view Name() const override { return "memory"; }

 private:
  using Table = std::map<std::string, std::string, std::less<>>;
  template <typename Visit>
  void Walk(std::string_view table, std::string_view prefix, Visit visit) const;

  EventLoop& loop_;
  std::map<std::string, Table, std::less<>> tables_;
  Lifetime alive_;
};

[[nodiscard]] Result<std::unique_ptr<Storage>> MakeMemoryStorage(ConfigReader& config,
                                                                 const Storage::Context& context);
inline constexpr Kind<Storage> kMemory{"memory", MakeMemoryStorage};

}  // namespace mobula::gcs
