// TLS for the HTTP server, by OpenSSL.
#pragma once

#include <memory>

#include "job/job.hpp"

namespace boost::asio::ssl {
class context;
}

namespace shardmill::serve {

// TLS 1.2 and later, with the certificate chain and the key of the two PEM files. Throws StoreError with what is wrong
// with which file: unreadable, no certificate or key in it, a key with a passphrase, or one of another certificate.
std::shared_ptr<boost::asio::ssl::context> make_tls_context(const job::Tls& tls);

}  // namespace shardmill::serve
