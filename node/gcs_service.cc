#include "node/gcs_service.h"

namespace mobula::node {

GcsService::GcsService(const Deps& deps, std::unique_ptr<gcs::Storage> storage,
                       const gcs::ServerConfig& config, std::string listen_endpoint)
    : transport_(deps.transport),
      storage_(std::move(storage)),
      server_({deps.loop, *storage_, deps.log, deps.metrics, deps.random}, config),
      listen_endpoint_(std::move(listen_endpoint)) {}

void GcsService::Start(Done<void> done) {
  server_.Start(alive_.Bind([this, done = std::move(done)](Result<void> ready) mutable {
    if (!ready) return done(std::move(ready));
    // Only now: whoever connects before the tables are read would be told of an empty cluster.
    Result<std::string> endpoint = server_.Listen(transport_, listen_endpoint_);
    if (!endpoint) {
      return done(Fail(std::move(endpoint.error()).Context("the head's port (gcs.port)")));
    }
    endpoint_ = std::move(*endpoint);
    done({});
  }));
}

void GcsService::OnFailed(std::function<void(const Error&)> callback) {
  server_.OnFailed(std::move(callback));
}

}  // namespace mobula::node
