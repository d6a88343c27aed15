// The parts of the spool's benchmark that spool_table.py puts together; JSON on stdout. Sizes are in MiB.
//
//   spool_bench append raw|spool FOLDER LOAD SIZE [drained]   into a new file or spool in FOLDER
//   spool_bench fill FOLDER BUDGET SIZE                       and ends properly
//   spool_bench commit FOLDER BUDGET                          until it is killed; a line for each commit
//   spool_bench open FOLDER BUDGET                            as an agent that starts
//   spool_bench look FOLDER                                   as a command beside it
//   spool_bench budget FOLDER BUDGET SIZE                     drops what has to leave
//   spool_bench runs FOLDER COUNT                             so many runs of frames, then commits
#include <exception>
#include <iostream>
#include <optional>

#include "tests/bench/spool_loads.h"

namespace {

using namespace joulespool::bench;

using Words = std::vector<std::string>;

uint64_t mib(const std::string& text) { return std::stoull(text) << 20; }

std::optional<nlohmann::json> run(const Words& words) {
  const size_t count = words.size();
  const std::string what = count == 0 ? "" : words[0];
  if (what == "append" && (count == 5 || (count == 6 && words[5] == "drained")))
    return measure_append(words[1], words[2], find_load(words[3]), mib(words[4]), count == 6);
  if (what == "fill" && count == 4) return fill(words[1], mib(words[2]), mib(words[3]));
  if (what == "commit" && count == 3) commit_for_ever(words[1], mib(words[2]));
  if (what == "open" && count == 3) return measure_open(words[1], mib(words[2]));
  if (what == "look" && count == 2) return measure_look(words[1]);
  if (what == "budget" && count == 4) return measure_budget(words[1], mib(words[2]), mib(words[3]));
  if (what == "runs" && count == 3) return measure_runs(words[1], std::stoull(words[2]));
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto result = run(Words(argv + 1, argv + argc));
    if (!result) {
      std::cerr << "spool_bench: see the comment at the top of tests/bench/spool_bench.cpp\n";
      return 2;
    }
    std::cout << *result << "\n";
  } catch (const std::exception& error) {
    std::cerr << "spool_bench: " << error.what() << "\n";
    return 3;
  }
  return 0;
}
