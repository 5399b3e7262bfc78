// \edge: another transport behind the same interface
#include "components/transport/handshake.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "components/base/check.h"

namespace mobula::transport {

std::string Token::Sign(std::string_view message) const {
  std::string signature(32, '\0');
  unsigned int size = 0;
  const unsigned char* made =
      HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
           reinterpret_cast<const unsigned char*>(message.data()), message.size(),
           reinterpret_cast<unsigned char*>(signature.data()), &size);
  Check(made != nullptr && size == signature.size(), "OpenSSL computes HMAC-SHA256");
  return signature;
}

std::string BuildName() { return fmt::format("{}-p{}", MOBULA_BUILD, kProtocolVersion); }

}  // namespace mobula::transport
