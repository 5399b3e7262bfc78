/// \file
/// \edge
/// \brief `Kinds`: which implementations of an interface exist under which `kind:` in YAML.
///
/// The folder of an implementation exports one `Kind`: its name and what makes it. A component's
/// `registration.cc` is the list of them, read in one place by people, by `wiring`, and by the
/// conformance suite, which tests whatever is listed. No static registration: a `Kinds` is a plain
/// object, built where processes are put together and handed down.
///
///     inline constexpr Kind<EvictionPolicy> kLru{"lru", MakeLru};              // lru.h
///     return Kinds<EvictionPolicy>("eviction policy", {kFifo, kLru});          // registration.cc
///
/// Threads: one while kinds are added; after that, any may read.
#pragma once

#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "components/base/config_value.h"
#include "components/base/result.h"

namespace mobula {

/// One implementation of `T`. `T::Context` is what its makers are given beside their keys: loops,
/// random streams, and for decorators the kinds they may wrap.
template <typename T>
struct Kind {
  /// Reads the keys of this kind; the caller finishes the reader, so an unknown key is an error
  /// that lists what was asked for. Errors: of the kind itself, naming the key.
  using Made = Result<std::unique_ptr<T>>;
  using Maker = Made (*)(ConfigReader& config, const typename T::Context& context);
  std::string_view name;  ///< In YAML, logs and test names: "shared_memory".
  Maker make = nullptr;
};

/// The implementations of `T` that can be chosen.
template <typename T>
class Kinds {
 public:
  /// \param interface_name for messages: "eviction policy".
  explicit Kinds(std::string interface_name, std::initializer_list<Kind<T>> kinds = {})
      : interface_name_(std::move(interface_name)) {
    for (const Kind<T>& kind : kinds) Add(kind);
  }

  /// A second kind of the same name replaces the first, so that a lab can override a built-in one.
  void Add(const Kind<T>& kind) { kinds_.insert_or_assign(std::string(kind.name), kind.make); }

  /// \return the names, sorted.
  [[nodiscard]] std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [name, make] : kinds_) names.push_back(name);
    return names;
  }

  /// Builds what the key `kind` of `reader` names, `usual` if it names none. The caller may have
  /// read keys of its own from the same map; here it is finished.
  /// \return the implementation. kInvalidArgument for an unknown kind, with the known ones, or an
  ///         unknown or bad key; the errors of the kind itself.
  [[nodiscard]] Result<std::unique_ptr<T>> Make(ConfigReader& reader, std::string_view usual,
                                                const typename T::Context& context) const {
    const std::string name = reader.Text("kind", usual);
    const auto kind = kinds_.find(name);
    if (kind == kinds_.end()) {
      std::string known;
      for (const auto& [other, make] : kinds_) known += (known.empty() ? "" : ", ") + other;
      return Fail(Error(ErrorCode::kInvalidArgument,
                        fmt::format("unknown {} '{}'; known: {}", interface_name_, name, known))
                      .Context(reader.path()));
    }
    Result<std::unique_ptr<T>> made = kind->second(reader, context);
    if (Result<void> read = reader.Finish(); !read) return Fail(std::move(read.error()));
    return made;
  }

  /// The same for a whole map. \param path where it stands, for messages: "object_store.eviction".
  [[nodiscard]] Result<std::unique_ptr<T>> Make(const ConfigValue& config, std::string path,
                                                std::string_view usual,
                                                const typename T::Context& context) const {
    ConfigReader reader(config, std::move(path));
    return Make(reader, usual, context);
  }

 private:
  std::string interface_name_;
  std::map<std::string, typename Kind<T>::Maker, std::less<>> kinds_;
};

}  // namespace mobula
