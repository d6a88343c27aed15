#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/cli/output_file.h"
#include "agent/cli/plot_source.h"
#include "agent/cli/png_file.h"
#include "agent/cli/progress.h"
#include "agent/cli/settings_flags.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

struct PlotFlags {
  std::shared_ptr<SpoolFlags> spool;
  std::shared_ptr<SequenceFilter> filter;
  std::shared_ptr<TimeFlags> time;
  std::string what, size, png;
  bool is_logarithmic = false;
};

struct Size {
  size_t width = 0, height = 0;
};

constexpr Size text_size_default = {80, 24}, png_size_default = {1600, 900};
constexpr Size text_size_max = {1000, 1000};

// "80x24"
Result<Size> parse_size(const std::string& text, const Size& min, const Size& max) {
  Size size;
  const char* const end = text.data() + text.size();
  const auto width = std::from_chars(text.data(), end, size.width);
  if (width.ec == std::errc() && width.ptr != end && *width.ptr == 'x') {
    const auto height = std::from_chars(width.ptr + 1, end, size.height);
    const bool is_within =
        size.width >= min.width && size.height >= min.height && size.width <= max.width && size.height <= max.height;
    if (height.ec == std::errc() && height.ptr == end && is_within) return size;
  }
  const auto name = [](const Size& one) { return std::to_string(one.width) + "x" + std::to_string(one.height); };
  return Error{Errc::usage, "--size: '" + printable(text) + "' is not a size between " + name(min) + " and " + name(max)};
}

Size terminal_size(const Surroundings& surroundings) {
  winsize window{};
  const bool is_terminal = &surroundings.out == &std::cout && isatty(STDOUT_FILENO) == 1;
  if (!is_terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0 || window.ws_row < 2)
    return text_size_default;
  return {std::clamp<size_t>(window.ws_col, text_columns_min, text_size_max.width),
          std::clamp<size_t>(window.ws_row - 1U, text_rows_min, text_size_max.height)};  // a line is left for the prompt
}

Result<Size> size_of(const PlotFlags& flags, const Surroundings& surroundings) {
  if (!flags.png.empty()) {
    if (flags.size.empty()) return png_size_default;
    return parse_size(flags.size, {pixels_min * 2, pixels_min}, {pixels_max, pixels_max});
  }
  if (flags.size.empty()) return terminal_size(surroundings);
  return parse_size(flags.size, {text_columns_min, text_rows_min}, text_size_max);
}

PlotRequest request_of(const PlotFlags& flags, const Size& size) {
  PlotRequest request;
  request.filter = *flags.filter;
  request.time = *flags.time;
  if (flags.what == "windows") request.what = PlotWhat::windows;
  if (flags.what == "samples") request.what = PlotWhat::samples;
  request.columns =
      flags.png.empty() ? text_place(size.width, size.height).columns * 2 : size.width - pixel_margin_left - pixel_margin_right;
  return request;
}

nlohmann::json extent_json(const Extent& extent) {
  if (extent.is_empty()) return nullptr;
  return {extent.min, extent.max};
}

nlohmann::json to_json(const Plot& plot) {
  nlohmann::json columns = nlohmann::json::array();
  for (const Extents& column : plot.envelope.columns())
    columns.push_back({{"i", extent_json(column.i)}, {"v", extent_json(column.v)}, {"p", extent_json(column.p)}});
  return {
      {"version", json_version},          {"title", plot.title}, {"footer", plot.footer}, {"first_ns", plot.envelope.first_ns()},
      {"end_ns", plot.envelope.end_ns()}, {"columns", columns}};
}

Status write_png(const Plot& plot, const Size& size, const std::string& path) {
  auto file = OutputFile::create(path);
  if (!file) return file.error();
  const auto bytes = encode_png(draw_pixels(plot, size.width, size.height));
  if (!bytes) return bytes.error();
  if (Status status = (*file)->write(*bytes); !status) return status;
  return (*file)->finish();
}

Result<Plot> read_plot(const PlotFlags& flags, const Size& size, const Surroundings& surroundings) {
  const auto place = flags.spool->place(surroundings);
  if (!place) return place.error();
  const auto reader = SpoolFlags::open(*place);
  if (!reader) return reader.error();
  std::optional<Progress> progress;
  return make_plot(**reader, request_of(flags, size), [&](uint64_t done, uint64_t total) {
    if (!progress)
      progress.emplace(surroundings.clock, surroundings.err, shows_progress(surroundings, flags.spool->json), "plot", total,
                       Progress::Unit::bytes);
    progress->advance(done);
  });
}

Result<ExitCode> run(const PlotFlags& flags, const Surroundings& surroundings) {
  const auto size = size_of(flags, surroundings);
  if (!size) return size.error();
  auto plot = read_plot(flags, *size, surroundings);
  if (!plot) return plot.error();
  plot->current_is_logarithmic = flags.is_logarithmic;
  if (!flags.png.empty())
    if (const Status status = write_png(*plot, *size, flags.png); !status) return status.error();
  if (flags.spool->json) surroundings.out << to_json(*plot).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  else if (flags.png.empty())
    for (const std::string& line : draw_text(*plot, size->width, size->height)) surroundings.out << line << '\n';
  return exit_ok;
}

}  // namespace

Action add_spool_plot(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = std::make_shared<PlotFlags>();
  flags->spool = SpoolFlags::add(app);
  flags->filter = SequenceFilter::add(app, false);
  flags->time = TimeFlags::add(app);
  app.add_option("--what", flags->what, "windows or samples; without it, what fits the range")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"windows", "samples"}));
  app.add_flag("--log", flags->is_logarithmic, "Logarithmic scale for the current");
  app.add_option("--size", flags->size,
                 "Of the picture: in characters (default: the terminal's, or 80x24), with --png in pixels (default 1600x900)")
      ->type_name("WIDTHxHEIGHT");
  app.add_option("--png", flags->png, "Write a PNG file instead of text")->type_name("FILE");
  return [flags, &surroundings] { return run(*flags, surroundings); };
}

}  // namespace joulespool::cli
