/// \file
/// \brief The GCS as a head service: its storage, its server and the port where it listens.
#pragma once

#include <memory>
#include <string>

#include "components/gcs/server.h"
#include "components/gcs/storage.h"
#include "components/raylet/assembly/head_service.h"
#include "components/transport/transport.h"

namespace mobula::node {

/// Starts by reading the storage, then listens. It fails when its storage does: what was
/// acknowledged is safe on disk, and nothing more may be acknowledged by this process.
class GcsService final : public raylet::HeadService {
 public:
  struct Deps {
    EventLoop& loop;
    EventLog& log;
    Metrics& metrics;
    transport::Transport& transport;
    Random random;
  };
  /// \param listen_endpoint a port of 0 takes any; `endpoint()` then has the real one.
  GcsService(const Deps& deps, std::unique_ptr<gcs::Storage> storage,
             const gcs::ServerConfig& config, std::string listen_endpoint);

  [[nodiscard]] std::string_view Name() const override { return "gcs"; }
  void Start(Done<void> done) override;
  void OnFailed(std::function<void(const Error&)> callback) override;
  void Stop() override { server_.Stop(); }

  /// \return where it listens; empty before `Start` is done.
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  void CheckInvariants() const { server_.CheckInvariants(); }

 private:
  transport::Transport& transport_;
  std::unique_ptr<gcs::Storage> storage_;
  gcs::Server server_;
  const std::string listen_endpoint_;
  std::string endpoint_;
  Lifetime alive_;
};

}  // namespace mobula::node
