#include "components/core_worker/owner/owned_object.h"

#include <algorithm>
#include <memory>
#include <span>

namespace mobula::core_worker {
namespace {

/// All values of one byte: true, nothing, small numbers. Most results are one of them.
constexpr auto kBytes = [] {
  std::array<std::byte, 256> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::byte>(i);
  return all;
}();

}  // namespace

ObjectState OwnedObject::State() const {
  switch (kind_) {
    case kPending: return Pending{};
    case kSmall: {
      // The value is copied out, as the object may end before the copy does. One byte needs no
      // copy.
      if (small_size_ == 1) {
        return Payload({}, {&kBytes[static_cast<std::uint8_t>(small_begin_[0])], 1});
      }
      const auto bytes = std::make_shared<std::array<char, kSmallMax>>();
      std::ranges::copy(small_begin_, bytes->begin());
      if (small_size_ > 4) std::ranges::copy(small_end_, bytes->begin() + 4);
      return Payload(bytes, std::as_bytes(std::span(*bytes)).first(small_size_));
    }
    case kValue: return *value_;
    case kDetailed: return details_->state;
  }
  std::unreachable();
}

OwnedDetails& OwnedObject::MakeDetails() {
  // State and waiting calls move out of the 48 bytes. They stay outside from here on: an object
  // that others knew once is likely to be asked for again.
  if (kind_ == kDetailed) return *details_;
  auto details = std::make_unique<OwnedDetails>();
  details->state = State();
  if (kind_ == kPending) details->waiting.TakeFrom(waiting_);  // they go on waiting
  Clear();
  kind_ = kDetailed;
  return *(details_ = details.release());
}

void OwnedObject::SetState(ObjectState state) {
  // Blocked calls are told before the list of them makes room for the value.
  const bool is_known = !std::holds_alternative<Pending>(state);
  if (is_known && IsPending()) Waiting().Tell();
  auto* value = std::get_if<Payload>(&state);
  // Copies and errors need room of their own, and once there is such room it is used for all
  // states.
  if (kind_ == kDetailed || (is_known && value == nullptr)) {
    MakeDetails().state = std::move(state);
  } else if (value != nullptr) {
    Clear();
    // Most values are a number or two: they fit into the object, and cost no memory besides.
    if (value->size() <= kSmallMax) {
      kind_ = kSmall;
      small_size_ = static_cast<std::uint32_t>(value->size());
      small_end_ = {};
      value->text().copy(small_begin_.data(), small_begin_.size());
      if (small_size_ > 4) value->text().copy(small_end_.data(), small_end_.size(), 4);
    } else {
      kind_ = kValue;
      value_ = new Payload(std::move(*value));
    }
  } else if (kind_ != kPending) {
    Clear();
  }
}

void OwnedObject::Clear() {
  if (kind_ == kPending) std::destroy_at(&waiting_);
  if (kind_ == kValue) delete value_;
  if (kind_ == kDetailed) delete details_;
  std::construct_at(&waiting_);
  kind_ = kPending;
}

}  // namespace mobula::core_worker
