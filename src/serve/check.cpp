#include "serve/check.hpp"

#include "job/error.hpp"
#include "model/sniff.hpp"
#include "serve/tls.hpp"
#include "serve/tokens.hpp"

namespace shardmill::serve {

void check(const job::Job& job, job::Diagnostics& diagnostics) {
  model::check(job, diagnostics);
  if (job.serve.tls) {
    try {
      make_tls_context(*job.serve.tls);
    } catch (const Error& error) {
      diagnostics.add(job.where("serve.tls"), std::string("serve.tls: ") + error.what());
    }
  }
  if (job.serve.tokens_file) {
    try {
      Tokens::read(*job.serve.tokens_file);
    } catch (const Error& error) {
      diagnostics.add(job.where("serve.auth.tokens_file"), std::string("serve.auth.tokens_file: ") + error.what());
    }
  }
}

}  // namespace shardmill::serve
