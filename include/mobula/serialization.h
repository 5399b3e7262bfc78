/// \file
/// \edge
/// \brief Which values can travel, and how a class of yours joins them.
///
/// Travelling as they are: bool, integers, float, double, enums, `std::string` (and
/// `std::string_view` on the way out), `optional`, `variant`, `monostate`, `tuple`, `pair`,
/// `array`, `vector`, `deque`, `list`, sets and maps ordered or not, `unique_ptr`,
/// `chrono::duration`, `Buffer`, `Array<T>`, `ObjectRef<T>`, and plain structs of all these
/// (no constructors, base classes or C arrays; at most 200 fields). What is received must be
/// default-constructible.
///
/// Any other class says once, for both ways, what it consists of; as a member,
/// \code
/// template <class Archive> void Serialize(Archive& archive) { archive(name_, amount_); }
/// \endcode
/// or beside it, in its own namespace:
/// \code
/// template <class Archive> void Serialize(Archive& archive, Money& m) { archive(m.cents); }
/// \endcode
/// `Archive::kReading` tells the ways apart; `archive.Fail("...")`, when reading, refuses a value.
/// A value above 1 MiB is gone through twice when written: the first time measures it.
///
/// The bytes are MessagePack, so that any language reads them: structs, tuples and hooks are
/// arrays of their fields, a variant is [index, value], an absent optional or pointer is nil,
/// vectors of char or byte are binary, a duration is its count. Ext 1 is an ObjectRef, ext 2 the
/// place of a large buffer behind the document.
#pragma once

#include "mobula/buffer.h"
#include "mobula/internal/decode.h"
#include "mobula/internal/encode.h"
