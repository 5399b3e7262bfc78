/// \file
/// \brief Amounts of resources in fixed point, so that a tenth taken ten times is exactly one.
///
/// A `ResourceSet` maps names ("CPU", "GPU", "memory", or any custom name) to amounts in units of
/// 1/10000. As in Ray, "memory" counts bytes and is a promise, not a cage.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "components/base/result.h"

namespace mobula {

inline constexpr std::string_view kCpu = "CPU";
inline constexpr std::string_view kGpu = "GPU";
inline constexpr std::string_view kMemory = "memory";

/// One amount, in units of 1/10000.
class Amount {
 public:
  static constexpr std::int64_t kUnitsPerOne = 10'000;
  constexpr Amount() = default;
  /// \return the nearest amount to `value`; what is beyond ±9e14 is cut to that.
  [[nodiscard]] static Amount FromDouble(double value);
  [[nodiscard]] static constexpr Amount FromUnits(std::int64_t units) { return Amount(units); }

  [[nodiscard]] constexpr std::int64_t units() const { return units_; }
  [[nodiscard]] constexpr double ToDouble() const {
    return static_cast<double>(units_) / kUnitsPerOne;
  }
  /// \return "2", "0.5": no trailing zeros.
  [[nodiscard]] std::string ToString() const;

  friend constexpr auto operator<=>(Amount, Amount) = default;
  friend constexpr Amount operator+(Amount a, Amount b) { return Amount(a.units_ + b.units_); }
  friend constexpr Amount operator-(Amount a, Amount b) { return Amount(a.units_ - b.units_); }

 private:
  explicit constexpr Amount(std::int64_t units) : units_(units) {}
  std::int64_t units_ = 0;
};

/// Named amounts. A value; iteration is by name, so that decisions do not depend on hashing.
class ResourceSet {
 public:
  using Map = std::map<std::string, Amount, std::less<>>;
  ResourceSet() = default;
  ResourceSet(std::initializer_list<std::pair<const std::string, double>> amounts);

  [[nodiscard]] Amount Get(std::string_view name) const;  ///< Zero if absent.
  void Set(std::string_view name, Amount amount);         ///< Zero removes the name.
  [[nodiscard]] const Map& entries() const { return entries_; }
  [[nodiscard]] bool IsEmpty() const { return entries_.empty(); }

  /// \return true if every amount wanted by `request` is here at least.
  [[nodiscard]] bool Covers(const ResourceSet& request) const;
  /// \return the first resource that `request` wants more of than is here; empty if none.
  [[nodiscard]] std::string FirstShortage(const ResourceSet& request) const;
  void Add(const ResourceSet& other);
  /// Takes `other` away. Amounts may go below zero: a worker that wakes from a blocked `Get`
  /// takes its CPU back at once even if it was lent meanwhile (Ray does the same).
  void Subtract(const ResourceSet& other);
  /// \return "{CPU: 2, tape: 0.5}".
  [[nodiscard]] std::string ToString() const;

  friend bool operator==(const ResourceSet&, const ResourceSet&) = default;

 private:
  Map entries_;
};

}  // namespace mobula
