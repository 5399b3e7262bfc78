// \edge: another transport behind the same interface
#include <charconv>

#include "components/transport/transport.h"

namespace mobula::transport {

Result<Endpoint> ParseEndpoint(std::string_view text) {
  Endpoint endpoint;
  std::string_view rest = text;
  if (const auto colon = text.find("://"); colon != std::string_view::npos) {
    endpoint.scheme = text.substr(0, colon);
    rest = text.substr(colon + 3);
  } else {
    endpoint.scheme = "tcp";
  }
  if (endpoint.scheme != "tcp") {
    endpoint.path = rest;
    if (!endpoint.scheme.empty() && !rest.empty()) return endpoint;
    return Fail(ErrorCode::kInvalidArgument,
                "'{}' is no endpoint; write one such as unix:///run/mobula.sock", text);
  }
  const auto colon = rest.rfind(':');
  if (colon != std::string_view::npos && colon > 0) {
    const std::string_view digits = rest.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), endpoint.port);
    endpoint.host = rest.substr(0, colon);
    const bool is_plain = endpoint.host.find_first_of(":/ ") == std::string::npos;
    if (error == std::errc() && end == digits.data() + digits.size() && is_plain) return endpoint;
  }
  return Fail(ErrorCode::kInvalidArgument,
              "'{}' is no endpoint; write one such as tcp://127.0.0.1:6379", text);
}

}  // namespace mobula::transport
