#include "components/transport/registration.h"

#include "components/transport/faulty/faulty_transport.h"
#include "components/transport/inprocess/inprocess_transport.h"
#include "components/transport/shared_memory/shared_memory_transport.h"
#include "components/transport/tcp/tcp_transport.h"
#include "components/transport/unix/unix_transport.h"

namespace mobula::transport {
namespace {

const std::initializer_list<Kind<Transport>> kBuiltIn = {
    kFaulty, kInprocess, kSharedMemory, kTcp, kUnix,
};

}  // namespace

Kinds<Transport> BuiltInTransports() { return Kinds<Transport>("transport", kBuiltIn); }

}  // namespace mobula::transport
