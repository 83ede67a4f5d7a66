#include "model/host_memory.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include <c10/core/Allocator.h>
#include <c10/util/Exception.h>
#include <malloc.h>
#include <sys/mman.h>

namespace shardmill::model {
namespace {

constexpr std::size_t alignment = 64;
// Smaller blocks the C library keeps well enough by itself.
constexpr std::size_t least_kept = std::size_t{64} << 10;
constexpr std::size_t huge_page = std::size_t{2} << 20;
// By which the C library's heap grows; what is not touched costs nothing.
constexpr std::size_t heap_step = std::size_t{64} << 20;

// In front of each block, `alignment` bytes long. The allocator's interface gives back a bare address.
struct Header {
  std::size_t capacity = 0;  // with the header; 0: a small block
};

// Eight sizes between two powers of two, so that batches of slightly different shapes share blocks.
std::size_t capacity_for(std::size_t bytes) {
  const std::size_t needed = bytes + alignment;
  const std::size_t step = std::bit_floor(needed) / 8;
  const std::size_t unit = needed >= 2 * huge_page ? std::max(step, huge_page) : step;
  return (needed + unit - 1) / unit * unit;
}

char* map_pages(std::size_t capacity) {
  const bool huge = capacity >= 2 * huge_page;
  const std::size_t extra = huge ? huge_page : 0;  // to cut out an aligned piece
  void* mapped = ::mmap(nullptr, capacity + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  char* begin = static_cast<char*>(mapped);
  if (!huge) return begin;
  const std::size_t front = (huge_page - reinterpret_cast<std::uintptr_t>(begin) % huge_page) % huge_page;
  if (front > 0) ::munmap(begin, front);
  if (front < extra) ::munmap(begin + front + capacity, extra - front);
  begin += front;
  ::madvise(begin, capacity, MADV_HUGEPAGE);  // a wish; without it the block works as well
  return begin;
}

class HostAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &give_back, c10::Device(c10::DeviceType::CPU)};
    char* block = bytes < least_kept ? small(bytes) : large(bytes);
    TORCH_CHECK_WITH(OutOfMemoryError, block != nullptr, "there is no memory for a tensor of ", bytes, " bytes");
    void* data = block + alignment;
    return {data, data, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t count) const override { default_copy_data(to, from, count); }

  HostMemory state() {
    const std::lock_guard lock(mutex_);
    return state_;
  }

 private:
  struct Free {
    char* block;
    std::uint64_t since;
  };

  static void give_back(void* data);

  static char* small(std::size_t bytes) {
    const std::size_t whole = (bytes + 2 * alignment - 1) / alignment * alignment;
    void* block = std::aligned_alloc(alignment, whole);
    if (block != nullptr) new (block) Header{};
    return static_cast<char*>(block);
  }

  char* large(std::size_t bytes) {
    const std::size_t wanted = capacity_for(bytes);
    const std::lock_guard lock(mutex_);
    auto found = free_.lower_bound(wanted);
    if (found != free_.end() && found->first > wanted + wanted / 4) found = free_.end();
    std::size_t capacity = wanted;
    char* block = nullptr;
    if (found != free_.end()) {
      capacity = found->first;
      block = found->second.block;
      state_.free -= capacity;
      free_.erase(found);
    } else {
      block = map_pages(wanted);
      if (block == nullptr) {
        trim(0);  // blocks of other sizes may be what is in the way
        block = map_pages(wanted);
      }
      if (block == nullptr) return nullptr;
      state_.mapped += wanted;
    }
    new (block) Header{capacity};
    state_.used += capacity;
    state_.peak_used = std::max(state_.peak_used, state_.used);
    trim(2 * state_.peak_used);  // blocks given back change nothing of the sum
    return block;
  }

  void keep(char* block, std::size_t capacity) {
    const std::lock_guard lock(mutex_);
    state_.used -= capacity;
    state_.free += capacity;
    free_.emplace(capacity, Free{block, ++clock_});
  }

  // Until no more than this is used and free. The longest unused go first.
  void trim(std::size_t most) {
    while (state_.free > 0 && state_.used + state_.free > most) {
      const auto oldest = std::min_element(
          free_.begin(), free_.end(), [](const auto& a, const auto& b) { return a.second.since < b.second.since; });
      ::munmap(oldest->second.block, oldest->first);
      state_.free -= oldest->first;
      free_.erase(oldest);
    }
  }

  std::mutex mutex_;
  std::multimap<std::size_t, Free> free_;  // by capacity
  HostMemory state_;
  std::uint64_t clock_ = 0;
};

// Never destroyed: tensors of static life may be given back at the very end.
HostAllocator& allocator() {
  static auto* const the_one = new HostAllocator;
  return *the_one;
}

void HostAllocator::give_back(void* data) {
  if (data == nullptr) return;
  char* block = static_cast<char*>(data) - alignment;
  const std::size_t capacity = std::launder(reinterpret_cast<Header*>(block))->capacity;
  if (capacity == 0) {
    std::free(block);
  } else {
    allocator().keep(block, capacity);
  }
}

}  // namespace

void keep_host_memory() {
#if !defined(__SANITIZE_ADDRESS__)
  constexpr std::uint8_t above_the_default = 1;
  c10::SetAllocator(c10::DeviceType::CPU, &allocator(), above_the_default);
  // What oneDNN asks for by itself (weights in its own layout, for one call) it asks of the C library.
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  ::mallopt(M_TOP_PAD, static_cast<int>(heap_step));
#endif
}

HostMemory host_memory() { return allocator().state(); }

}  // namespace shardmill::model
