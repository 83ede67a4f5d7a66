#include "serve/tls.hpp"

#include <array>

#include <boost/asio/ssl/context.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "job/error.hpp"

namespace shardmill::serve {
namespace {

namespace ssl = boost::asio::ssl;

// "error:0909006C:PEM routines:get_name:no start line" -> "no start line"
std::string reason(const boost::system::error_code& error) {
  const char* text = ERR_reason_error_string(static_cast<unsigned long>(error.value()));
  return text != nullptr ? text : error.message();
}

}  // namespace

std::shared_ptr<ssl::context> make_tls_context(const job::Tls& tls) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  ::SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION);
  // What an idle connection would hold on to: some 34 KiB.
  ::SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  boost::system::error_code error;
  context->use_certificate_chain_file(tls.certificate.string(), error);
  if (error)
    throw StoreError("the certificate " + tls.certificate.string() + " cannot be used (" + reason(error) +
                     "); it must be a PEM file with the server's certificate first");
  // A server has nobody to ask for a passphrase.
  context->set_password_callback([](std::size_t, ssl::context::password_purpose) { return std::string(); }, error);
  if (!error) context->use_private_key_file(tls.key.string(), ssl::context::pem, error);
  if (error && ERR_GET_REASON(static_cast<unsigned long>(error.value())) == X509_R_KEY_VALUES_MISMATCH)
    throw StoreError("the key " + tls.key.string() + " is not that of the certificate " + tls.certificate.string());
  if (error)
    throw StoreError("the key " + tls.key.string() + " cannot be used (" + reason(error) +
                     "); it must be a PEM file with a private key and no passphrase");
  return context;
}

}  // namespace shardmill::serve
