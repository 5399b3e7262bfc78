#include "mobula/internal/submit.h"

#include "components/base/check.h"

namespace mobula::internal {

std::shared_ptr<Runtime> RequireRuntime() {
  std::shared_ptr<Runtime> runtime = CurrentRuntime();
  if (runtime == nullptr) throw NotInitializedError();
  return runtime;
}

ReferencePtr SubmitOne(const FunctionEntry& function, std::vector<Argument> arguments,
                       const TaskOptions& options) {
  std::vector<ReferencePtr> results =
      OrThrow(RequireRuntime()->Submit(function.key(), std::move(arguments), 1, options));
  Check(results.size() == 1, "a task with one result has one reference");
  return std::move(results.front());
}

}  // namespace mobula::internal

mobula::RuntimeContext mobula::GetRuntimeContext() { return internal::RequireRuntime()->Context(); }
