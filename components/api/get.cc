// \edge: turns values into bytes and back, kind by kind
#include "mobula/get.h"

#include "components/base/check.h"

namespace mobula::internal {
namespace {

void RequireAll(std::span<const ReferencePtr> references) {
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (references[i] == nullptr) {
      Throw(Error(ErrorCode::kInvalidArgument,
                  fmt::format("ref {} of {} names nothing", i, references.size())));
    }
  }
}

}  // namespace

std::vector<Payload> GetBytes(std::span<const ReferencePtr> references, Timeout timeout) {
  const std::shared_ptr<Runtime> runtime = RequireRuntime();
  RequireAll(references);
  std::vector<Payload> bytes = OrThrow(runtime->Get(references, timeout));
  Check(bytes.size() == references.size(), "Get gives one value for each reference");
  return bytes;
}

WaitOutcome WaitFor(std::span<const ReferencePtr> references, std::size_t count, Timeout timeout) {
  const std::shared_ptr<Runtime> runtime = RequireRuntime();
  RequireAll(references);
  return OrThrow(runtime->Wait(references, count, timeout));
}

}  // namespace mobula::internal
