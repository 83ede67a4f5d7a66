// SIGUSR2, which mpirun passes on to every rank, asks a server to load its models again. It is a message to the front;
// the other ranks must outlive it.
#pragma once

namespace shardmill::serve {

// To be called as soon as the process begins: without it the signal ends the process.
void catch_reload_signal();
// Whether one has come since the last call.
bool reload_was_asked();

}  // namespace shardmill::serve
