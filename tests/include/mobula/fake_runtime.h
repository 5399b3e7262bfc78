/// \file
/// \brief A runtime of one thread: tasks run where they are submitted. For tests of the templates.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "mobula/internal/invocation.h"
#include "mobula/internal/runtime.h"

namespace mobula::testing {

/// Values by id, counted references, and tasks that run inline by their `FunctionKey`.
class FakeRuntime final : public internal::Runtime {
 public:
  /// What `Submit` was last given.
  internal::TaskOptions last_options;
  internal::FunctionKey last_function;
  /// Objects that are not ready: `Get` times out, `Wait` leaves them pending.
  std::set<ObjectId> slow;
  std::size_t borrowed = 0;
  std::uint64_t value_bytes_max = UINT64_MAX;

  FakeRuntime() { internal::SetProcessRuntime(this); }
  ~FakeRuntime() override { internal::SetProcessRuntime(nullptr); }

  /// \return how many references are alive.
  [[nodiscard]] std::size_t live() const { return *live_; }

  Result<std::vector<internal::ReferencePtr>> Submit(
      const internal::FunctionKey& function, std::vector<internal::Argument> arguments,
      std::uint32_t result_count, const internal::TaskOptions& options) override {
    last_options = options;
    last_function = function;
    if (result_count != 1) return Fail(ErrorCode::kInvalidArgument, "one result only");
    const ObjectId id = NewId();
    values_.insert_or_assign(id, Execute(function, arguments));
    return std::vector<internal::ReferencePtr>{Handle(id)};
  }

  Result<internal::ReferencePtr> Put(internal::SerializedValue value) override {
    const ObjectId id = NewId();
    values_.insert_or_assign(id, Result<Payload>(Flatten(value)));
    return Handle(id);
  }

  [[nodiscard]] std::uint64_t ValueBytesMax() const override { return value_bytes_max; }

  Result<std::vector<Payload>> Get(std::span<const internal::ReferencePtr> references,
                                   std::optional<std::chrono::nanoseconds> timeout) override {
    std::vector<Payload> payloads;
    for (const auto& reference : references) {
      if (slow.contains(reference->id)) {
        return Fail(ErrorCode::kDeadlineExceeded, "not ready after {} ns",
                    timeout.value_or(std::chrono::nanoseconds(-1)).count());
      }
      const auto found = values_.find(reference->id);
      if (found == values_.end()) return Fail(ErrorCode::kObjectLost, "{}", reference->id.Hex());
      if (!found->second) return Fail(found->second.error());
      payloads.push_back(*found->second);
    }
    return payloads;
  }

  Result<internal::WaitOutcome> Wait(std::span<const internal::ReferencePtr> references,
                                     std::size_t count,
                                     std::optional<std::chrono::nanoseconds>) override {
    if (count == 0 || count > references.size()) {
      return Fail(ErrorCode::kInvalidArgument, "count {} of {}", count, references.size());
    }
    internal::WaitOutcome outcome;
    for (std::size_t i = 0; i < references.size(); ++i) {
      const bool ready = !slow.contains(references[i]->id) && outcome.ready.size() < count;
      if (ready) outcome.ready.push_back(i);
    }
    return outcome;
  }

  internal::ReferencePtr Borrow(const ObjectId& id,
                                std::shared_ptr<const std::string> owner) override {
    ++borrowed;
    return Handle(id, std::move(owner));
  }
  [[nodiscard]] RuntimeContext Context() const override {
    RuntimeContext context;
    context.is_driver = true;
    return context;
  }

  /// \return the bytes that a reader in another process would see: in 64-byte aligned memory.
  [[nodiscard]] static Payload Flatten(const internal::SerializedValue& value) {
    std::shared_ptr<std::byte> memory(
        static_cast<std::byte*>(::operator new(value.size + 1, std::align_val_t(64))),
        [](std::byte* bytes) { ::operator delete(bytes, std::align_val_t(64)); });
    value.CopyTo({memory.get(), value.size});
    return {memory, {memory.get(), value.size}};
  }

  /// \return a counted handle to an object that need not exist.
  [[nodiscard]] internal::ReferencePtr Handle(const ObjectId& id,
                                              std::shared_ptr<const std::string> owner = {}) {
    if (owner == nullptr) owner = self_;
    internal::OwnerPtr& known = owners_[owner];
    if (known == nullptr) {
      known = new internal::Owner(*owner, [live = live_](internal::Reference& reference) {
        --*live;
        delete &reference;
      });
    }
    ++*live_;
    return new internal::Reference(id, known);
  }
  [[nodiscard]] ObjectId NewId() { return ObjectId::OfTask(ChildTaskId(TaskId(), next_++), 0); }

 private:
  Result<Payload> Execute(const internal::FunctionKey& key,
                          std::vector<internal::Argument>& arguments) {
    const auto function = internal::FindFunction(key);
    if (!function) return Fail(function.error());
    std::vector<Payload> payloads;
    for (const internal::Argument& argument : arguments) {
      if (argument.reference == nullptr) {
        payloads.push_back(Flatten(argument.value));
        continue;
      }
      const auto found = values_.find(argument.reference->id);
      if (found == values_.end()) return Fail(ErrorCode::kObjectLost, "an argument");
      if (!found->second) return Fail(found->second.error());
      payloads.push_back(*found->second);
    }
    auto result = internal::Invoke(**function, *this, payloads);
    if (!result) return Fail(result.error());
    return Flatten(*result);
  }

  std::map<std::shared_ptr<const std::string>, internal::OwnerPtr> owners_;
  std::shared_ptr<std::size_t> live_ = std::make_shared<std::size_t>(0);
  std::shared_ptr<const std::string> self_ = std::make_shared<const std::string>("fake://owner");
  std::uint64_t next_ = 0;
  std::map<ObjectId, Result<Payload>> values_;
};

}  // namespace mobula::testing
