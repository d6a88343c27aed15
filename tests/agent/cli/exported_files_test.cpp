// What other programs read: checked by a Python script without our code.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "agent/base/int128.h"
#include "tests/agent/cli/cli_run.h"
#include "tests/support/device_spool.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::test;

TEST_CASE("exported files: numpy reads columns and raw samples as docs/export.md says, and a PNG decoder the picture") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool spool(directory / "s");
  int128 p_sum = 0;
  for (uint64_t first = 0; first < 5; ++first) {
    std::vector<float> i(1000), v(1000, 3.0F);
    for (size_t k = 0; k < i.size(); ++k)
      i[k] = static_cast<float>(k) * (first % 2 == 0 ? 1e5F : -1.5e5F);  // sums beyond 64 bits
    i[7] = std::numeric_limits<float>::quiet_NaN();
    spool.factory().header.labels = {{"run", std::to_string(first / 2)}};
    p_sum += spool.add(spool.factory().stat(std::vector{window_of(first * 2000, 2, i, v)})).p_sum;
    spool.add(spool.factory().wave(first * 2000, i, v));
  }
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "spool");
    arguments.insert(arguments.end(), {"--spool", directory / "s"});
    const CliResult result = run_in_process(arguments);
    REQUIRE_MESSAGE(result.exit_code == 0, result.err);
  };
  run({"export", "--format", "columns", "--output", directory / "columns"});
  run({"export", "--format", "raw", "--output", directory / "raw"});
  run({"plot", "--png", directory / "x.png", "--size", "640x480"});
  const std::string command =
      "/usr/bin/python3 tests/agent/cli/exported_files_check.py " + directory.path() + " " + to_decimal(p_sum);
  CHECK(std::system(command.c_str()) == 0);
}
