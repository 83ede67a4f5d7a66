// What optimizer_sharding changes in a step: each rank updates the parameters of its own slice, and of the one before
// it, and is sent the others.
//
// A step has three states on a rank: its sums are not there; they are known to be there on all members; it is
// committed. A rank changes parameters and optimizer state only once all members have what they need to do the same, so
// that whoever dies, the survivors either all begin the step anew or all end it.
#include <algorithm>
#include <array>

#include <ATen/ATen.h>

#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "train/grad_norm.hpp"
#include "train/worker.hpp"

namespace shardmill::train {
namespace {

// Where a member stands after a deal.
struct Stand {
  std::int64_t step = -1;   // none: it has no state
  std::int64_t on_all = 0;  // 1: it knows that all have the sums of this step
  double norm = 0;          // of the step at hand, or of the one that it has committed
  double busy = 0;
};

}  // namespace

void Worker::update_in_parts(Team& team) {
  const Members group = team.group();
  sums_.members.assign(group.ranks.begin(), group.ranks.end());
  sums_.slices = optimizer_slices(flat_.trained(), group.ranks.size());
  team.sum_slices(pieces_, sums_.slices, floats_of(total_));
  sums_.there = true;
  crash_point("train-before-agreement");
  std::optional<std::vector<double>> squares;
  if (needs_norm()) squares = chunk_squares(gradient(), sums_.slices[group.me]);
  const Team::Agreement agreement = team.agree(spent_, sums_.slices, squares);
  sums_.norm = norm_of(agreement.squares);
  sums_.busy = agreement.seconds;
  sums_.on_all = true;
  crash_point("train-before-update");
  update(flat_.loss_of(total_), sums_.norm, sums_.busy);
  crash_point("train-before-sharing");
  if (updated_->report.skipped) return;
  team.share(sums_.slices, floats_of(flat_.parameters()));
}

// After a deal: the step that was under way is ended if any member has begun to change its state.
void Worker::settle(Team& team) {
  const Members group = team.group();
  std::vector<Stand> stands(group.ranks.size());
  stands[group.me] = {has_state_ ? course_.step : -1, sums_.on_all ? 1 : 0, sums_.norm, sums_.busy};
  gather_one_each(desk_, group, stands);
  if (!has_state_) return;
  const auto knows = std::find_if(stands.begin(), stands.end(), [this](const Stand& stand) {
    return stand.step > course_.step || (stand.step == course_.step && stand.on_all != 0);
  });
  if (knows == stands.end()) {
    sums_.there = false;  // of a cut that is no more
    return;
  }
  if (!sums_.there) throw RankLost("this rank has missed a step; the run goes on from its newest checkpoint");
  if (!updated_) update(flat_.loss_of(total_), knows->norm, knows->busy);
  if (std::any_of(stands.begin(), stands.end(), [this](const Stand& stand) { return stand.step > course_.step; }))
    return;  // the parameters come with the rest of that one's state
  if (!updated_->report.skipped) {
    std::vector<bool> lacking;
    for (const Stand& stand : stands) lacking.push_back(stand.step == course_.step);
    // A slice is given by its owner, or else by the one who holds it as well.
    const auto giver_of = [&](std::size_t slice) {
      for (const std::size_t holder : {slice, (slice + 1) % sums_.members.size()}) {
        const auto found = std::find(group.ranks.begin(), group.ranks.end(), sums_.members[holder]);
        const auto index = static_cast<std::size_t>(found - group.ranks.begin());
        if (found != group.ranks.end() && lacking[index]) return index;
      }
      throw RankLost(
          "the ranks that held a slice of the parameters are both gone; the run goes on from its newest "
          "checkpoint");
    };
    std::vector<std::size_t> givers;
    for (std::size_t i = 0; i < sums_.slices.size(); ++i)
      givers.push_back(sums_.slices[i].size() > 0 ? giver_of(i) : 0);
    team.share(sums_.slices, givers, lacking, floats_of(flat_.parameters()));
  }
  commit();
}

}  // namespace shardmill::train
