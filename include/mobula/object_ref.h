/// \file
/// \brief `ObjectRef<T>`: the name of a value that exists somewhere, or will.
///
/// A task's result is an `ObjectRef` at once; `Get` waits for the value. While anybody in the
/// cluster holds a copy of the ref, the value is kept. Pass refs to tasks (in place of a value of
/// the same type, or as a parameter of type `ObjectRef`), store them in containers and structs,
/// return them: copies are cheap and the runtime counts them.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include "mobula/internal/reader.h"
#include "mobula/internal/shape.h"
#include "mobula/internal/writer.h"

namespace mobula {

/// Names one immutable value of type `T` (void: the mere end of a task). A value; compares by id.
/// Threads: as `shared_ptr`. Lifetime: may outlive `Shutdown`; it is inert then.
template <typename T>
class ObjectRef {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>>,
                "mobula: ObjectRef<T> wants a plain value type");

 public:
  using Value = T;

  /// Names nothing. `Get` of it throws InvalidArgumentError.
  ObjectRef() = default;
  explicit ObjectRef(internal::ReferencePtr reference) : reference_(std::move(reference)) {}

  /// \return the id; nil if it names nothing.
  [[nodiscard]] ObjectId id() const { return reference_ ? reference_->id : ObjectId(); }
  [[nodiscard]] bool IsNull() const { return reference_ == nullptr; }
  explicit operator bool() const { return !IsNull(); }
  [[nodiscard]] const internal::ReferencePtr& reference() const { return reference_; }

  friend bool operator==(const ObjectRef& a, const ObjectRef& b) { return a.id() == b.id(); }
  friend auto operator<=>(const ObjectRef& a, const ObjectRef& b) { return a.id() <=> b.id(); }

 private:
  internal::ReferencePtr reference_;  // owners: every copy of this ref in this process
};

template <typename T>
struct internal::Codec<ObjectRef<T>> {
  static void Encode(Writer& writer, const ObjectRef<T>& value) {
    writer.Reference(value.reference());
  }
  static bool Decode(Reader& reader, ObjectRef<T>& out) {
    ReferencePtr reference;
    if (!reader.Reference(reference)) return false;
    out = ObjectRef<T>(std::move(reference));
    return true;
  }
};

}  // namespace mobula

template <typename T>
struct std::hash<mobula::ObjectRef<T>> {
  std::size_t operator()(const mobula::ObjectRef<T>& ref) const {
    return std::hash<mobula::ObjectId>()(ref.id());
  }
};
