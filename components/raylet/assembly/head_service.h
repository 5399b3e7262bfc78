/// \file
/// \brief What only the head of a cluster runs: a list of services with one start and one end.
///
/// The GCS is the first of them; an HTTP server, job submission or an autoscaler are others. Adding
/// one is a class that keeps this contract and one `services().Add` where a head is made
/// (`node/node.cc`, and `sim/sim_node.cc` if it is to be simulated). A service may rely on those
/// added before it, and is gone before they are. `NodeAssembly` starts and stops all of them.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "components/base/lifetime.h"
#include "components/base/result.h"

namespace mobula::raylet {

//! [head-service-interface]
/// Threads: the state lock. Lifetime: what it was built with outlives it.
class HeadService {
 public:
  virtual ~HeadService() = default;

  /// \return its name in logs and messages, such as "gcs"; never empty.
  [[nodiscard]] virtual std::string_view Name() const = 0;
  /// Calls back once it serves, or with the reason why it cannot. \pre called once.
  virtual void Start(Done<void> done) = 0;
  /// `callback` runs at most once, if the service fails after its start so that the process must
  /// end. A service that cannot fail ignores it. \pre called before `Start`.
  virtual void OnFailed(std::function<void(const Error&)> callback) = 0;
  /// Refuses new work and lets go of ports and timers. Twice is harmless, also without a start.
  virtual void Stop() = 0;
};
//! [head-service-interface]

/// The services of one head. Threads: the state lock.
class HeadServices {
 public:
  HeadServices() = default;
  ~HeadServices() { Stop(); }

  /// \pre not started. \return the service, for what only its kind can say.
  template <typename Service>
  Service& Add(std::unique_ptr<Service> service) {
    Service& added = *service;
    services_.push_back(std::move(service));
    return added;
  }
  /// Starts them one after the other, in the order added. If one fails, those before it are stopped
  /// again, and the error names it. An empty list is done at once.
  void Start(Done<void> done);
  /// Runs at most once, when the first of them fails later; the error names it.
  void OnFailed(std::function<void(const Error&)> callback) { on_failed_ = std::move(callback); }
  /// Stops them in reverse order.
  void Stop();

 private:
  void StartFrom(std::size_t index, Done<void> done);

  std::vector<std::unique_ptr<HeadService>> services_;
  std::function<void(const Error&)> on_failed_;
  Lifetime alive_;
};

}  // namespace mobula::raylet
