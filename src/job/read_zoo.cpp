#include <limits>

#include "job/error.hpp"
#include "job/parse.hpp"
#include "job/sections.hpp"
#include "job/zoo_text.hpp"

namespace shardmill::job {
namespace {

constexpr std::int64_t most = std::int64_t{1} << 31;

void read_probability(MapReader& reader, std::string_view key, double& into) {
  if (reader.read(key, into) && (into < 0 || into >= 1))
    report(reader.context(), *reader.find(key), reader.path(key), "must be at least 0 and below 1");
}

void read_sizes(MapReader& reader, std::string_view key, std::vector<std::int64_t>& into, std::size_t fewest) {
  const Node* node = reader.find(key);
  if (node == nullptr || !expect_list(reader.context(), *node, reader.path(key))) return;
  into.clear();
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    std::int64_t size = 1;
    read_value(reader.context(), node->items[i], reader.path(key).item(i), size, Range{1, most});
    into.push_back(size);
  }
  if (into.size() < fewest) report(reader.context(), *node, reader.path(key), "must hold at least one size");
}

Zoo read_mlp(MapReader& reader, int) {
  Mlp mlp;
  reader.require("inputs", mlp.inputs, Range{1, most});
  reader.require("outputs", mlp.outputs, Range{1, most});
  read_sizes(reader, "hidden", mlp.hidden, 0);
  reader.read("activation", mlp.activation);
  read_probability(reader, "dropout", mlp.dropout);
  return mlp;
}

Zoo read_cnn(MapReader& reader, int) {
  Cnn cnn;
  reader.read("in_channels", cnn.in_channels, Range{1, most});
  read_sizes(reader, "channels", cnn.channels, 1);
  reader.require("classes", cnn.classes, Range{1, most});
  read_probability(reader, "dropout", cnn.dropout);
  return cnn;
}

Zoo read_resnet(MapReader& reader, int depth) {
  ResNet resnet;
  resnet.depth = depth;
  reader.read("in_channels", resnet.in_channels, Range{1, most});
  reader.require("classes", resnet.classes, Range{1, most});
  reader.read("stem", resnet.stem);
  return resnet;
}

void check_heads(MapReader& reader, std::int64_t width, std::int64_t heads) {
  if (width % heads == 0) return;
  reader.context().diagnostics.add(reader.location(), reader.path("width").exact + " (" + std::to_string(width) +
                                                          ") must be a multiple of heads (" + std::to_string(heads) +
                                                          ")");
}

Zoo read_gpt(MapReader& reader, int) {
  Gpt gpt;
  reader.require("vocab_size", gpt.vocab_size, Range{2, most});
  reader.require("block_size", gpt.block_size, Range{1, most});
  reader.read("layers", gpt.layers, Range{1, 1000});
  reader.read("heads", gpt.heads, Range{1, 1000});
  reader.read("width", gpt.width, Range{1, most});
  reader.read("bias", gpt.bias);
  read_probability(reader, "dropout", gpt.dropout);
  check_heads(reader, gpt.width, gpt.heads);
  return gpt;
}

Zoo read_encoder(MapReader& reader, int) {
  Encoder encoder;
  reader.require("vocab_size", encoder.vocab_size, Range{2, most});
  reader.require("max_length", encoder.max_length, Range{1, most});
  reader.require("classes", encoder.classes, Range{1, most});
  reader.read("layers", encoder.layers, Range{1, 1000});
  reader.read("heads", encoder.heads, Range{1, 1000});
  reader.read("width", encoder.width, Range{1, most});
  read_probability(reader, "dropout", encoder.dropout);
  check_heads(reader, encoder.width, encoder.heads);
  return encoder;
}

struct Network {
  std::string_view name;
  Zoo (*read)(MapReader& reader, int depth);
  int depth = 0;
};

constexpr std::array networks{Network{"mlp", read_mlp},
                              Network{"cnn", read_cnn},
                              Network{"resnet18", read_resnet, 18},
                              Network{"resnet34", read_resnet, 34},
                              Network{"resnet50", read_resnet, 50},
                              Network{"gpt", read_gpt},
                              Network{"encoder", read_encoder}};

}  // namespace

std::vector<std::string> zoo_names() {
  std::vector<std::string> names;
  for (const Network& entry : networks) names.emplace_back(entry.name);
  return names;
}

bool read_zoo(MapReader& model, Zoo& zoo) {
  std::string name;
  const Node* node = model.find("zoo");
  const Node* options = model.find("options");
  if (node == nullptr) {
    if (options != nullptr) {
      report(model.context(), *options, model.path("options"),
             "belongs to a network of the zoo; set " + model.path("zoo").exact + " to one of " + join(zoo_names()));
    }
    return false;
  }
  if (!read_word(model.context(), *node, model.path("zoo"), zoo_names(), name)) return false;
  Node nothing;
  nothing.place = node->place;
  nothing.key = "options";
  nothing.key_place = node->key_place;
  for (const Network& entry : networks) {
    Diagnostics unheard;
    Context listing{unheard, model.context().known};
    const bool chosen = entry.name == name;
    if (!chosen && listing.known == nullptr) continue;
    MapReader reader(options == nullptr ? nothing : *options, model.path("options"),
                     chosen ? model.context() : listing);
    const Zoo read = entry.read(reader, entry.depth);
    if (chosen) {
      reader.finish();
      zoo = read;
    }
  }
  return true;
}

Zoo zoo_from_yaml(const std::string& text) {
  Diagnostics diagnostics;
  Context context{diagnostics};
  Zoo zoo;
  const auto root = parse_yaml(text, "a checkpoint's model", diagnostics);
  if (root) {
    MapReader reader(*root, {}, context);
    if (!read_zoo(reader, zoo)) diagnostics.add({}, "no network");
    reader.finish();
  }
  if (!diagnostics.empty()) throw StoreError("this version of shardmill does not know the network " + text);
  return zoo;
}

std::string_view name_of(const Zoo& zoo) {
  if (std::holds_alternative<Mlp>(zoo)) return "mlp";
  if (std::holds_alternative<Cnn>(zoo)) return "cnn";
  if (std::holds_alternative<Gpt>(zoo)) return "gpt";
  if (std::holds_alternative<Encoder>(zoo)) return "encoder";
  const int depth = std::get<ResNet>(zoo).depth;
  return depth == 18 ? "resnet18" : depth == 34 ? "resnet34" : "resnet50";
}

}  // namespace shardmill::job
