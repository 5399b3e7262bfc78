// \edge: a list that is walked up and down
#include "components/raylet/assembly/head_service.h"

#include <fmt/format.h>

#include <ranges>
#include <string>

namespace mobula::raylet {
namespace {

Error Named(const HeadService& service, Error error) {
  return std::move(error).Context(fmt::format("head service {}", service.Name()));
}

}  // namespace

void HeadServices::Start(Done<void> done) { StartFrom(0, std::move(done)); }

// One service after the other: a later one may call an earlier one as soon as it starts.
void HeadServices::StartFrom(std::size_t index, Done<void> done) {
  if (index == services_.size()) return done({});
  HeadService& service = *services_[index];
  service.OnFailed(alive_.Bind([this, &service](const Error& error) {
    // The first failure decides that the process ends; those that follow from it say nothing new.
    if (auto callback = std::exchange(on_failed_, nullptr)) callback(Named(service, error));
  }));
  service.Start(alive_.Bind([this, index, done = std::move(done)](Result<void> ready) mutable {
    if (ready) return StartFrom(index + 1, std::move(done));
    Error error = Named(*services_[index], std::move(ready.error()));
    Stop();
    done(Fail(std::move(error)));
  }));
}

void HeadServices::Stop() {
  alive_.End();
  for (const auto& service : services_ | std::views::reverse) service->Stop();
}

}  // namespace mobula::raylet
