#include "serve/metrics.hpp"

#include <algorithm>
#include <charconv>

namespace shardmill::serve {
namespace {

std::string number(double value) {
  std::array<char, 32> buffer;
  return {buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr};
}

class Text {
 public:
  void family(const std::string& name, const std::string& type, const std::string& help) {
    name_ = "shardmill_" + name;
    text_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ + " " + type + "\n";
  }
  void sample(double value, const std::string& labels = "", const std::string& suffix = "") {
    text_ += name_ + suffix + (labels.empty() ? "" : "{" + labels + "}") + " " + number(value) + "\n";
  }
  void one(const std::string& name, const std::string& type, const std::string& help, double value) {
    family(name, type, help);
    sample(value);
  }
  template <typename Bounds, typename Counts>
  void histogram(const Bounds& bounds, const Counts& counts, double sum, const std::string& labels) {
    std::int64_t below = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      below += counts[i];
      const std::string bound = i < bounds.size() ? number(static_cast<double>(bounds[i])) : "+Inf";
      sample(static_cast<double>(below), labels + ",le=\"" + bound + "\"", "_bucket");
    }
    sample(sum, labels, "_sum");
    sample(static_cast<double>(below), labels, "_count");
  }
  std::string take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void Durations::add(double seconds) {
  const auto bound = std::lower_bound(bounds.begin(), bounds.end(), seconds);
  ++counts[static_cast<std::size_t>(bound - bounds.begin())];
  sum += seconds;
}

double utilization(const DispatchFigures& figures) {
  return ratio(figures.sum(&ModelFigures::completed), figures.sum(&ModelFigures::submitted));
}
double fault_tolerance(const DispatchFigures& figures) { return ratio(figures.recovered, figures.faults); }

std::string metrics_text(const MetricsInput& input) {
  const DispatchFigures& figures = input.conditions.figures;
  const RankCounts& ranks = input.conditions.ranks;
  Text text;
  text.family("requests_total", "counter", "HTTP requests answered, by status.");
  for (const auto& [status, count] : input.http.requests)
    text.sample(static_cast<double>(count), "code=\"" + std::to_string(status) + "\"");
  const auto each = [&](const std::string& name, const std::string& type, const std::string& help, auto&& value) {
    text.family(name, type, help);
    for (std::size_t model = 0; model < input.models.size(); ++model)
      value(model, "model=\"" + input.models[model] + "\"");
  };
  each("request_duration_seconds", "histogram", "Forward passes, from the request read to its answer.",
       [&](std::size_t model, const std::string& labels) {
         const Durations& durations = input.http.durations[model];
         text.histogram(Durations::bounds, durations.counts, durations.sum, labels);
       });
  each("queue_length", "gauge", "Requests that wait for a rank.", [&](std::size_t model, const std::string& labels) {
    text.sample(static_cast<double>(input.waiting[model]), labels);
  });
  each("batch_size", "histogram", "Records of the batches given to ranks.",
       [&](std::size_t model, const std::string& labels) {
         text.histogram(ModelFigures::batch_bounds, figures.models[model].batch_sizes,
                        static_cast<double>(figures.models[model].batched_records), labels);
       });
  const auto counter = [&](const std::string& name, const std::string& help, std::int64_t ModelFigures::*figure) {
    each(name, "counter", help, [&](std::size_t model, const std::string& labels) {
      text.sample(static_cast<double>(figures.models[model].*figure), labels);
    });
  };
  counter("records_total", "Records computed and answered.", &ModelFigures::records);
  counter("requests_retried_total", "Requests computed again because their rank died.", &ModelFigures::retried);
  each("model_ready", "gauge", "1 if a request for the model would be computed now.",
       [&](std::size_t model, const std::string& labels) {
         text.sample(input.conditions.ready(model) ? 1 : 0, labels);
       });
  each("model_loads_total", "counter", "How often the model has been loaded: more than 1 after reloads.",
       [&](std::size_t model, const std::string& labels) {
         text.sample(input.conditions.models[model].times_loaded, labels);
       });
  text.family("ranks", "gauge", "Ranks that run the model, by what they do.");
  for (const auto& [state, count] :
       {std::pair{"loading", ranks.loading}, std::pair{"idle", ranks.idle}, std::pair{"busy", ranks.busy},
        std::pair{"spare", ranks.spare}, std::pair{"dead", ranks.dead}})
    text.sample(count, std::string("state=\"") + state + "\"");
  text.one("ready", "gauge", "1 if a request for any model would be computed now.", input.conditions.ready() ? 1 : 0);
  text.one("rank_deaths_total", "counter", "Ranks that died at work.", static_cast<double>(figures.faults));
  text.one("connections", "gauge", "Open connections.", static_cast<double>(input.connections));
  if (const auto& idle = input.conditions.idle) {
    text.family("idle_job", "gauge", "The idle job: 1 for the state that it is in.");
    for (const char* state : idle_states)
      text.sample(idle->state == state ? 1 : 0, std::string("state=\"") + state + "\"");
    text.one("idle_job_records", "gauge", "Records of the idle job.", static_cast<double>(idle->records));
    text.one("idle_job_records_done", "gauge", "Records of the idle job that are done for good.",
             static_cast<double>(idle->records_done));
  }
  text.one("uptime_seconds", "gauge", "Since the front started.", input.uptime);
  text.one("utilization", "gauge", "Requests answered by the model / requests submitted to it.", utilization(figures));
  text.one("load", "gauge", "Records answered / uptime in seconds.",
           input.uptime > 0 ? static_cast<double>(figures.sum(&ModelFigures::records)) / input.uptime : 0);
  text.one("fault_tolerance", "gauge", "Deaths of ranks recovered from / deaths of ranks; 1 if there were none.",
           fault_tolerance(figures));
  return text.take();
}

}  // namespace shardmill::serve
